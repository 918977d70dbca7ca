"""Run by test_core_nomem_c.py with failing_malloc.c preloaded: ``nomem_exchanges.py KIND WHICH``.

For each allocation of the C core, from the first on, a fresh worker serves a request and two
WebSockets while that one fails (``one``), or all from that one on (``all``), and as many while none
does; or a worker is made and closed (``making``). Writes a line of JSON for each (:class:`Round`).
"""

from __future__ import annotations

import ctypes
import gc
import json
import logging
import os
import socket
import sys
import time
import zlib
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, TypedDict

import asgi_core_harness
import core_harness
from asgi_core_harness import BINARY, CLOSE, TEXT, UPGRADE, Receive, Scope, Send, frame
from core_harness import Environ, Serving, StartResponse, listen

from freastal import _core
from freastal.loop import EventLoop

PATIENCE = 10.0
BIG = b"z" * 100_000
EVER = 1 << 40


class Round(TypedDict):
    """What came of one round."""

    calls: int  # allocations of the core
    seen: dict[str, str]  # of each connection: "whole", "cut", "refused" or "stuck"
    healthy: dict[str, str]  # the same afterwards
    lines: list[str]  # of the log
    live: dict[str, int]  # C objects that are left; descriptors
    used: int  # allocations that the core held while it served
    held: int  # … and that are left


# --- applications ---


async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
    """Everything that takes memory."""
    if scope["type"] == "websocket":
        await echo(receive, send)
        return
    while (message := await receive()).get("more_body"):
        pass
    if message["type"] == "http.disconnect":
        return
    await send({"type": "http.response.early_hint", "links": [b"</a>"] * 20})
    headers = [(b"x-many", b"value")] * 20
    await send({"type": "http.response.start", "status": 200, "headers": headers, "trailers": True})
    await send({"type": "http.response.body", "body": b"piece", "more_body": True})
    with open(__file__, "rb") as file:
        await send(
            {"type": "http.response.zerocopysend", "file": file, "count": 5, "more_body": True}
        )
    await send({"type": "http.response.body", "body": BIG})
    await send({"type": "http.response.trailers", "headers": headers})


async def echo(receive: Receive, send: Send) -> None:
    """Each message, until the peer closes."""
    await receive()
    await send({"type": "websocket.accept", "headers": [(b"x-a", b"b")]})
    while (message := await receive())["type"] == "websocket.receive":
        await send({**message, "type": "websocket.send"})


def wsgi(environ: Environ, start_response: StartResponse) -> Any:
    """A body read, a response in pieces."""
    stream = environ["wsgi.input"]
    stream.readline()
    stream.read()
    start_response("200 OK", [("X-Many", "value")] * 20)(b"written")
    if environ["REQUEST_METHOD"] == "POST":
        return iter([b"piece", BIG])
    return environ["wsgi.file_wrapper"](open(__file__, "rb"))


# --- clients ---


def finish(client: socket.socket, whole: Callable[[bytes], bool]) -> str:
    """Read to the end."""
    data = b""
    try:
        while piece := client.recv(1 << 16):
            data += piece
    except ConnectionResetError:
        pass
    except TimeoutError:
        return "stuck"
    if whole(data):
        return "whole"
    refused = data.startswith((b"HTTP/1.1 503 ", b"HTTP/1.1 500 "))
    return "refused" if refused else "cut"


def http(server: Serving, end: bytes) -> str:
    """A request with a body, and another one behind it, whose answer has that end."""
    head = b"/ HTTP/1.1\r\nHost: a\r\n" + b"".join(b"X-%d: value\r\n" % n for n in range(60))
    with socket.create_connection(server.address, PATIENCE) as client:
        try:
            client.sendall(b"POST " + head + b"Content-Length: 100000\r\n\r\n" + BIG[:1000])
            client.sendall(BIG[1000:])
            client.sendall(b"GET " + head + b"Connection: close\r\n\r\n")
        except (BrokenPipeError, ConnectionResetError):
            pass
        return finish(
            client, lambda data: data.count(b"HTTP/1.1 200 OK\r\n") == 2 and data.endswith(end)
        )


