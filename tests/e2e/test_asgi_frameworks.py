"""The same client against the same routes, written in several frameworks as each teaches it.

The applications are tests/apps/asgi_frameworks and tests/apps/django_site. FastAPI's is apart, in
test_fastapi.py, and so is what Django's other interface shares with this one, in test_django.py.
"""

import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import requests
from websockets.sync.client import connect

from .harness import APPS, Server, Shape, running
from .weights import FORM, GROWTH, HUGE, Multipart, resident, sha256

DIRECTORY = APPS / "asgi_frameworks"
SOURCE = DIRECTORY / "static" / "a.txt"


@dataclass(frozen=True)
class Framework:
    """How one is started, and what it does not have."""

    app: str
    cwd: Path = DIRECTORY
    lacks: dict[str, str] = field(default_factory=dict)
    """By the name of a feature, why there is nothing to test."""
    says_code: bool = True
    """A handler of a WebSocket is told the code that its peer has closed with."""


FRAMEWORKS = {
    "starlette": Framework("starlette_app:app"),
    "litestar": Framework(
        "litestar_app:app",
        lacks={"conditional": "its static files have an ETag that requests are not compared to"},
    ),
    "quart": Framework("quart_app:app", says_code=False),
    "falcon": Framework("falcon_app:app"),
    "django": Framework(
        "config.asgi",
        cwd=APPS / "django_site",
        lacks={
            "lifespan": "it refuses the scope, as --lifespan auto lets it",
            "background": "its own tasks run at once, or in a process that others bring",
            "chat": "it refuses the scope: WebSockets are those of Channels",
            "upload in chunks": "without a Content-Length its forms are empty",
            "huge report": "under ASGI it reads a whole file before it sends the first byte",
        },
    ),
}


def on_all(feature: str) -> pytest.MarkDecorator:
    """Runs a test on the server of every framework that has this feature."""
    names = [name for name, row in FRAMEWORKS.items() if feature not in row.lacks]
    return pytest.mark.parametrize("framework", names, scope="module")


@pytest.fixture(scope="module")
def started(
    framework: str, shape: Shape, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """The framework's application, served to all tests as it would be to all visitors."""
    row = FRAMEWORKS[framework]
    room = tmp_path_factory.mktemp(framework)
    (room / "static").mkdir()
    shutil.copy(SOURCE, room / "static")  # Django serves what has been collected
    env = {"SITE_DATA": str(room)}
    with running(shape, room / "0", row.app, cwd=row.cwd, env=env) as server:
        assert f"{row.app} (asgi)" in server.whole_log
        yield server
    if "lifespan" not in row.lacks:
        assert server.whole_events.count("startup") == server.whole_events.count("shutdown") == 1


@pytest.fixture
def site(started: Server) -> Server:
    """The server, at the beginning of a test."""
    started.begin()
    return started


@on_all("routes")
def test_routes_and_middleware(site: Server) -> None:
    with requests.Session() as session:
        for number in range(3):
            answer = session.get(f"{site.url}/number/{number}", params={"q": "ünï&c"})
            assert answer.json() == {"number": number, "q": "ünï&c"}
            assert answer.headers["x-middleware"] == "passed"
        assert session.get(site.url + "/nowhere").status_code == 404
        assert session.head(site.url + "/nowhere").status_code == 404


@on_all("json")
def test_json_and_resources_of_the_lifespan(site: Server) -> None:
    item = {"name": "ünï " * 10_000, "price": 1.5}
    answer = requests.post(site.url + "/items", json=item)
    assert answer.json() == {**item, "resource": "a database"}


@on_all("form")
def test_form(site: Server) -> None:
    assert requests.post(site.url + "/form", data={"name": "a=b"}).json() == {"name": "a=b"}


@on_all("upload")
def test_upload(site: Server) -> None:
    answer = requests.post(site.url + "/upload", files={"file": ("ab", b"\r\n--b" * 100)})
    assert answer.json()["name"] == "ab"
    answer = requests.post(site.url + "/upload", data=Multipart(3), headers=FORM)
    assert answer.json() == {"name": "f", "sha256": sha256(3)}


@on_all("upload in chunks")
def test_upload_in_chunks(site: Server) -> None:
    answer = requests.post(site.url + "/upload", data=iter(Multipart(3)), headers=FORM)
    assert answer.json() == {"name": "f", "sha256": sha256(3)}


@on_all("report")
def test_file(site: Server) -> None:
    (site.directory / "report").write_bytes(bytes(range(256)) * 5000)
    answer = requests.get(site.url + "/report", headers={"Accept-Encoding": "identity"})
    assert answer.content == bytes(range(256)) * 5000
    assert answer.headers["content-length"] == "1280000"
    assert "report.bin" in answer.headers["content-disposition"]


@on_all("background")
def test_background_task(site: Server) -> None:
    assert requests.get(site.url + "/background").text.strip('"') == "answered"
    site.await_event("background")


@on_all("thread")
def test_code_that_blocks_runs_in_threads(site: Server) -> None:
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(requests.get, [site.url + "/thread"] * 2))
    assert [answer.json() for answer in answers] == [{"dependency": "met in a thread"}] * 2


