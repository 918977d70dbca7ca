"""Small applications of several frameworks (tests/apps/asgi_frameworks), unchanged: routes, query
strings, forms, WebSockets; and python-socketio with its own client."""

import queue

import pytest
import requests
import socketio
from websockets.sync.client import connect

from .client import PATIENCE
from .conftest import Serve
from .harness import APPS

DIRECTORY = APPS / "asgi_frameworks"


@pytest.mark.parametrize("framework", ["starlette", "litestar", "quart", "falcon"])
def test_framework(serve: Serve, framework: str) -> None:
    server = serve(f"{framework}_app:app", cwd=DIRECTORY)
    with requests.Session() as session:
        for number in range(3):
            answer = session.get(f"{server.url}/number/{number}", params={"q": "ünï&c"})
            assert answer.json() == {"number": number, "q": "ünï&c"}
        assert session.post(server.url + "/form", data={"name": "a=b"}).json() == {"name": "a=b"}
        assert session.get(server.url + "/nowhere").status_code == 404
        assert session.head(server.url + "/nowhere").status_code == 404
    with connect(server.url.replace("http", "ws") + "/echo", subprotocols=["chat", "other"]) as ws:
        assert ws.subprotocol == "chat"
        for text in ("hello", "ünï " * 5000):
            ws.send(text)
            assert ws.recv() == text
    assert "(asgi)" in server.whole_log


@pytest.mark.parametrize("transport", ["polling", "websocket"])
def test_socketio(serve: Serve, transport: str) -> None:
    server = serve("socketio_app:app", cwd=DIRECTORY)
    said: queue.Queue[str] = queue.Queue()
    with socketio.SimpleClient() as other:
        other.connect(server.url, transports=[transport])
        client = socketio.Client()
        client.on("said", said.put)
        client.connect(server.url, transports=[transport])
        assert client.call("say", "ünï", timeout=int(PATIENCE)) == "noted"
        assert said.get(timeout=PATIENCE) == "ünï"
        assert other.receive(timeout=PATIENCE) == ["said", "ünï"]
        client.disconnect()
