"""Several requests in flight on one connection: RFC 9112 section 9.3.2."""

import json

import pytest

from .client import chunked, request
from .conftest import Serve
from .harness import Server
from .refusal import expect_refusal


@pytest.mark.matrix
def test_answers_come_in_the_order_of_the_requests(server: Server) -> None:
    count = 300
    with server.connect() as client:
        client.send(b"".join(request("GET", f"/environ?{number}") for number in range(count)))
        for number in range(count):
            assert json.loads(client.response().body)["QUERY_STRING"] == str(number)


@pytest.mark.matrix("threads")
def test_bodies_of_every_kind_in_one_run(server: Server) -> None:
    small, large = b"small", b"0123456789" * 20_000
    coding = [("Transfer-Encoding", "chunked")]
    with server.connect() as client:
        client.send(
            request("POST", "/echo", body=small)
            + request("GET", "/")
            + request("POST", "/echo", coding)
            + chunked([large[:70_000], large[70_000:]])
            + request("HEAD", "/respond?piece=10")
            + request("POST", "/echo", body=large)
            + request("GET", "/respond?kind=generator&piece=5&piece=6")
            + request("POST", "/echo", coding)
            + chunked([])
            + request("GET", "/")
        )
        assert client.response().body == small
        assert client.response().body == b"hello"
        assert client.response().body == large
        assert client.response("HEAD").status == 200
        assert client.response().body == large
        assert len(client.response().body) == 11
        assert client.response().body == b""
        assert client.response().body == b"hello"


@pytest.mark.matrix("threads")
def test_a_slow_answer_holds_back_the_quick_one_behind_it(serve: Serve) -> None:
    server = serve()
    with server.connect() as client:
        client.send(request("GET", "/wait?file=gate&piece=1") + request())
        client.await_bytes(b"before ")
        (server.directory / "gate").touch()
        assert client.response().body == b"before done"
        assert client.response().body == b"hello"


def test_requests_cut_at_every_place(server: Server) -> None:
    data = request("POST", "/echo", body=b"one") + request("GET", "/respond?piece=3") + request()
    with server.connect() as client:
        for at in range(1, len(data)):
            client.send(data[:at])
            client.send(data[at:])
            bodies = [client.response().body for _ in range(3)]
            assert bodies == [b"one", b"\0\1\2", b"hello"]


@pytest.mark.parametrize(
    ("bad", "name"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n", "ERR_HOST_REPEATED"),
        (b"GET / HTTP/1.1\r\n\r\n", "ERR_HOST_MISSING"),
        (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", "ERR_VERSION"),
        (request("POST", "/echo", [("Content-Length", "+1")]) + b"x", "ERR_CONTENT_LENGTH"),
        (
            request("POST", "/echo", [("Transfer-Encoding", "chunked")]) + b"xyz\r\n",
            "ERR_CHUNK_SIZE",
        ),
        (
            request("POST", "/echo", [("Transfer-Encoding", "chunked")]) + b"3\r\nabcd\r\n",
            "ERR_CHUNK_END",
        ),
    ],
)
def test_nothing_behind_a_bad_request_is_served(server: Server, bad: bytes, name: str) -> None:
    """The good requests before it are answered first, in order; those behind it never."""
    with server.connect() as client:
        client.send(request() + request() + bad + request("GET", "/stream?size=1&count=1") * 3)
        assert client.response().body == b"hello"
        assert client.response().body == b"hello"
        expect_refusal(server, client, name)
    assert server.events == []


def test_nothing_behind_connection_close_is_served(server: Server) -> None:
    """RFC 9112 section 9.6."""
    last = request("GET", "/", [("Connection", "close")])
    with server.connect() as client:
        client.send(request() + last + request("GET", "/stream?size=1&count=1"))
        assert client.response().body == b"hello"
        answer = client.response()
        assert (answer.body, answer.tokens) == (b"hello", {"close"})
        client.expect_closed()
    assert server.events == []


def test_a_client_that_never_reads_is_not_read_without_end(server: Server) -> None:
    """Pipelined depth and bytes are bounded: the requests wait in the client's own kernel."""
    batch = request("GET", "/respond?piece=1000") * 200
    with server.connect() as client:
        client.sock.settimeout(1)
        sent = 0
        try:
            while sent < 64 << 20:
                sent += client.sock.send(batch)
        except TimeoutError:
            pass
        assert sent < 64 << 20
        with server.connect() as other:
            assert other.exchange(request()).body == b"hello"
        client.reset()
