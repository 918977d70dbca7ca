"""What tests/e2e/test_asgi_frameworks.py asks for, in Falcon."""

from falcon import WebSocketDisconnected
from falcon.asgi import App, Request, Response, WebSocket


class Number:
    async def on_get(self, request: Request, response: Response, number: int) -> None:
        response.media = {"number": number, "q": request.get_param("q")}


class Form:
    async def on_post(self, request: Request, response: Response) -> None:
        response.media = {"name": (await request.get_media())["name"]}


class Echo:
    async def on_websocket(self, request: Request, socket: WebSocket) -> None:
        await socket.accept(subprotocol=socket.subprotocols[0])
        try:
            while True:
                await socket.send_text(await socket.receive_text())
        except WebSocketDisconnected:
            pass


app = App()
app.add_route("/number/{number:int}", Number())
app.add_route("/form", Form())
app.add_route("/echo", Echo())
