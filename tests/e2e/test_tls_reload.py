"""New certificates without a restart: SIGUSR2, SIGHUP, `Server.reload_certificates()`."""

from __future__ import annotations

import json
import signal
import ssl
import sys
from pathlib import Path

import pytest

from .client import Client, request
from .conftest import Serve
from .harness import APPS, Server, await_true
from .tls_client import context_for, refusal, shake
from .tls_pki import authority, der_of, localhost

TAKEN, KEPT = "the certificates have been read anew", "the certificates stay as they were: "


def send(number: signal.Signals, server: Server, text: str, times: int = 1) -> None:
    """Sends a signal, and waits until that has been logged so many times from then on."""
    server.begin()
    server.process.send_signal(number)
    await_true(lambda: server.log.count(text) >= times, f"{times} × {text!r}")


def shown(client: Client) -> bytes:
    """The server's certificate."""
    cert: bytes = client.sock.tls.getpeercert(binary_form=True)
    return cert


def pid_of(client: Client) -> int:
    """The worker that answers."""
    return int(json.loads(client.exchange(request("GET", "/process")).body)["pid"])


def certs_by_worker(server: Server, workers: int) -> dict[int, bytes]:
    """What each worker shows; the kernel deals connections out."""
    certs: dict[int, bytes] = {}

    def asked_all() -> bool:
        with shake(server, context_for()) as client:
            certs[pid_of(client)] = shown(client)
        return len(certs) == workers

    await_true(asked_all, "connections to all workers")
    return certs


@pytest.mark.parametrize("app", ["probe:plain", "asgi_probe:app"])
def test_renewed(serve_tls: Serve, room: Path, app: str) -> None:
    """All workers take them; whoever is connected notices nothing."""
    old, new = localhost(), authority().sign("localhost")
    cert, key = old.write_apart(room / "pair")
    server = serve_tls("--certfile", cert, "--keyfile", key, workers=2, app=app)
    assert set(certs_by_worker(server, 2).values()) == {der_of(old.cert)}
    with shake(server, context_for()) as kept:
        pid = pid_of(kept)
        new.write_apart(room / "pair")
        send(signal.SIGUSR2, server, TAKEN, 2)
        assert pid_of(kept) == pid
        assert set(certs_by_worker(server, 2).values()) == {der_of(new.cert)}
        assert pid in certs_by_worker(server, 2)
        assert pid_of(kept) == pid
    assert KEPT not in server.whole_log


def test_renewed_with_broken_files(serve_tls: Serve, room: Path) -> None:
    """They are logged by each worker, and the old ones stay, until there are good ones."""
    old, new = localhost(), authority().sign("localhost")
    cert, key = old.write_apart(room / "pair")
    server = serve_tls("--certfile", cert, "--keyfile", key, workers=2)
    with shake(server, context_for()) as kept:
        pid = pid_of(kept)
        Path(cert).write_bytes(b"rubbish")
        send(signal.SIGUSR2, server, f"{KEPT}--certfile '{cert}' holds no certificate in PEM", 2)
        assert set(certs_by_worker(server, 2).values()) == {der_of(old.cert)}
        authority().sign("localhost").write_apart(room / "pair")
        Path(key).write_bytes(old.key_pem())
        send(
            signal.SIGUSR2,
            server,
            f"{KEPT}--keyfile '{key}' is not the key of --certfile '{cert}'",
            2,
        )
        Path(key).unlink()
        send(
            signal.SIGUSR2,
            server,
            f"{KEPT}--keyfile '{key}' cannot be read: No such file or directory",
            2,
        )
        assert set(certs_by_worker(server, 2).values()) == {der_of(old.cert)}
        new.write_apart(room / "pair")
        send(signal.SIGUSR2, server, TAKEN, 2)
        assert set(certs_by_worker(server, 2).values()) == {der_of(new.cert)}
        assert pid_of(kept) == pid


