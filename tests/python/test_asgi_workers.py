"""ASGI applications in worker processes: their lifespan, their loop, their end."""

from __future__ import annotations

import http.client
import os
import signal
import socket
from pathlib import Path

import pytest
from harness import freastal, script, wait_until

import freastal as package

STOP_SIGNALS = [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT]

APP = """
import asyncio, os, sys
from pathlib import Path

async def application(scope, receive, send):
    if scope["type"] == "lifespan":
        return await lifespan(scope, receive, send)
    if scope["path"] == "/wait":
        Path("waiting").touch()
        while not Path("go").exists():
            await asyncio.sleep(0.01)
    await handle(scope, receive, send)

async def handle(scope, receive, send):
    await answer(send, b"pid %d" % os.getpid())

async def answer(send, body):
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})

async def lifespan(scope, receive, send):
    while True:
        kind = (await receive())["type"]
        print(kind, flush=True)
        await send({"type": kind + ".complete"})
"""


def with_lifespan(body: str) -> str:
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    return f"{APP}\nasync def lifespan(scope, receive, send):\n{lines}"


def with_handler(body: str) -> str:
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    return f"{APP}\nasync def handle(scope, receive, send):\n{lines}"


def body_of(connection: http.client.HTTPConnection) -> str:
    return connection.getresponse().read().decode()


LIFE = ["lifespan.startup", "lifespan.shutdown"]


class TestStart:
    @pytest.mark.parametrize(
        ("options", "loop"), [([], "asyncio"), (["--loop", "asyncio"], "asyncio")]
    )
    def test_says_what_it_took(self, tmp_path: Path, options: list[str], loop: str) -> None:
        with freastal(tmp_path, "-w", "2", *options, app=APP, ready=False) as server:
            server.wait_for("pid ")
            lines = server.log.splitlines()
            assert server.stop() == 0
        assert lines == [
            f"freastal {package.__version__}: wanted (asgi)",
            f"  http://127.0.0.1:{server.ports[0]}",
            f"  2 workers on {loop} over libuv, pid {server.pid}",
        ]
        assert server.output.splitlines() == [LIFE[0]] * 2 + [LIFE[1]] * 2

    def test_on_uvloop(self, tmp_path: Path) -> None:
        app = with_handler(
            "await answer(send, type(asyncio.get_running_loop()).__module__.encode())"
        )
        with freastal(tmp_path, "--loop", "uvloop", app=app) as server:
            assert "1 worker on uvloop" in server.log
            assert server.get() == "uvloop"
            assert server.stop() == 0
        assert server.output.splitlines() == LIFE

    def test_uvloop_is_not_installed(self, tmp_path: Path) -> None:
        (tmp_path / "uvloop.py").write_text("raise ImportError('as if it were not there')")
        with freastal(tmp_path, "--loop", "uvloop", app=APP, ready=False) as server:
            assert server.wait() == 2
        assert server.log == (
            "freastal: --loop uvloop: uvloop is not installed (pip install 'freastal[uvloop]')\n"
        )

    def test_serve_asgi_word_for_word(self, tmp_path: Path) -> None:
        with socket.create_server(("0.0.0.0", 0)) as free:
            port = free.getsockname()[1]
        source = (
            f"import freastal\n{APP}\napp = application\n"
            f'freastal.serve_asgi(app, host="0.0.0.0", port={port}, workers=4)\n'
        )
        with script(tmp_path, source) as server:
            assert server.log.splitlines()[1] == f"  http://0.0.0.0:{port}"
            assert len(server.worker_pids(4)) == 4
            assert server.stop() == 0

    def test_serve_sees_it_by_itself(self, tmp_path: Path) -> None:
        source = f"import freastal\n{APP}\nfreastal.serve(application, port=0)\n"
        with script(tmp_path, source) as server:
            assert "(asgi)" in server.log
            assert server.get().startswith("pid ")
            assert server.stop() == 0

    def test_options_of_the_other_interface_are_named(self, tmp_path: Path) -> None:
        with freastal(tmp_path, "--threads", "2", app=APP) as server:
            server.wait_for("--threads means nothing to ASGI")
            assert server.stop() == 0
        with freastal(tmp_path, "--root-path", "/a") as server:
            server.wait_for("--root-path means nothing to WSGI")
            assert server.stop() == 0

    def test_the_root_path(self, tmp_path: Path) -> None:
        app = with_handler('await answer(send, repr((scope["root_path"], scope["path"])).encode())')
        with freastal(tmp_path, "--root-path", "/api/", app=app) as server:
            assert server.get("/a") == "('/api', '/api/a')"
            assert server.stop() == 0


