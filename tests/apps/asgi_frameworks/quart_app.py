"""What tests/e2e/test_asgi_frameworks.py asks for, in Quart."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from typing import Any

from notes import MEGABYTE, ROOM, meet, note
from quart import Quart, Response, make_response, request, send_file, websocket
from quart.utils import run_sync

app = Quart(__name__)
app.config["MAX_CONTENT_LENGTH"] = 1 << 30


@app.while_serving
async def lifespan() -> AsyncIterator[None]:
    note("startup")
    app.config["RESOURCE"] = "a database"
    yield
    note("shutdown")


@app.after_request
async def passing(response: Response) -> Response:
    response.headers["x-middleware"] = "passed"
    return response


@app.get("/number/<int:number>")
async def number(number: int) -> dict[str, Any]:
    return {"number": number, "q": request.args["q"]}


@app.post("/items")
async def make_item() -> dict[str, Any]:
    return {**await request.get_json(), "resource": app.config["RESOURCE"]}


@app.post("/form")
async def form() -> dict[str, str]:
    return {"name": (await request.form)["name"]}


@app.post("/upload")
async def upload() -> dict[str, str]:
    file = (await request.files)["file"]

    def digest() -> str:
        result = hashlib.sha256()
        while piece := file.read(1 << 20):
            result.update(piece)
        return result.hexdigest()

    return {"name": file.filename, "sha256": await run_sync(digest)()}


@app.get("/download")
async def download() -> tuple[AsyncIterator[bytes], dict[str, str]]:
    megabytes = int(request.args["megabytes"])

    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(megabytes):
            yield MEGABYTE

    return pieces(), {"Content-Type": "application/octet-stream"}


@app.get("/report")
async def report() -> Response:
    return await send_file(ROOM / "report", as_attachment=True, attachment_filename="report.bin")


@app.get("/background")
async def background() -> str:
    app.add_background_task(note, "background")
    return "answered"


@app.get("/thread")
def thread() -> dict[str, str]:
    return {"dependency": meet()}


@app.get("/events")
async def events() -> Response:
    async def numbers() -> AsyncIterator[bytes]:
        try:
            for number in range(10_000):
                yield b"data: %d\n\n" % number
                await asyncio.sleep(0.01)
        finally:
            note("left")

    response = await make_response(numbers(), {"Content-Type": "text/event-stream"})
    response.timeout = None
    return response


@app.get("/fail")
async def fail() -> None:
    raise RuntimeError("as the test wants it")


chatting: set[asyncio.Queue[str]] = set()


@app.websocket("/chat/<room>")
async def chat(room: str) -> None:
    await websocket.accept(subprotocol=websocket.requested_subprotocols[0])
    said: asyncio.Queue[str] = asyncio.Queue()

    async def tell() -> None:
        while True:
            await websocket.send(await said.get())

    telling = asyncio.create_task(tell())
    chatting.add(said)
    try:
        while True:
            text = await websocket.receive()
            for each in chatting:
                await each.put(f"{room}: {text}")
    finally:
        chatting.discard(said)
        telling.cancel()
        note("left the chat")
