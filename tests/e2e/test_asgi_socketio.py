"""python-socketio with its own client, over each of its transports."""

import queue
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
import socketio

from .client import PATIENCE
from .harness import APPS, Server, Shape, running

DIRECTORY = APPS / "asgi_frameworks"
AUTH = {"token": "secret"}


@pytest.fixture(scope="module")
def started(shape: Shape, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all transports."""
    room = tmp_path_factory.mktemp("socketio")
    with running(shape, room / "0", "socketio_app:app", cwd=DIRECTORY) as server:
        yield server
    assert server.whole_events[0] == "startup"
    assert server.whole_events[-1] == "shutdown"


@pytest.fixture
def site(started: Server) -> Server:
    """The server, at the beginning of a test."""
    started.begin()
    return started


def headers_of(site: Server, name: str) -> dict[str, str]:
    """engineio takes the scheme of its own origin from what a proxy says, and from nothing else."""
    return {"X-Name": name, "X-Forwarded-Proto": site.scheme}


class Guest:
    """A client that keeps what it hears."""

    def __init__(self, site: Server, name: str, transports: list[str] | None) -> None:
        self.heard: queue.Queue[Any] = queue.Queue()
        self.client = socketio.Client()
        self.client.on("said", lambda *said: self.heard.put(said))
        self.client.on("number", self.heard.put)
        self.client.connect(site.url, headers_of(site, name), auth=AUTH, transports=transports)

    def call(self, event: str, *data: object) -> Any:
        """What the server answers to an event."""
        return self.client.call(event, data, timeout=int(PATIENCE))

    def hear(self) -> Any:
        """What the server says of itself."""
        return self.heard.get(timeout=PATIENCE)

    def leave(self) -> None:
        """Is sent away. A client that goes of itself leaves a long poll behind, which engineio
        answers only 45 seconds later, and waits for that answer."""
        self.client.emit("leave")
        self.client.wait()


@pytest.fixture(params=[["polling"], ["websocket"], None], ids=["polling", "websocket", "upgrade"])
def transports(request: pytest.FixtureRequest) -> list[str] | None:
    """Which a client may take; without a choice it polls first and asks for a WebSocket then."""
    return request.param  # type: ignore[no-any-return]


def test_rooms_sessions_binary_data_and_tasks(site: Server, transports: list[str] | None) -> None:
    alice, bob = (Guest(site, name, transports) for name in ("alice", "bob"))
    assert alice.client.transport() == (transports or ["websocket"])[0]
    for guest in (alice, bob):
        guest.call("enter", "tea")
    for data in ("ünï " * 5000, {"bytes": bytes(range(256)) * 300, "number": 1}):
        assert alice.call("say", "tea", data) == "noted"
        assert alice.hear() == bob.hear() == ("alice", data)
    bob.client.emit("count")
    assert [bob.hear() for _ in range(3)] == [0, 1, 2]
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda guest: guest.call("thread"), (alice, bob)))
    assert answers == ["met in a thread"] * 2
    bob.leave()
    assert alice.call("say", "tea", "alone") == "noted"
    assert alice.hear() == ("alice", "alone")
    alice.leave()
    site.await_event("left: server disconnect", 2)


def test_client_that_goes(site: Server) -> None:
    with socketio.SimpleClient() as client:
        client.connect(site.url, headers_of(site, "a"), auth=AUTH, transports=["websocket"])
    site.await_event_of("left: ")


def test_refused_connection(site: Server, transports: list[str] | None) -> None:
    client = socketio.Client()
    with pytest.raises(socketio.exceptions.ConnectionError):
        client.connect(site.url, headers_of(site, "a"), transports=transports)


def test_static_files_and_the_other_application(site: Server) -> None:
    source = (DIRECTORY / "static" / "a.txt").read_bytes()
    assert requests.get(site.url + "/page/a.txt").content == source
    assert requests.get(site.url + "/number/1?q=b").json() == {"number": 1, "q": "b"}
