"""What tests/e2e/test_asgi_frameworks.py asks for, in Starlette."""

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket, WebSocketDisconnect


async def number(request: Request) -> Response:
    return JSONResponse(
        {"number": int(request.path_params["number"]), "q": request.query_params["q"]}
    )


async def form(request: Request) -> Response:
    async with request.form() as fields:
        return JSONResponse({"name": fields["name"]})


async def echo(socket: WebSocket) -> None:
    await socket.accept(subprotocol=socket.scope["subprotocols"][0])
    try:
        while True:
            await socket.send_text(await socket.receive_text())
    except WebSocketDisconnect:
        pass


app = Starlette(
    routes=[
        Route("/number/{number}", number),
        Route("/form", form, methods=["POST"]),
        WebSocketRoute("/echo", echo),
    ]
)
