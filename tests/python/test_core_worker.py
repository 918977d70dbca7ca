"""``_core.Worker``: its arguments, its life, its counters; and the table of options."""

from __future__ import annotations

import gc
import math
import os
import socket
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from core_harness import PATIENCE, TEXT, Environ, StartResponse, listen, serving, settle

from freastal import _core
from freastal.board import SIZE, Board
from freastal.options import OPTIONS, Kind


def hello(environ: Environ, start_response: StartResponse) -> list[bytes]:
    start_response("200 OK", TEXT)
    return [b"hello"]


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with listen() as sock:
        yield sock


def test_the_two_tables_of_options_are_equal() -> None:
    types = {Kind.INT: "int", Kind.SECONDS: "float", Kind.SWITCH: "bool"}
    expected = [
        {
            "name": row.name,
            "type": types[row.kind],
            "default": row.default,
            "minimum": row.minimum,
            "maximum": row.maximum,
        }
        for row in OPTIONS.values()
        if row.core
    ]
    by_name = {row["name"]: dict(row) for row in _core.OPTIONS}
    assert by_name == {row["name"]: row for row in expected}


def test_version_is_the_package_s() -> None:
    import freastal

    assert _core.__version__ == freastal.__version__


@pytest.mark.parametrize("row", _core.OPTIONS, ids=lambda row: row["name"])
def test_values_of_each_option(listener: socket.socket, row: dict[str, Any]) -> None:
    def make(value: object) -> None:
        _core.Worker(hello, [listener.fileno()], **{row["name"]: value})  # type: ignore[arg-type]

    for good in (row["default"], row["minimum"], row["maximum"]):
        make(good)
    if row["type"] == "bool":
        for number in (0, 1, 1.0, "on", None):
            with pytest.raises(TypeError, match=row["name"]):
                make(number)
        return
    for bad in (row["minimum"] - 1, row["maximum"] + 1, 2**200, -(2**200)):
        with pytest.raises(ValueError, match=row["name"]):
            make(bad)
    for wrong in ("1", None, True, 1j, [1]):
        with pytest.raises(TypeError, match=row["name"]):
            make(wrong)
    if row["type"] == "float":
        make(0.5)
        for bad in (math.nan, math.inf, -math.inf, -0.5):
            with pytest.raises(ValueError, match=row["name"]):
                make(bad)
    else:
        with pytest.raises(TypeError, match=row["name"]):
            make(1.5)


@pytest.mark.parametrize(
    ("args", "kwargs", "error"),
    [
        ((), {}, TypeError),
        ((hello,), {}, TypeError),
        ((hello, [], []), {}, TypeError),
        ((None, []), {}, TypeError),
        ((hello, None), {}, TypeError),
        ((hello, 5), {}, TypeError),
        ((hello, ["0"]), {}, TypeError),
        ((hello, [-1]), {}, ValueError),
        ((hello, [10**9]), {}, OSError),
        ((hello, []), {"threadz": 1}, TypeError),
        ((hello, []), {"wakeup_fd": "x"}, TypeError),
        ((hello, []), {"wakeup_fd": -2}, ValueError),
        ((hello, []), {"wakeup_fd": 10**9}, OSError),
        ((hello, []), {"access_log_fd": 1.5}, TypeError),
        ((hello, []), {"board": 1}, TypeError),
        ((hello, []), {"board": bytes(SIZE)}, BufferError),
        ((hello, []), {"board": bytearray(SIZE - 1)}, ValueError),
        ((hello, []), {"board": memoryview(bytearray(SIZE + 8))[1:]}, ValueError),
    ],
)
def test_wrong_arguments(args: Any, kwargs: Any, error: type[Exception]) -> None:
    _core.Worker(hello, [])  # libuv's first loop opens descriptors that stay
    settle()  # what an earlier test has left
    before = os.listdir("/proc/self/fd")
    with pytest.raises(error):
        _core.Worker(*args, **kwargs)
    settle()
    assert os.listdir("/proc/self/fd") == before


def test_descriptors_that_do_not_listen(tmp_path: Path) -> None:
    with open(tmp_path / "file", "w") as file, pytest.raises(OSError, match="operating system"):
        _core.Worker(hello, [file.fileno()])


