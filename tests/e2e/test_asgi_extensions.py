"""The extensions that the scope announces, and how they are used wrongly."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from .asgi_script import START, body, refusals, script
from .client import Client, CutError, request
from .conftest import Serve
from .harness import Server

pytestmark = pytest.mark.matrix("loop")

DATA = bytes(range(256)) * 4000


def path_send(path: object) -> dict[str, Any]:
    """A message that sends a whole file by its name."""
    return {"type": "http.response.pathsend", "path": path}


def trailers(*headers: Any, more: bool = False) -> dict[str, Any]:
    """A message with trailers."""
    return {"type": "http.response.trailers", "headers": list(headers), "more_trailers": more}


def start(*headers: Any, **more: Any) -> dict[str, Any]:
    """A response's start."""
    return {"type": "http.response.start", "status": 200, "headers": list(headers), **more}


LENGTH = (b"content-length", b"%d" % len(DATA))


@pytest.fixture
def file(room: Path) -> Path:
    """A file of DATA."""
    path = room / "data"
    path.write_bytes(DATA)
    return path


@pytest.mark.matrix("transport", "loop")
@pytest.mark.parametrize("headers", [(), (LENGTH,)], ids=["bare", "length"])
@pytest.mark.parametrize("version", ["HTTP/1.0", "HTTP/1.1"])
def test_pathsend(asgi: Server, file: Path, headers: tuple[Any, ...], version: str) -> None:
    target = script(start(*headers), path_send(str(file)))
    with asgi.connect() as client:
        answer = client.exchange(request("GET", target, version=version))
        assert (answer.status, answer.body == DATA) == (200, True)
        if version == "HTTP/1.1":
            head = client.exchange(request("HEAD", target), "HEAD")
            assert (head.status, head.body) == (200, b"")
            assert client.exchange(request()).body == b"hello"
    asgi.await_event("performed")
    assert refusals(asgi) == []


def test_pathsend_of_an_empty_file(asgi: Server, room: Path) -> None:
    (room / "empty").touch()
    with asgi.connect() as client:
        answer = client.exchange(request("GET", script(START, path_send(str(room / "empty")))))
        assert (answer.status, answer.body) == (200, b"")
        assert client.exchange(request()).body == b"hello"


def test_pathsend_to_a_slow_client(asgi: Server, room: Path) -> None:
    """More than socket buffers hold; the file may go when it has been opened."""
    path = room / "large"
    path.write_bytes(DATA * 30)
    with asgi.connect() as client:
        client.send(request("GET", script(START, path_send(str(path)))))
        client.await_bytes(b"\r\n\r\n")
        path.unlink()
        with asgi.connect() as other:
            assert other.exchange(request()).body == b"hello"
        assert client.response().body == DATA * 30


def test_pathsend_of_a_file_that_becomes_shorter(asgi: Server, room: Path) -> None:
    """The client sees the cut, and the log says why."""
    path = room / "shrinks"
    path.write_bytes(bytes(64 << 20))
    with asgi.connect() as client:
        client.send(request("GET", script(START, path_send(str(path)))))
        client.await_bytes(b"\r\n\r\n")
        os.truncate(path, 1)
        with pytest.raises(CutError):
            client.response()
    asgi.await_log("a file became shorter while it was sent")


@pytest.mark.parametrize("name", ["missing", ".", "missing/data"])
def test_pathsend_of_what_cannot_be_sent(asgi: Server, room: Path, name: str) -> None:
    """It raises in the application, and a response is still to be made."""
    path = str(room / name)
    with asgi.connect() as client:
        answer = client.exchange(request("GET", script(START, path_send(path), body(b"fine"))))
        assert answer.body == b"fine"
    [event] = refusals(asgi)
    assert event.startswith("1 ")


@pytest.mark.parametrize("path", [None, 7, b"\0", "with\0nul"])
def test_pathsend_of_a_path_that_is_none(asgi: Server, path: object) -> None:
    with asgi.connect() as client:
        answer = client.exchange(request("GET", script(START, path_send(path), body(b"fine"))))
        assert answer.body == b"fine"
    assert len(refusals(asgi)) == 1


