"""Expect: 100-continue, RFC 9110 section 10.1.1."""

import pytest

from .client import chunked, request
from .conftest import Serve
from .harness import Server
from .refusal import expect_refusal

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"
EXPECT = ("Expect", "100-continue")


@pytest.mark.matrix
@pytest.mark.parametrize("value", ["100-continue", "100-Continue"])
def test_continue_is_sent_when_the_body_is_wanted(server: Server, value: str) -> None:
    with server.connect() as client:
        for _ in range(2):
            fields = [("Expect", value), ("Content-Length", "4")]
            client.send(request("POST", "/echo", fields))
            client.await_bytes(CONTINUE)
            assert client.buffer == CONTINUE
            client.send(b"body")
            answer = client.response()
            assert (answer.interim, answer.body) == ([100], b"body")


def test_continue_for_a_chunked_body(server: Server) -> None:
    with server.connect() as client:
        client.send(request("POST", "/echo", [EXPECT, ("Transfer-Encoding", "chunked")]))
        client.await_bytes(CONTINUE)
        client.send(chunked([b"one", b"two"]))
        answer = client.response()
        assert (answer.interim, answer.body) == ([100], b"onetwo")


def test_client_that_does_not_wait(server: Server) -> None:
    """The interim answer may be left out when the body is there already."""
    with server.connect() as client:
        client.send(request("POST", "/echo", [EXPECT], b"body") + request())
        answer = client.response()
        assert answer.body == b"body"
        assert answer.interim in ([], [100])
        assert client.response().body == b"hello"


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_no_continue_where_there_is_no_body(server: Server, method: str) -> None:
    with server.connect() as client:
        for fields in ([EXPECT], [EXPECT, ("Content-Length", "0")]):
            answer = client.exchange(request(method, "/", fields))
            assert (answer.interim, answer.body) == ([], b"hello")


def test_no_continue_for_http10(server: Server) -> None:
    """RFC 9110 section 10.1.1: the expectation is ignored in an HTTP/1.0 request."""
    with server.connect() as client:
        fields = [EXPECT, ("Content-Length", "4")]
        client.send(request("POST", "/echo", fields, version="HTTP/1.0"))
        client.expect_silence()
        client.send(b"body")
        answer = client.response()
        assert (answer.interim, answer.body) == ([], b"body")


def test_no_continue_for_a_body_that_is_too_large(serve: Serve) -> None:
    server = serve("probe:checked", "--limit-request-body", "10")
    with server.connect() as client:
        client.send(request("POST", "/echo", [EXPECT, ("Content-Length", "11")]))
        assert expect_refusal(server, client, "ERR_BODY_TOO_LARGE").interim == []


def test_no_continue_for_a_bad_head(server: Server) -> None:
    with server.connect() as client:
        client.send(request("POST", "/echo", [EXPECT, ("Content-Length", "x")]))
        assert expect_refusal(server, client, "ERR_CONTENT_LENGTH").interim == []


@pytest.mark.parametrize("value", ["200-ok", "100-continue, x", "x=y"])
def test_other_expectations(server: Server, value: str) -> None:
    with server.connect() as client:
        client.send(request("POST", "/echo", [("Expect", value)], b"x"))
        expect_refusal(server, client, "ERR_EXPECT")


def test_continue_comes_after_the_answers_before_it(server: Server) -> None:
    with server.connect() as client:
        fields = [EXPECT, ("Content-Length", "4")]
        client.send(request() + request("POST", "/echo", fields))
        first = client.response()
        assert (first.interim, first.body) == ([], b"hello")
        client.await_bytes(CONTINUE)
        client.send(b"body")
        assert client.response().interim == [100]
