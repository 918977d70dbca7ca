"""As test_core_nomem.py, for calls of an ASGI application that end in the run beat.

A call that waits is left out: where asyncio's own turn runs out of memory, run_forever ends with
MemoryError, on its own loop as on ours.
"""

from __future__ import annotations

import importlib.util
import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from core_harness import PATIENCE
from test_core_nomem import ALLOCATIONS, ask, statuses

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("_testcapi") is None, reason="CPython's _testcapi is not installed"
)

SCRIPT = """
import asyncio, json, logging, signal, socket, sys
import _testcapi
from freastal import _core
from freastal.loop import EventLoop

for name in ("freastal.error", "asyncio"):
    logging.getLogger(name).addHandler(logging.NullHandler())
    logging.getLogger(name).propagate = False
sys.unraisablehook = lambda what: None
START = {"type": "http.response.start", "status": 200, "headers": [(b"x-long", b"y")] * 20}
BODY = {"type": "http.response.body", "body": b"x" * 100}


async def whole(receive, send, arm):
    arm()
    await send(START)
    await send(BODY)


async def reader(receive, send, arm):
    arm()
    await receive()
    await send(START)
    await send(BODY)


async def raiser(receive, send, arm):
    arm()
    raise ValueError


HANDLERS = {each.__name__: each for each in (whole, reader, raiser)}


async def app(scope, receive, send):
    _testcapi.remove_mem_hooks()
    number = int(scope["query_string"])

    def arm():
        if number:
            _testcapi.set_nomemory(number, number + 1)

    await HANDLERS[scope["path"][1:]](receive, send, arm)


async def main():
    loop = asyncio.get_running_loop()
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    over = asyncio.Event()
    worker = _core.Worker(
        app, [listener.fileno()], interface="asgi", loop=loop, tasks=loop, stopped=over.set
    )

    def stop():
        _testcapi.remove_mem_hooks()
        worker.stop(1)

    loop.add_signal_handler(signal.SIGTERM, stop)
    print(listener.getsockname()[1], flush=True)
    await over.wait()
    _testcapi.remove_mem_hooks()
    print(json.dumps(worker.counters()["live"]), flush=True)
    worker.close()


loop = EventLoop()
loop.run_until_complete(main())
loop.close()
"""


@pytest.mark.parametrize("name", ["whole", "reader", "raiser"])
def test_each_allocation_fails_once(name: str, tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-X", "faulthandler", "-c", SCRIPT],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline())
            healthy = ask(port, name, 0)
            answers = [ask(port, name, number) for number in range(1, ALLOCATIONS)]
            assert len(statuses(ask(port, name, 0))) == len(statuses(healthy)) == 2
            process.send_signal(signal.SIGTERM)
            live = json.loads(process.stdout.readline())
            assert process.wait(PATIENCE) == 0
        finally:
            process.kill()
    assert not {key: value for key, value in live.items() if value}
    seen = [statuses(answer) for answer in answers]
    assert {status for each in seen for status in each} <= {b"200", b"500"}
    assert name == "raiser" or any(each != statuses(healthy) for each in seen)
    assert seen[-1] == statuses(healthy)