def test_worker_that_never_runs_leaves_nothing(listener: socket.socket) -> None:
    settle()
    before = sorted(os.listdir("/proc/self/fd"))
    for threads in (1, 3):
        worker = _core.Worker(hello, [listener.fileno()], threads=threads)
        worker.stop(0)
        worker.stop(1.5)
        del worker
    settle()
    assert sorted(os.listdir("/proc/self/fd")) == before
    with listener.dup() as still_open:
        assert still_open.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1


@pytest.mark.parametrize("threads", [1, 3])
def test_descriptors_and_threads_are_given_back(threads: int) -> None:
    with serving(hello, threads=threads) as server:
        assert server.ask().body == b"hello"
    del server
    settle()
    before = sorted(os.listdir("/proc/self/fd")), threading.active_count()
    for _ in range(3):
        with serving(hello, threads=threads) as server:
            assert server.ask().body == b"hello"
        del server
        settle()
    deadline = time.monotonic() + PATIENCE
    while threading.active_count() > before[1] and time.monotonic() < deadline:
        time.sleep(0.01)  # a thread that has left our function is on its way out of Python's
    assert (sorted(os.listdir("/proc/self/fd")), threading.active_count()) == before


def test_run_once(listener: socket.socket) -> None:
    worker = _core.Worker(hello, [listener.fileno()])
    worker.stop(0)
    worker.run()
    with pytest.raises(RuntimeError):
        worker.run()
    worker.stop(0)


def test_init_once(listener: socket.socket) -> None:
    worker = _core.Worker(hello, [listener.fileno()])
    with pytest.raises(RuntimeError):
        worker.__init__(hello, [listener.fileno()])


@pytest.mark.parametrize("grace", [-1, math.nan, "1", None])
def test_grace(listener: socket.socket, grace: Any) -> None:
    worker = _core.Worker(hello, [listener.fileno()])
    with pytest.raises((ValueError, TypeError)):
        worker.stop(grace)


def test_application_may_stop_its_worker() -> None:
    """From inside the call: this request is answered, and the connection ends with it."""
    served: list[Any] = []

    def app(environ: Environ, start_response: StartResponse) -> list[bytes]:
        served[0].worker.stop(5)
        start_response("200 OK", TEXT)
        return [b"last"]

    with serving(app) as server:
        served.append(server)
        answer = server.ask()
        assert (answer.body, answer.headers["Connection"]) == (b"last", "close")
    served.clear()


def test_application_may_not_run_its_worker() -> None:
    served: list[Any] = []

    def app(environ: Environ, start_response: StartResponse) -> list[bytes]:
        with pytest.raises(RuntimeError):
            served[0].worker.run()
        start_response("200 OK", TEXT)
        return [b"done"]

    with serving(app) as server:
        served.append(server)
        assert server.ask().body == b"done"
    served.clear()


def test_board() -> None:
    """What the core writes is what the supervisor reads."""
    board = Board()
    assert (board.step, board.requests, board.line) == (None, 0, "")
    seen: list[tuple[float | None, str]] = []

    def look(environ: Environ, start_response: StartResponse) -> list[bytes]:
        seen.append((board.step, board.line))
        return hello(environ, start_response)

    before = time.monotonic()
    with serving(look, board=board.memory) as server:
        for target in ("/%ffa?b=c", "/next"):
            server.ask(target)
        assert board.requests == 2
    steps = [step for step, _ in seen if step is not None]
    assert [line for _, line in seen] == ["GET /%ffa?b=c", "GET /next"]
    assert len(steps) == 2
    assert before - 1 < steps[0] <= steps[1] <= time.monotonic()
    assert board.step is None
    del server
    settle()
    board.close()  # nobody holds it any more


def test_counters() -> None:
    with serving(hello) as server:
        for _ in range(3):
            server.ask()
    counters = server.worker.counters()
    assert (counters["accepted"], counters["requests"], counters["refused"]) == (3, 3, 0)
    assert sum(counters["closed"].values()) == 3
    assert set(counters["live"]) >= {"connections", "exchanges", "calls", "buffers", "pieces"}


def test_cycle_through_the_application_is_collected(listener: socket.socket) -> None:
    class App:
        worker: _core.Worker | None = None

        def __call__(self, environ: Environ, start_response: StartResponse) -> list[bytes]:
            return hello(environ, start_response)

    app = App()
    app.worker = _core.Worker(app, [listener.fileno()])
    gone = weakref.ref(app)
    del app
    settle()
    assert gone() is None


