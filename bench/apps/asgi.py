"""The applications that every ASGI server of the bench runs: as little Python as there can be.

Each call makes its messages anew, since a server may change what it is given.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

BODY_500 = b"x" * 500
BODY_12K = b"x" * 12288


async def answer(scope: dict[str, Any], send: Send, length: bytes, body: bytes) -> None:
    """Answer one request, and refuse all that is none."""
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    headers = [(b"content-type", b"text/plain"), (b"content-length", length)]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def app_500(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Answer 500 bytes."""
    await answer(scope, send, b"500", BODY_500)


async def app_12k(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Answer 12 KiB."""
    await answer(scope, send, b"12288", BODY_12K)


async def echo(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    """Send each text message of a WebSocket back."""
    if scope["type"] != "websocket":
        raise NotImplementedError(scope["type"])
    await receive()
    await send({"type": "websocket.accept"})
    while (event := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": event["text"]})
