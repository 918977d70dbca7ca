"""The client gets to read the last answer although it still sends: RFC 9112 section 9.6."""

import pytest

from .client import request
from .conftest import Serve
from .refusal import expect_refusal


@pytest.mark.matrix("transport")
def test_refusal_reaches_a_client_that_sends_its_body_first(serve: Serve) -> None:
    """Without lingering the unread bytes would turn the end into a reset and lose the answer."""
    server = serve("probe:checked", "--limit-request-body", "1000")
    for _ in range(10):
        with server.connect() as client:
            client.send(request("POST", "/echo", [("Content-Length", "300000")]))
            client.send_as_far_as_taken(b"x" * 100_000)
            client.half_close()
            expect_refusal(server, client, "ERR_BODY_TOO_LARGE")


def test_refusal_of_a_head_with_a_body_behind_it(serve: Serve) -> None:
    server = serve()
    for _ in range(10):
        with server.connect() as client:
            fields = [("Content-Length", "100000"), ("Transfer-Encoding", "chunked")]
            client.send(request("POST", "/echo", fields))
            client.send_as_far_as_taken(b"x" * 100_000)
            expect_refusal(server, client, "ERR_LENGTH_AND_CODING")


def test_lingering_ends(serve: Serve) -> None:
    """A client that goes on sending for ever is not listened to for ever."""
    server = serve("probe:checked", "--limit-request-body", "1000")
    with server.connect() as client:
        client.send(request("POST", "/echo", [("Content-Length", "99999999999")]))
        assert client.response().status == 413
        sent = 0
        while not client.ended:
            client.send_as_far_as_taken(b"x" * 100_000)
            sent += 100_000
            assert sent < 1 << 30, "the server goes on reading"
        client.close()


def test_lingering_connections_hold_nobody_up(serve: Serve) -> None:
    """Clients that neither read nor close after their refusal; others are served meanwhile."""
    server = serve()
    clients = [server.connect() for _ in range(20)]
    for client in clients:
        client.send(b"GET / HTTP/1.1\r\n\r\n")
    with server.connect() as other:
        for _ in range(10):
            assert other.exchange(request()).body == b"hello"
    for client in clients:
        client.close()
