"""A python-socketio server beside another ASGI application, as its users mount it."""

import asyncio
from typing import Any

import socketio
from notes import HERE, meet, note
from starlette_app import app as other_app

server = socketio.AsyncServer(async_mode="asgi")


async def startup() -> None:
    note("startup")


async def shutdown() -> None:
    note("shutdown")


app = socketio.ASGIApp(
    server,
    other_app,
    static_files={"/page": str(HERE / "static")},
    on_startup=startup,
    on_shutdown=shutdown,
)


@server.event
async def connect(sid: str, environ: dict[str, Any], auth: Any) -> None:
    if auth != {"token": "secret"}:
        raise socketio.exceptions.ConnectionRefusedError("no token")
    await server.save_session(sid, {"name": environ["HTTP_X_NAME"]})


@server.event
async def enter(sid: str, room: str) -> None:
    await server.enter_room(sid, room)


@server.event
async def say(sid: str, room: str, data: Any) -> str:
    async with server.session(sid) as session:
        await server.emit("said", (session["name"], data), room=room)
    return "noted"


@server.event
async def count(sid: str) -> None:
    async def task() -> None:
        for number in range(3):
            await server.emit("number", number, to=sid)
            await server.sleep(0)

    server.start_background_task(task)


@server.event
async def thread(sid: str) -> str:
    return await asyncio.to_thread(meet)


@server.event
async def leave(sid: str) -> None:
    await server.disconnect(sid)


@server.event
async def disconnect(sid: str, reason: str) -> None:
    note(f"left: {reason}")
