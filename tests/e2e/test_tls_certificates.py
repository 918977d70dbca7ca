"""Which certificate a client is shown: by its name, by what it understands; chains, keys, OCSP."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest

from .client import request
from .conftest import Serve
from .harness import Server
from .tls_client import both_versions, context_for, needs_openssl, s_client, shake
from .tls_pki import KINDS, Authority, Identity, authority, der_of, localhost, repeated

OF_KIND = {
    "ecdsa": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "rsa": "ECDHE-RSA-AES256-GCM-SHA384",
}


def shown(server: Server, name: str | None, context: ssl.SSLContext | None = None) -> bytes:
    """The certificate that a client gets that asks for that name, and does not check it."""
    context = context or context_for()
    context.check_hostname = False
    with shake(server, context, name) as client:
        assert client.exchange(request()).status == 200
        cert = client.sock.tls.getpeercert(binary_form=True)
        assert isinstance(cert, bytes)
        return cert


# by name


@both_versions
def test_name_chooses(serve_tls: Serve, room: Path, version: str) -> None:
    """The exact name, then a wildcard, whatever their order; else the first."""
    sign = authority().sign
    identities = {
        "first": sign("first.example", "also.first.example"),
        "wild": sign("*.site.example"),
        "exact": sign("www.site.example", "site.example"),
        "other": sign("Other.Example"),
    }
    files = [identity.write(room / f"{name}.pem") for name, identity in identities.items()]
    server = serve_tls(*repeated("--certfile", files))
    expected = {
        "first.example": "first",
        "also.first.example": "first",
        "www.site.example": "exact",
        "WWW.Site.Example": "exact",
        "site.example": "exact",
        "shop.site.example": "wild",
        "a.shop.site.example": "first",  # a wildcard is one label
        "other.example": "other",
        "nobody.example": "first",
        "127.0.0.1": "first",
        None: "first",
    }
    got = {name: shown(server, name, context_for(version)) for name in expected}
    names = {der_of(identity.cert): name for name, identity in identities.items()}
    assert {name: names[cert] for name, cert in got.items()} == expected


def test_files_of_keys_apart_by_their_order(serve_tls: Serve, room: Path) -> None:
    one, two = authority().sign("one.example"), authority().sign("two.example")
    pairs = [each.write_apart(room / name) for name, each in (("1", one), ("2", two))]
    certs, keys = zip(*pairs, strict=True)
    server = serve_tls(*repeated("--ssl-certfile", certs), *repeated("--ssl-keyfile", keys))
    assert shown(server, "one.example") == der_of(one.cert)
    assert shown(server, "two.example") == der_of(two.cert)


# by kind


@both_versions
@pytest.mark.parametrize("kind", KINDS)
def test_kind_of_key(serve_tls: Serve, room: Path, kind: str, version: str) -> None:
    identity = localhost(kind)
    server = serve_tls("--certfile", identity.write(room / "both.pem"))
    with shake(server, context_for(version)) as client:
        assert client.exchange(request()).body == b"hello"
        assert client.sock.tls.getpeercert(binary_form=True) == der_of(identity.cert)


@pytest.mark.parametrize("order", [KINDS, KINDS[::-1]], ids=["ecdsa-first", "ed25519-first"])
def test_kinds_for_one_name(serve_tls: Serve, room: Path, order: tuple[str, ...]) -> None:
    """A client gets one that it understands, whichever is the first."""
    files = [localhost(kind).write(room / f"{kind}.pem") for kind in order]
    server = serve_tls(*repeated("--certfile", files))
    for kind, suite in OF_KIND.items():
        context = context_for("1.2")
        context.set_ciphers(suite)
        with shake(server, context) as client:
            assert client.exchange(request()).body == b"hello"
            cipher = client.sock.tls.cipher()
            assert cipher is not None
            assert cipher[0] == suite
            cert = client.sock.tls.getpeercert(binary_form=True)
            # whoever takes ECDSA's suites takes Ed25519 with them (RFC 8422)
            fits = ["rsa"] if kind == "rsa" else ["ecdsa", "ed25519"]
            assert cert in [der_of(localhost(each).cert) for each in fits]


@needs_openssl
@pytest.mark.parametrize(
    ("algorithm", "says"), [("ecdsa_secp256r1_sha256", "ECDSA"), ("rsa_pss_rsae_sha256", "RSA-PSS")]
)
def test_kinds_by_signature_in_tls_1_3(
    serve_tls: Serve, room: Path, algorithm: str, says: str
) -> None:
    files = [localhost(kind).write(room / f"{kind}.pem") for kind in ("ecdsa", "rsa")]
    server = serve_tls(*repeated("--certfile", files))
    said = s_client(server, "-tls1_3", "-sigalgs", algorithm, "-servername", "localhost")
    assert f"Peer signature type: {says}\n" in said


# chains


@needs_openssl
@both_versions
def test_chain_is_sent(serve_tls: Serve, room: Path, version: str) -> None:
    """Two authorities stand between the certificate and the root that the client knows."""
    between = Authority("below", above=Authority("above", above=authority()))
    identity = between.sign("localhost")
    server = serve_tls("--certfile", identity.write(room / "both.pem"))
    with shake(server, context_for(version)) as client:
        assert client.exchange(request()).body == b"hello"
    said = s_client(server, "-showcerts", "-servername", "localhost")
    assert said.count("-----BEGIN CERTIFICATE-----") == 3
    for level, name in enumerate(("localhost", "below", "above")):
        assert f" {level} s:CN = {name}\n" in said


def test_chain_that_is_not_there_is_missed(serve_tls: Serve, room: Path) -> None:
    """That the test above can fail."""
    identity = Authority("alone", above=authority()).sign("localhost")
    bare = Identity(identity.cert, identity.key)
    server = serve_tls("--certfile", bare.write(room / "both.pem"))
    with pytest.raises(ssl.SSLCertVerificationError):
        shake(server, context_for())


# encrypted keys


def test_encrypted_keys(serve_tls: Serve, room: Path) -> None:
    """One password for all, or one for each; also from the environment."""
    one, two = authority().sign("one.example"), authority().sign("two.example")
    apart = [
        *("--certfile", one.write(room / "1.pem", "first secret")),
        *("--certfile", two.write(room / "2.pem", "second: $ecret é")),
    ]
    words = ["first secret", "second: $ecret é"]
    server = serve_tls(*apart, *repeated("--keyfile-password", words))
    assert shown(server, "two.example") == der_of(two.cert)
    same = serve_tls(
        *("--certfile", one.write(room / "3.pem", "common")),
        *("--certfile", two.write(room / "4.pem", "common")),
        env={"FREASTAL_KEYFILE_PASSWORD": "common"},
    )
    assert shown(same, "two.example") == der_of(two.cert)
    assert "secret" not in server.whole_log


def test_password_for_a_key_that_needs_none(serve_tls: Serve, room: Path) -> None:
    identity = localhost()
    server = serve_tls(
        *("--certfile", identity.write(room / "both.pem")), *("--keyfile-password", "unused")
    )
    assert shown(server, "localhost") == der_of(identity.cert)


# OCSP


@needs_openssl
@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_ocsp(serve_tls: Serve, room: Path, version: str) -> None:
    """A response for each certificate, for clients that ask."""
    identities = [authority().sign("one.example"), authority().sign("two.example")]
    arguments = []
    for number, identity in enumerate(identities):
        (room / f"{number}.ocsp").write_bytes(authority().vouch(identity.cert))
        arguments += ["--certfile", identity.write(room / f"{number}.pem")]
        arguments += ["--ocsp-file", str(room / f"{number}.ocsp")]
    server = serve_tls(*arguments)
    roots = ("-CAfile", authority().write_root(room / "root.pem"), "-verify_return_error")
    for identity, name in zip(identities, ("one.example", "two.example"), strict=True):
        said = s_client(server, version, *roots, "-status", "-servername", name)
        assert "OCSP Response Status: successful" in said
        assert "Cert Status: good" in said
        serial = f"{identity.cert.serial_number:X}"
        assert f"Serial Number: {serial.zfill(len(serial) + len(serial) % 2)}\n" in said
    assert "OCSP" not in s_client(server, version, *roots)


@needs_openssl
def test_no_ocsp_without_a_file(serve_tls: Serve, room: Path) -> None:
    server = serve_tls("--certfile", localhost().write(room / "both.pem"))
    assert "OCSP response: no response sent" in s_client(server, "-status")
