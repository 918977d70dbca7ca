"""What tests/e2e/test_asgi_frameworks.py asks for, in Starlette; with sse-starlette."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

from notes import HERE, MEGABYTE, ROOM, meet, note
from sse_starlette import EventSourceResponse
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket, WebSocketDisconnect


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[dict[str, str]]:
    note("startup")
    yield {"resource": "a database"}
    note("shutdown")


class Passing(BaseHTTPMiddleware):
    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        response = await call_next(request)
        response.headers["x-middleware"] = "passed"
        return response


async def number(request: Request) -> Response:
    return JSONResponse(
        {"number": int(request.path_params["number"]), "q": request.query_params["q"]}
    )


async def make_item(request: Request) -> Response:
    return JSONResponse({**await request.json(), "resource": request.state.resource})


async def form(request: Request) -> Response:
    async with request.form() as fields:
        return JSONResponse({"name": fields["name"]})


async def upload(request: Request) -> Response:
    digest = hashlib.sha256()
    async with request.form() as fields:
        file = fields["file"]
        while piece := await file.read(1 << 20):
            digest.update(piece)
        return JSONResponse({"name": file.filename, "sha256": digest.hexdigest()})


async def download(request: Request) -> Response:
    def pieces() -> Iterator[bytes]:
        for _ in range(int(request.query_params["megabytes"])):
            yield MEGABYTE

    return StreamingResponse(pieces(), media_type="application/octet-stream")


async def report(request: Request) -> Response:
    return FileResponse(ROOM / "report", filename="report.bin")


async def background(request: Request) -> Response:
    return JSONResponse("answered", background=BackgroundTask(note, "background"))


def thread(request: Request) -> Response:
    return JSONResponse({"dependency": meet()})


async def numbers() -> AsyncIterator[int]:
    try:
        for number in range(10_000):
            yield number
            await asyncio.sleep(0.01)
    finally:
        note("left")


async def events(request: Request) -> Response:
    return StreamingResponse(
        (f"data: {number}\n\n" async for number in numbers()), media_type="text/event-stream"
    )


async def sse_starlette(request: Request) -> Response:
    return EventSourceResponse(({"data": number} async for number in numbers()), sep="\n")


async def fail(request: Request) -> Response:
    raise RuntimeError("as the test wants it")


chatting: set[WebSocket] = set()


async def chat(socket: WebSocket) -> None:
    await socket.accept(subprotocol=socket.scope["subprotocols"][0])
    chatting.add(socket)
    try:
        while True:
            text = await socket.receive_text()
            for each in chatting:
                await each.send_text(f"{socket.path_params['room']}: {text}")
    except WebSocketDisconnect as left:
        note(f"left the chat with {left.code}")
    finally:
        chatting.discard(socket)


app = Starlette(
    routes=[
        Route("/number/{number:int}", number),
        Route("/items", make_item, methods=["POST"]),
        Route("/form", form, methods=["POST"]),
        Route("/upload", upload, methods=["POST"]),
        Route("/download", download),
        Route("/report", report),
        Route("/background", background),
        Route("/thread", thread),
        Route("/events", events),
        Route("/sse-starlette", sse_starlette),
        Route("/fail", fail),
        WebSocketRoute("/chat/{room}", chat),
        Mount("/static", StaticFiles(directory=HERE / "static")),
    ],
    middleware=[Middleware(Passing)],
    lifespan=lifespan,
)
