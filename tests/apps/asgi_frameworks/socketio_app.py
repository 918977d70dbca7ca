"""A python-socketio server, as its users mount it."""

from typing import Any

import socketio

server = socketio.AsyncServer(async_mode="asgi")
app = socketio.ASGIApp(server)


@server.event
async def say(sid: str, data: Any) -> Any:
    await server.emit("said", data)
    return "noted"
