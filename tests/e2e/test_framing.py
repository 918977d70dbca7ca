"""Where messages begin and end: RFC 9112 sections 6 and 7, requests and responses."""

import json
import zlib

import pytest

from .client import chunked, request
from .conftest import Share
from .harness import Server

BODY = bytes(range(256)) * 3


@pytest.mark.matrix
def test_requests_follow_one_another_on_one_connection(server: Server) -> None:
    with server.connect() as client:
        for number in range(5):
            body = BODY + bytes([number])
            answer = client.exchange(request("POST", "/echo", body=body))
            assert (answer.status, answer.body) == (200, body)
            assert "close" not in answer.tokens
        assert client.exchange(request()).body == b"hello"


@pytest.mark.parametrize("size", [0, 1, 2, 100, 65535, 65536, 65537, 1_000_000])
def test_body_with_content_length(server: Server, size: int) -> None:
    body = (BODY * (size // len(BODY) + 1))[:size]
    with server.connect() as client:
        answer = client.exchange(request("POST", "/echo", body=body))
        assert answer.body == body
        assert client.exchange(request()).body == b"hello"


@pytest.mark.parametrize("value", ["000", "0000000000000000005"])
def test_leading_zeros_of_content_length_are_decimal(server: Server, value: str) -> None:
    body = b"01234"[: int(value)]
    with server.connect() as client:
        head = request("POST", "/echo", [("Content-Length", value)])
        assert client.exchange(head + body).body == body
        assert client.exchange(request()).body == b"hello"


def test_byte_by_byte(server: Server) -> None:
    with server.connect() as client:
        client.send_each(request("POST", "/echo?x=%20", [("X-Name", "value")], b"body"))
        assert client.response().body == b"body"
        client.send_each(
            request("POST", "/echo", [("Transfer-Encoding", "chunked")])
            + chunked([b"one", b"two"], trailers=b"X-Sum: 1\r\n")
        )
        assert client.response().body == b"onetwo"


def test_head_and_body_in_two_segments_at_each_place(server: Server) -> None:
    data = request("POST", "/echo", [("A", "b")], b"1234")
    with server.connect() as client:
        for at in range(1, len(data)):
            client.send(data[:at])
            client.send(data[at:])
            assert client.response().body == b"1234"


def test_empty_lines_before_a_request_are_skipped(server: Server) -> None:
    """RFC 9112 section 2.2: at least one."""
    with server.connect() as client:
        assert client.exchange(b"\r\n" + request()).body == b"hello"
        assert client.exchange(b"\r\n" + request()).body == b"hello"


def test_request_without_framing_has_no_body(server: Server) -> None:
    """RFC 9112 section 6.3 rule 7."""
    with server.connect() as client:
        client.send(request("POST", "/echo") + request())
        assert client.response().body == b""
        assert client.response().body == b"hello"


def test_get_with_a_body(server: Server) -> None:
    with server.connect() as client:
        client.send(request("GET", "/echo", body=b"body") + request())
        assert client.response().body == b"body"
        assert client.response().body == b"hello"


def test_large_body_arrives_whole(server: Server) -> None:
    body = b"0123456789abcdef" * (1 << 18)
    with server.connect() as client:
        answer = client.exchange(request("POST", "/measure", body=body))
        assert json.loads(answer.body) == {"length": len(body), "crc": zlib.crc32(body)}


def test_response_of_unknown_length_is_chunked(server: Server) -> None:
    with server.connect() as client:
        answer = client.exchange(request("GET", "/respond?kind=generator&piece=10&piece=20"))
        assert (answer.framing, len(answer.body)) == ("chunked", 30)
        assert client.exchange(request()).body == b"hello"


def test_response_with_length_is_sent_under_it(server: Server) -> None:
    with server.connect() as client:
        target = "/respond?kind=generator&length=30&piece=10&piece=20"
        answer = client.exchange(request("GET", target))
        assert (answer.framing, len(answer.body)) == ("length", 30)
        assert client.exchange(request()).body == b"hello"


def test_empty_pieces_do_not_end_a_chunked_response(server: Server) -> None:
    with server.connect() as client:
        target = "/respond?kind=generator&piece=0&piece=10&piece=0&piece=0&piece=20&piece=0"
        answer = client.exchange(request("GET", target))
        assert (answer.framing, len(answer.body)) == ("chunked", 30)
        assert 0 not in answer.pieces
        assert client.exchange(request()).body == b"hello"


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
@pytest.mark.parametrize("kind", ["list", "generator"])
def test_statuses_without_a_body(share: Share, status: str, kind: str) -> None:
    """RFC 9110 section 6.4.1; the piece that the application gives is not sent."""
    server = share("probe:plain")
    target = f"/respond?kind={kind}&piece=10&type=&status={status.replace(' ', '+')}"
    with server.connect() as client:
        client.send(request("GET", target) + request())
        answer = client.response()
        assert (f"{answer.status} {answer.reason}", answer.body) == (status, b"")
        assert client.response().body == b"hello"


def test_content_length_is_dropped_on_204_and_kept_on_304(share: Share) -> None:
    """RFC 9110 section 8.6."""
    server = share("probe:plain")
    with server.connect() as client:
        answer = client.exchange(request("GET", "/respond?type=&length=10&status=204+No+Content"))
        assert answer.all("content-length") == []
        answer = client.exchange(request("GET", "/respond?type=&length=10&status=304+Not+Modified"))
        assert answer.all("content-length") == ["10"]
        assert client.exchange(request()).body == b"hello"


@pytest.mark.parametrize("kind", ["generator", "list", "write"])
def test_body_longer_than_its_length_is_never_sent_whole(share: Share, kind: str) -> None:
    """Bytes behind the length would be read as another response: refused or cut, never sent."""
    server = share("probe:plain")
    server.tracebacks_expected = True
    with server.connect() as client:
        client.send(request("GET", f"/respond?kind={kind}&length=25&piece=10&piece=20"))
        answer = client.response(may_be_cut=True)
        assert answer.status in (200, 500)
        if "close" in answer.tokens or not answer.complete:
            assert client.expect_gone() == b""
        else:
            client.expect_silence()
            assert client.exchange(request()).body == b"hello"
    server.await_log("longer than its Content-Length")


@pytest.mark.parametrize("kind", ["generator", "list", "write"])
def test_body_shorter_than_its_length_never_looks_complete(share: Share, kind: str) -> None:
    server = share("probe:plain")
    server.tracebacks_expected = True
    with server.connect() as client:
        client.send(request("GET", f"/respond?kind={kind}&length=31&piece=10&piece=20") + request())
        answer = client.response(may_be_cut=True)
        assert answer.status == 500 or not answer.complete
        assert client.expect_gone() == b""
    server.await_log("shorter than its Content-Length")


@pytest.mark.matrix("threads")
def test_pieces_are_sent_before_the_next_is_asked_for(share: Share) -> None:
    """PEP 3333, buffering and streaming: a piece is not held back until the next one comes."""
    server = share("probe:checked")
    with server.connect() as client:
        client.send(request("GET", "/wait?file=gate&piece=1"))
        client.await_bytes(b"before ")
        (server.directory / "gate").touch()
        assert client.response().body == b"before done"
