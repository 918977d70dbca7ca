"""A ``_core.Worker`` with an ASGI application upon an event loop of the test's own.

The application, its client and the loop share one thread, so a test decides what comes when.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any

from core_harness import PATIENCE, Serving, listen

from freastal import _core
from freastal.loop import EventLoop

Message = dict[str, Any]
Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Any]

GET = b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: 4\r\n\r\n"
"""A head; a body of four bytes is to follow."""

UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)

START: Message = {"type": "http.response.start", "status": 200}
CHUNKED: Message = {"type": "http.response.start", "status": 200, "trailers": True}
BODY: Message = {"type": "http.response.body", "body": b"body"}
MORE: Message = {"type": "http.response.body", "body": b"more", "more_body": True}

TEXT, BINARY, CLOSE = 1, 2, 8
"""Opcodes."""


def frame(opcode: int, payload: bytes) -> bytes:
    """A final frame of a client, with a mask of zeros; of at most 125 bytes."""
    return bytes([0x80 | opcode, 0x80 | len(payload), 0, 0, 0, 0]) + payload


def close_frame(code: int, reason: bytes = b"") -> bytes:
    """A client's Close."""
    return frame(CLOSE, code.to_bytes(2, "big") + reason)


class Client:
    """One connection, read and written by the test's loop."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def write(self, data: bytes) -> None:
        """Send."""
        self.writer.write(data)

    async def head(self) -> bytes:
        """Read the head of a response, with the empty line."""
        return await self.reader.readuntil(b"\r\n\r\n")

    async def frame(self) -> tuple[int, bytes]:
        """Read a frame of the server: opcode and payload."""
        first, length = await self.reader.readexactly(2)
        if length > 125:
            length = int.from_bytes(await self.reader.readexactly(2 if length == 126 else 8), "big")
        return first & 15, await self.reader.readexactly(length)

    async def rest(self) -> bytes:
        """Read to the end; a reset is one."""
        data = b""
        try:
            while piece := await self.reader.read(65536):
                data += piece
        except ConnectionResetError:
            pass
        return data

    def vanish(self) -> None:
        """Go, with a reset where anything has not been read."""
        self.writer.transport.abort()


class Core:
    """A worker on the running loop. At the end it is stopped, and every C object must be gone."""

    def __init__(self, app: App, **options: Any) -> None:
        self._app = app
        self._options = options
        self._clients: list[Client] = []

    async def __aenter__(self) -> Core:
        """Listen."""
        loop = asyncio.get_running_loop()
        assert isinstance(loop, EventLoop)
        self._over = loop.create_future()
        with listen() as listener:
            self.address: tuple[str, int] = listener.getsockname()
            self.worker = _core.Worker(
                self._app,
                [listener.fileno()],
                interface="asgi",
                loop=loop,
                tasks=loop,
                stopped=lambda: self._over.set_result(None),
                **self._options,
            )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop; what is left is told by the test's own failure, where there is one."""
        for client in self._clients:
            client.vanish()
        await turns(20)  # without connections a stop takes no time
        self.worker.stop(0)
        self.worker.close()
        live = self.live()
        assert error is not None or live == {}

    def live(self) -> dict[str, int]:
        """Count the worker's C objects that are in use."""
        return {name: n for name, n in self.worker.counters()["live"].items() if n}

    async def connect(self, data: bytes = b"") -> Client:
        """Connect, and send that."""
        client = Client(*await asyncio.open_connection(*self.address))
        self._clients.append(client)
        client.write(data)
        return client

    async def ask(self, data: bytes = GET) -> bytes:
        """Send, and read to the end of the connection."""
        return await (await self.connect(data)).rest()

    async def upgrade(self) -> Client:
        """Make a WebSocket, which the application accepts."""
        client = await self.connect(UPGRADE)
        head = await client.head()
        assert head.startswith(b"HTTP/1.1 101 ")
        return client


def run(main: Coroutine[Any, Any, None]) -> None:
    """Run a test on an event loop of ours."""
    loop = EventLoop()
    try:
        loop.run_until_complete(asyncio.wait_for(main, PATIENCE))
    finally:
        loop.close()


async def turns(count: int = 5) -> None:
    """Everything that is ready runs."""
    for _ in range(count):
        await asyncio.sleep(0)


@contextmanager
def serving(app: App, **options: Any) -> Iterator[Serving]:
    """As the WSGI one of ``core_harness``: a worker upon a loop in a thread of its own."""
    with listen() as listener:
        loop = EventLoop()
        over: asyncio.Future[None] = loop.create_future()
        worker = _core.Worker(
            app,
            [listener.fileno()],
            interface="asgi",
            loop=loop,
            tasks=loop,
            stopped=lambda: over.set_result(None),
            **options,
        )
        failures: list[BaseException] = []

        def serve() -> None:
            try:
                loop.run_until_complete(over)
            except BaseException as failure:
                failures.append(failure)
            finally:
                worker.close()
                loop.close()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield Serving(worker, listener)
        finally:
            worker.stop(5)
            thread.join(PATIENCE)
        assert not thread.is_alive()
        assert failures == []
        assert {name: n for name, n in worker.counters()["live"].items() if n} == {}
