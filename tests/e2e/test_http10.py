"""HTTP/1.0 clients: RFC 9112 appendix C.2.2, RFC 9110 section 2.5."""

import json

import pytest

from .client import CutError, request
from .conftest import Serve
from .harness import Server

KEEP = [("Connection", "keep-alive")]


def old(target: str = "/", headers: list[tuple[str, str]] | None = None) -> bytes:
    """An HTTP/1.0 request without Host."""
    return request("GET", target, headers or [], version="HTTP/1.0", host=None)


@pytest.mark.matrix
def test_connection_ends_after_the_answer(server: Server) -> None:
    with server.connect() as client:
        answer = client.exchange(old())
        assert (answer.body, answer.tokens) == (b"hello", {"close"})
        assert answer.minor == 1
        client.expect_closed()


@pytest.mark.parametrize("value", ["keep-alive", "Keep-Alive", "x, KEEP-ALIVE"])
def test_keep_alive_on_request(server: Server, value: str) -> None:
    with server.connect() as client:
        for _ in range(3):
            answer = client.exchange(old("/respond?length=5&piece=5", [("Connection", value)]))
            assert (len(answer.body), answer.tokens) == (5, {"keep-alive"})
        client.send(old())
        assert client.response().body == b"hello"
        client.expect_closed()


def test_body_of_unknown_length_ends_with_the_connection(server: Server) -> None:
    """RFC 9112 section 6.1: no transfer coding to HTTP/1.0, whatever the client asked for."""
    for headers in ([], KEEP):
        with server.connect() as client:
            answer = client.exchange(old("/respond?kind=generator&piece=5&piece=6", headers))
            assert (len(answer.body), answer.framing) == (11, "close")
            client.expect_closed()


@pytest.mark.matrix("transport", "threads")
def test_failure_inside_such_a_body_is_a_reset(serve: Serve) -> None:
    """An orderly end would make the cut body look complete. Only TCP can tell."""
    server = serve("faults:app")
    server.tracebacks_expected = True
    with server.connect() as client:
        client.send(old("/raise-after-piece"))
        if server.shape.transport != "unix":
            with pytest.raises(CutError):
                client.response()
        else:
            client.expect_gone()


def test_environ(server: Server) -> None:
    with server.connect() as client:
        environ = json.loads(client.exchange(old("/environ")).body)
        assert environ["SERVER_PROTOCOL"] == "HTTP/1.0"
        assert "HTTP_HOST" not in environ


def test_post_with_a_length(server: Server) -> None:
    with server.connect() as client:
        data = request("POST", "/echo", KEEP, b"body", version="HTTP/1.0")
        assert client.exchange(data).body == b"body"
        assert client.exchange(data).body == b"body"
