"""A FastAPI application as its users write one: resources of its lifespan, models, dependencies in
threads, uploads and downloads, background tasks, server-sent events, a chat, middleware.

What happens out of sight is noted in the file `events`, as tests/apps/probe.py does.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated

from fastapi import BackgroundTasks, Depends, FastAPI, Form, Request, UploadFile, WebSocket
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import FileResponse, StreamingResponse
from fastapi.staticfiles import StaticFiles
from pydantic import BaseModel
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import Response
from starlette.websockets import WebSocketDisconnect

ROOM = Path(os.environ["PROBE_DIRECTORY"])
MEGABYTE = b"m" * 1_000_000


def note(event: str) -> None:
    with open(ROOM / "events", "a") as events:
        events.write(event + "\n")


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, str]]:
    note("startup")
    yield {"resource": "a database"}
    note("shutdown")


class Timing(BaseHTTPMiddleware):
    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        response = await call_next(request)
        response.headers["x-middleware"] = "passed"
        return response


app = FastAPI(lifespan=lifespan)
app.add_middleware(GZipMiddleware, minimum_size=2000)
app.add_middleware(CORSMiddleware, allow_origins=["https://shop.example"])
app.add_middleware(Timing)
app.mount("/static", StaticFiles(directory=Path(__file__).parent / "static"))


class Item(BaseModel):
    name: str
    price: float


def slow_dependency() -> str:
    time.sleep(0.01)
    return "from a thread"


@app.get("/items/{number}")
def read_item(
    number: int, dependency: Annotated[str, Depends(slow_dependency)]
) -> dict[str, object]:
    return {"number": number, "dependency": dependency}


@app.post("/items")
async def make_item(item: Item, request: Request) -> dict[str, object]:
    return {**item.model_dump(), "resource": request.state.resource}


@app.post("/form")
async def read_form(name: Annotated[str, Form()]) -> dict[str, str]:
    return {"name": name}


@app.post("/upload")
async def upload(file: UploadFile) -> dict[str, object]:
    size = 0
    while piece := await file.read(1 << 20):
        size += len(piece)
    return {"name": file.filename, "size": size}


@app.get("/download")
def download(megabytes: int) -> StreamingResponse:
    def pieces() -> Iterator[bytes]:
        for _ in range(megabytes):
            yield MEGABYTE

    return StreamingResponse(pieces(), media_type="application/octet-stream")


@app.get("/file")
def send_file() -> FileResponse:
    return FileResponse(__file__)


@app.get("/long")
def long_text() -> dict[str, str]:
    return {"text": "long " * 1000}


@app.get("/background")
async def background(tasks: BackgroundTasks) -> str:
    tasks.add_task(note, "background")
    return "answered"


@app.get("/events")
async def server_sent_events() -> StreamingResponse:
    async def events() -> AsyncIterator[str]:
        try:
            for number in range(10_000):
                yield f"data: {number}\n\n"
                await asyncio.sleep(0.01)
        finally:
            note("left")

    return StreamingResponse(events(), media_type="text/event-stream")


@app.get("/fail")
async def fail() -> None:
    raise RuntimeError("as the test wants it")


chatting: set[WebSocket] = set()


@app.websocket("/chat/{room}")
async def chat(socket: WebSocket, room: str) -> None:
    await socket.accept()
    chatting.add(socket)
    try:
        while True:
            text = await socket.receive_text()
            for each in chatting:
                await each.send_text(f"{room}: {text}")
    except WebSocketDisconnect as left:
        note(f"left the chat with {left.code}")
    finally:
        chatting.discard(socket)
