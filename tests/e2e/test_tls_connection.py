"""The life of a TLS connection: slow, stuck and broken handshakes, proper ends and cuts."""

from __future__ import annotations

import contextlib
import json
import random
import signal
import socket
import ssl
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

import pytest

from .client import PATIENCE, Client, CutError, readable, request
from .conftest import Serve, Share
from .harness import Server, await_true, connect_tcp
from .tls_client import Sliced, both_versions, context_for, first_flight, needs_openssl, s_client
from .tls_client import shake as shake_hands
from .tls_pki import localhost
from .tls_socket import TlsSocket

BODY = random.Random(5).randbytes(300_000)


def shake(server: Server) -> Client:
    """A connection whose handshake is done."""
    return shake_hands(server, context_for())


@pytest.fixture
def certfile(room: Path) -> list[str]:
    """The option."""
    return ["--certfile", localhost().write(room / "both.pem")]


def expect_gone(sock: socket.socket) -> bytes:
    """The server ends a connection, in whatever way; gives what came before."""
    heard = b""
    with sock, contextlib.suppress(ConnectionResetError):
        while data := sock.recv(65536):
            heard += data
    return heard


# slow and stuck handshakes


def half_hello(sock: socket.socket) -> None:
    sock.sendall(first_flight(context_for())[:100])


def whole_hello(sock: socket.socket) -> None:
    sock.sendall(first_flight(context_for()))


def one_byte(sock: socket.socket) -> None:
    sock.sendall(b"\x16")


def nothing(sock: socket.socket) -> None:
    """Connects and is silent."""


def drops(sock: socket.socket) -> None:
    """A byte now and then, and never an end: activity is no progress."""

    def drip() -> None:
        record = first_flight(context_for())
        with contextlib.suppress(OSError):
            for at in range(len(record) - 1):
                sock.sendall(record[at : at + 1])
                if readable(sock, 0.05):
                    break

    threading.Thread(target=drip, daemon=True).start()


def test_timeout_handshake(serve_tls: Serve, certfile: list[str]) -> None:
    """Whoever does not get on with it is left; who is through is not concerned."""
    server = serve_tls(*certfile, "--timeout-handshake", "3")
    with shake(server) as client:
        stuck = []
        for begin in (half_hello, whole_hello, one_byte, nothing, drops):
            stuck.append(connect_tcp(server.address))
            begin(stuck[-1])
        for sock in stuck:
            expect_gone(sock)
        server.await_log("no TLS handshake within --timeout-handshake")
        assert client.exchange(request()).body == b"hello"
    with shake(server) as client:
        assert client.exchange(request()).body == b"hello"


class Stuck:
    """A client inside its handshake, as long as it likes."""

    def __init__(self, server: Server) -> None:
        """Returns when the server has begun with it: its answer has come."""
        self.sock = connect_tcp(server.address)
        self.into, self.out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context_for().wrap_bio(self.into, self.out, server_hostname="localhost")
        with pytest.raises(ssl.SSLWantReadError):
            self.tls.do_handshake()
        self.sock.sendall(self.out.read())
        assert readable(self.sock, PATIENCE)

    def finish(self) -> None:
        """Goes on to the end."""
        done = False
        while not done:
            self.into.write(self.sock.recv(65536))
            with contextlib.suppress(ssl.SSLWantReadError):
                self.tls.do_handshake()
                done = True
        self.sock.sendall(self.out.read())


@pytest.mark.parametrize("way", ["finishes", "closes", "resets"])
def test_limit_handshakes(serve_tls: Serve, certfile: list[str], way: str) -> None:
    """One holds the only place: the others wait, and none is lost."""
    server = serve_tls(*certfile, "--limit-handshakes", "1")

    def visit() -> bytes:
        with shake(server) as client:
            return client.exchange(request()).body

    with ThreadPoolExecutor(5) as pool:
        stuck = Stuck(server)
        visits = [pool.submit(visit) for _ in range(5)]
        assert not wait(visits, 0.3, "FIRST_COMPLETED").done
        if way == "finishes":
            stuck.finish()
        elif way == "resets":
            Client(stuck.sock).reset()
        stuck.sock.close()
        assert [each.result(PATIENCE) for each in visits] == [b"hello"] * 5