class TestFailedStart:
    def fails(self, directory: Path, app: str, *arguments: str) -> str:
        with freastal(directory, "-w", "2", *arguments, app=app, ready=False) as server:
            assert server.wait() == 3
        return server.log

    @pytest.mark.parametrize("lifespan", ["auto", "on"])
    def test_startup_failed(self, tmp_path: Path, lifespan: str) -> None:
        app = with_lifespan('await send({"type": "lifespan.startup.failed", "message": "no db"})')
        log = self.fails(tmp_path, app, "--lifespan", lifespan)
        assert log == "freastal: the application failed to start: no db\n"

    def test_an_exception(self, tmp_path: Path) -> None:
        log = self.fails(tmp_path, with_lifespan("1 / 0"), "--lifespan", "on")
        first, *_, last = log.splitlines()
        assert first == "Traceback (most recent call last):"
        assert last.startswith("freastal: the application's lifespan failed with ZeroDivisionError")
        assert log.count("Traceback") == 1

    def test_an_exception_is_no_lifespan(self, tmp_path: Path) -> None:
        with freastal(tmp_path, app=with_lifespan("1 / 0")) as server:
            assert server.get().startswith("pid ")
            assert server.stop() == 0
        assert "ZeroDivisionError" not in server.log

    def test_off(self, tmp_path: Path) -> None:
        with freastal(tmp_path, "--lifespan", "off", app=with_lifespan("os._exit(9)")) as server:
            assert server.get().startswith("pid ")
            assert server.stop() == 0

    def test_stopped_while_it_starts(self, tmp_path: Path) -> None:
        app = with_lifespan(
            "Path('starting').touch()\n"
            "try:\n    await asyncio.sleep(3600)\n"
            "finally:\n    Path('cleaned').touch()\n"
        )
        with freastal(tmp_path, app=app, ready=False) as server:
            wait_until((tmp_path / "starting").exists, "the startup")
            assert server.stop() == 0
        assert (tmp_path / "cleaned").exists()
        assert server.log.count("\n") == 1

    def test_a_startup_that_hangs_is_ended(self, tmp_path: Path) -> None:
        app = with_lifespan("Path('starting').touch()\nimport time\ntime.sleep(3600)")
        options = ["--timeout-graceful-shutdown", "0.1"]
        with freastal(tmp_path, *options, app=app, ready=False) as server:
            wait_until((tmp_path / "starting").exists, "the startup")
            assert server.stop() == 0
        assert "wanted.py" in server.log