def test_pathsend_in_the_wrong_order(asgi: Server, file: Path) -> None:
    send = path_send(str(file))
    with asgi.connect() as client:
        answer = client.exchange(request("GET", script(send, START, send, send, body())))
        assert answer.body == DATA
        before, *after = refusals(asgi)
        assert "http.response.start" in before
        assert [event[0] for event in after] == ["3", "4"]
    asgi.begin()
    with asgi.connect() as client:
        target = script(START, body(b"some", True), send, body())
        assert client.exchange(request("GET", target)).body == b"some"
        [event] = refusals(asgi)
        assert "http.response.body" in event


def test_pathsend_of_a_file_of_another_length(asgi: Server, file: Path) -> None:
    """HTTP-RULES 17: never more than Content-Length, and less does not look complete."""
    asgi.tracebacks_expected = True
    for length in (len(DATA) - 1, len(DATA) + 1):
        target = script(start((b"content-length", b"%d" % length)), path_send(str(file)))
        with asgi.connect() as client:
            client.send(request("GET", target))
            try:
                answer = client.response(may_be_cut=True)
            except CutError:
                continue
            assert answer.status == 500 or not answer.complete or len(answer.body) < len(DATA)
    with asgi.connect() as client:
        assert client.exchange(request()).body == b"hello"


def zero_copy(client: Client, **options: int | str) -> Any:
    """The answer of /zerocopy with these options."""
    query = "&".join(f"{name}={value}" for name, value in options.items())
    return client.exchange(request("GET", f"/zerocopy?{query}"))


@pytest.mark.matrix("transport", "loop")
def test_zerocopysend(asgi: Server, file: Path) -> None:
    with asgi.connect() as client:
        assert zero_copy(client, file=str(file)).body == DATA
        assert zero_copy(client, file=str(file), offset=1000).body == DATA[1000:]
        assert zero_copy(client, file=str(file), offset=10, count=500).body == DATA[10:510]
        assert zero_copy(client, file=str(file), count=0).body in (b"", DATA)
        # without an offset: from where the file stands, which moves on
        assert zero_copy(client, file=str(file), seek=300).body == DATA[300:]
        twice = zero_copy(client, file=str(file), count=100, times=3)
        assert twice.body == DATA[:300]
        mixed = zero_copy(client, file=str(file), count=100, times=2, between="text")
        assert mixed.body == DATA[:100] + b"text" + DATA[100:200] + b"text"
    assert not [event for event in asgi.events if event.startswith("refused")]


@pytest.mark.parametrize(
    "options",
    [
        {"file": "", "kind": "none"},
        {"file": "", "kind": "bytesio"},
        {"file": "", "kind": "closed"},
        {"offset": -1},
        {"count": -1},
        {"offset": 1 << 70},
        {"offset": "text"},
    ],
)
def test_zerocopysend_used_wrongly(asgi: Server, file: Path, options: dict[str, Any]) -> None:
    with asgi.connect() as client:
        answer = zero_copy(client, **{"file": str(file), **options})
        assert (answer.status, answer.body) == (200, b"fine")
    assert len([event for event in asgi.events if event.startswith("refused")]) == 1


@pytest.mark.matrix("transport", "loop")
def test_trailers(asgi: Server) -> None:
    """RFC 9112 section 7.1.2: behind the last chunk."""
    digest = (b"x-digest", b"abc")
    head = start((b"trailer", b"x-digest"), trailers=True)
    for data in ((body(b"data"),), (body(b"da", True), body(b"ta"))):
        with asgi.connect() as client:
            client.takes_trailers = True
            request_bytes = request(
                "GET", script(head, data, trailers(digest)), [("TE", "trailers")]
            )
            answer = client.exchange(request_bytes)
            assert (answer.body, answer.framing) == (b"data", "chunked")
            assert answer.trailers == [("x-digest", "abc")]
            assert client.exchange(request()).body == b"hello"
    assert refusals(asgi) == []