def test_who_says_nothing_does_not_keep_others_out(serve_tls: Serve, certfile: list[str]) -> None:
    """Where others wait, that is: there is no time-out here that would help them."""
    options = ("--limit-handshakes", "2", "--timeout-handshake", "0", "--timeout-headers", "0")
    server = serve_tls(*certfile, *options)
    with contextlib.ExitStack() as stack:
        for _ in range(5):
            silent = stack.enter_context(connect_tcp(server.address))
            one_byte(silent)
        with shake(server) as client:
            assert client.exchange(request()).body == b"hello"


def test_who_is_refused_is_told_while_it_sends(serve_tls: Serve, room: Path) -> None:
    """A client of TLS 1.3 has begun to send when it is refused for its certificate."""
    root = localhost().write(room / "root.pem")
    options = ("--certfile", root, "--client-ca", root, "--client-verify", "required")
    server = serve_tls(*options)
    upload = request("POST", "/echo", [("Content-Length", "1000000")]) + bytes(1_000_000)

    def send(client: Client) -> None:
        client.send(upload)
        client.response()

    for _ in range(10):
        client = shake_hands(server, context_for("1.3"))
        with pytest.raises(ssl.SSLError, match="CERTIFICATE_REQUIRED"):
            send(client)
        client.sock.abort()


def test_limit_handshakes_does_not_count_who_is_through(
    serve_tls: Serve, certfile: list[str]
) -> None:
    server = serve_tls(*certfile, "--limit-handshakes", "1")
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(shake(server)) for _ in range(5)]
        silent = [stack.enter_context(connect_tcp(server.address)) for _ in range(5)]
        for client in clients:
            assert client.exchange(request()).body == b"hello"
        assert len(silent) == 5


# what is no handshake

RUBBISH = {
    "random": random.Random(3).randbytes(500),
    "zeros": bytes(500),
    "alert": b"\x15\x03\x03\x00\x02\x02\x28",
    "data": b"\x17\x03\x03\x00\x05hello",
    "empty": b"\x16\x03\x01\x00\x00" * 50,
    "huge": b"\x16\x03\x01\xff\xff" + bytes(70_000),
    "ssl2": b"\x80\x2e\x01\x03\x01\x00\x15\x00\x00\x00\x10" + bytes(37),
    "ssh": b"ssh-2.0 lower case\r\n" * 20,
    "long": b"\x16\x03\x01\x40\x00\x01\x7f\xff\xff" + bytes(16_380),
    "twice": b"",  # filled in below: hellos where a Finished is due
}


@pytest.mark.parametrize("kind", RUBBISH)
def test_rubbish(share_tls: Share, kind: str) -> None:
    """The connection ends, after an alert at the most, and nobody else is troubled."""
    server = share_tls("probe:plain")
    data = RUBBISH[kind] or first_flight(context_for()) * 2
    with shake(server) as client:
        sock = connect_tcp(server.address)
        with contextlib.suppress(OSError):  # it may be over before all is sent
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)
        assert b"HTTP/" not in expect_gone(sock)
        assert client.exchange(request()).body == b"hello"


# HTTP without TLS


PLAIN = {
    "get": request(),
    "post": request("POST", "/echo", body=BODY),
    "head": request("DELETE", "/" + "x" * 3000),
    "http10": request(version="HTTP/1.0"),
    "http2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(27),
}