def check_events(site: Server, path: str) -> None:
    """Reads some events and goes, which the application must notice."""
    headers = {"Accept-Encoding": "identity"}
    with requests.get(site.url + path, stream=True, headers=headers) as answer:
        assert answer.headers["content-type"].split(";")[0] == "text/event-stream"
        lines = answer.iter_lines()
        data = (line for line in lines if line.startswith(b"data"))
        assert [next(data).replace(b" ", b"") for _ in range(3)] == [
            b"data:%d" % x for x in (0, 1, 2)
        ]
        assert "left" not in site.events
    site.await_event("left")


@on_all("events")
def test_server_sent_events_notice_a_client_that_left(site: Server) -> None:
    check_events(site, "/events")


@pytest.mark.parametrize("framework", ["starlette"], scope="module")
def test_sse_starlette(site: Server) -> None:
    check_events(site, "/sse-starlette")


@on_all("chat")
def test_chat(site: Server, framework: str) -> None:
    url = site.url.replace("http", "ws") + "/chat/tea"
    offer = ["chat", "other"]
    with (
        connect(url, subprotocols=offer, compression=None) as alice,
        connect(url, subprotocols=offer) as bob,
    ):
        assert alice.subprotocol == bob.subprotocol == "chat"
        alice.send("hello")
        assert [alice.recv(), bob.recv()] == ["tea: hello"] * 2
        bob.send("ünï " * 5000)
        assert [alice.recv(), bob.recv()] == ["tea: " + "ünï " * 5000] * 2
        alice.close(3000)
        told = FRAMEWORKS[framework].says_code
        site.await_event("left the chat" + told * " with 3000")
        bob.send("alone")
        assert bob.recv() == "tea: alone"
    site.await_event("left the chat with 1000" if told else "left the chat", 1 if told else 2)


@on_all("static")
def test_static_file(site: Server) -> None:
    assert requests.get(site.url + "/static/a.txt").content == SOURCE.read_bytes()
    assert requests.get(site.url + "/static/b.txt").status_code == 404
    site.tracebacks_expected = True  # Django logs an attempt to leave the directory so
    assert requests.get(site.url + "/static/%2e%2e/notes.py").status_code in (400, 404)


@on_all("conditional")
def test_static_file_that_has_not_changed(site: Server) -> None:
    first = requests.get(site.url + "/static/a.txt")
    since = {"If-Modified-Since": first.headers["last-modified"]}
    again = requests.get(site.url + "/static/a.txt", headers=since)
    assert (again.status_code, again.content) == (304, b"")


@on_all("fail")
def test_failure(site: Server) -> None:
    site.tracebacks_expected = True
    assert requests.get(site.url + "/fail").status_code == 500
    site.await_log("RuntimeError: as the test wants it")
    assert requests.get(site.url + "/number/1?q=").status_code == 200


@pytest.mark.slow
@on_all("download")
def test_huge_download_in_little_memory(site: Server) -> None:
    url = f"{site.url}/download?megabytes="
    with requests.Session() as session:
        session.headers["Accept-Encoding"] = "identity"
        session.get(url + "1")
        before = resident(site)
        with session.get(f"{url}{HUGE}", stream=True) as answer:
            assert sum(map(len, answer.iter_content(1 << 20))) == HUGE * 10**6
    assert resident(site) - before < GROWTH


@pytest.mark.slow
@on_all("huge report")
def test_huge_file_in_little_memory(site: Server) -> None:
    with open(site.directory / "report", "wb") as report:
        report.truncate(HUGE * 10**6)
    before = resident(site)
    with requests.get(site.url + "/report", stream=True) as answer:
        assert sum(map(len, answer.iter_content(1 << 20))) == HUGE * 10**6
    assert resident(site) - before < GROWTH


@pytest.mark.slow
@on_all("upload")
def test_huge_upload_in_little_memory(site: Server) -> None:
    with requests.Session() as session:
        session.post(site.url + "/upload", data=Multipart(3), headers=FORM)
        before = resident(site)
        answer = session.post(site.url + "/upload", data=Multipart(HUGE), headers=FORM)
        assert answer.json() == {"name": "f", "sha256": sha256(HUGE)}
    assert resident(site) - before < GROWTH
