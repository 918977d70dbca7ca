"""Request bodies: http.request messages as the body arrives, and no sooner than it is asked for."""

import json
import socket
import threading
import time
import zlib
from typing import Any

import pytest

from .client import Client, Socket, chunked, request
from .conftest import Serve
from .harness import Server

pytestmark = pytest.mark.matrix("loop")


def measured(client: Client) -> Any:
    """What /measure has said of the body."""
    answer = client.response()
    assert answer.status == 200, answer
    return json.loads(answer.body)


@pytest.mark.matrix("transport", "loop")
@pytest.mark.parametrize("size", [0, 1, 1000, 65_536, 1_000_000])
@pytest.mark.parametrize("path", ["/echo", "/echo-whole"])
def test_echo(asgi: Server, size: int, path: str) -> None:
    data = bytes(range(251)) * (size // 251 + 1)
    data = data[:size]
    fields = [("Transfer-Encoding", "chunked")]
    pieces = [data[at : at + 7000] for at in range(0, size, 7000)]
    for message in (request("POST", path, body=data), request("POST", path, fields, b"")):
        if b"chunked" in message:
            message += chunked(pieces)
        with asgi.connect() as client:
            sender = threading.Thread(target=client.send, args=(message,))
            sender.start()
            answer = client.response()
            assert answer.body == data
            sender.join()
            assert "close" not in answer.tokens
            assert client.exchange(request()).body == b"hello"


def test_messages_without_a_body(asgi: Server) -> None:
    """One http.request, empty and last: its keys are all there."""
    with asgi.connect() as client:
        answer = client.exchange(request("GET", "/receives?count=1"))
    [[kind, message]] = json.loads(answer.body)
    assert (kind, message) == (
        "dict",
        {"type": ["str", "http.request"], "body": ["bytes", ""], "more_body": ["bool", False]},
    )


def test_small_body_is_one_message(asgi: Server) -> None:
    with asgi.connect() as client:
        answer = client.exchange(request("POST", "/measure", body=b"small"))
    assert json.loads(answer.body) == {
        "length": 5,
        "crc": zlib.crc32(b"small"),
        "messages": 1,
        "largest": 5,
    }


def test_body_comes_in_messages_as_it_arrives(asgi: Server) -> None:
    with asgi.connect() as client:
        client.send(request("POST", "/echo", [("Content-Length", "12")]))
        for piece in (b"first ", b"second"):
            client.send(piece)
            client.await_bytes(piece)
        assert client.response().body == b"first second"


def test_body_byte_by_byte(asgi: Server) -> None:
    data = request("POST", "/echo", [("Transfer-Encoding", "chunked")]) + chunked([b"ab", b"cde"])
    with asgi.connect() as client:
        client.send_each(data)
        assert client.response().body == b"abcde"


def test_large_body_comes_in_bounded_messages(asgi: Server) -> None:
    data = bytes(range(256)) * 40_000
    with asgi.connect() as client:
        client.send(request("POST", "/measure", body=data))
        answer = measured(client)
    assert (answer["length"], answer["crc"]) == (len(data), zlib.crc32(data))
    assert answer["messages"] > 4
    assert answer["largest"] <= 1 << 20


def take(sock: Socket, block: bytes) -> int:
    """Sends until nothing has been taken for a while; returns how much was."""
    sock.setblocking(False)
    sent, quiet_since = 0, time.monotonic()
    while time.monotonic() < quiet_since + 0.5:
        try:
            sent += sock.send(block)
            quiet_since = time.monotonic()
        except BlockingIOError:
            time.sleep(0.01)
        assert sent < 64 << 20, "the server reads what nobody has asked for"
    sock.setblocking(True)
    return sent


@pytest.mark.parametrize("in_chunks", [False, True], ids=["length", "chunked"])
def test_socket_is_not_read_before_receive(serve: Serve, in_chunks: bool) -> None:
    """Only what the kernel's buffers hold is taken; then, once somebody asks, all of it."""
    server = serve("asgi_probe:app")
    size = 100 << 20
    block = bytes(1 << 20)
    framing = ("Transfer-Encoding", "chunked") if in_chunks else ("Content-Length", str(size))
    with server.connect() as client:
        client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 18)
        client.send(request("POST", "/measure?file=go", [framing]))
        server.await_event("enter measure")
        if in_chunks:
            client.send(b"%x\r\n" % size)
        sent = take(client.sock, block)
        with server.connect() as other:
            assert other.exchange(request()).body == b"hello"
        (server.directory / "go").touch()
        client.sock.settimeout(20)
        while sent < size:
            sent += client.sock.send(block[: size - sent])
        if in_chunks:
            client.send(b"\r\n0\r\n\r\n")
        assert measured(client)["length"] == size


def test_unread_body_does_not_hold_the_answer_up(asgi: Server) -> None:
    with asgi.connect() as client:
        client.send_as_far_as_taken(request("POST", "/", body=b"x" * 100_000))
        assert client.response().body == b"hello"
    with asgi.connect() as client:
        assert client.exchange(request()).body == b"hello"


def test_expect_100_continue(asgi: Server) -> None:
    """RFC 9110 section 10.1.1: sent when the application asks for the body, not before."""
    fields = [("Expect", "100-continue"), ("Content-Length", "4")]
    with asgi.connect() as client:
        client.send(request("POST", "/echo-whole", fields))
        client.await_bytes(b"HTTP/1.1 100 ")
        client.send(b"body")
        answer = client.response()
        assert (answer.interim, answer.body) == ([100], b"body")
    with asgi.connect() as client:
        client.send(request("POST", "/", fields))
        answer = client.response()
        assert (answer.interim, answer.body) == ([], b"hello")


def test_broken_body_is_a_disconnect(asgi: Server) -> None:
    """HTTP-RULES 7: never a complete body; the application is told that nobody listens."""
    asgi.tracebacks_expected = True
    broken = b"5\r\nabcdeXX"
    with asgi.connect() as client:
        fields = [("Transfer-Encoding", "chunked")]
        client.send(request("POST", "/disconnect", fields))
        asgi.await_event("waiting")
        client.send(broken)
        client.expect_gone()
    asgi.await_event("got {'type': 'http.disconnect'}")
    asgi.await_event("refused True")
    assert "sent" not in asgi.events
