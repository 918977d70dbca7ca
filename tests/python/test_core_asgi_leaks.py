"""As test_core_leaks.py, for the ASGI gateway: requests and WebSockets of each kind, and what goes
wrong in them, leave references and memory where they are.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from asgi_core_harness import (
    BINARY,
    TEXT,
    UPGRADE,
    Message,
    Receive,
    Scope,
    Send,
    close_frame,
    frame,
    serving,
)
from core_harness import PATIENCE, Serving
from test_core_asgi import BEFORE_THE_START, IN_TRAILERS, REFUSED_HEADS, STARTED
from test_core_asgi_websocket import BEFORE_THE_ACCEPT, OPEN
from test_core_leaks import BIG, counts, get, post, quiet, requests_that_differ, send_all

from freastal import _core

__all__ = ["quiet"]  # a fixture, for every test here

NAME = b"x-counted"
VALUE = b"a value that is counted"
HEADERS = [(NAME, VALUE)]
BODY = b"a body that is counted"
TYPES = ["http.response.start", "http.response.body", "websocket.send"]
COUNTED = (NAME, VALUE, HEADERS, HEADERS[0], BODY, BIG, *TYPES, _core.ClientDisconnected)

START: Message = {"type": TYPES[0], "status": 200, "headers": HEADERS}
LAST: Message = {"type": TYPES[1], "body": BODY}
MORE: Message = {**LAST, "more_body": True}


async def whole(scope: Scope, receive: Receive, send: Send) -> None:
    await send(START)
    await send(LAST)


async def pieces(scope: Scope, receive: Receive, send: Send) -> None:
    await send({**START, "headers": HEADERS * 20})
    await send(MORE)
    await send({**MORE, "body": bytearray(BODY)})
    await send({**MORE, "body": BIG})
    await send(LAST)


async def read(scope: Scope, receive: Receive, send: Send) -> None:
    while (await receive())["more_body"]:
        pass
    await send(START)
    await send(LAST)


async def waits(scope: Scope, receive: Receive, send: Send) -> None:
    await asyncio.sleep(0)
    with contextlib.suppress(asyncio.TimeoutError):
        await asyncio.wait_for(asyncio.sleep(1), 0)
    await whole(scope, receive, send)


async def watches(scope: Scope, receive: Receive, send: Send) -> None:
    """As frameworks wait for http.disconnect while they answer."""
    await receive()
    tasks = [asyncio.ensure_future(receive()) for _ in range(2)]
    cancelled = asyncio.ensure_future(receive())
    await asyncio.sleep(0)
    cancelled.cancel("message")
    await asyncio.wait([cancelled])
    receive()
    await whole(scope, receive, send)
    await asyncio.wait(tasks)


async def files(scope: Scope, receive: Receive, send: Send) -> None:
    await send(START)
    with open(__file__, "rb") as file:
        await send(
            {"type": "http.response.zerocopysend", "file": file, "count": 10, "more_body": True}
        )
    await send(MORE)
    await send(LAST)


async def path(scope: Scope, receive: Receive, send: Send) -> None:
    await send(START)
    await send({"type": "http.response.pathsend", "path": Path(__file__)})


async def trailers(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.early_hint", "links": [VALUE] * 20})
    await send({**START, "trailers": True})
    await send(LAST)
    more = {"type": "http.response.trailers", "headers": HEADERS * 10, "more_trailers": True}
    await send(more)
    await send({**more, "more_trailers": False})


async def raises(scope: Scope, receive: Receive, send: Send) -> None:
    await send(START)
    raise ValueError(VALUE)


async def forgets(scope: Scope, receive: Receive, send: Send) -> None:
    receive()
    await send(START)


def is_none(scope: Scope, receive: Receive, send: Send) -> None:
    return None


async def refused(send: Send, messages: list[Any]) -> None:
    """Each of these raises."""
    for message in messages:
        with contextlib.suppress(Exception):
            await send(message)
            raise AssertionError("it was sent")


def sent_wrongly() -> Any:
    """Every message that is wrong, of those that can be sent again."""
    before, started, in_trailers = (
        [message for name, message, *_ in rows if "half" not in name]
        for rows in (BEFORE_THE_START, STARTED, IN_TRAILERS)
    )
    heads = [[(key, value), *HEADERS] for _, key, value, _ in REFUSED_HEADS]

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await refused(send, before)
        for headers in heads:
            await send({**START, "headers": headers})
            await refused(send, [LAST])
        await send({**START, "trailers": True})
        await refused(send, started)
        await send(LAST)
        await refused(send, in_trailers)
        await send({"type": "http.response.trailers"})
        await refused(send, [START, LAST])

    return app


class Kept:
    """Keeps what it is called with until its next call."""

    def __init__(self) -> None:
        self.last: Any = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["self"] = scope
        waiting = asyncio.ensure_future(receive())
        self.last = (scope, receive, send, receive(), waiting)
        await send(START)
        self.last[3].__await__()
        await send(LAST)


SCENARIOS: dict[str, tuple[Callable[[], Any], bytes, int]] = {
    "whole": (lambda: whole, get("/"), 5000),
    "pieces": (lambda: pieces, get("/"), 1000),
    "short body": (lambda: read, post("/", b"short"), 3000),
    "long body": (lambda: read, post("/", b"line\n" * 20_000), 800),
    "waits": (lambda: waits, get("/"), 1000),
    "watches": (lambda: watches, get("/"), 1000),
    "files": (lambda: files, get("/"), 1000),
    "path": (lambda: path, get("/"), 1000),
    "trailers": (lambda: trailers, get("/"), 1000),
    "no body": (lambda: trailers, get("/").replace(b"GET", b"HEAD"), 1000),
    "raises": (lambda: raises, get("/"), 1000),
    "forgets": (lambda: forgets, get("/"), 1000),
    "none": (lambda: is_none, get("/"), 1000),
    "wrong": (sent_wrongly, get("/"), 300),
    "kept": (Kept, get("/"), 1000),
    "not a handshake": (lambda: whole, UPGRADE.replace(b": 13", b": 12"), 1000),
}


def grown(before: dict[str, int], after: dict[str, int], times: int) -> dict[str, int]:
    """What has grown with the requests; the interpreter's own caches may a little."""
    return {key: after[key] - before[key] for key in after if after[key] - before[key] > times // 4}


def left(server: Serving, app: Any, before: dict[str, int], times: int) -> dict[str, int]:
    """What has grown and does not shrink again: tasks that were told late still end."""
    deadline = time.monotonic() + PATIENCE
    while True:
        found = grown(before, counts(server, app, COUNTED), times)
        if not found or time.monotonic() > deadline:
            return found
        time.sleep(0.1)


@pytest.mark.parametrize("name", SCENARIOS)
def test_counts_are_steady(name: str) -> None:
    make, request, times = SCENARIOS[name]
    app = make()
    with serving(app, state={"a": 1}) as server:
        size = server.size_of_answer(request)
        server.ask_many(request, min(times, 500), size)
        before = counts(server, app, COUNTED)
        server.ask_many(request, times, size)
        assert left(server, app, before, times) == {}


def test_caches_are_bounded() -> None:
    """Paths, names and values that never come again take no more memory for each."""
    with serving(whole) as server:
        size = server.size_of_answer(get("/"))
        send_all(server, requests_that_differ(5000), size)
        before = counts(server, whole, COUNTED)
        send_all(server, requests_that_differ(10_000), size)
        after = counts(server, whole, COUNTED)
    assert after["blocks"] - before["blocks"] < 1000


# --- a connection each ---


async def endless(scope: Scope, receive: Receive, send: Send) -> None:
    await send(START)
    while True:
        await send({**MORE, "body": BIG})


async def cut(scope: Scope, receive: Receive, send: Send) -> None:
    await send(START)
    await send(MORE)
    raise ValueError(VALUE)


async def waits_for_the_end(scope: Scope, receive: Receive, send: Send) -> None:
    await send(START)
    await send(MORE)
    while (await receive())["type"] != "http.disconnect":
        pass


async def ws_echo(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    await send({"type": "websocket.accept", "headers": HEADERS * 20, "subprotocol": "a"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({**message, "type": TYPES[2]})


async def ws_kept(scope: Scope, receive: Receive, send: Send) -> None:
    scope["self"] = scope, receive, send, receive()
    waiting = asyncio.ensure_future(receive())
    assert (await waiting)["type"] == "websocket.connect"
    waiting = asyncio.ensure_future(receive())
    await send({"type": "websocket.accept"})
    await send({"type": TYPES[2], "bytes": BIG})
    await send({"type": TYPES[2], "bytes": bytearray(BODY)})
    await waiting


async def ws_closes(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "websocket.accept"})
    await send({"type": TYPES[2], "bytes": BODY})
    await send({"type": "websocket.close", "code": 4000, "reason": "enough"})
    await receive()
    await receive()


async def ws_rejects(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "websocket.close"})


async def ws_denies(scope: Scope, receive: Receive, send: Send) -> None:
    await send({**START, "type": "websocket.http.response.start"})
    await send({**LAST, "type": "websocket.http.response.body"})


async def ws_raises(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "websocket.accept", "headers": HEADERS})
    raise ValueError(VALUE)


async def ws_wrong(scope: Scope, receive: Receive, send: Send) -> None:
    await refused(send, [row[1] for row in BEFORE_THE_ACCEPT if "half" not in row[0]])
    await send({"type": "websocket.accept"})
    await refused(send, [row[1] for row in OPEN])


CLOSE_FRAME = close_frame(1000, b"reason")
HELLO = frame(TEXT, "héllo".encode()) + frame(BINARY, BODY)

CONNECTIONS: dict[str, tuple[Callable[[], Any], bytes, bytes]] = {
    "answered": (lambda: whole, get("/"), b""),
    "aborted": (lambda: endless, get("/"), b""),
    "cut": (lambda: cut, get("/"), b""),
    "watched": (lambda: waits_for_the_end, get("/"), b""),
    "half a body": (lambda: waits_for_the_end, post("/", b"half")[:-2], b""),
    "echo, closed": (lambda: ws_echo, UPGRADE, HELLO + CLOSE_FRAME),
    "echo, vanished": (lambda: ws_echo, UPGRADE, HELLO),
    "echo, broken": (lambda: ws_echo, UPGRADE, HELLO + b"\xff\xff"),
    "echo, half": (lambda: ws_echo, UPGRADE, HELLO + frame(TEXT, b"half")[:-2]),
    "kept": (lambda: ws_kept, UPGRADE, CLOSE_FRAME),
    "closed by us": (lambda: ws_closes, UPGRADE, CLOSE_FRAME),
    "closed by us, vanished": (lambda: ws_closes, UPGRADE, b""),
    "rejected": (lambda: ws_rejects, UPGRADE, b""),
    "denied": (lambda: ws_denies, UPGRADE, b""),
    "raises": (lambda: ws_raises, UPGRADE, CLOSE_FRAME),
    "wrong": (lambda: ws_wrong, UPGRADE, CLOSE_FRAME),
}

PEERS = 400
"""Connections of each kind."""

ROUNDS = 4
"""How often so many fill up the addresses that are kept of peers, and Python's own caches: where
the kernel gives ports by chance, one round leaves a fifth of the places empty."""


@pytest.mark.parametrize("name", CONNECTIONS)
def test_connections_leave_nothing(name: str) -> None:
    make, request, more = CONNECTIONS[name]
    app = make()
    with serving(app) as server:

        def connect_often() -> None:
            for _ in range(PEERS):
                with server.connect() as client:
                    client.sendall(request)
                    client.recv(10)
                    client.sendall(more)

        for _ in range(ROUNDS):
            connect_often()
        before = counts(server, app, COUNTED)
        connect_often()
        assert left(server, app, before, PEERS * 2) == {}


def echoes(client: socket.socket, message: bytes, times: int, size: int) -> None:
    for _ in range(0, times, 10):
        client.sendall(message * 10)
        left = size * 10
        while left:
            left -= len(client.recv(left))


def long_frame(opcode: int, length: int) -> bytes:
    return bytes([0x80 | opcode, 0xFF]) + length.to_bytes(8, "big") + bytes(4) + b"z" * length


@pytest.mark.parametrize(
    ("message", "size", "times"),
    [
        (frame(TEXT, b"hello"), 7, 5000),
        (frame(BINARY, BODY), 2 + len(BODY), 5000),
        (long_frame(BINARY, 70_000), 10 + 70_000, 500),
        (long_frame(TEXT, 70_000), 10 + 70_000, 500),
    ],
    ids=["text", "binary", "long binary", "long text"],
)
def test_messages_leave_nothing(message: bytes, size: int, times: int) -> None:
    with serving(ws_echo) as server, server.connect() as client:
        client.sendall(UPGRADE)
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += client.recv(1)
        echoes(client, message, 500, size)
        before = counts_while_open(server)
        echoes(client, message, times, size)
        after = counts_while_open(server)
    assert grown(before, after, times) == {}


def counts_while_open(server: Serving) -> dict[str, int]:
    """As counts, while there is a WebSocket: nothing is waited for."""
    found = counts(server, ws_echo, COUNTED, patience=0.5)
    assert server.worker.counters()["live"]["websockets"] == 1
    return found
