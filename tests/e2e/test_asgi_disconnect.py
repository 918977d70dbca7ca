"""Clients that leave: the application is told at once, never cancelled, and cannot send on."""

import pytest

from .asgi_script import START, body, refusals, script
from .client import Client, request
from .conftest import Serve
from .harness import Server

pytestmark = pytest.mark.matrix("loop")

GONE = "got {'type': 'http.disconnect'}"
AGAIN = "again {'type': 'http.disconnect'}"
WAYS = [Client.close, Client.reset]
BODY = ("/disconnect?read=", "/disconnect?read=&start=", "/disconnect?read=&piece=")


def send_and_leave(server: Server, data: bytes, way: object) -> None:
    """Goes when the application is waiting."""
    client = server.connect()
    client.send(data)
    server.await_event("waiting")
    assert not [event for event in server.events if event.startswith("got")]
    way(client)  # type: ignore[operator]


@pytest.mark.matrix("transport", "loop")
@pytest.mark.parametrize("way", WAYS, ids=["fin", "rst"])
@pytest.mark.parametrize("target", ["/disconnect", *BODY])
def test_disconnect_is_told_at_once(asgi: Server, target: str, way: object) -> None:
    send_and_leave(asgi, request("POST", target, body=b"body"), way)
    asgi.await_event(GONE)
    asgi.await_event("over")
    assert asgi.events.count(AGAIN) == 1
    assert asgi.events.count("refused True") == 2
    assert "sent" not in asgi.events


@pytest.mark.parametrize("way", WAYS, ids=["fin", "rst"])
def test_disconnect_inside_a_request_body(asgi: Server, way: object) -> None:
    data = request("POST", "/disconnect", [("Content-Length", "10")]) + b"12345"
    send_and_leave(asgi, data, way)
    asgi.await_event("over")
    assert GONE in asgi.events
    assert "more 5 True" in asgi.events or way is Client.reset
    assert not [event for event in asgi.events if event.endswith("False")]


@pytest.mark.parametrize("read", ["read=&", ""])
@pytest.mark.parametrize("sent", [b"", b"body"])
def test_disconnect_follows_a_complete_response(asgi: Server, read: str, sent: bytes) -> None:
    """The specification: also once the response has been sent, whether the client stays or not,
    and whether the application has read the request's body or not."""
    with asgi.connect() as client:
        answer = client.exchange(request("POST", f"/disconnect?{read}end=", body=sent))
        assert answer.body == b"all"
        asgi.await_event(GONE)
        asgi.await_event("over")
        assert not [event for event in asgi.events if event.startswith("more")]
        assert client.exchange(request()).body == b"hello"


@pytest.mark.parametrize("way", WAYS, ids=["fin", "rst"])
def test_task_is_not_cancelled(serve: Serve, way: object) -> None:
    server = serve("asgi_probe:app")
    client = server.connect()
    client.send(request("GET", "/no-cancel"))
    server.await_event("working")
    way(client)  # type: ignore[operator]
    with server.connect() as other:
        assert other.exchange(request()).body == b"hello"
    (server.directory / "gone").touch()
    server.await_event("worked")
    assert "cancelled" not in server.events


@pytest.mark.parametrize("way", WAYS, ids=["fin", "rst"])
def test_send_that_waits_is_woken(asgi: Server, way: object) -> None:
    """The client leaves while `send` waits for it to read."""
    client = asgi.connect()
    client.send(request("GET", "/stream"))
    asgi.await_event("enter stream")
    client.sock.recv(1)
    way(client)  # type: ignore[operator]
    asgi.await_event("stream cut")


def test_half_closed_client_gets_its_answer(asgi: Server) -> None:
    """A FIN behind a whole request does not say that nobody reads."""
    with asgi.connect() as client:
        client.send(request("GET", "/habits?name=executor"))
        client.half_close()
        assert client.response().body == b"true"
        client.expect_closed()


def test_pipelined_requests_of_a_client_that_left(asgi: Server) -> None:
    """The first waits; those behind it may or may not be begun, and nothing hangs."""
    client = asgi.connect()
    client.send(request("GET", "/disconnect?read=") + request() * 20)
    asgi.await_event("waiting")
    client.reset()
    asgi.await_event("over")
    with asgi.connect() as other:
        assert other.exchange(request()).body == b"hello"


@pytest.mark.parametrize("way", WAYS, ids=["fin", "rst"])
@pytest.mark.parametrize("pause", [0.0, 0.2], ids=["at once", "later"])
def test_whoever_has_the_whole_body_may_go_before_its_end(
    asgi: Server, way: object, pause: float
) -> None:
    """As frameworks send files: all bytes with more to come, and then an empty end."""
    start = {**START, "headers": [(b"content-length", b"3")]}
    with asgi.connect() as client:
        sent = (start, body(b"all", more=True))
        target = script(sent, pause, None, None, body(more=True), body(), body())
        assert client.exchange(request("GET", target)).body == b"all"
        way(client)  # type: ignore[operator]
    assert [line.split(":")[0] for line in refusals(asgi)] == ["6 RuntimeError"]  # one too many


@pytest.mark.parametrize("way", WAYS, ids=["fin", "rst"])
def test_whoever_goes_with_less_than_the_body_is_told_of(asgi: Server, way: object) -> None:
    start = {**START, "headers": [(b"content-length", b"4")]}
    with asgi.connect() as client:
        client.send(request("GET", script((start, body(b"all", more=True)), None, None, body())))
        asgi.await_event_of("1 received")
        way(client)  # type: ignore[operator]
    assert [line.split(":")[0] for line in refusals(asgi)] == ["3 ClientDisconnected"]
