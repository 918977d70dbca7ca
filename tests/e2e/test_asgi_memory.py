"""What a worker keeps of ASGI requests and of messages of WebSockets that are over: nothing."""

from typing import Any

import pytest

from .client import Client, request
from .conftest import Serve
from .test_memory import FEW_MIB, FEW_REFERENCES, many, measure
from .ws_client import TEXT, frame, handshake, switched

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def check(before: Any, after: Any) -> None:
    """References, objects, tasks, blocks of memory and descriptors stand where they stood."""
    grown = {
        name: count - before["references"][name]
        for name, count in after["references"].items()
        if abs(count - before["references"][name]) > FEW_REFERENCES
    }
    assert not grown
    assert after["objects"] - before["objects"] < 200
    assert after["blocks"] - before["blocks"] < 2000
    assert after["tasks"] == before["tasks"]
    # A connection that has just been closed may not have been let go yet.
    assert after["descriptors"] - before["descriptors"] <= 1
    assert after["rss"] - before["rss"] < FEW_MIB


def test_nothing_is_left_of_100000_requests(serve: Serve) -> None:
    server = serve("asgi_probe:app")
    fields = [("Cookie", "a=1"), ("User-Agent", "agent"), ("X-Odd-Name", "v"), ("X-Odd-Name", "w")]
    kinds = [
        (request("GET", "/", fields), 60_000),
        (request("POST", "/echo", fields, b"body"), 20_000),
        (request("GET", "/stream?size=10&count=3", fields), 20_000),
    ]
    with server.connect() as client:
        for data, _ in kinds:
            many(client, data, 1000)
        measure(client)
        before = measure(client)
        for data, count in kinds:
            many(client, data, count)
        after = measure(client)
    assert sum(count for _, count in kinds) == 100_000
    check(before, after)


@pytest.mark.parametrize("extensions", ["", "permessage-deflate"])
def test_nothing_is_left_of_100000_messages(serve: Serve, extensions: str) -> None:
    server = serve("asgi_probe:app")
    offer = [("Sec-WebSocket-Extensions", extensions)] if extensions else []
    text = b"a message that is long enough to be compressed: " + b"ab" * 20
    batch = 100

    def talk(client: Client, count: int) -> None:
        with switched(client, handshake("/echo", offer)) as ws:
            for _ in range(count // batch):
                ws.client.send(frame(TEXT, text) * batch)
                for _ in range(batch):
                    assert ws.message() == text.decode()
            ws.close()

    with server.connect() as observer:
        talk(server.connect(), 1000)
        measure(observer)
        before = measure(observer)
        for _ in range(10):
            talk(server.connect(), 10_000)
        after = measure(observer)
    check(before, after)
