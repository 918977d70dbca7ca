"""A real FastAPI application (tests/apps/fastapi_app), served and used as its users would."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from websockets.sync.client import connect

from .harness import APPS, Server, Shape, await_true, running
from .weights import FORM, GROWTH, HUGE, Multipart, resident


@pytest.fixture(scope="module")
def started(shape: Shape, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`freastal market:app` in the application's directory."""
    room = tmp_path_factory.mktemp("market")
    with running(shape, room / "0", "market:app", cwd=APPS / "fastapi_app") as server:
        yield server


@pytest.fixture
def market(started: Server) -> Server:
    started.begin()
    return started


def test_start_up_and_shutdown(shape: Shape, room: Path) -> None:
    with running(shape, room / "0", "market:app", cwd=APPS / "fastapi_app") as server:
        server.await_event("startup")
        assert "market:app (asgi)" in server.whole_log
    assert server.events == ["startup", "shutdown"]


def test_json_models_dependencies_and_state(market: Server) -> None:
    with requests.Session() as session:
        answer = session.get(market.url + "/items/3")
        assert answer.json() == {"number": 3, "dependency": "from a thread"}
        assert answer.headers["x-middleware"] == "passed"
        assert session.get(market.url + "/items/three").status_code == 422
        item = {"name": "ünï", "price": 1.5}
        made = session.post(market.url + "/items", json=item).json()
        assert made == {**item, "resource": "a database"}
        assert session.post(market.url + "/items", json={"name": "x"}).status_code == 422
        assert session.post(market.url + "/form", data={"name": "a&b"}).json() == {"name": "a&b"}
        assert session.get(market.url + "/nowhere").status_code == 404


def test_middleware_and_static_files(market: Server) -> None:
    with requests.Session() as session:
        long = session.get(market.url + "/long", headers={"Origin": "https://shop.example"})
        assert long.headers["content-encoding"] == "gzip"
        assert long.headers["access-control-allow-origin"] == "https://shop.example"
        assert long.json() == {"text": "long " * 1000}
        static = session.get(market.url + "/static/a.txt")
        assert static.text == "a static text\n"
        again = session.get(
            market.url + "/static/a.txt", headers={"If-None-Match": static.headers["etag"]}
        )
        assert (again.status_code, again.content) == (304, b"")
        source = (APPS / "fastapi_app" / "market.py").read_bytes()
        assert session.get(market.url + "/file").content == source


def test_background_task_after_the_answer(market: Server) -> None:
    assert requests.get(market.url + "/background").json() == "answered"
    market.await_event("background")


@pytest.mark.slow
def test_huge_upload_and_download_in_little_memory(market: Server) -> None:
    with requests.Session() as session:
        session.get(market.url + "/download?megabytes=1")
        before = resident(market)
        with session.get(market.url + f"/download?megabytes={HUGE}", stream=True) as down:
            assert sum(map(len, down.iter_content(1 << 20))) == HUGE * 10**6
        up = session.post(market.url + "/upload", data=iter(Multipart(HUGE)), headers=FORM)
        assert up.json() == {"name": "f", "size": HUGE * 10**6}
        assert resident(market) - before < GROWTH


def test_server_sent_events_notice_a_client_that_left(market: Server) -> None:
    with requests.get(market.url + "/events", stream=True) as answer:
        lines = answer.iter_lines()
        assert [next(lines) for _ in range(3)] == [b"data: 0", b"", b"data: 1"]
        assert "left" not in market.events
    market.await_event("left")


def test_failure(market: Server) -> None:
    market.tracebacks_expected = True
    assert requests.get(market.url + "/fail").status_code == 500
    market.await_log("RuntimeError: as the test wants it")
    assert requests.get(market.url + "/items/1").status_code == 200


@pytest.mark.parametrize("compression", [None, "deflate"])
def test_chat(market: Server, compression: str | None) -> None:
    url = market.url.replace("http", "ws") + "/chat/tea"
    with connect(url, compression=compression) as alice, connect(url) as bob:
        alice.send("hello")
        assert [alice.recv(), bob.recv()] == ["tea: hello"] * 2
        bob.send("ünï " * 1000)
        assert [alice.recv(), bob.recv()] == ["tea: " + "ünï " * 1000] * 2
        alice.close(3000)
        market.await_event("left the chat with 3000")
        bob.send("alone")
        assert bob.recv() == "tea: alone"
    market.await_event("left the chat with 1000")
    await_true(lambda: len(market.events) == 2, "both to leave")
