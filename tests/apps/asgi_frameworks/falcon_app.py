"""What tests/e2e/test_asgi_frameworks.py asks for, in Falcon."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from typing import Any

import aiofiles
from falcon import WebSocketDisconnected, sync_to_async
from falcon.asgi import App, Request, Response, SSEvent, WebSocket
from notes import HERE, MEGABYTE, ROOM, meet, note


class Passing:
    """Falcon's middleware has the lifespan's events too."""

    resource = ""

    async def process_startup(self, scope: dict[str, Any], event: dict[str, Any]) -> None:
        note("startup")
        self.resource = "a database"

    async def process_shutdown(self, scope: dict[str, Any], event: dict[str, Any]) -> None:
        note("shutdown")

    async def process_request(self, request: Request, response: Response) -> None:
        request.context.resource = self.resource

    async def process_response(
        self, request: Request, response: Response, resource: object, succeeded: bool
    ) -> None:
        response.set_header("x-middleware", "passed")


class Number:
    async def on_get(self, request: Request, response: Response, number: int) -> None:
        response.media = {"number": number, "q": request.get_param("q")}


class Items:
    async def on_post(self, request: Request, response: Response) -> None:
        response.media = {**await request.get_media(), "resource": request.context.resource}


class Form:
    async def on_post(self, request: Request, response: Response) -> None:
        response.media = {"name": (await request.get_media())["name"]}


class Upload:
    async def on_post(self, request: Request, response: Response) -> None:
        async for part in await request.get_media():
            digest = hashlib.sha256()
            while piece := await part.stream.read(1 << 20):
                digest.update(piece)
            response.media = {"name": part.filename, "sha256": digest.hexdigest()}


class Download:
    async def on_get(self, request: Request, response: Response) -> None:
        megabytes = request.get_param_as_int("megabytes", required=True)

        async def pieces() -> AsyncIterator[bytes]:
            for _ in range(megabytes):
                yield MEGABYTE

        response.content_type = "application/octet-stream"
        response.stream = pieces()


class Report:
    async def on_get(self, request: Request, response: Response) -> None:
        response.content_type = "application/octet-stream"
        response.downloadable_as = "report.bin"
        report = await aiofiles.open(ROOM / "report", "rb")
        response.set_stream(report, (ROOM / "report").stat().st_size)


class Background:
    async def on_get(self, request: Request, response: Response) -> None:
        async def task() -> None:
            note("background")

        response.text = "answered"
        response.schedule(task)


class Thread:
    async def on_get(self, request: Request, response: Response) -> None:
        response.media = {"dependency": await sync_to_async(meet)}


class Events:
    async def on_get(self, request: Request, response: Response) -> None:
        async def numbers() -> AsyncIterator[SSEvent]:
            try:
                for number in range(10_000):
                    yield SSEvent(data=b"%d" % number)
                    await asyncio.sleep(0.01)
            finally:
                note("left")

        response.sse = numbers()


class Fail:
    async def on_get(self, request: Request, response: Response) -> None:
        raise RuntimeError("as the test wants it")


chatting: set[WebSocket] = set()


class Chat:
    async def on_websocket(self, request: Request, socket: WebSocket, room: str) -> None:
        await socket.accept(subprotocol=socket.subprotocols[0])
        chatting.add(socket)
        try:
            while True:
                text = await socket.receive_text()
                for each in chatting:
                    await each.send_text(f"{room}: {text}")
        except WebSocketDisconnected as left:
            note(f"left the chat with {left.code}")
        finally:
            chatting.discard(socket)


app = App(middleware=[Passing()])
app.add_route("/number/{number:int}", Number())
app.add_route("/items", Items())
app.add_route("/form", Form())
app.add_route("/upload", Upload())
app.add_route("/download", Download())
app.add_route("/report", Report())
app.add_route("/background", Background())
app.add_route("/thread", Thread())
app.add_route("/events", Events())
app.add_route("/fail", Fail())
app.add_route("/chat/{room}", Chat())
app.add_static_route("/static", HERE / "static")
