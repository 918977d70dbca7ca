"""The PROXY protocol before a connection's own bytes, plain and below TLS."""

import json
import socket
import struct
from collections.abc import Callable
from pathlib import Path

import pytest

from .client import Client, request
from .conftest import Serve
from .harness import Server, connect_tcp, connect_unix
from .tls_client import context_for
from .tls_pki import localhost_file
from .tls_socket import TlsSocket
from .ws_client import handshake, switched

ON = ("--proxy-protocol",)

V1 = b"PROXY TCP4 192.0.2.7 198.51.100.1 4242 443\r\n"
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"


def version_2(command: int, family: int, addresses: bytes) -> bytes:
    """A header of version 2."""
    return SIGNATURE + struct.pack("!BBH", 0x20 | command, family, len(addresses)) + addresses


V4 = (
    socket.inet_aton("192.0.2.7") + socket.inet_aton("198.51.100.1") + struct.pack("!HH", 4242, 443)
)
V6 = (
    socket.inet_pton(socket.AF_INET6, "2001:db8::7")
    + socket.inet_pton(socket.AF_INET6, "2001:db8::1")
    + struct.pack("!HH", 4242, 443)
)
TLV = b"\x04" + struct.pack("!H", 3000) + bytes(3000)

HEADERS = {
    "v1": (V1, ("192.0.2.7", "4242")),
    "v1-ipv6": (b"PROXY TCP6 2001:db8::7 ::1 4242 443\r\n", ("2001:db8::7", "4242")),
    "v1-unknown": (b"PROXY UNKNOWN\r\n", None),
    "v2": (version_2(1, 0x11, V4), ("192.0.2.7", "4242")),
    "v2-ipv6": (version_2(1, 0x21, V6), ("2001:db8::7", "4242")),
    "v2-mapped": (
        version_2(1, 0x21, b"\0" * 10 + b"\xff\xff" + V4[:4] + V6[16:]),
        ("192.0.2.7", "4242"),
    ),
    "v2-tlv": (version_2(1, 0x11, V4 + TLV), ("192.0.2.7", "4242")),
    "v2-unix": (version_2(1, 0x31, b"/a/socket".ljust(216, b"\0")), ("", "")),
    "v2-local": (version_2(0, 0x00, b""), None),
    "v2-unspec": (version_2(1, 0x00, b"anything"), None),
}


def connect(server: Server) -> socket.socket:
    """A connection on which nothing has been said."""
    if isinstance(server.address, str):
        return connect_unix(server.address)
    return connect_tcp(server.address)


def client_of(client: Client, headers: tuple[tuple[str, str], ...] = ()) -> tuple[str, str]:
    """The client's address and port, as the environ has them."""
    answer = client.exchange(request("GET", "/environ", headers))
    assert answer.status == 200, answer
    environ = json.loads(answer.body)
    return environ["REMOTE_ADDR"], environ["REMOTE_PORT"]


def whole(sock: socket.socket, data: bytes) -> None:
    """All at once."""
    sock.sendall(data)


def each(sock: socket.socket, data: bytes) -> None:
    """Byte by byte, each a segment of its own."""
    for i in range(len(data)):
        sock.sendall(data[i : i + 1])


@pytest.mark.parametrize("send", [whole, each])
@pytest.mark.parametrize("name", HEADERS)
def test_the_client_of_all_requests(
    serve: Serve, name: str, send: Callable[[socket.socket, bytes], None]
) -> None:
    header, expected = HEADERS[name]
    server = serve("probe:plain", *ON)
    with Client(connect(server)) as client:
        if expected is None:
            expected = "127.0.0.1", str(client.sock.getsockname()[1])
        assert isinstance(client.sock, socket.socket)
        send(client.sock, header)
        assert client_of(client) == expected
        assert client_of(client) == expected
    assert "trusted proxies: PROXY protocol of 127.0.0.1, ::1, unix" in server.whole_log


def test_with_the_first_request_in_one_piece(serve: Serve) -> None:
    server = serve("probe:plain", *ON)
    with Client(connect(server)) as client:
        client.send(V1 + request("GET", "/environ") + request("POST", "/echo", body=b"a" * 99_999))
        assert b'"192.0.2.7"' in client.response().body
        assert client.response().body == b"a" * 99_999