def fragments(opcode: int, payload: bytes) -> bytes:
    """A message in two frames."""
    begin, end = payload[: len(payload) // 2], payload[len(payload) // 2 :]
    data = b""
    for first, part in ((opcode, begin), (0x80, end)):
        data += bytes([first]) + length(len(part)) + bytes(4) + part
    return data


def length(number: int) -> bytes:
    """As a masked frame has it, in the fewest bytes."""
    if number < 126:
        return bytes([0x80 | number])
    size = 2 if number < 1 << 16 else 8
    return bytes([0xFE if size == 2 else 0xFF]) + number.to_bytes(size, "big")


def websocket(server: Serving, *, deflate: bool) -> str:
    """Messages of each kind, and the closing handshake; the answers are not looked at before."""
    offer = b"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n" if deflate else b"\r\n"
    messages = [frame(TEXT, b"text"), fragments(BINARY, BIG), frame(9, b"ping"), frame(BINARY, b"")]
    if deflate:
        packer = zlib.compressobj(wbits=-15)
        packed = packer.compress(BIG) + packer.flush(zlib.Z_SYNC_FLUSH)[:-4]
        messages.append(fragments(TEXT | 0x40, packed))
    close = (1000).to_bytes(2, "big")
    with socket.create_connection(server.address, PATIENCE) as client:
        try:
            client.sendall(UPGRADE[:-2] + offer)
            for message in (*messages, frame(CLOSE, close)):
                client.sendall(message)
        except (BrokenPipeError, ConnectionResetError):
            pass
        return finish(client, lambda data: data.endswith(b"\x88\x02" + close))


def exchange(server: Serving, kind: str) -> dict[str, str]:
    """One of each."""
    end = b"x-many: value\r\n\r\n" if kind == "asgi" else b"\r\n0\r\n\r\n"
    seen = {"http": http(server, end)}
    if kind == "asgi":
        seen["websocket"] = websocket(server, deflate=False)
        seen["deflated"] = websocket(server, deflate=True)
    return seen


def serve(kind: str) -> AbstractContextManager[Serving]:
    """Run a fresh worker."""
    if kind == "asgi":
        return asgi_core_harness.serving(asgi)
    return core_harness.serving(wsgi, threads=threads_of(kind))


def threads_of(kind: str) -> int:
    """As in "wsgi-2"."""
    return int(kind.removeprefix("wsgi-"))


def one_round(kind: str, first: int, last: int) -> Round:
    """Fail the allocations with these numbers."""
    memory = ctypes.CDLL(None)
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("freastal.error")
    logger.addHandler(handler)
    try:
        with serve(kind) as server:
            memory.failing_arm(ctypes.c_long(first), ctypes.c_long(last))
            seen = exchange(server, kind)
            calls = int(memory.failing_calls())
            used = int(memory.failing_held())
            memory.failing_arm(ctypes.c_long(0), ctypes.c_long(0))
            healthy = exchange(server, kind)
            deadline = time.monotonic() + PATIENCE
            while time.monotonic() < deadline:
                live = {name: n for name, n in server.worker.counters()["live"].items() if n}
                if not live:
                    break
                time.sleep(0.005)
    finally:
        logger.removeHandler(handler)
    return Round(calls=calls, seen=seen, healthy=healthy, lines=lines, live=live, used=used, held=0)


def make(kind: str) -> str:
    """Make a worker and close it: "whole", or the sentence of what is raised."""
    with listen() as listener:
        try:
            if kind == "asgi":
                loop = EventLoop()
                try:
                    fds = [listener.fileno()]
                    _core.Worker(asgi, fds, interface="asgi", loop=loop, tasks=loop).close()
                finally:
                    loop.close()
            else:
                _core.Worker(wsgi, [listener.fileno()], threads=threads_of(kind)).close()
        except (MemoryError, OSError) as error:
            return f"{type(error).__name__}: {error}"
    return "whole"


def making_round(kind: str, number: int) -> Round:
    """Fail that allocation."""
    memory = ctypes.CDLL(None)
    make(kind)
    gc.collect()
    before = len(os.listdir("/proc/self/fd"))
    memory.failing_arm(ctypes.c_long(number), ctypes.c_long(number))
    made = make(kind)
    calls = int(memory.failing_calls())
    memory.failing_arm(ctypes.c_long(0), ctypes.c_long(0))
    gc.collect()
    more = len(os.listdir("/proc/self/fd")) - before
    healthy = {"made": make(kind)}
    live = {"descriptors": more} if more else {}
    return Round(
        calls=calls, seen={"made": made}, healthy=healthy, lines=[], live=live, used=0, held=0
    )


def main(kind: str, which: str) -> None:
    """All rounds, until there is no allocation with that number."""
    logging.getLogger("freastal.error").propagate = False
    number = 0
    calls = 1
    while calls >= number:
        number += 1
        if which == "making":
            found = making_round(kind, number)
        else:
            found = one_round(kind, number, EVER if which == "all" else number)
        calls = found["calls"]
        gc.collect()
        found["held"] = int(ctypes.CDLL(None).failing_held())
        print(json.dumps(found), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
