"""Certificates of clients: none, optional, required; what applications are told of TLS."""

from __future__ import annotations

import datetime
import json
import ssl
import time
from pathlib import Path
from typing import Any

import pytest
from cryptography.x509.oid import NameOID

from .client import Client, request
from .conftest import Serve
from .harness import Server
from .test_asgi_scope import scope_of
from .tls_client import both_versions, context_for, refusal, shake
from .tls_pki import Authority, Identity, authority, der_of, localhost
from .ws_client import handshake, switched

SUBJECT = (
    (NameOID.COUNTRY_NAME, "IE"),
    (NameOID.ORGANIZATION_NAME, "Tests, & Söhne"),
    (NameOID.COMMON_NAME, "a client"),
)
NAME = "CN=a client,O=Tests\\, & Söhne,C=IE"

SECOND = datetime.timedelta(seconds=1)

WSGI, ASGI = "probe:checked", "asgi_probe:app"
EMPTY_ALERTS = {"1.2": "SSLV3_ALERT_HANDSHAKE_FAILURE", "1.3": "TLSV13_ALERT_CERTIFICATE_REQUIRED"}


def context_with(version: str, room: Path, identity: Identity | None) -> ssl.SSLContext:
    """A client that shows that certificate, if it is asked for one."""
    context = context_for(version)
    if identity is not None:
        context.load_cert_chain(identity.write(room / "client.pem"))
    return context


def own() -> Identity:
    """A certificate that the server's authorities have signed."""
    return authority("for clients").sign_client(*SUBJECT)


def foreign() -> Identity:
    """One by an authority of the same name, which nobody knows."""
    return Authority("for clients").sign_client(*SUBJECT)


@pytest.fixture
def options(room: Path) -> list[str]:
    """The options of a server with a certificate and authorities for clients."""
    roots = authority("for clients").write_root(room / "roots.pem")
    return ["--certfile", localhost().write(room / "both.pem"), "--client-ca", roots]


def environ_of(client: Client) -> dict[str, Any]:
    """What a WSGI application is told."""
    environ: dict[str, Any] = json.loads(client.exchange(request("GET", "/environ")).body)
    return environ


def tls_of(client: Client) -> dict[str, Any]:
    """What an ASGI application is told: the extension `tls`, types checked and taken away."""
    kind, extension = scope_of(client, request("GET", "/scope"))["extensions"][1]["tls"]
    return plain_tls(kind, extension)


def plain_tls(kind: str, extension: dict[str, Any]) -> dict[str, Any]:
    assert kind == "dict"
    kinds = {key: kind for key, (kind, _) in extension.items()}
    assert kinds["client_cert_chain"] in ("list", "tuple")
    chain = [text for kind, text in extension["client_cert_chain"][1] if kind == "str"]
    assert len(chain) == len(extension["client_cert_chain"][1])
    assert kinds["server_cert"] == "str"
    assert (kinds["tls_version"], kinds["cipher_suite"]) == ("int", "int")
    for name in ("client_cert_name", "client_cert_error"):
        assert kinds[name] in ("str", "NoneType")
    return {**{key: value for key, (_, value) in extension.items()}, "client_cert_chain": chain}


# who is let in


@both_versions
def test_required(serve_tls: Serve, room: Path, options: list[str], version: str) -> None:
    server = serve_tls(*options, "--client-verify", "required")
    with shake(server, context_with(version, room, own())) as client:
        assert client.exchange(request()).body == b"hello"
    assert refusal(server, context_with(version, room, None)) == EMPTY_ALERTS[version]
    assert refusal(server, context_with(version, room, foreign())) in (
        "TLSV1_ALERT_UNKNOWN_CA",
        "TLSV1_ALERT_DECRYPT_ERROR",  # the same name, and another key
    )


@both_versions
def test_none(serve_tls: Serve, room: Path, version: str) -> None:
    """Nobody is asked, so nobody's certificate is seen."""
    server = serve_tls("--certfile", localhost().write(room / "both.pem"), app=WSGI)
    with shake(server, context_with(version, room, own())) as client:
        environ = environ_of(client)
    assert [key for key in environ if key.startswith("SSL_CLIENT")] == []


@both_versions
def test_server_certificate_is_none_of_a_client(
    serve_tls: Serve, room: Path, options: list[str], version: str
) -> None:
    """One that its authority has made for something else."""
    server = serve_tls(*options, "--client-verify", "required")
    wrong = authority("for clients").sign("localhost")
    assert refusal(server, context_with(version, room, wrong)) == (
        "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE"
    )


# what a WSGI application is told


