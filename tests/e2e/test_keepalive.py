"""How long a connection lives: RFC 9112 section 9."""

import pytest

from .client import request
from .conftest import Serve
from .harness import Server


@pytest.mark.matrix
@pytest.mark.parametrize(
    "value", ["close", "CLOSE", "keep-alive, close", " , close,", "close, x", "Close\t"]
)
def test_close_token(server: Server, value: str) -> None:
    with server.connect() as client:
        answer = client.exchange(request("GET", "/", [("Connection", value)]))
        assert (answer.body, "close" in answer.tokens) == (b"hello", True)
        client.expect_closed()


def test_close_in_the_second_of_two_fields(server: Server) -> None:
    with server.connect() as client:
        fields = [("Connection", "x"), ("Connection", "close")]
        assert "close" in client.exchange(request("GET", "/", fields)).tokens
        client.expect_closed()


@pytest.mark.parametrize("value", ["keep-alive", "closed", "x-close", "notclose", "TE"])
def test_other_tokens_keep_the_connection(server: Server, value: str) -> None:
    with server.connect() as client:
        for _ in range(2):
            answer = client.exchange(request("GET", "/", [("Connection", value)]))
            assert (answer.body, "close" in answer.tokens) == (b"hello", False)


@pytest.mark.parametrize("protocol", ["websocket", "h2c", "TLS/1.0"])
def test_unknown_upgrade_is_ignored(server: Server, protocol: str) -> None:
    """RFC 9110 section 7.8: a server may ignore Upgrade; bytes behind it are the next request."""
    fields = [("Connection", "Upgrade"), ("Upgrade", protocol)]
    with server.connect() as client:
        client.send(request("GET", "/", fields) + request("GET", "/respond?piece=1"))
        answer = client.response()
        assert (answer.status, answer.interim, answer.body) == (200, [], b"hello")
        assert client.response().body == b"\0"


def test_many_requests_on_one_connection(server: Server) -> None:
    with server.connect() as client:
        for _ in range(2000):
            assert client.exchange(request()).body == b"hello"


def test_response_closes_when_asked_whatever_its_framing(server: Server) -> None:
    close = [("Connection", "close")]
    for target, framing in (
        ("/respond?length=10&piece=10", {"length"}),
        ("/respond?kind=generator&piece=10", {"chunked", "close"}),
    ):
        with server.connect() as client:
            answer = client.exchange(request("GET", target, close))
            assert len(answer.body) == 10
            assert answer.framing in framing
            client.expect_closed()


@pytest.mark.matrix("transport", "threads")
def test_half_close_after_the_request_still_gets_the_answer(server: Server) -> None:
    """The end of the client's stream is not the end of the connection."""
    for data, length in (
        (request(), 5),
        (request("POST", "/echo", body=b"x" * 100_000), 100_000),
        (request("GET", "/stream?size=65536&count=64"), 4 << 20),
    ):
        with server.connect() as client:
            client.send(data)
            client.half_close()
            assert len(client.response().body) == length
            client.expect_closed()


@pytest.mark.matrix("threads")
def test_half_close_while_the_application_works(serve: Serve) -> None:
    server = serve()
    with server.connect() as client:
        client.send(request("GET", "/wait?file=gate&piece=1"))
        client.half_close()
        client.await_bytes(b"before ")
        (server.directory / "gate").touch()
        assert client.response().body == b"before done"
        client.expect_closed()


def test_half_close_behind_pipelined_requests(server: Server) -> None:
    with server.connect() as client:
        client.send(request() * 50)
        client.half_close()
        for _ in range(50):
            assert client.response().body == b"hello"
        client.expect_closed()


def test_connections_that_say_nothing(server: Server) -> None:
    for _ in range(20):
        with server.connect() as client:
            client.half_close()
            client.expect_closed()
        server.connect().close()
        server.connect().reset()
    with server.connect() as client:
        assert client.exchange(request()).body == b"hello"


@pytest.mark.matrix("threads")
def test_client_that_resets_inside_a_request(server: Server) -> None:
    """The application is not called for half a request."""
    for data in (
        request()[:-10],
        request("POST", "/stream?size=1&count=1", [("Content-Length", "10")]) + b"1234",
        request("POST", "/stream?size=1&count=1", [("Transfer-Encoding", "chunked")]) + b"5\r\nab",
        request("POST", "/stream?size=1&count=1", [("Content-Length", "9999999")]) + b"1" * 100_000,
    ):
        client = server.connect()
        client.send(data)
        client.reset()
        with server.connect() as client:
            client.send(data)
            client.half_close()
            # an answer that says what is wrong is allowed, a success is not
            rest = client.expect_gone()
            assert not rest.startswith(b"HTTP/1.1 2")
    with server.connect() as client:
        assert client.exchange(request()).body == b"hello"
    assert server.events == []


@pytest.mark.matrix("transport", "threads")
@pytest.mark.parametrize("way", ["close", "reset"])
def test_client_that_vanishes_inside_a_response(server: Server, way: str) -> None:
    """The response's close() is called although nobody reads it to its end."""
    client = server.connect()
    client.send(request("GET", "/stream"))
    client.await_bytes(b"\r\n\r\n")
    client.reset() if way == "reset" else client.close()
    server.await_event("close stream")
    with server.connect() as client:
        assert client.exchange(request()).body == b"hello"


@pytest.mark.matrix("threads")
def test_client_that_vanishes_while_the_response_waits_for_it(server: Server) -> None:
    """The output is full, the generator stands; the reset must reach it all the same."""
    client = server.connect()
    client.send(request("GET", "/stream"))
    server.await_event("enter stream")
    client.await_bytes(b"\r\n\r\n")
    with server.connect() as other:  # the worker has turned: the first client's output is full
        assert other.exchange(request()).body == b"hello"
    assert "close stream" not in server.events
    client.reset()
    server.await_event("close stream")