@pytest.mark.parametrize("each", [False, True], ids=["whole", "bytes"])
@pytest.mark.parametrize("kind", PLAIN)
def test_plain_http(share_tls: Share, kind: str, each: bool) -> None:
    """One answer says what is wrong, in clear, however much is still sent."""
    server = share_tls("probe:plain")
    with Client(connect_tcp(server.address)) as client:
        with contextlib.suppress(ConnectionError):
            client.send(PLAIN[kind][:1])
            for at in range(1, 300) if each else ():
                client.send(PLAIN[kind][at : at + 1])
            client.send(PLAIN[kind][300 if each else 1 :])
        answer = client.response()
        assert (answer.status, "close" in answer.tokens) == (400, True)
        assert b"HTTPS" in answer.body
        client.half_close()
        client.expect_closed()
    with shake(server) as client:
        assert client.exchange(request()).body == b"hello"
    assert server.events == []


# delivery


@both_versions
@pytest.mark.parametrize(("largest", "seed"), [(1, 1), (7, 2), (200, 3), (1500, 4), (20_000, 5)])
@pytest.mark.parametrize("app", ["probe:plain", "asgi_probe:app"])
def test_pieces_of_any_size(
    share_tls: Share, version: str, largest: int, seed: int, app: str
) -> None:
    """Handshake, requests and answers, byte by byte and shuffled."""
    server = share_tls(app)
    sliced = Sliced.over(connect_tcp(server.address), largest, seed)
    data = BODY[: 100 * largest + 1000]
    with Client(TlsSocket(sliced, context_for(version))) as client:
        assert client.exchange(request()).body == b"hello"
        assert client.exchange(request("POST", "/echo", body=data)).body == data
        client.send(request("POST", "/echo", body=b"one") + request("POST", "/echo", body=b"two"))
        assert [client.response().body, client.response().body] == [b"one", b"two"]


class Held(socket.socket):
    """A connection that sends what it is first given, and holds back the rest."""

    held: bytes | None = None

    def sendall(self, data: Any, flags: int = 0) -> None:
        if self.held is None:
            super().sendall(data, flags)
            self.held = b""
        else:
            self.held += bytes(data)

    def release(self) -> None:
        """Sends in one write what was held back."""
        assert self.held
        super().sendall(self.held)
        self.held = None


def test_requests_with_the_end_of_the_handshake(serve_tls: Serve, certfile: list[str]) -> None:
    """One write brings the client's Finished and its requests; in TLS 1.3 nothing comes between."""
    server = serve_tls(*certfile)
    sock = Held(fileno=connect_tcp(server.address).detach())
    sock.settimeout(PATIENCE)
    with Client(TlsSocket(sock, context_for("1.3"))) as client:
        client.send(request() * 3)
        sock.release()
        assert [client.response().body for _ in range(3)] == [b"hello"] * 3


# ends


def closes(client: Client, server: Server) -> None:
    client.send(request("GET", "/", [("Connection", "close")]))
    assert client.response().body == b"hello"


def old_version(client: Client, server: Server) -> None:
    """Here the end of the connection is that of the body."""
    client.send(request("GET", "/respond?piece=70000&kind=generator", version="HTTP/1.0"))
    assert len(client.response().body) == 70_000


def idles(client: Client, server: Server) -> None:
    assert client.exchange(request()).body == b"hello"


def says_end(client: Client, server: Server) -> None:
    """It says close_notify and listens on."""
    assert client.exchange(request()).body == b"hello"
    client.half_close()


def says_end_early(client: Client, server: Server) -> None:
    """It has said close_notify before it is answered."""
    client.send(request())
    client.half_close()
    assert client.response().body == b"hello"


def breaks_a_rule(client: Client, server: Server) -> None:
    client.send(b"GET / HTTP/1.1\r\n\r\n")
    assert client.response().status == 400


def stops(client: Client, server: Server) -> None:
    assert client.exchange(request()).body == b"hello"
    server.signal(signal.SIGTERM)


@both_versions
@pytest.mark.parametrize("way", [closes, old_version, says_end, says_end_early, breaks_a_rule])
def test_close_notify_is_sent(
    share_tls: Share, version: str, way: Callable[[Client, Server], None]
) -> None:
    """An end without it is a reset to this client."""
    server = share_tls("probe:plain")
    with shake_hands(server, context_for(version)) as client:
        way(client, server)
        client.expect_closed()


