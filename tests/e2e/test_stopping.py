"""How a server stops: no accepted request is lost, nothing idle is waited for."""

import signal
import time

import pytest

from .client import request
from .conftest import Serve
from .harness import Server, await_true

LONG = ("--timeout-graceful-shutdown", "600")
"""Far beyond a test's patience: who waits for it fails."""


def refuses(server: Server) -> bool:
    """True when nobody listens any more."""
    try:
        server.connect().close()
    except OSError:
        return True
    return False


@pytest.mark.matrix
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_idle_server_stops_at_once(serve: Serve, number: signal.Signals) -> None:
    server = serve("probe:checked", *LONG)
    with server.connect() as client, server.connect() as silent:
        assert client.exchange(request()).body == b"hello"
        server.signal(number)
        client.expect_closed()
        silent.expect_gone()
        assert server.await_exit() == 0


@pytest.mark.matrix
def test_requests_in_flight_are_finished(serve: Serve) -> None:
    """In the application, inside a request's body, inside a response, at once."""
    server = serve("probe:checked", *LONG)
    body = b"x" * 300_000
    with server.connect() as uploading, server.connect() as downloading:
        uploading.send(request("POST", "/echo", [("Content-Length", str(len(body)))]) + body[:9])
        downloading.send(request("GET", "/stream?size=65536&count=200"))
        downloading.await_bytes(b"\r\n\r\n")
        with server.connect() as idle:
            assert idle.exchange(request()).body == b"hello"
            server.signal(signal.SIGTERM)
            idle.expect_closed()
        await_true(lambda: refuses(server), "the end of listening")
        uploading.send(body[9:])
        answer = uploading.response()
        assert (answer.body, "close" in answer.tokens) == (body, True)
        uploading.expect_closed()
        assert len(downloading.response().body) == 200 << 16
        downloading.expect_closed()
    assert server.await_exit() == 0


@pytest.mark.matrix("threads", "workers")
def test_application_that_works_is_waited_for(serve: Serve) -> None:
    server = serve("probe:checked", *LONG)
    with server.connect() as client:
        client.send(request("GET", "/wait?file=gate"))
        server.await_event("enter wait gate")
        server.signal(signal.SIGTERM)
        client.expect_silence()
        assert server.process.poll() is None
        (server.directory / "gate").touch()
        answer = client.response()
        assert answer.body == b"done"
        if server.shape.threads > 1:  # a loop that is held up itself does not know of the stop yet
            assert "close" in answer.tokens
        client.expect_closed()
    assert server.await_exit() == 0


def test_half_a_head_is_not_waited_for_longer_than_its_time(serve: Serve) -> None:
    """A request whose head is not there yet is not accepted; it may be finished or dropped."""
    server = serve("probe:checked", *LONG, "--timeout-headers", "2")
    with server.connect() as client:
        assert client.exchange(request()).body == b"hello"
        client.send(b"GET / HT")
        server.signal(signal.SIGTERM)
        client.expect_gone()
    assert server.await_exit() == 0


@pytest.mark.matrix("threads")
def test_pipelined_requests_are_answered_whole_or_not_at_all(serve: Serve) -> None:
    """Those behind the one in work may be dropped; but none is cut, and the end is proper."""
    server = serve("probe:checked", *LONG)
    with server.connect() as client:
        client.send(request("GET", "/wait?file=gate&piece=1") + request() * 3)
        client.await_bytes(b"before ")
        server.signal(signal.SIGTERM)
        server.await_log("stopping")
        (server.directory / "gate").touch()
        answer = client.response()
        assert answer.body == b"before done"
        while not client.at_end():
            assert "close" not in answer.tokens
            answer = client.response()
            assert answer.body == b"hello"
    assert server.await_exit() == 0


@pytest.mark.matrix("threads")
def test_time_for_a_graceful_stop_is_bounded(serve: Serve) -> None:
    """A client that never finishes cannot keep the server from stopping."""
    server = serve("probe:checked", "--timeout-graceful-shutdown", "0.5")
    with server.connect() as stuck, server.connect() as reading:
        stuck.send(request("POST", "/echo", [("Content-Length", "10")]) + b"1")
        reading.send(request("GET", "/stream"))
        reading.await_bytes(b"\r\n\r\n")
        server.signal(signal.SIGTERM)
        stuck.expect_gone()
        assert server.await_exit() == 0
        assert not reading.response(may_be_cut=True).complete
    assert "close stream" in server.events


@pytest.mark.matrix("threads", "workers")
def test_second_signal_ends_now(serve: Serve) -> None:
    server = serve("probe:checked", *LONG)
    server.checks_counters = False
    server.exit_code = 1  # requests were cut off
    with server.connect() as client:
        client.send(request("GET", "/wait?file=gate"))
        server.await_event("enter wait gate")
        server.signal(signal.SIGTERM)
        server.await_log("stopping")
        server.signal(signal.SIGTERM)
        server.await_exit()
        assert client.expect_gone() == b""


@pytest.mark.matrix("workers", "transport")
def test_no_accepted_connection_is_lost(serve: Serve) -> None:
    """Clients come all the time while the server stops: each is answered whole or not accepted."""
    server = serve("probe:checked", *LONG)
    clients = []
    for number in range(200):
        if number == 100:
            server.signal(signal.SIGTERM)
        try:
            client = server.connect()
            client.send(request("GET", "/", [("Connection", "close")]))
        except OSError:
            break
        clients.append(client)
        time.sleep(0.001)
    answered = sum(client.answered() for client in clients)
    # the kernel may still complete handshakes on a socket that is being closed; those get a
    # reset. All that came before the signal must be answered.
    assert answered >= 100
    assert server.await_exit() == 0


@pytest.mark.matrix("threads")
def test_stop_while_clients_idle_by_the_hundred(serve: Serve) -> None:
    server = serve("probe:checked", *LONG)
    clients = [server.connect() for _ in range(200)]
    for client in clients:
        assert client.exchange(request()).body == b"hello"
    server.signal(signal.SIGTERM)
    for client in clients:
        with client:
            client.expect_closed()
    assert server.await_exit() == 0