@both_versions
@pytest.mark.parametrize("verify", ["optional", "required"])
def test_environ(
    serve_tls: Serve, room: Path, options: list[str], version: str, verify: str
) -> None:
    server = serve_tls(*options, "--client-verify", verify, app=WSGI)
    identity = own()
    with shake(server, context_with(version, room, identity)) as client:
        environ = environ_of(client)
        cipher = client.sock.tls.cipher()
    assert (environ["wsgi.url_scheme"], environ["HTTPS"]) == ("https", "on")
    assert environ["SSL_PROTOCOL"] == f"TLSv{version}"
    assert environ["SSL_CIPHER"] == cipher[0]
    assert environ["SSL_CLIENT_VERIFY"] == "SUCCESS"
    assert text(environ["SSL_CLIENT_S_DN"]) == NAME
    assert environ["SSL_CLIENT_I_DN"] == "CN=for clients"
    assert environ["SSL_CLIENT_CERT"] == identity.pem
    assert int(environ["SSL_CLIENT_M_SERIAL"], 16) == identity.cert.serial_number
    assert environ["SSL_CLIENT_V_START"].endswith(" GMT")
    assert environ["SSL_CLIENT_V_END"].endswith(" GMT")


def text(native: str) -> str:
    """PEP 3333: a str of the environ carries bytes."""
    return native.encode("latin-1").decode()


@both_versions
@pytest.mark.parametrize("who", ["nobody", "foreigner"])
def test_environ_of_who_is_not_trusted(
    serve_tls: Serve, room: Path, options: list[str], version: str, who: str
) -> None:
    """Optional: let in, and told apart; also when the session is resumed."""
    server = serve_tls(*options, "--client-verify", "optional", app=WSGI)
    identity = foreign() if who == "foreigner" else None
    context = context_with(version, room, identity)
    session = None
    for resumed in (False, True):
        with shake(server, context, session=session) as client:
            environ = environ_of(client)
            session = client.sock.tls.session
            assert client.sock.tls.session_reused is resumed
        if identity is None:
            assert environ["SSL_CLIENT_VERIFY"] == "NONE"
            assert "SSL_CLIENT_S_DN" not in environ
            assert "SSL_CLIENT_CERT" not in environ
        else:
            assert environ["SSL_CLIENT_VERIFY"].startswith("FAILED:")
            assert text(environ["SSL_CLIENT_S_DN"]) == NAME
            assert environ["SSL_CLIENT_CERT"] == identity.pem


@both_versions
def test_a_date_that_is_none(
    serve_tls: Serve, room: Path, options: list[str], version: str
) -> None:
    """Nothing is wrong with the handshake, and its place is free for the next."""
    few = ("--client-verify", "optional", "--limit-handshakes", "2")
    server = serve_tls(*options, *few, app=WSGI)
    identity = own()
    end = identity.cert.not_valid_after_utc.strftime("%y%m%d%H%M%SZ").encode()
    der = der_of(identity.cert)
    assert der.count(end) == 1
    wrong = der.replace(end, b"991399" + end[6:])
    file = room / "client.pem"
    file.write_bytes(ssl.DER_cert_to_PEM_cert(wrong).encode() + identity.key_pem())
    context = context_for(version)
    context.load_cert_chain(file)
    for _ in range(3):
        with shake(server, context) as client:
            environ = environ_of(client)
        assert environ["SSL_CLIENT_VERIFY"].startswith("FAILED:")
        assert environ["SSL_CLIENT_V_START"].endswith(" GMT")
        assert environ["SSL_CLIENT_V_END"] == "Bad time value"


@both_versions
def test_trust_is_kept_with_the_session(
    serve_tls: Serve, room: Path, options: list[str], version: str
) -> None:
    server = serve_tls(*options, "--client-verify", "required", app=WSGI)
    context = context_with(version, room, own())
    with shake(server, context) as client:
        before = environ_of(client)
        session = client.sock.tls.session
    with shake(server, context, session=session) as client:
        after = environ_of(client)
        assert client.sock.tls.session_reused
    assert {key: value for key, value in after.items() if key.startswith("SSL_")} == {
        key: value for key, value in before.items() if key.startswith("SSL_")
    }
    assert after["SSL_CLIENT_VERIFY"] == "SUCCESS"


def now() -> datetime.datetime:
    """The time as certificates have it."""
    return datetime.datetime.now(datetime.timezone.utc)


@both_versions
def test_session_does_not_outlive_the_certificate(
    serve_tls: Serve, room: Path, options: list[str], version: str
) -> None:
    """It is verified again, in a handshake of its own."""
    server = serve_tls(*options, "--client-verify", "optional", app=WSGI)
    end = now() + 5 * SECOND
    identity = authority("for clients").sign_client(*SUBJECT, end=end)
    context = context_with(version, room, identity)
    with shake(server, context) as client:
        verdicts = [environ_of(client)["SSL_CLIENT_VERIFY"]]
        session = client.sock.tls.session
    while now() <= end + SECOND:
        time.sleep(0.1)
    with shake(server, context, session=session) as client:
        verdicts.append(environ_of(client)["SSL_CLIENT_VERIFY"])
        assert not client.sock.tls.session_reused
    assert verdicts == ["SUCCESS", "FAILED:certificate has expired"]


