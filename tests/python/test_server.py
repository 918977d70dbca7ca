"""``freastal.Server`` inside a loop that somebody else runs: asyncio's own, ours, uvloop's."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import uvloop

import freastal
from freastal.addresses import TcpAddress, UnixAddress
from freastal.config import ConfigError
from freastal.lifespan import LifespanError
from freastal.loader import AppError
from freastal.loop import EventLoop
from freastal.sockets import ListenError

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

FOREVER = 3600.0
PATIENCE = 30.0

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "freastal": EventLoop,
    "uvloop": uvloop.new_event_loop,
}

Run = Callable[[Coroutine[Any, Any, None]], None]


@pytest.fixture(params=LOOPS)
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    """Runs a test's coroutine; nothing may be left on the loop."""
    loop = LOOPS[request.param]()

    def run_one(main: Coroutine[Any, Any, None]) -> None:
        loop.run_until_complete(asyncio.wait_for(main, PATIENCE))
        assert asyncio.all_tasks(loop) == set()

    yield run_one
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


class App:
    """Says what it has seen; waits where the path is /wait until it is told to go on."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.states: list[Any] = []
        self.waiting = asyncio.Event()
        self.go = asyncio.Event()

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.lifespan(scope, receive, send)
            return
        self.states.append(scope.get("state"))
        if scope["path"] == "/wait":
            await self.wait()
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": scope["path"].encode()})
        if scope["path"] == "/wait-after":
            await self.wait()
            self.seen.append("after")

    async def wait(self) -> None:
        self.waiting.set()
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.seen.append("cancelled")
            raise

    async def lifespan(self, scope: Message, receive: Receive, send: Send) -> None:
        await receive()
        scope["state"]["key"] = "value"
        self.seen.append("startup")
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self.seen.append("shutdown")
        await send({"type": "lifespan.shutdown.complete"})


async def no_lifespan(scope: Message, receive: Receive, send: Send) -> None:
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"state" if "state" in scope else b"none"})


async def fails_to_start(scope: Message, receive: Receive, send: Send) -> None:
    await send({"type": "lifespan.startup.failed", "message": "no database"})


def wsgi(environ: Any, start_response: Any) -> Any: ...


class Running(NamedTuple):
    """A server and the task in which it serves."""

    server: freastal.Server
    task: asyncio.Task[None]

    async def stop(self) -> None:
        self.server.should_exit = True
        await self.task


async def start(app: Any, **options: Any) -> Running:
    """Begin to serve and wait until it does."""
    if not options.keys() & {"sockets", "uds", "bind"}:
        options["port"] = 0
    server = freastal.Server(app, **options)
    task = asyncio.ensure_future(server.serve())
    while not server.started and not task.done():
        await asyncio.sleep(0.001)
    if task.done():
        task.result()
    return Running(server, task)


async def get(address: object, path: str = "/") -> bytes:
    """The body of a response; nothing where the connection ends before."""
    if isinstance(address, UnixAddress):
        reader, writer = await asyncio.open_unix_connection(address.path)
    else:
        assert isinstance(address, TcpAddress)
        reader, writer = await asyncio.open_connection(address.host, address.port)
    request = f"GET {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    writer.write(request.encode())
    try:
        answer = await reader.read()
    except ConnectionError:
        answer = b""
    writer.close()
    head, _, body = answer.partition(b"\r\n\r\n")
    if b"\r\ntransfer-encoding: chunked" in head.lower():
        body = body.split(b"\r\n")[1]
    return body


async def refused(address: object) -> bool:
    try:
        await get(address)
    except (ConnectionError, FileNotFoundError):  # reset: it came between the last look and the end
        return True
    return False


def test_it_serves_until_it_should_exit(run: Run) -> None:
    async def main() -> None:
        app = App()
        running = await start(app)
        (address,) = running.server.addresses
        assert await get(address, "/a") == b"/a"
        assert app.states == [{"key": "value"}]
        assert not running.server.should_exit
        await running.stop()
        assert app.seen == ["startup", "shutdown"]
        assert await refused(address)

    run(main())


def test_without_a_lifespan_there_is_no_state(run: Run) -> None:
    async def main() -> None:
        for lifespan in ("auto", "off"):
            running = await start(no_lifespan, lifespan=lifespan)
            assert await get(running.server.addresses[0]) == b"none"
            await running.stop()

    run(main())


def test_many_in_one_loop(run: Run) -> None:
    async def main() -> None:
        apps = [App() for _ in range(4)]
        servers = [await start(app) for app in apps]
        for index, running in enumerate(servers):
            assert await get(running.server.addresses[0], f"/{index}") == b"/%d" % index
        await servers[0].stop()
        answers = [get(running.server.addresses[0], "/again") for running in servers[1:]]
        assert await asyncio.gather(*answers) == [b"/again"] * 3
        await asyncio.gather(*[running.stop() for running in servers[1:]])
        assert [len(app.states) for app in apps] == [1, 2, 2, 2]

    run(main())


def test_one_after_the_other(run: Run) -> None:
    async def main() -> None:
        for _ in range(5):
            running = await start(App())
            assert await get(running.server.addresses[0], "/a") == b"/a"
            await running.stop()

    run(main())


def test_the_host_goes_on_meanwhile(run: Run) -> None:
    async def main() -> None:
        running = await start(App())
        ticks = 0

        async def tick() -> None:
            nonlocal ticks
            while True:
                await asyncio.sleep(0.001)
                ticks += 1

        ticking = asyncio.ensure_future(tick())
        while ticks < 20:
            assert await get(running.server.addresses[0], "/a") == b"/a"
        ticking.cancel()
        await asyncio.wait({ticking})
        await running.stop()

    run(main())


class TestStop:
    def test_after_its_end(self) -> None:
        servers = []

        async def main() -> None:
            running = await start(App())
            await running.stop()
            servers.append(running.server)

        asyncio.run(main())
        servers[0].should_exit = True  # its loop is closed

    def test_before_it_serves(self, run: Run) -> None:
        async def main() -> None:
            app = App()
            server = freastal.Server(app, port=0)
            server.should_exit = True
            await server.serve()
            assert not server.started
            assert app.seen == []

        run(main())

    def test_while_the_application_starts(self, run: Run) -> None:
        async def main() -> None:
            ended = []

            async def app(scope: Message, receive: Receive, send: Send) -> None:
                try:
                    await asyncio.sleep(FOREVER)
                finally:
                    ended.append(True)

            server = freastal.Server(app, port=0)
            task = asyncio.ensure_future(server.serve())
            await asyncio.sleep(0.01)
            server.should_exit = True
            await task
            assert ended == [True]
            assert not server.started

        run(main())

    def test_from_another_thread(self, run: Run) -> None:
        async def main() -> None:
            running = await start(App())

            def stop() -> None:
                running.server.should_exit = True

            thread = threading.Thread(target=stop)
            thread.start()
            await running.task
            thread.join()

        run(main())

    def test_requests_in_flight_finish(self, run: Run) -> None:
        async def main() -> None:
            app = App()
            running = await start(app)
            (address,) = running.server.addresses
            answer = asyncio.ensure_future(get(address, "/wait"))
            await app.waiting.wait()
            running.server.should_exit = True
            while not await refused(address):
                await asyncio.sleep(0.001)
            assert not running.task.done()
            app.go.set()
            assert await answer == b"/wait"
            await running.task
            assert app.seen == ["startup", "shutdown"]

        run(main())

    def test_what_goes_on_after_a_response_finishes(self, run: Run) -> None:
        async def main() -> None:
            app = App()
            running = await start(app)
            assert await get(running.server.addresses[0], "/wait-after") == b"/wait-after"
            await app.waiting.wait()
            running.server.should_exit = True
            await asyncio.sleep(0.01)
            app.go.set()
            await running.task
            assert app.seen == ["startup", "after", "shutdown"]

        run(main())

    @pytest.mark.parametrize("path", ["/wait", "/wait-after"])
    def test_out_of_time_they_are_cancelled(self, run: Run, path: str) -> None:
        async def main() -> None:
            app = App()
            running = await start(app, timeout_graceful_shutdown=0.05)
            answer = asyncio.ensure_future(get(running.server.addresses[0], path))
            await app.waiting.wait()
            await running.stop()
            assert app.seen == ["startup", "cancelled", "shutdown"]
            assert await answer in (b"", path.encode())

        run(main())


class TestCancellation:
    def test_is_a_graceful_stop(self, run: Run) -> None:
        async def main() -> None:
            app = App()
            running = await start(app)
            answer = asyncio.ensure_future(get(running.server.addresses[0], "/wait"))
            await app.waiting.wait()
            running.task.cancel()
            await asyncio.sleep(0.01)
            assert not running.task.done()
            app.go.set()
            assert await answer == b"/wait"
            with pytest.raises(asyncio.CancelledError):
                await running.task
            assert app.seen == ["startup", "shutdown"]

        run(main())

    def test_a_second_one_is_none(self, run: Run) -> None:
        async def main() -> None:
            app = App()
            running = await start(app)
            answer = asyncio.ensure_future(get(running.server.addresses[0], "/wait"))
            await app.waiting.wait()
            for _ in range(2):
                running.task.cancel()
                await asyncio.sleep(0.01)
            with pytest.raises(asyncio.CancelledError):
                await running.task
            assert app.seen == ["startup", "cancelled", "shutdown"]
            assert await answer == b""

        run(main())

    def test_while_the_application_starts(self, run: Run) -> None:
        async def main() -> None:
            async def app(scope: Message, receive: Receive, send: Send) -> None:
                await asyncio.sleep(FOREVER)

            server = freastal.Server(app, port=0)
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(server.serve(), 0.01)
            assert await refused(server.addresses[0])

        run(main())

    def test_by_the_end_of_the_loop(self) -> None:
        app = App()

        async def main() -> None:
            running = await start(app)
            assert await get(running.server.addresses[0], "/a") == b"/a"

        asyncio.run(main())


class TestSockets:
    def test_given_ones_stay_their_owners(self, run: Run) -> None:
        async def main() -> None:
            with socket.socket() as bound:  # not even listening
                bound.bind(("127.0.0.1", 0))
                running = await start(App(), sockets=[bound])
                assert running.server.addresses == (TcpAddress(*bound.getsockname()),)
                assert await get(running.server.addresses[0], "/a") == b"/a"
                await running.stop()
                running = await start(App(), sockets=[bound])
                assert await get(running.server.addresses[0], "/b") == b"/b"
                await running.stop()
                assert bound.fileno() >= 0

        run(main())

    def test_a_unix_socket(self, run: Run, tmp_path: Path) -> None:
        async def main() -> None:
            path = tmp_path / "s"
            running = await start(App(), uds=str(path))
            assert running.server.addresses == (UnixAddress(str(path)),)
            assert await get(running.server.addresses[0], "/a") == b"/a"
            await running.stop()
            assert not path.exists()

        run(main())

    def test_several(self, run: Run, tmp_path: Path) -> None:
        async def main() -> None:
            running = await start(App(), bind=["127.0.0.1:0", f"unix:{tmp_path}/s"])
            for address in running.server.addresses:
                assert await get(address, "/a") == b"/a"
            assert len(running.server.addresses) == 2
            await running.stop()

        run(main())


class TestErrors:
    def fails(self, run: Run, kind: type[Exception], app: Any, **options: Any) -> str:
        found = []

        async def main() -> None:
            server = freastal.Server(app, **options)
            with pytest.raises(kind) as error:
                await server.serve()
            assert not server.started
            for address in server.addresses:
                assert await refused(address)
            found.append(str(error.value))

        run(main())
        return found[0]

    def test_the_lifespan(self, run: Run) -> None:
        text = self.fails(run, LifespanError, fails_to_start, port=0)
        assert text == "the application failed to start: no database"
        text = self.fails(run, LifespanError, no_lifespan, port=0, lifespan="on")
        assert "AssertionError" in text

    def test_a_port_that_is_taken(self, run: Run) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            assert "already in use" in self.fails(run, ListenError, no_lifespan, port=port)

    def test_wsgi(self, run: Run) -> None:
        assert "is a WSGI application" in self.fails(run, AppError, wsgi)

    def test_an_application_that_cannot_be_imported(self, run: Run) -> None:
        assert "No module named 'nowhere'" in self.fails(run, AppError, "nowhere:app")

    def test_a_second_time(self, run: Run) -> None:
        async def main() -> None:
            running = await start(App())
            with pytest.raises(RuntimeError, match="serves once"):
                await running.server.serve()
            await running.stop()

        run(main())


def test_wrong_options() -> None:
    with pytest.raises(ConfigError, match=r"port: 70000"):
        freastal.Server(no_lifespan, port=70000)
    with pytest.raises(ConfigError, match=r"a/b\.py"):
        freastal.Server("a/b.py")
    with pytest.raises(TypeError, match="workers"):
        freastal.Server(no_lifespan, workers=2)  # type: ignore[call-arg]


def test_the_process_stays_its_owners(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FREASTAL_PORT", "no port")
    logger = logging.getLogger("freastal")
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGCHLD, signal.SIGIO)
    handlers, level = [signal.getsignal(number) for number in numbers], logger.level
    log_handlers = logger.handlers[:]

    async def main() -> None:
        running = await start(App())
        assert [signal.getsignal(number) for number in numbers[1:]] == handlers[1:]
        assert (logger.handlers, logger.level) == (log_handlers, level)
        await running.stop()

    run(main())
