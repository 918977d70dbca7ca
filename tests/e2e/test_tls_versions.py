"""What is negotiated: versions, suites, protocols; what is refused. By raw and real clients."""

from __future__ import annotations

import ssl
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from .client import request
from .conftest import Serve
from .harness import OWN_TLS, Server, Shape, connect_tcp, running
from .tls_client import (
    both_versions,
    context_for,
    first_flight,
    needs_openssl,
    refusal,
    s_client,
    shake,
)
from .tls_pki import localhost

SMALL, LARGE = "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"


@pytest.fixture(scope="module")
def default(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server with a certificate and every other option of TLS at its default."""
    directory = tmp_path_factory.mktemp("tls")
    certfile = localhost().write(directory / "both.pem")
    arguments = ["--certfile", certfile]
    with running(Shape(OWN_TLS), directory / "0", "probe:plain", arguments) as server:
        yield server


def hello(server: Server, context: ssl.SSLContext) -> ssl.SSLObject:
    """Shakes hands, makes a request, and gives what was negotiated."""
    with shake(server, context) as client:
        assert client.exchange(request()).body == b"hello"
        return client.sock.tls


@both_versions
def test_both_versions(default: Server, version: str) -> None:
    assert hello(default, context_for(version)).version() == f"TLSv{version}"


def test_the_newest_is_chosen(default: Server) -> None:
    assert hello(default, context_for()).version() == "TLSv1.3"


@pytest.mark.parametrize("old", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_older_versions_are_refused(default: Server, old: ssl.TLSVersion) -> None:
    context = context_for()
    context.set_ciphers("ALL:@SECLEVEL=0")  # or the client itself would refuse
    context.minimum_version = context.maximum_version = old
    assert refusal(default, context) == "TLSV1_ALERT_PROTOCOL_VERSION"
    assert hello(default, context_for())


def test_min_version(serve_tls: Serve, room: Path) -> None:
    certfile = localhost().write(room / "both.pem")
    server = serve_tls("--certfile", certfile, "--tls-min-version", "1.3")
    assert refusal(server, context_for("1.2")) == "TLSV1_ALERT_PROTOCOL_VERSION"
    assert hello(server, context_for()).version() == "TLSv1.3"


# suites


def chosen(server: Server, suites: str) -> str:
    """The suite of TLS 1.2 that is taken of the client's, in its order."""
    context = context_for("1.2")
    context.set_ciphers(suites)
    cipher = hello(server, context).cipher()
    assert cipher is not None
    return cipher[0]


def test_the_order_of_suites_is_the_servers(default: Server) -> None:
    assert chosen(default, f"{SMALL}:{LARGE}") == chosen(default, f"{LARGE}:{SMALL}") == SMALL


def test_a_client_that_prefers_chacha_gets_it(default: Server) -> None:
    """It has no AES in its processor."""
    chacha = "ECDHE-ECDSA-CHACHA20-POLY1305"
    assert chosen(default, f"{chacha}:{LARGE}") == chacha
    assert chosen(default, f"{LARGE}:{chacha}") == LARGE


@pytest.mark.parametrize(
    "suites", ["AES128-GCM-SHA256", "ECDHE-ECDSA-AES128-SHA", "DHE-RSA-AES256-GCM-SHA384"]
)
def test_suites_that_are_not_modern_are_refused(default: Server, suites: str) -> None:
    context = context_for("1.2")
    context.set_ciphers(suites)
    assert refusal(default, context) == "SSLV3_ALERT_HANDSHAKE_FAILURE"


def test_ciphers(serve_tls: Serve, room: Path) -> None:
    """Those given and no others, in the order given; TLS 1.3 has its own."""
    certfile = localhost().write(room / "both.pem")
    server = serve_tls("--certfile", certfile, "--tls-ciphers", f"{LARGE}:{SMALL}")
    assert chosen(server, f"{SMALL}:{LARGE}") == chosen(server, f"{LARGE}:{SMALL}") == LARGE
    context = context_for("1.2")
    context.set_ciphers("ECDHE-ECDSA-CHACHA20-POLY1305")
    assert refusal(server, context) == "SSLV3_ALERT_HANDSHAKE_FAILURE"
    assert hello(server, context_for()).version() == "TLSv1.3"


@needs_openssl
def test_ciphersuites(serve_tls: Serve, room: Path) -> None:
    certfile = localhost().write(room / "both.pem")
    server = serve_tls(
        *("--certfile", certfile),
        *("--tls-ciphersuites", "TLS_AES_128_GCM_SHA256:TLS_CHACHA20_POLY1305_SHA256"),
    )
    assert hello(server, context_for("1.3")).cipher() == ("TLS_AES_128_GCM_SHA256", "TLSv1.3", 128)
    only = ("-tls1_3", "-ciphersuites")
    said = s_client(server, *only, "TLS_CHACHA20_POLY1305_SHA256")
    assert "New, TLSv1.3, Cipher is TLS_CHACHA20_POLY1305_SHA256" in said
    said = s_client(server, *only, "TLS_AES_256_GCM_SHA384")
    assert "alert handshake failure" in said
    assert hello(server, context_for("1.2")).version() == "TLSv1.2"


@needs_openssl
@pytest.mark.parametrize(
    ("group", "name"),
    [("X25519", "X25519"), ("P-256", "ECDH, prime256v1"), ("P-384", "ECDH, secp384r1")],
)
def test_groups(default: Server, group: str, name: str) -> None:
    said = s_client(default, "-groups", group)
    assert f"Server Temp Key: {name}," in said


def test_an_old_group_is_refused(default: Server) -> None:
    context = context_for("1.2")
    context.set_ecdh_curve("secp224r1")
    assert refusal(default, context) == "SSLV3_ALERT_HANDSHAKE_FAILURE"


# what is off


@needs_openssl
def test_renegotiation_is_refused(default: Server) -> None:
    """`R` makes the client ask for it: the server's warning ends the client's attempt."""
    said = s_client(default, "-tls1_2", say=b"R\n", ends=False)
    assert "RENEGOTIATING" in said
    assert "no renegotiation" in said
    assert hello(default, context_for())


def with_compression(record: bytes) -> bytes:
    """That ClientHello, in one record, which offers DEFLATE (1) before no compression (0)."""
    body = bytearray(record[9:])
    at = 2 + 32
    at += 1 + body[at]  # the session's name
    at += 2 + int.from_bytes(body[at : at + 2], "big")  # suites
    assert body[at : at + 2] == b"\x01\x00"
    body[at : at + 2] = b"\x02\x01\x00"
    message = b"\x01" + len(body).to_bytes(3, "big") + body
    return record[:3] + struct.pack("!H", len(message)) + message


def test_compression_is_not_taken(default: Server) -> None:
    """RFC 3749: the server's hello names the method."""
    with connect_tcp(default.address) as sock:
        sock.sendall(with_compression(first_flight(context_for("1.2"))))
        answer = b""
        while len(answer) < 5 + 4 + 2 + 32 + 1 or len(answer) < 5 + 4 + 2 + 32 + 4 + answer[43]:
            data = sock.recv(4096)
            assert data, answer
            answer += data
    assert (answer[0], answer[5]) == (22, 2)  # a handshake's record: ServerHello
    assert answer[44 + answer[43] + 2] == 0


# ALPN


@both_versions
@pytest.mark.parametrize("offered", [["http/1.1"], ["h2", "http/1.1"], ["http/1.0", "http/1.1"]])
def test_alpn(default: Server, version: str, offered: list[str]) -> None:
    context = context_for(version)
    context.set_alpn_protocols(offered)
    assert hello(default, context).selected_alpn_protocol() == "http/1.1"


@both_versions
def test_alpn_is_not_needed(default: Server, version: str) -> None:
    assert hello(default, context_for(version)).selected_alpn_protocol() is None


@both_versions
def test_alpn_without_overlap_is_refused(default: Server, version: str) -> None:
    """RFC 7301 section 3.2: the fatal alert no_application_protocol (120)."""
    context = context_for(version)
    context.set_alpn_protocols(["h2", "x-other"])
    with connect_tcp(default.address) as sock:
        sock.sendall(first_flight(context))
        alert = b""
        while data := sock.recv(4096):
            alert += data
    assert (alert[0], alert[-2:]) == (21, bytes([2, 120]))
    assert hello(default, context_for(version))
