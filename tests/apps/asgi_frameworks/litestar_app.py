"""What tests/e2e/test_asgi_frameworks.py asks for, in Litestar."""

from typing import Annotated, Any

from litestar import Litestar, WebSocket, get, post, websocket
from litestar.enums import RequestEncodingType
from litestar.exceptions import WebSocketDisconnect
from litestar.params import Body


@get("/number/{number:int}")
async def number(number: int, q: str) -> dict[str, Any]:
    return {"number": number, "q": q}


@post("/form", status_code=200)
async def form(
    data: Annotated[dict[str, str], Body(media_type=RequestEncodingType.URL_ENCODED)],
) -> dict[str, str]:
    return {"name": data["name"]}


@websocket("/echo")
async def echo(socket: WebSocket[Any, Any, Any]) -> None:
    await socket.accept(subprotocols=socket.scope["subprotocols"][0])
    try:
        while True:
            await socket.send_text(await socket.receive_text())
    except WebSocketDisconnect:
        pass


app = Litestar([number, form, echo])