@pytest.mark.parametrize("app", ["probe:plain", "asgi_probe:app"])
@pytest.mark.parametrize("name", ["v1", "v2", "v2-tlv", "v2-local"])
@pytest.mark.parametrize("send", [whole, each])
def test_below_tls(
    serve_tls: Serve, app: str, name: str, send: Callable[[socket.socket, bytes], None]
) -> None:
    header, expected = HEADERS[name]
    server = serve_tls("--certfile", localhost_file(), *ON, app=app)
    sock = connect(server)
    send(sock, header)
    with Client(TlsSocket(sock, context_for())) as client:
        expected_ip = expected[0] if expected else "127.0.0.1"
        path = "/environ" if app == "probe:plain" else "/scope"
        for _ in range(2):
            answer = client.exchange(request("GET", path))
            assert f'"{expected_ip}"'.encode() in answer.body
            assert b'"https"' in answer.body


def test_a_websocket(serve: Serve) -> None:
    server = serve("asgi_probe:app", *ON)
    sock = connect(server)
    sock.sendall(V1)
    with switched(Client(sock), handshake("/scope")) as opened:
        message = opened.message()
        assert isinstance(message, str)
        assert json.loads(message)[1]["client"][1] == [["str", "192.0.2.7"], ["int", 4242]]
        opened.send("over")


def test_over_a_unix_socket(serve: Serve, room: Path) -> None:
    server = serve("probe:plain", *ON, "--bind", f"unix:{room}/proxied")
    with Client(connect_unix(f"{room}/proxied")) as client:
        client.send(V1)
        assert client_of(client) == ("192.0.2.7", "4242")
    with Client(connect_unix(f"{room}/proxied")) as client:
        client.send(version_2(0, 0, b""))
        assert client_of(client) == ("", "")
    assert server.events == []


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (request(), "it begins with something else"),
        (b"\x16\x03\x01\x02\x00", "it begins with something else"),
        (b"PROXY TCP4 1.2.3.4 1.2.3.4 1 99999\r\n", "a line of version 1 that is malformed"),
        (b"PROXY " + b"x" * 200, "a line of version 1 that is malformed"),
        (SIGNATURE + b"\x31", "a header of version 2 that is malformed"),
    ],
)
def test_another_beginning_is_closed(serve: Serve, said: bytes, why: str) -> None:
    server = serve("probe:plain", *ON)
    with Client(connect(server)) as client:
        client.send(said)
        assert client.expect_gone() == b""
        server.await_log(f"no header of the PROXY protocol: {why}")
    assert server.events == []


def test_another_beginning_below_tls(serve_tls: Serve) -> None:
    server = serve_tls("--certfile", localhost_file(), *ON)
    with Client(connect(server)) as client:
        client.send(b"\x16\x03\x01\x02\x00")
        assert client.expect_gone() == b""
        server.await_log("no header of the PROXY protocol: it begins with something else")


def test_only_those_who_are_allowed(serve: Serve) -> None:
    server = serve("probe:plain", *ON, "--proxy-allow-from", "10.0.0.0/8")
    with Client(connect(server)) as client:
        client.expect_gone()
    server.await_log("127.0.0.1:")
    assert "a peer that --proxy-allow-from does not name" in server.log


def test_one_that_does_not_come(serve: Serve) -> None:
    server = serve("probe:plain", *ON, "--timeout-headers", "0.2")
    with Client(connect(server)) as client:
        client.send(V1[:10])
        assert client.expect_gone() == b""
    server.await_log("no header of the PROXY protocol within --timeout-headers")


def test_a_stop_does_not_wait_for_one(serve: Serve) -> None:
    server = serve("probe:plain", *ON, "--timeout-graceful-shutdown", "600")
    with Client(connect(server)) as silent, Client(connect(server)) as begun:
        begun.send(V1[:10])
        server.stop()
        silent.expect_gone()
        begun.expect_gone()


def test_whom_it_names_is_asked_for_fields(serve: Serve) -> None:
    """The peer is trusted to say who connects, not what that one says."""
    fields = (("X-Forwarded-For", "203.0.113.5"), ("X-Forwarded-Proto", "https"))
    server = serve("probe:plain", *ON, "--proxy-headers")
    with Client(connect(server)) as client:
        client.send(V1)
        assert client_of(client, fields) == ("192.0.2.7", "4242")
    server = serve("probe:plain", *ON, "--proxy-headers", "--forwarded-allow-ips", "192.0.2.0/24")
    with Client(connect(server)) as client:
        client.send(V1)
        assert client_of(client, fields) == ("203.0.113.5", "0")