def test_headers_cannot_look_like_it(serve_tls: Serve, room: Path, options: list[str]) -> None:
    server = serve_tls(*options, "--client-verify", "optional", app=WSGI)
    names = ("SSL-CLIENT-VERIFY", "HTTPS")
    with shake(server, context_for()) as client:
        data = request("GET", "/environ", [(name, "SUCCESS") for name in names])
        environ = json.loads(client.exchange(data).body)
    assert (environ["SSL_CLIENT_VERIFY"], environ["HTTPS"]) == ("NONE", "on")


# what an ASGI application is told: https://asgi.readthedocs.io/en/latest/specs/tls.html


@both_versions
def test_extension(serve_tls: Serve, room: Path, options: list[str], version: str) -> None:
    server = serve_tls(*options, "--client-verify", "required", app=ASGI)
    identity = Authority("between", above=authority("for clients")).sign_client(*SUBJECT)
    with shake(server, context_with(version, room, identity)) as client:
        assert scope_of(client, request("GET", "/scope"))["scheme"] == ["str", "https"]
        tls = tls_of(client)
        suite = client.sock.tls.cipher()[0]
    codes = {"TLS_AES_128_GCM_SHA256": 0x1301, "ECDHE-ECDSA-AES128-GCM-SHA256": 0xC02B}
    chain = [Identity(cert, identity.key).pem for cert in (identity.cert, *identity.chain)]
    assert tls == {
        "server_cert": localhost().pem,
        "client_cert_chain": chain,
        "client_cert_name": NAME,
        "client_cert_error": None,
        "tls_version": {"1.2": 0x0303, "1.3": 0x0304}[version],
        "cipher_suite": codes[suite],
    }


@both_versions
def test_extension_of_a_resumed_session(
    serve_tls: Serve, room: Path, options: list[str], version: str
) -> None:
    """A ticket holds the client's own certificate; who stands above it was shown once."""
    server = serve_tls(*options, "--client-verify", "required", app=ASGI)
    identity = Authority("between", above=authority("for clients")).sign_client(*SUBJECT)
    context = context_with(version, room, identity)
    with shake(server, context) as client:
        before = tls_of(client)
        session = client.sock.tls.session
    with shake(server, context, session=session) as client:
        after = tls_of(client)
        assert client.sock.tls.session_reused
    assert before.pop("client_cert_chain")[0] == after.pop("client_cert_chain")[0] == identity.pem
    assert before == after


@both_versions
def test_extension_without_a_certificate(
    serve_tls: Serve, room: Path, options: list[str], version: str
) -> None:
    server = serve_tls(*options, "--client-verify", "optional", app=ASGI)
    with shake(server, context_for(version)) as client:
        tls = tls_of(client)
    assert tls["client_cert_chain"] == []
    assert (tls["client_cert_name"], tls["client_cert_error"]) == (None, None)


@both_versions
def test_extension_of_who_is_not_trusted(
    serve_tls: Serve, room: Path, options: list[str], version: str
) -> None:
    server = serve_tls(*options, "--client-verify", "optional", app=ASGI)
    identity = foreign()
    context = context_with(version, room, identity)
    session = None
    for resumed in (False, True):
        with shake(server, context, session=session) as client:
            tls = tls_of(client)
            session = client.sock.tls.session
            assert client.sock.tls.session_reused is resumed
        assert tls["client_cert_chain"] == [identity.pem]
        assert tls["client_cert_name"] == NAME
        assert tls["client_cert_error"]


def test_extension_says_which_certificate_was_shown(serve_tls: Serve, room: Path) -> None:
    other = authority().sign("other.example")
    files = [localhost().write(room / "1.pem"), other.write(room / "2.pem")]
    server = serve_tls("--certfile", files[0], "--certfile", files[1], app=ASGI)
    for name, identity in (("localhost", localhost()), ("other.example", other)):
        with shake(server, context_for(), name) as client:
            assert tls_of(client)["server_cert"] == identity.pem


def test_extension_is_the_requests_own(serve_tls: Serve, room: Path) -> None:
    """/spoil empties what it is given."""
    server = serve_tls("--certfile", localhost().write(room / "1.pem"), app=ASGI)
    with shake(server, context_for()) as client:
        before = tls_of(client)
        assert client.exchange(request("GET", "/spoil")).status == 200
        assert tls_of(client) == before


def websocket_scope(server: Server, context: ssl.SSLContext) -> dict[str, Any]:
    """The scope of a WebSocket."""
    with switched(shake(server, context), handshake("/scope")) as websocket:
        kind, scope = json.loads(websocket.message())
        assert kind == "dict"
        websocket.close()
    result: dict[str, Any] = scope
    return result


def test_extension_of_a_websocket(serve_tls: Serve, room: Path, options: list[str]) -> None:
    server = serve_tls(*options, "--client-verify", "required", app=ASGI)
    identity = own()
    scope = websocket_scope(server, context_with("1.3", room, identity))
    assert scope["scheme"] == ["str", "wss"]
    tls = plain_tls(*scope["extensions"][1]["tls"])
    assert tls["client_cert_chain"] == [identity.pem]
    assert (tls["tls_version"], tls["server_cert"]) == (0x0304, localhost().pem)