class TestStop:
    @pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
    @pytest.mark.parametrize("number", STOP_SIGNALS)
    def test_idle(self, tmp_path: Path, number: int, loop: str) -> None:
        with freastal(tmp_path, "-w", "2", "--loop", loop, app=APP) as server:
            server.worker_pids(2)
            assert server.stop(number) == 0
        assert server.output.splitlines() == [LIFE[0]] * 2 + [LIFE[1]] * 2

    @pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
    def test_a_request_in_flight_finishes(self, tmp_path: Path, loop: str) -> None:
        with freastal(tmp_path, "--loop", loop, app=APP) as server:
            connection = server.ask_slowly()
            server.send(signal.SIGTERM)
            server.wait_for("stopping")
            server.let_go()
            assert body_of(connection).startswith("pid ")
            assert server.wait() == 0
        assert server.output.splitlines() == LIFE

    def test_a_second_signal_ends_now(self, tmp_path: Path) -> None:
        with freastal(tmp_path, app=APP) as server:
            connection = server.ask_slowly()
            server.send(signal.SIGTERM)
            server.wait_for("stopping")
            assert server.stop() == 1
            with pytest.raises(ConnectionError):
                connection.getresponse()

    @pytest.mark.parametrize("options", [["--timeout-graceful-shutdown", "0.1"], []])
    def test_calls_that_do_not_end_are_cancelled(self, tmp_path: Path, options: list[str]) -> None:
        number = signal.SIGTERM if options else signal.SIGQUIT
        app = APP.replace(
            "    await handle(",
            "    try: await asyncio.sleep(3600)\n"
            "    finally: print('cancelled', flush=True)\n    await handle(",
        ).replace('scope["path"] == "/wait"', "True")
        app = app.replace("while not", "while False and not")
        with freastal(tmp_path, *options, app=app) as server:
            connection = server.ask_slowly()
            assert server.stop(number) == 0
            with pytest.raises(ConnectionError):
                connection.getresponse()
        assert server.output.splitlines() == [LIFE[0], "cancelled", LIFE[1]]
        assert "Traceback" not in server.log

    def test_one_that_blocks_the_loop_is_shown_and_cut_off(self, tmp_path: Path) -> None:
        app = APP.replace("await asyncio.sleep(0.01)", "__import__('time').sleep(0.01)")
        with freastal(tmp_path, "--timeout-graceful-shutdown", "0.1", app=app) as server:
            connection = server.ask_slowly()
            assert server.stop() == 0
            with pytest.raises(ConnectionError):
                connection.getresponse()
        assert "wanted.py" in server.log

    def test_when_the_supervisor_vanishes(self, tmp_path: Path) -> None:
        with freastal(tmp_path, "-w", "2", app=APP) as server:
            connection = server.ask_slowly()
            server.send(signal.SIGKILL)
            server.wait_for("the supervisor has vanished", 2)
            server.let_go()
            assert body_of(connection).startswith("pid ")
            server.wait_all_gone()

    def test_what_an_asyncio_runner_does_at_its_end(self, tmp_path: Path) -> None:
        app = with_lifespan(
            "async def background():\n"
            "    try: await asyncio.sleep(3600)\n"
            "    finally: print('task', flush=True)\n"
            "async def generator():\n"
            "    try:\n        while True: yield\n"
            "    finally:\n        print('generator', flush=True)\n        go.set()\n"
            "import atexit, builtins, threading\n"
            "go = threading.Event()\n"
            "def thread():\n"
            "    go.wait()\n"
            "    print('thread', flush=True)\n"
            "builtins.keep = asyncio.create_task(background()), generator()\n"
            "await builtins.keep[1].__anext__()\n"
            "asyncio.get_running_loop().run_in_executor(None, thread)\n"
            "await receive()\n"
            "await send({'type': 'lifespan.startup.complete'})\n"
            "await receive()\n"
            "atexit.register(print, 'exit handler')\n"
            "print('shutdown', flush=True)\n"
        )
        with freastal(tmp_path, app=app) as server:
            assert server.stop() == 0
        assert server.output.splitlines() == [
            *["shutdown", "task", "generator", "thread", "exit handler"]
        ]

    def test_an_application_with_signal_handlers_of_its_own(self, tmp_path: Path) -> None:
        app = with_lifespan(
            "loop = asyncio.get_running_loop()\n"
            "loop.add_signal_handler(10, print, 'usr1')\n"
            "loop.remove_signal_handler(10)\n"
            "loop.add_signal_handler(12, lambda: print('usr2', flush=True))\n"
            "await receive()\n"
            "await send({'type': 'lifespan.startup.complete'})\n"
            "await receive()\n"
        )
        with freastal(tmp_path, app=app) as server:
            (pid,) = server.worker_pids(1)
            os.kill(pid, 12)
            wait_until(lambda: "usr2" in server.output, "the signal")
            assert server.stop() == 0


class TestFailuresOfTasks:
    def test_nobody_awaits_them(self, tmp_path: Path) -> None:
        app = with_handler(
            "async def background(): 1 / 0\n"
            "asyncio.create_task(background())\n"
            "await answer(send, b'answered')\n"
        )
        with freastal(tmp_path, app=app) as server:
            assert server.get() == "answered"
            server.wait_for(r"\[ERROR\] Task exception was never retrieved")
            server.wait_for("ZeroDivisionError")
            assert server.stop() == 0

    @pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
    @pytest.mark.parametrize("name", ["SystemExit", "KeyboardInterrupt"])
    def test_none_ends_the_server(self, tmp_path: Path, name: str, loop: str) -> None:
        app = with_handler(
            f"async def background(): raise {name}\n"
            "asyncio.create_task(background())\n"
            "await answer(send, b'pid %d' % os.getpid())\n"
        )
        with freastal(tmp_path, "--loop", loop, app=app) as server:
            pids = {server.get() for _ in range(5)}
            assert len(pids) == 1
            server.wait_for("has tried to end the process", 5)
            assert server.stop() == 0
        assert server.output.splitlines() == LIFE