def test_renewed_inside_a_handshake_and_a_response(serve_tls: Serve, room: Path) -> None:
    """What has begun ends with what it began with."""
    old, new = localhost(), authority().sign("localhost")
    certfile = old.write(room / "both.pem")
    server = serve_tls("--certfile", certfile)
    with shake(server, context_for()) as client:
        client.send(request("GET", "/stream?size=65536&count=64"))
        client.await_bytes(b"\r\n\r\n")
        new.write(room / "both.pem")
        send(signal.SIGUSR2, server, TAKEN)
        assert len(client.response().body) == 64 * 65536
        assert shown(client) == der_of(old.cert)
    with shake(server, context_for()) as client:
        assert shown(client) == der_of(new.cert)


def test_renewed_with_other_authorities_for_clients(serve_tls: Serve, room: Path) -> None:
    """Whom they do not know is not let in, with a ticket of before neither."""
    before, after = authority("for clients"), authority("for others")
    roots = before.write_root(room / "roots.pem")
    certfile = localhost().write(room / "both.pem")
    options = ("--client-ca", roots, "--client-verify", "required")
    server = serve_tls("--certfile", certfile, *options)
    name = (next(iter(before.name)).oid, "a client")
    context, other = context_for("1.3"), context_for("1.3")
    context.load_cert_chain(before.sign_client(name).write(room / "1.pem"))
    other.load_cert_chain(after.sign_client(name).write(room / "2.pem"))
    with shake(server, context) as client:
        assert client.exchange(request()).body == b"hello"
        session = client.sock.tls.session
    assert refusal(server, other) == "TLSV1_ALERT_UNKNOWN_CA"
    after.write_root(room / "roots.pem")
    send(signal.SIGUSR2, server, TAKEN)
    with shake(server, other) as client:
        assert client.exchange(request()).body == b"hello"
    client = shake(server, context, session=session)
    with pytest.raises(ssl.SSLError, match="UNKNOWN_CA"):
        client.exchange(request())
    assert not client.sock.tls.session_reused
    client.sock.abort()


def test_renewed_without_certificates(serve: Serve) -> None:
    server = serve("probe:plain")
    if server.scheme == "http":
        send(signal.SIGUSR2, server, "SIGUSR2: there are no certificates to read anew")
    with server.connect() as client:
        assert client.exchange(request()).body == b"hello"


def test_sighup_takes_them_with_new_workers(serve_tls: Serve, room: Path) -> None:
    """Where they are broken, the workers that are there stay."""
    old, new = localhost(), authority().sign("localhost")
    cert, key = old.write_apart(room / "pair")
    server = serve_tls("--certfile", cert, "--keyfile", key, workers=2)
    before = certs_by_worker(server, 2)
    Path(cert).write_bytes(b"rubbish")
    send(signal.SIGHUP, server, f"--certfile '{cert}' holds no certificate in PEM")
    await_true(lambda: "goes on" in server.log, "the end of the reload")
    assert certs_by_worker(server, 2) == before
    new.write_apart(room / "pair")
    send(signal.SIGHUP, server, "reloaded")
    after = certs_by_worker(server, 2)
    assert set(after.values()) == {der_of(new.cert)}
    assert not before.keys() & after.keys()


@pytest.mark.parametrize("where", [[], ["elsewhere"]], ids=["in the loop", "in a thread"])
def test_reload_certificates(serve_tls: Serve, room: Path, where: list[str]) -> None:
    """In a program of its own: see tests/apps/tls_program.py."""
    old, new = localhost(), authority().sign("localhost")
    certfile = old.write(room / "both.pem")
    server = serve_tls(line=[sys.executable, str(APPS / "tls_program.py"), certfile, *where])
    server.checks_counters = False  # nobody prints them
    early = "RuntimeError: no certificates are in use"
    assert server.whole_log.count(early) == 1
    with shake(server, context_for()) as kept:
        assert kept.exchange(request()).body == b"hello"
        Path(certfile).write_bytes(b"rubbish")
        send(
            signal.SIGHUP,
            server,
            f"ConfigError: --certfile '{certfile}' holds no certificate in PEM",
        )
        with shake(server, context_for()) as client:
            assert shown(client) == der_of(old.cert)
        new.write(room / "both.pem")
        send(signal.SIGHUP, server, "taken")
        with shake(server, context_for()) as client:
            assert shown(client) == der_of(new.cert)
            assert client.exchange(request()).body == b"hello"
        assert kept.exchange(request()).body == b"hello"
    server.stop()
    assert server.whole_log.count(early) == 2
