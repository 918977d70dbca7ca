"""The smallest ASGI application: ``freastal hello_asgi:app``, or ``python hello_asgi.py``."""

from collections.abc import Awaitable, Callable
from typing import Any

import freastal

Message = dict[str, Any]


async def app(
    scope: Message,
    receive: Callable[[], Awaitable[Message]],
    send: Callable[[Message], Awaitable[None]],
) -> None:
    """Greet whoever asks."""
    assert scope["type"] == "http"  # so the server sees that there is no lifespan
    name = scope["path"].strip("/") or "world"
    body = f"Hello, {name}!\n".encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", b"%d" % len(body)),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


if __name__ == "__main__":
    freastal.serve_asgi(app)
