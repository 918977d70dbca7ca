"""What tests/e2e/test_asgi_frameworks.py asks for, in Quart."""

from typing import Any

from quart import Quart, request, websocket

app = Quart(__name__)


@app.get("/number/<int:number>")
async def number(number: int) -> dict[str, Any]:
    return {"number": number, "q": request.args["q"]}


@app.post("/form")
async def form() -> dict[str, str]:
    return {"name": (await request.form)["name"]}


@app.websocket("/echo")
async def echo() -> None:
    await websocket.accept(subprotocol=websocket.requested_subprotocols[0])
    while True:
        await websocket.send(await websocket.receive())
