"""A real Flask application (tests/apps/flask_app), served and used as its users would."""

import hashlib
from collections.abc import Iterator

import pytest
import requests

from .harness import APPS, Server, Shape, running

pytestmark = pytest.mark.matrix("workers", "threads")


@pytest.fixture(scope="module")
def started(shape: Shape, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """`freastal shop:app` in the application's directory."""
    room = tmp_path_factory.mktemp("shop")
    env = {"SHOP_UPLOADS": str(room)}
    with running(shape, room / "0", "shop:app", cwd=APPS / "flask_app", env=env) as server:
        yield server


@pytest.fixture
def shop(started: Server) -> Server:
    """The one server of that shape, which serves all tests as it would serve all customers."""
    started.begin()
    return started


def test_form_session_redirect_and_flash(shop: Server) -> None:
    with requests.Session() as alice, requests.Session() as bob:
        for item in ("tea", "brød & smør"):
            page = alice.post(shop.url, data={"item": item})
            assert (page.status_code, page.history[0].status_code) == (200, 302)
            assert page.url == shop.url + "/"
        assert "<p class=flash>added brød &amp; smør</p>" in page.text
        page = alice.get(shop.url)
        assert "<li>tea</li><li>brød &amp; smør</li>" in page.text
        assert "flash" not in page.text
        assert "<li>" not in bob.get(shop.url).text


def test_upload_and_download(shop: Server) -> None:
    large = bytes(range(256)) * 20_000
    with requests.Session() as session:
        files = {
            "first": ("large.bin", large, "application/x-large"),
            "second": ("small.txt", b"small", "text/plain"),
        }
        answer = session.post(shop.url + "/upload", data={"note": "ünï"}, files=files).json()
        assert answer["fields"] == {"note": "ünï"}
        first = answer["files"]["first"]
        assert (first["filename"], first["type"]) == ("large.bin", "application/x-large")
        assert first["sha256"] == hashlib.sha256(large).hexdigest()
        whole = session.get(shop.url + "/download/large.bin")
        assert whole.content == large
        part = session.get(shop.url + "/download/large.bin", headers={"Range": "bytes=1000-1999"})
        assert (part.status_code, part.content) == (206, large[1000:2000])
        etag = {"If-None-Match": whole.headers["ETag"]}
        same = session.get(shop.url + "/download/large.bin", headers=etag)
        assert (same.status_code, same.content) == (304, b"")
        head = session.head(shop.url + "/download/large.bin")
        assert (head.headers["Content-Length"], head.content) == (str(len(large)), b"")


def test_stream(shop: Server) -> None:
    answer = requests.get(shop.url + "/count/5000", timeout=20)
    assert answer.text == "".join(f"/count/5000 {line}\n" for line in range(5000))


def test_what_the_framework_sees(shop: Server) -> None:
    url = shop.url + "/echo/a%20b/%C3%A9%2Fx?q=1&q=2&r=%26"
    answer = requests.put(url, json={"k": ["v"]}, cookies={"c": "d"}, timeout=20).json()
    assert answer["path"] == "a b/é/x"
    assert answer["args"] == {"q": ["1", "2"], "r": ["&"]}
    assert answer["json"] == {"k": ["v"]}
    assert answer["url"].startswith(shop.url + "/echo/")
    assert (answer["remote"], answer["cookies"]) == ("127.0.0.1", {"c": "d"})


def test_errors(shop: Server) -> None:
    shop.tracebacks_expected = True
    with requests.Session() as session:
        assert session.get(shop.url + "/missing").status_code == 404
        assert session.get(shop.url + "/fail").status_code == 500
        assert session.delete(shop.url).status_code == 405
        assert session.get(shop.url).status_code == 200
    shop.await_log("RuntimeError: on purpose")