def test_types_are_closed() -> None:
    """They come from the server only, but for the file wrapper, and nobody changes them."""
    seen: dict[str, Any] = {}

    def app(environ: Environ, start_response: StartResponse) -> list[bytes]:
        seen.update(environ, start_response=start_response)
        seen["write"] = start_response("200 OK", TEXT)
        return []

    with serving(app) as server:
        server.ask(method="POST", body=b"x")
    for name in ("wsgi.input", "wsgi.errors", "start_response", "write"):
        kind = type(seen[name])
        with pytest.raises(TypeError):
            kind()
        with pytest.raises(TypeError):
            kind.extra = 1
        with pytest.raises(TypeError):
            type("Derived", (kind,), {})
    seen.clear()


def run_script(directory: Path, script: str, *args: str) -> subprocess.CompletedProcess[str]:
    """Runs it in an interpreter of its own, away from the checkout's sources."""
    return subprocess.run(
        [sys.executable, "-c", script, *args],
        cwd=directory,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


SIGNAL_SCRIPT = """
import os, signal, socket, sys, threading, time
from freastal import _core

class Stop(Exception):
    pass

def handler(*_):
    if sys.argv[1] == "raise":
        raise Stop("from the handler")
    worker.stop(0)

listener = socket.create_server(("127.0.0.1", 0))
listener.setblocking(False)
readable, writable = os.pipe()
os.set_blocking(writable, False)
signal.set_wakeup_fd(writable)
signal.signal(signal.SIGTERM, handler)
worker = _core.Worker(lambda environ, start_response: [], [listener.fileno()], wakeup_fd=readable)
threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM)).start()
try:
    worker.run()
    print("stopped", flush=True)
except Stop as stop:
    print("raised", stop, flush=True)
"""


@pytest.mark.parametrize(
    ("way", "output"), [("raise", "raised from the handler\n"), ("stop", "stopped\n")]
)
def test_signal_handlers_run_while_the_loop_waits(tmp_path: Path, way: str, output: str) -> None:
    process = run_script(tmp_path, SIGNAL_SCRIPT, way)
    assert (process.stdout, process.returncode) == (output, 0), process.stderr


def test_keyboard_interrupt_leaves_an_idle_worker(tmp_path: Path) -> None:
    script = SIGNAL_SCRIPT.replace("signal.signal(signal.SIGTERM, handler)", "")
    process = run_script(tmp_path, script.replace("SIGTERM", "SIGINT"), "raise")
    assert "KeyboardInterrupt" in process.stderr
    assert process.stdout == ""


def test_closed_wakeup_pipe_does_not_spin(listener: socket.socket) -> None:
    readable, writable = os.pipe()
    worker = _core.Worker(hello, [listener.fileno()], wakeup_fd=readable)
    os.close(writable)
    thread = threading.Thread(target=worker.run)
    thread.start()
    began = time.process_time()
    time.sleep(0.3)
    spent = time.process_time() - began
    worker.stop(0)
    thread.join(PATIENCE)
    os.close(readable)
    assert spent < 0.25, "the loop turned without a pause"


INTERPRETER_SCRIPT = """
import socket
from freastal import _core
listener = socket.create_server(("127.0.0.1", 0))
listener.setblocking(False)

def app(environ, start_response):
    start_response("200 OK", [])
    worker.stop(5)
    return [b"inner"]

worker = _core.Worker(app, [listener.fileno()])
with socket.create_connection(listener.getsockname()) as client:
    client.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
    worker.run()
    data = b""
    while piece := client.recv(1000):
        data += piece
assert data.endswith(b"inner"), data
"""


def test_interpreters_share_nothing(tmp_path: Path) -> None:
    """A second interpreter imports the module and runs a worker of its own."""
    module = "_xxsubinterpreters" if sys.version_info < (3, 13) else "_interpreters"
    outer = f"""
import sys, {module} as interpreters
one = interpreters.create()
failure = interpreters.run_string(one, sys.argv[1])
assert failure is None, failure
interpreters.destroy(one)
exec(sys.argv[1])
print("both")
"""
    process = run_script(tmp_path, outer, INTERPRETER_SCRIPT)
    assert (process.stdout, process.returncode) == ("both\n", 0), process.stderr


def test_garbage_collector_sees_a_worker(listener: socket.socket) -> None:
    worker = _core.Worker(hello, [listener.fileno()])
    assert gc.is_tracked(worker)
    assert hello in gc.get_referents(worker)
