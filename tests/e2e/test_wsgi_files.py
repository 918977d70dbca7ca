"""wsgi.file_wrapper: PEP 3333 "Optional Platform-Specific File Handling"."""

import pytest

from .client import request
from .conftest import Share
from .harness import Server

KINDS = ["file", "buffered", "memory", "reader", "bare", "nofile"]


def pattern(size: int) -> bytes:
    """What tests/apps/files.py puts into a file of that size."""
    return (bytes(range(256)) * (size // 256 + 1))[:size]


@pytest.fixture
def files(share: Share) -> Server:
    """A server of tests/apps/files.py."""
    return share("files:app")


@pytest.mark.matrix("transport", "threads")
@pytest.mark.parametrize("kind", KINDS)
def test_whole_files(files: Server, kind: str) -> None:
    with files.connect() as client:
        for size in (0, 1, 1000, 65536, 1_000_001):
            for length in ("", f"&length={size}"):
                answer = client.exchange(request("GET", f"/?kind={kind}&size={size}{length}"))
                assert answer.body == pattern(size)
                if length:
                    assert answer.framing == "length"
    if kind in ("file", "reader", "nofile"):
        files.await_event("close file", 10)
        assert files.events == ["close file"] * 10


@pytest.mark.parametrize("kind", KINDS)
def test_from_where_the_file_stands(files: Server, kind: str) -> None:
    with files.connect() as client:
        for offset in (1, 5000, 99_999, 100_000):
            for length in ("", f"&length={100_000 - offset}"):
                target = f"/?kind={kind}&offset={offset}{length}"
                assert client.exchange(request("GET", target)).body == pattern(100_000)[offset:]


@pytest.mark.matrix("threads")
@pytest.mark.parametrize("kind", KINDS)
def test_no_more_than_the_content_length(files: Server, kind: str) -> None:
    """A range: the file goes on, the response does not."""
    with files.connect() as client:
        for offset, length in ((0, 10), (100, 1), (500, 66_000), (7, 0)):
            target = f"/?kind={kind}&offset={offset}&length={length}&status=206+Partial+Content"
            answer = client.exchange(request("GET", target))
            assert answer.status == 206
            assert answer.body == pattern(100_000)[offset : offset + length]


@pytest.mark.parametrize("kind", KINDS)
def test_file_shorter_than_its_length_is_cut(files: Server, kind: str) -> None:
    files.tracebacks_expected = True
    with files.connect() as client:
        client.send(request("GET", f"/?kind={kind}&size=1000&length=1001") + request())
        answer = client.response(may_be_cut=True)
        assert answer.status == 500 or not answer.complete
        assert client.expect_gone() == b""
    files.await_log("shorter than its Content-Length")


@pytest.mark.parametrize("kind", KINDS)
def test_head(files: Server, kind: str) -> None:
    with files.connect() as client:
        client.send(request("HEAD", f"/?kind={kind}&length=100000") + request("GET", "/?size=3"))
        assert client.response("HEAD").get("content-length") == "100000"
        assert client.response().body == b"\0\1\2"


def test_pipe(files: Server) -> None:
    """A descriptor that sendfile does not take."""
    with files.connect() as client:
        assert client.exchange(request("GET", "/?kind=pipe")).body == pattern(1000)
        assert client.exchange(request("GET", "/?kind=pipe&length=1000")).body == pattern(1000)


@pytest.mark.parametrize("wrap", ["list", "generator"])
@pytest.mark.parametrize("block", ["", "&block=1000", "&block=1"])
def test_wrapper_is_iterable(files: Server, wrap: str, block: str) -> None:
    """For middleware, which must be able to iterate over it."""
    with files.connect() as client:
        answer = client.exchange(request("GET", f"/?wrap={wrap}&size=5000{block}"))
        assert answer.body == pattern(5000)


def test_block_size(files: Server) -> None:
    with files.connect() as client:
        answer = client.exchange(request("GET", "/?kind=reader&size=100000&block=1000"))
        assert answer.body == pattern(100_000)


def test_read_that_fails(files: Server) -> None:
    files.tracebacks_expected = True
    with files.connect() as client:
        client.send(request("GET", "/?kind=failing&block=1000"))
        answer = client.response(may_be_cut=True)
        assert answer.status == 500 or not answer.complete
    files.await_event("close file")
    files.await_log("on purpose")


def test_pipelined_files(files: Server) -> None:
    with files.connect() as client:
        sizes = [100_000, 5, 0, 300_000, 1]
        client.send(b"".join(request("GET", f"/?size={size}&length={size}") for size in sizes))
        for size in sizes:
            assert client.response().body == pattern(size)
    files.await_event("close file", 5)
    assert files.events == ["close file"] * 5


@pytest.mark.matrix("threads")
def test_client_that_vanishes(files: Server) -> None:
    client = files.connect()
    client.send(request("GET", "/?size=50000000"))
    client.await_bytes(b"\r\n\r\n")
    client.reset()
    files.await_event("close file")


def test_large_file_to_a_slow_reader(files: Server) -> None:
    with files.connect() as client:
        client.send(request("GET", "/?size=20000000&length=20000000") + request("GET", "/?size=9"))
        client.await_bytes(b"\r\n\r\n")
        with files.connect() as other:
            assert other.exchange(request("GET", "/?size=10")).body == pattern(10)
        assert client.response().body == pattern(20_000_000)
        assert client.response().body == pattern(9)


def test_http10(files: Server) -> None:
    with files.connect() as client:
        assert client.exchange(request("GET", "/", version="HTTP/1.0")).body == pattern(100_000)
        client.expect_closed()
