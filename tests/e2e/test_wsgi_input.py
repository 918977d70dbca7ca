"""wsgi.input: PEP 3333 "Input and Error Streams"."""

import json
from typing import Any

import pytest

from .client import chunked, request
from .conftest import Share
from .harness import Server

TEXT = b"first\nsecond line\n\nlast without an end"


def read(server: Server, calls: str, body: bytes, *, in_chunks: bool = False) -> Any:
    """The results of these calls on the stream of that body."""
    target = f"/input?{calls}"
    if in_chunks:
        pieces = [body[at : at + 7] for at in range(0, len(body), 7)]
        data = request("POST", target, [("Transfer-Encoding", "chunked")]) + chunked(pieces)
    else:
        data = request("POST", target, body=body)
    with server.connect() as client:
        answer = client.exchange(data)
        assert answer.status == 200
        # whatever the application left unread must not be taken for a request
        assert client.exchange(request()).body == b"hello"
        return json.loads(answer.body)


@pytest.mark.parametrize("in_chunks", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize(
    ("calls", "results"),
    [
        ("read=", [TEXT.decode()]),
        ("read=-1", [TEXT.decode()]),
        ("read=1000", [TEXT.decode()]),
        ("read=5&read=1&read=6&read=0", ["first", "\n", "second", ""]),
        ("read=&read=&read=5&read=-1&readline=&readlines=", [TEXT.decode(), "", "", "", "", []]),
        ("readline=&readline=&readline=", ["first\n", "second line\n", "\n"]),
        ("readline=-1&readline=3&readline=100", ["first\n", "sec", "ond line\n"]),
        ("readline=6&readline=0", ["first\n", ""]),
        ("readlines=", [["first\n", "second line\n", "\n", "last without an end"]]),
        ("readline=&readlines=", ["first\n", ["second line\n", "\n", "last without an end"]]),
        ("iterate=", [["first\n", "second line\n", "\n", "last without an end"]]),
        ("read=2&iterate=&read=", ["fi", TEXT[2:].decode().splitlines(keepends=True), ""]),
        ("", []),
    ],
)
def test_methods(share: Share, calls: str, results: object, in_chunks: bool) -> None:
    assert read(share("probe:plain"), calls, TEXT, in_chunks=in_chunks) == results


def test_hint_of_readlines_may_be_ignored_but_loses_nothing(share: Share) -> None:
    """PEP 3333 leaves the hint to the server; whole lines come in any case."""
    lines, rest = read(share("probe:plain"), "readlines=7&read=", TEXT)
    assert "".join(lines) + rest == TEXT.decode()
    assert lines[0] == "first\n"
    assert all(line.endswith("\n") for line in lines if rest)


@pytest.mark.matrix("threads")
@pytest.mark.parametrize("in_chunks", [False, True], ids=["length", "chunked"])
def test_methods_behind_the_validator(server: Server, in_chunks: bool) -> None:
    calls = "read=3&readline=&readline=4&iterate=&read=10&readlines="
    lines = ["nd line\n", "\n", "last without an end"]
    results = ["fir", "st\n", "seco", lines, "", []]
    assert read(server, calls, TEXT, in_chunks=in_chunks) == results


@pytest.mark.parametrize("in_chunks", [False, True], ids=["length", "chunked"])
def test_empty_body(share: Share, in_chunks: bool) -> None:
    calls = "read=&read=5&readline=&readlines=&iterate="
    assert read(share("probe:plain"), calls, b"", in_chunks=in_chunks) == ["", "", "", [], []]


def test_no_body(share: Share) -> None:
    with share("probe:plain").connect() as client:
        answer = client.exchange(request("GET", "/input?read=&readline=&readlines=&iterate="))
        assert json.loads(answer.body) == ["", "", [], []]


@pytest.mark.parametrize("size", [65535, 65536, 65537, 200_001])
@pytest.mark.parametrize("in_chunks", [False, True], ids=["length", "chunked"])
def test_lines_of_a_large_body(share: Share, size: int, in_chunks: bool) -> None:
    """Below and above the size where the body goes to a file; lines cross every boundary."""
    line = b"x" * 96 + b"\n"
    body = (line * (size // len(line) + 1))[:size]
    expected = body.decode().splitlines(keepends=True)
    server = share("probe:plain")
    assert read(server, "iterate=", body, in_chunks=in_chunks) == [expected]
    first, rest = expected[0], expected[1:]
    results = [first, rest[0][:50], body[len(first) + 50 :].decode(), ""]
    assert read(server, "readline=&readline=50&read=&read=", body) == results


@pytest.mark.matrix("threads")
def test_large_body_lies_in_an_unlinked_file_while_it_is_read(server: Server) -> None:
    with server.connect() as client:
        client.exchange(request())  # by then, connections before this one are over
        before = json.loads(client.exchange(request("GET", "/process")).body)
        for size, files in ((65536, 0), (65537, 1), (5_000_000, 1)):
            answer = client.exchange(request("POST", "/spool", body=b"x" * size))
            result = json.loads(answer.body)
            assert result["length"] == size
            assert result["named"] == []
            assert len(result["unlinked"]) == files
        after = json.loads(client.exchange(request("GET", "/process")).body)
        assert after["descriptors"] == before["descriptors"]


def test_unread_body_does_not_become_a_request(server: Server) -> None:
    """The body is a request itself; the application does not read it."""
    with server.connect() as client:
        for _ in range(2):
            client.send(request("POST", "/", body=request("GET", "/respond?piece=1")))
            assert client.response().body == b"hello"
        client.expect_silence()


def test_application_is_not_called_before_the_body_is_there(server: Server) -> None:
    """A slow client holds no Python thread."""
    with server.connect() as slow, server.connect() as quick:
        slow.send(request("POST", "/wait?file=gate", [("Content-Length", "4")]) + b"12")
        assert quick.exchange(request()).body == b"hello"
        assert server.events == []
        (server.directory / "gate").touch()
        slow.send(b"34")
        assert slow.response().body == b"done"
