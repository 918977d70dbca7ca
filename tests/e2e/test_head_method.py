"""HEAD: RFC 9110 section 9.3.2."""

import pytest

from .client import request
from .conftest import Serve
from .harness import Server


@pytest.mark.matrix
def test_head_has_no_body_and_keeps_its_length(server: Server) -> None:
    with server.connect() as client:
        client.send(request("HEAD", "/respond?length=1000&piece=1000") + request())
        answer = client.response("HEAD")
        assert (answer.status, answer.get("content-length")) == (200, "1000")
        assert client.response().body == b"hello"


@pytest.mark.parametrize("kind", ["list", "generator", "late", "iterator", "write", "both"])
@pytest.mark.parametrize("length", ["", "&length=300"])
def test_body_that_the_application_gives_is_not_sent(
    server: Server, kind: str, length: str
) -> None:
    with server.connect() as client:
        target = f"/respond?kind={kind}&piece=100&piece=200{length}"
        client.send(request("HEAD", target) + request())
        answer = client.response("HEAD")
        assert answer.status == 200
        if length:
            assert answer.get("content-length") == "300"
        assert client.response().body == b"hello"


def test_length_without_a_body(serve: Serve) -> None:
    """An application that knows the length and spares itself the body: nothing is cut."""
    with serve("probe:plain").connect() as client:
        for _ in range(2):
            answer = client.exchange(request("HEAD", "/respond?length=1000"), "HEAD")
            assert (answer.status, answer.get("content-length")) == (200, "1000")
        assert client.exchange(request()).body == b"hello"


def test_close_is_called(server: Server) -> None:
    with server.connect() as client:
        client.send(request("HEAD", "/stream?size=10&count=3"))
        assert client.response("HEAD").get("content-length") == "30"
        server.await_event("close stream")


def test_endless_body_is_not_asked_for_without_end(server: Server) -> None:
    with server.connect() as client:
        client.send(request("HEAD", "/stream") + request())
        assert client.response("HEAD").status == 200
        server.await_event("close stream")
        assert client.response().body == b"hello"


def test_head_to_a_refused_request_has_no_body(server: Server) -> None:
    with server.connect() as client:
        client.send(request("HEAD", "/", [("Content-Length", "x")]))
        assert client.response("HEAD").status == 400
        client.expect_closed()


def test_head_over_http10(server: Server) -> None:
    with server.connect() as client:
        client.send(request("HEAD", "/respond?kind=generator&piece=9", version="HTTP/1.0"))
        answer = client.response("HEAD")
        assert (answer.status, answer.all("transfer-encoding")) == (200, [])
        client.expect_closed()
