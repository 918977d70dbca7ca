"""What tests/e2e/test_asgi_frameworks.py asks for, in Litestar."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any

from litestar import Litestar, Response, WebSocket, get, post, websocket
from litestar.background_tasks import BackgroundTask
from litestar.datastructures import MutableScopeHeaders, State, UploadFile
from litestar.di import Provide
from litestar.enums import RequestEncodingType, ScopeType
from litestar.exceptions import WebSocketDisconnect
from litestar.logging import LoggingConfig
from litestar.middleware import ASGIMiddleware
from litestar.params import Body
from litestar.response import File, ServerSentEvent, Stream
from litestar.static_files import create_static_files_router
from litestar.types import ASGIApp, Message, Receive, Scope, Send
from notes import HERE, MEGABYTE, ROOM, meet, note


@asynccontextmanager
async def lifespan(app: Litestar) -> AsyncIterator[None]:
    note("startup")
    app.state.resource = "a database"
    yield
    note("shutdown")


class Passing(ASGIMiddleware):
    scopes = (ScopeType.HTTP,)

    async def handle(self, scope: Scope, receive: Receive, send: Send, next_app: ASGIApp) -> None:
        async def send_more(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableScopeHeaders.from_message(message)["x-middleware"] = "passed"
            await send(message)

        await next_app(scope, receive, send_more)


@dataclass
class Item:
    name: str
    price: float


@get("/number/{number:int}")
async def number(number: int, q: str) -> dict[str, Any]:
    return {"number": number, "q": q}


@post("/items", status_code=200)
async def make_item(data: Item, state: State) -> dict[str, Any]:
    return {"name": data.name, "price": data.price, "resource": state.resource}


@post("/form", status_code=200)
async def form(
    data: Annotated[dict[str, str], Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> dict[str, str]:
    return {"name": data["name"]}


@dataclass
class Upload:
    file: UploadFile


@post("/upload", status_code=200, request_max_body_size=None)
async def upload(
    data: Annotated[Upload, Body(media_type=RequestEncodingType.MULTI_PART)],
) -> dict[str, str]:
    digest = hashlib.sha256()
    while piece := await data.file.read(1 << 20):
        digest.update(piece)
    return {"name": data.file.filename, "sha256": digest.hexdigest()}


@get("/download")
async def download(megabytes: int) -> Stream:
    def pieces() -> Iterator[bytes]:
        for _ in range(megabytes):
            yield MEGABYTE

    return Stream(pieces(), media_type="application/octet-stream")


@get("/report")
async def report() -> File:
    return File(ROOM / "report", filename="report.bin")


@get("/background")
async def background() -> Response[str]:
    return Response("answered", background=BackgroundTask(note, "background"))


@get("/thread", dependencies={"dependency": Provide(meet, sync_to_thread=True)})
async def thread(dependency: str) -> dict[str, str]:
    return {"dependency": dependency}


@get("/events")
async def events() -> ServerSentEvent:
    async def numbers() -> AsyncIterator[int]:
        try:
            for number in range(10_000):
                yield number
                await asyncio.sleep(0.01)
        finally:
            note("left")

    return ServerSentEvent(numbers())


@get("/fail")
async def fail() -> None:
    raise RuntimeError("as the test wants it")


chatting: set[WebSocket[Any, Any, Any]] = set()


@websocket("/chat/{room:str}")
async def chat(socket: WebSocket[Any, Any, Any], room: str) -> None:
    await socket.accept(subprotocols=socket.scope["subprotocols"][0])
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


app = Litestar(
    [
        number,
        make_item,
        form,
        upload,
        download,
        report,
        background,
        thread,
        events,
        fail,
        chat,
        create_static_files_router("/static", [HERE / "static"]),
    ],
    middleware=[Passing()],
    lifespan=[lifespan],
    logging_config=LoggingConfig(log_exceptions="always", disable_stack_trace={404}),
)
