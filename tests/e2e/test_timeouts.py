"""Every wait has a time-out: HTTP-RULES 20. Tests look at what happens, never at how long it took;
the defaults are longer than a test's patience, so that only the option under test can strike."""

import time

import pytest

from .client import PATIENCE, chunked, request
from .conftest import Serve
from .harness import Server
from .refusal import expect_refusal
from .rules import RULES


def drip(server: Server, data: bytes, every: float) -> bytes:
    """Sends byte after byte until the server ends it; returns what the server said."""
    with server.connect() as client:
        client.sock.settimeout(every)
        deadline = time.monotonic() + PATIENCE
        said = b""
        for at in range(len(data)):
            assert time.monotonic() < deadline, "the server goes on listening"
            client.send_as_far_as_taken(data[at : at + 1])
            try:
                piece = client.sock.recv(65536)
            except TimeoutError:
                continue
            except ConnectionResetError:
                break
            if not piece:
                break
            said += piece
        return said


@pytest.mark.matrix("transport", "threads")
def test_head_must_come_in_time(serve: Serve) -> None:
    server = serve("probe:checked", "--timeout-headers", "0.5")
    with server.connect() as client:
        client.send(request()[:-2])
        expect_refusal(server, client, "ERR_HEAD_TIMEOUT")


def test_progress_does_not_lengthen_the_time_for_a_head(serve: Serve) -> None:
    """Slow-loris: byte after byte, a field without end."""
    server = serve("probe:checked", "--timeout-headers", "0.5")
    said = drip(server, request()[:-2] + b"X: " + b"x" * 10_000, 0.05)
    assert said.startswith(b"HTTP/1.1 408 ")
    server.await_log(RULES["ERR_HEAD_TIMEOUT"].text)


def test_connection_that_says_nothing_is_ended(serve: Serve) -> None:
    """From accept on; it may be told why."""
    server = serve("probe:checked", "--timeout-headers", "0.5")
    with server.connect() as client:
        rest = client.expect_gone()
        assert rest == b"" or rest.startswith(b"HTTP/1.1 408 ")


def test_second_head_must_come_in_time_once_it_has_begun(serve: Serve) -> None:
    server = serve("probe:checked", "--timeout-headers", "0.5")
    with server.connect() as client:
        assert client.exchange(request()).body == b"hello"
        client.send(b"GET ")
        expect_refusal(server, client, "ERR_HEAD_TIMEOUT")


@pytest.mark.parametrize(
    "start",
    [
        request("POST", "/stream", [("Content-Length", "10")]) + b"1234",
        request("POST", "/stream", [("Content-Length", "10")]),
        request("POST", "/stream", [("Transfer-Encoding", "chunked")]) + b"5\r\nabc",
        request("POST", "/stream", [("Transfer-Encoding", "chunked")]) + b"5\r\nabcde\r\n0\r\n",
    ],
)
def test_body_must_make_progress(serve: Serve, start: bytes) -> None:
    server = serve("probe:checked", "--timeout-body", "0.5")
    with server.connect() as client:
        client.send(start)
        expect_refusal(server, client, "ERR_BODY_TIMEOUT")
    assert server.events == []


def test_body_that_makes_progress_is_waited_for(serve: Serve) -> None:
    """Longer than the time-out altogether, each step well below it."""
    server = serve("probe:checked", "--timeout-body", "2", "--timeout-headers", "2")
    body = b"0123456"
    with server.connect() as slow, server.connect() as other:
        other.send(request("POST", "/echo", [("Transfer-Encoding", "chunked")]))
        slow.send(request("POST", "/echo", [("Content-Length", str(len(body)))]))
        for at in range(len(body)):
            time.sleep(0.4)
            slow.send(body[at : at + 1])
            other.send(b"1\r\n%c\r\n" % body[at])
        other.send(chunked([]))
        assert slow.response().body == body
        assert other.response().body == body


@pytest.mark.matrix("transport")
def test_idle_connection_is_closed_silently(serve: Serve) -> None:
    server = serve("probe:checked", "--timeout-keep-alive", "0.5")
    with server.connect() as client:
        assert client.exchange(request()).body == b"hello"
        client.expect_closed()


def test_time_for_keep_alive_does_not_cut_a_request(serve: Serve) -> None:
    """It runs between requests only: neither for the head nor for the body nor for the answer."""
    server = serve("probe:checked", "--timeout-keep-alive", "0.5", "--threads", "2")
    with server.connect() as client:
        assert client.exchange(request()).body == b"hello"
        data = request("POST", "/wait?file=gate", [("Content-Length", "2")]) + b"12"
        for part in (data[:5], data[5:-1], data[-1:]):
            client.send(part)
            client.expect_silence(1)
        (server.directory / "gate").touch()
        assert client.response().body == b"done"
        client.expect_closed()


@pytest.mark.matrix("transport", "threads")
def test_client_that_does_not_read_is_left(serve: Serve) -> None:
    """The response is given up and its close() is called."""
    server = serve("probe:checked", "--timeout-write", "0.5")
    with server.connect() as client:
        client.send(request("GET", "/stream?size=65536&count=10000"))
        server.await_event("close stream")
        answer = client.response(may_be_cut=True)
        assert not answer.complete
    assert "end stream" not in server.events


def test_client_that_reads_slowly_is_served(serve: Serve) -> None:
    """Progress counts, not the time for the whole response."""
    server = serve("probe:checked", "--timeout-write", "2")
    size = 16 << 20
    with server.connect() as client:
        client.send(request("GET", f"/stream?size=65536&count={size >> 16}"))
        for _ in range(7):
            time.sleep(0.4)
            client.buffer += client.sock.recv(1 << 20)
        assert len(client.response().body) == size


def test_time_outs_of_zero_are_off(serve: Serve) -> None:
    names = ("headers", "body", "keep-alive", "write")
    server = serve("probe:checked", *(f"--timeout-{name}=0" for name in names))
    data = request("POST", "/echo", body=b"12")
    with server.connect() as client:
        for part in (data[:5], data[5:-1]):
            client.send(part)
            client.expect_silence(0.7)
        client.send(data[-1:])
        assert client.response().body == b"12"
        client.expect_silence(0.7)
        assert client.exchange(request()).body == b"hello"


def test_time_outs_strike_many_connections_at_once(serve: Serve) -> None:
    server = serve("probe:checked", "--timeout-headers", "0.5")
    clients = [server.connect() for _ in range(100)]
    for client in clients:
        client.send(b"GET / HTTP/1.1\r\n")
    for client in clients:
        with client:
            expect_refusal(server, client, "ERR_HEAD_TIMEOUT")