@both_versions
@pytest.mark.parametrize("way", [idles, stops])
def test_close_notify_is_sent_in_the_end(
    serve_tls: Serve, certfile: list[str], version: str, way: Callable[[Client, Server], None]
) -> None:
    server = serve_tls(*certfile, "--timeout-keep-alive", "0.3" if way is idles else "30")
    with shake_hands(server, context_for(version)) as client:
        way(client, server)
        client.expect_closed()


@both_versions
def test_no_close_notify_where_the_response_is_cut(share_tls: Share, version: str) -> None:
    """A body that the end of the connection ends, and an application that fails inside it."""
    server = share_tls("faults:app")
    server.tracebacks_expected = True
    with shake_hands(server, context_for(version)) as client:
        client.send(request("GET", "/raise-after-piece", version="HTTP/1.0"))
        try:
            answer = client.response(may_be_cut=True)
        except CutError:
            return
        assert (answer.framing, answer.complete) == ("close", False)


CUT_BODIES = {
    "length": request("POST", "/echo", [("Content-Length", "10")]) + b"12345",
    "chunk": request("POST", "/echo", [("Transfer-Encoding", "chunked")]) + b"5\r\n12345\r\n",
    "last": request("POST", "/echo", [("Transfer-Encoding", "chunked")]) + b"5\r\n12345\r\n0\r\n",
    "head": request("POST", "/echo", [("Content-Length", "10")])[:-2],
}


@both_versions
@pytest.mark.parametrize("app", ["probe:checked", "asgi_probe:app"])
@pytest.mark.parametrize("cut", CUT_BODIES)
def test_cut_request_is_not_answered(share_tls: Share, version: str, app: str, cut: str) -> None:
    """An end of the TCP connection, which anybody on the way can make, is no end of a body."""
    server = share_tls(app)
    server.tracebacks_expected = app.startswith("asgi")  # its assertion on http.disconnect
    with shake_hands(server, context_for(version)) as client:
        assert client.exchange(request()).body == b"hello"
        client.send(CUT_BODIES[cut])
        client.sock.sock.shutdown(socket.SHUT_WR)
        assert client.expect_gone().partition(b"\r\n\r\n")[2] in (b"", b"5\r\n12345\r\n")
        client.sock.abort()
    with shake(server) as client:
        assert client.exchange(request()).body == b"hello"


@both_versions
def test_asgi_application_is_told_of_a_cut(share_tls: Share, version: str) -> None:
    """http.disconnect, and no message that says the body is whole."""
    server = share_tls("asgi_probe:app")
    with shake_hands(server, context_for(version)) as client:
        client.send(request("POST", "/disconnect", [("Content-Length", "10")]) + b"12345")
        server.await_event("waiting")
        client.sock.sock.shutdown(socket.SHUT_WR)
        server.await_event("over")
        assert "got {'type': 'http.disconnect'}" in server.events
        assert not [event for event in server.events if event.endswith("False")]
        client.sock.abort()


def descriptors(client: Client) -> int:
    """How many the worker has."""
    answer = client.exchange(request("GET", "/process"))
    return int(json.loads(answer.body)["descriptors"])


def test_half_open_peers_are_reaped(serve_tls: Serve, certfile: list[str]) -> None:
    """They say close_notify, and never close."""
    server = serve_tls(*certfile)
    with shake(server) as watcher, contextlib.ExitStack() as stack:
        before = descriptors(watcher)
        for _ in range(5):
            client = shake(server)
            stack.callback(client.sock.abort)
            assert client.exchange(request()).body == b"hello"
            client.half_close()
        await_true(lambda: descriptors(watcher) == before, "the end of the others")


@needs_openssl
def test_s_client_sees_a_proper_end(serve_tls: Serve, certfile: list[str]) -> None:
    server = serve_tls(*certfile)
    say = request("GET", "/", [("Connection", "close")])
    said = s_client(server, "-ign_eof", "-servername", "localhost", say=say)
    assert said.rstrip().endswith("closed")
    assert "\nhello" in said
    assert "unexpected eof" not in said