def test_trailers_in_several_messages(asgi: Server) -> None:
    one, two = (b"x-one", b"1"), (b"x-two", b"2")
    target = script(
        start(trailers=True), body(b"data"), trailers(one, more=True), trailers(two), trailers(one)
    )
    with asgi.connect() as client:
        client.takes_trailers = True
        answer = client.exchange(request("GET", target, [("TE", "trailers")]))
        assert answer.trailers == [("x-one", "1"), ("x-two", "2")]
    [event] = refusals(asgi)
    assert event.startswith("4 ")


def test_trailers_where_the_framing_has_no_room(asgi: Server) -> None:
    """With a length, for HTTP/1.0 and HEAD they are left out; the response is whole."""
    target = script(
        start((b"content-length", b"4"), trailers=True), body(b"data"), trailers((b"x-a", b"b"))
    )
    bare = script(start(trailers=True), body(b"data"), trailers((b"x-a", b"b")))
    with asgi.connect() as client:
        assert client.exchange(request("GET", target)).body == b"data"
        assert client.exchange(request("HEAD", bare), "HEAD").status == 200
        assert client.exchange(request("GET", bare, version="HTTP/1.0")).body == b"data"
    asgi.await_event("performed", 3)
    assert refusals(asgi) == []


@pytest.mark.parametrize(
    "field", [(b"content-length", b"4"), (b"transfer-encoding", b"chunked"), (b"host", b"x")]
)
def test_trailers_that_may_not_be_there(asgi: Server, field: Any) -> None:
    """RFC 9110 section 6.5.1: nothing that frames or routes."""
    target = script(start(trailers=True), body(b"data"), trailers(field), trailers())
    with asgi.connect() as client:
        assert client.exchange(request("GET", target)).body == b"data"
        assert client.exchange(request()).body == b"hello"
    assert len(refusals(asgi)) == 1


def test_trailers_that_never_come(asgi: Server) -> None:
    """They were promised: the response must not look complete."""
    asgi.tracebacks_expected = True
    with asgi.connect() as client:
        client.send(request("GET", script(start(trailers=True), body(b"data"))))
        try:
            answer = client.response(may_be_cut=True)
            assert answer.status == 500 or not answer.complete
        except CutError:
            pass
    asgi.await_log("trailers")


@pytest.mark.matrix("transport", "loop")
def test_early_hint(asgi: Server) -> None:
    """RFC 8297: 103, before the response; a client of HTTP/1.0 knows no interim responses."""
    links = [b"</style.css>; rel=preload; as=style", b"</script.js>; rel=preload; as=script"]
    hint = {"type": "http.response.early_hint", "links": links}
    target = script(hint, hint, START, body(b"fine"))
    with asgi.connect() as client:
        answer = client.exchange(request("GET", target))
        assert (answer.interim, answer.body) == ([103, 103], b"fine")
        for fields in answer.hints:
            values = [value for name, value in fields if name.lower() == "link"]
            assert ", ".join(values) == b", ".join(links).decode()
        assert not answer.all("link")
        old = client.exchange(request("GET", target, version="HTTP/1.0"))
        assert (old.interim, old.body) == ([], b"fine")


@pytest.mark.parametrize("links", [["text"], [b"</a>\r\nevil: 1"], 7, None])
def test_early_hint_used_wrongly(asgi: Server, links: Any) -> None:
    hint = {"type": "http.response.early_hint", "links": links}
    good = {**hint, "links": []}
    with asgi.connect() as client:
        answer = client.exchange(request("GET", script(hint, START, good, body(b"fine"))))
        assert (answer.interim, answer.body) == ([], b"fine")
    assert [event[0] for event in refusals(asgi)] == ["0", "2"]


def test_hint_goes_out_at_once(serve: Serve) -> None:
    server = serve("asgi_probe:app")
    with server.connect() as client:
        client.send(request("GET", "/hint?file=go"))
        client.await_bytes(b"HTTP/1.1 103 ")
        (server.directory / "go").touch()
        answer = client.response()
        assert (answer.interim, answer.body) == ([103], b"done")


def test_extensions_of_a_websocket_are_its_own(asgi: Server) -> None:
    """The scope of HTTP does not announce what only WebSockets have."""
    with asgi.connect() as client:
        scope = json.loads(client.exchange(request("GET", "/scope")).body)[1]
    assert "websocket.http.response" not in scope["extensions"][1]
