"""What cannot be served with: one line at the start, exit code 2, and nobody left."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from .harness import OWN_TLS, TRANSPORTS, Shape, group_lives, launched
from .tls_pki import DAY, NOW, Authority, authority, localhost

Make = Callable[[Path], list[str]]


def refuse(room: Path, *arguments: str, workers: int = 2) -> str:
    """The one line that a server says that must not start."""
    with launched(Shape(OWN_TLS, workers), room / "refused", "probe:plain", arguments) as server:
        assert server.await_exit() == 2, server.whole_log
        assert not group_lives(server.process.pid)
        log = server.whole_log
    assert TRANSPORTS[OWN_TLS].started.search(log) is None
    lines = log.splitlines()
    assert len(lines) == 1, log
    return lines[0]


def certificate(room: Path, *more: str) -> list[str]:
    """Options that are right, and others behind them."""
    return ["--certfile", localhost().write(room / "good.pem"), *more]


def file_of(room: Path, data: bytes) -> str:
    """A file that holds that."""
    (room / "wrong").write_bytes(data)
    return str(room / "wrong")


def key_of_another(room: Path) -> list[str]:
    cert, _ = localhost().write_apart(room / "one")
    _, key = authority().sign("localhost").write_apart(room / "two")
    return ["--certfile", cert, "--keyfile", key]


def key_of_another_kind(room: Path) -> list[str]:
    cert, _ = localhost().write_apart(room / "one")
    _, key = localhost("rsa").write_apart(room / "two")
    return ["--certfile", cert, "--keyfile", key]


def expired(room: Path) -> list[str]:
    identity = authority().sign("localhost", begin=NOW - 9 * DAY, end=NOW - 2 * DAY)
    return ["--certfile", identity.write(room / "old.pem")]


def not_yet(room: Path) -> list[str]:
    identity = authority().sign("localhost", begin=NOW + 2 * DAY)
    return ["--certfile", identity.write(room / "new.pem")]


def encrypted(*more: str) -> Make:
    def make(room: Path) -> list[str]:
        return ["--certfile", localhost().write(room / "secret.pem", "right"), *more]

    return make


def only_certificate(room: Path) -> list[str]:
    return ["--certfile", localhost().write_apart(room / "one")[0]]


def only_key(room: Path) -> list[str]:
    return ["--certfile", localhost().write_apart(room / "one")[1]]


def second_is_missing(room: Path) -> list[str]:
    return certificate(room, "--certfile", f"{room}/missing")


def broken_chain(room: Path) -> list[str]:
    identity = Authority("between", above=authority()).sign("localhost")
    cert, key = identity.write_apart(room / "one")
    pem = Path(cert).read_text()
    Path(cert).write_text(pem[: pem.rindex("-----END")])
    return ["--certfile", cert, "--keyfile", key]


def ciphertext(room: Path) -> list[str]:
    """A key cut short."""
    cert, key = localhost().write_apart(room / "one")
    Path(key).write_bytes(Path(key).read_bytes()[:-60])
    return ["--certfile", cert, "--keyfile", key]


def client_ca(name: str) -> Make:
    def make(room: Path) -> list[str]:
        file_of(room, b"rubbish\n")
        return certificate(room, "--client-verify", "required", "--client-ca", f"{room}/{name}")

    return make


CASES: dict[str, tuple[Make, list[str]]] = {
    "missing": (
        lambda room: ["--certfile", f"{room}/missing"],
        ["--certfile '{room}/missing' cannot be read: No such file or directory"],
    ),
    "directory": (lambda room: ["--certfile", str(room)], ["--certfile '{room}'"]),
    "garbage": (
        lambda room: ["--certfile", file_of(room, b"\0\xff rubbish \x80" * 99)],
        ["--certfile '{room}/wrong' holds no certificate in PEM"],
    ),
    "empty": (
        lambda room: ["--certfile", file_of(room, b"")],
        ["--certfile '{room}/wrong' holds no certificate in PEM"],
    ),
    "only-key": (only_key, ["--certfile '{room}/one.key' holds no certificate in PEM"]),
    "broken-chain": (broken_chain, ["--certfile '{room}/one.crt'", "chain"]),
    "only-certificate": (only_certificate, ["--keyfile '{room}/one.crt' holds no private key"]),
    "missing-key": (
        lambda room: certificate(room, "--keyfile", f"{room}/missing"),
        ["--keyfile '{room}/missing' cannot be read: No such file or directory"],
    ),
    "broken-key": (ciphertext, ["--keyfile '{room}/one.key' holds no private key"]),
    "another-key": (
        key_of_another,
        ["--keyfile '{room}/two.key' is not the key of --certfile '{room}/one.crt'"],
    ),
    "another-kind": (
        key_of_another_kind,
        ["--keyfile '{room}/two.key' is not the key of --certfile '{room}/one.crt'"],
    ),
    "second": (second_is_missing, ["--certfile '{room}/missing' cannot be read"]),
    "expired": (expired, ["--certfile '{room}/old.pem' has expired: "]),
    "not-yet": (not_yet, ["--certfile '{room}/new.pem' is not valid before "]),
    "no-password": (
        encrypted(),
        ["--keyfile '{room}/secret.pem' is encrypted, and there is no --keyfile-password"],
    ),
    "wrong-password": (
        encrypted("--keyfile-password", "wrong"),
        ["--keyfile '{room}/secret.pem' cannot be decrypted: --keyfile-password"],
    ),
    "ocsp-missing": (
        lambda room: certificate(room, "--ocsp-file", f"{room}/missing"),
        ["--ocsp-file '{room}/missing' cannot be read: No such file or directory"],
    ),
    "ocsp-garbage": (
        lambda room: certificate(room, "--ocsp-file", file_of(room, b"rubbish")),
        ["--ocsp-file '{room}/wrong' holds no successful OCSP response"],
    ),
    "ciphers": (
        lambda room: certificate(room, "--tls-ciphers", "NONSENSE"),
        ["--tls-ciphers 'NONSENSE': no cipher match"],
    ),
    "ciphersuites": (
        lambda room: certificate(room, "--tls-ciphersuites", "NONSENSE"),
        ["--tls-ciphersuites 'NONSENSE': no cipher match"],
    ),
    "client-ca-missing": (
        client_ca("missing"),
        ["--client-ca '{room}/missing' cannot be read: No such file or directory"],
    ),
    "client-ca-garbage": (
        client_ca("wrong"),
        ["--client-ca '{room}/wrong' holds no certificates in PEM"],
    ),
    "client-ca-alone": (
        lambda room: certificate(room, "--client-ca", f"{room}/missing"),
        ["--client-verify", "--client-ca"],
    ),
    "verify-alone": (
        lambda room: certificate(room, "--client-verify", "required"),
        ["--client-verify", "--client-ca"],
    ),
    "min-version": (
        lambda room: certificate(room, "--tls-min-version", "1.1"),
        ["--tls-min-version", "'1.1'", "1.2, 1.3"],
    ),
    "keyfiles": (
        lambda room: certificate(room, "--keyfile", "a", "--keyfile", "b"),
        ["--keyfile is given 2 times", "--certfile"],
    ),
    "keyfile-alone": (lambda room: ["--keyfile", f"{room}/missing"], ["--keyfile", "--certfile"]),
}


@pytest.mark.parametrize("case", CASES)
def test_refused(room: Path, case: str) -> None:
    make, words = CASES[case]
    line = refuse(room, *make(room))
    for word in words:
        assert word.format(room=room) in line
    assert line.startswith("freastal: ")
    assert "right" not in line  # the password
    assert ":error:" not in line  # OpenSSL's own way to say it
    assert len(line) < 300


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
@pytest.mark.parametrize("flag", ["--certfile", "--keyfile"])
def test_no_permission(room: Path, flag: str) -> None:
    cert, key = localhost().write_apart(room / "one")
    Path(cert if flag == "--certfile" else key).chmod(0)
    line = refuse(room, "--certfile", cert, "--keyfile", key)
    assert f"{flag} '{cert if flag == '--certfile' else key}' cannot be read: " in line
    assert "Permission denied" in line
