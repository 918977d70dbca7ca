"""Session tickets: good for every worker, also when keys have been rotated; no early data."""

from __future__ import annotations

import base64
import json
import os
import signal
import ssl
import sys
from pathlib import Path

import pytest

from .client import Client, request
from .conftest import Serve
from .harness import APPS, Server, await_true
from .tls_client import VERSIONS, both_versions, context_for, needs_openssl, s_client, shake
from .tls_pki import authority, der_of, localhost


def pid_of(client: Client) -> int:
    """The worker that answers. In TLS 1.3 the ticket has come with that."""
    return int(json.loads(client.exchange(request("GET", "/process")).body)["pid"])


def key_name(heard: bytes) -> bytes:
    """The name of the key that the ticket in a handshake of TLS 1.2 is sealed with (RFC 5077)."""
    messages, at = b"", 0
    while heard[at] == 22:  # until ChangeCipherSpec all is readable
        size = int.from_bytes(heard[at + 3 : at + 5], "big")
        messages += heard[at + 5 : at + 5 + size]
        at += 5 + size
    at = 0
    while messages[at] != 4:  # NewSessionTicket
        at += 4 + int.from_bytes(messages[at + 1 : at + 4], "big")
    assert int.from_bytes(messages[at + 8 : at + 10], "big") > 16
    return messages[at + 10 : at + 26]


def resumes(
    server: Server, context: ssl.SSLContext, session: ssl.SSLSession, pids: set[int]
) -> dict[int, bool]:
    """Whether each of these workers takes it; the kernel deals connections out."""
    taken: dict[int, bool] = {}

    def asked_all() -> bool:
        with shake(server, context, session=session) as client:
            taken[pid_of(client)] = client.sock.tls.session_reused
        return set(taken) == pids

    await_true(asked_all, f"connections to {pids}")
    return taken


def workers_of(server: Server) -> set[int]:
    """The pids of both workers."""
    pids: set[int] = set()

    def asked_all() -> bool:
        with shake(server, context_for()) as client:
            pids.add(pid_of(client))
        return len(pids) == 2

    await_true(asked_all, "connections to both workers")
    return pids


@both_versions
@pytest.mark.parametrize("app", ["probe:plain", "asgi_probe:app"])
def test_ticket_of_one_worker_resumes_on_the_other(
    serve_tls: Serve, room: Path, version: str, app: str
) -> None:
    server = serve_tls("--certfile", localhost().write(room / "a.pem"), workers=2, app=app)
    pids = workers_of(server)
    context = context_for(version)
    with shake(server, context) as client:
        first = pid_of(client)
        session = client.sock.tls.session
        assert not client.sock.tls.session_reused
    assert session.has_ticket
    assert resumes(server, context, session, pids) == dict.fromkeys(pids, True)
    assert first in pids


@both_versions
def test_ticket_outlives_its_worker(serve_tls: Serve, room: Path, version: str) -> None:
    """The supervisor has the keys, and gives them to the next."""
    server = serve_tls("--certfile", localhost().write(room / "a.pem"))
    server.checks_counters = False  # a killed worker says nothing
    context = context_for(version)
    with shake(server, context) as client:
        first = pid_of(client)
        session = client.sock.tls.session
        assert client.exchange(request("GET", "/environ")).status == 200
    os.kill(first, signal.SIGKILL)
    server.await_log("is ready")
    with shake(server, context, session=session) as client:
        assert pid_of(client) != first
        assert client.sock.tls.session_reused


@both_versions
def test_ticket_of_another_server_does_not_resume(
    serve_tls: Serve, room: Path, version: str
) -> None:
    """The keys are made anew; who cannot open a ticket shakes hands in full."""
    certfile = localhost().write(room / "a.pem")
    context = context_for(version)
    with shake(serve_tls("--certfile", certfile), context) as client:
        pid_of(client)
        session = client.sock.tls.session
    with shake(serve_tls("--certfile", certfile), context, session=session) as client:
        pid_of(client)
        assert not client.sock.tls.session_reused


@both_versions
def test_ticket_is_for_its_name(serve_tls: Serve, room: Path, version: str) -> None:
    """RFC 6066 section 3: another name is another handshake, with that name's certificate."""
    other = authority().sign("other.example")
    files = [localhost().write(room / "1.pem"), other.write(room / "2.pem")]
    server = serve_tls("--certfile", files[0], "--certfile", files[1])
    context = context_for(version)
    with shake(server, context) as client:
        pid_of(client)
        session = client.sock.tls.session
    with shake(server, context, "LocalHost", session) as client:
        assert client.sock.tls.session_reused
    with shake(server, context, "other.example", session) as client:
        assert not client.sock.tls.session_reused
        assert client.sock.tls.getpeercert(binary_form=True) == der_of(other.cert)
    context.check_hostname = False
    with shake(server, context, None, session) as client:
        assert not client.sock.tls.session_reused


@both_versions
def test_ticket_of_a_name_that_nobody_has(serve_tls: Serve, room: Path, version: str) -> None:
    """The first certificate is shown, and its tickets are as good as others."""
    files = [localhost().write(room / "1.pem"), authority().sign("b.example").write(room / "2.pem")]
    server = serve_tls("--certfile", files[0], "--certfile", files[1])
    context = context_for(version)
    context.check_hostname = False
    for name in ("nobody.example", None):
        with shake(server, context, name) as client:
            pid_of(client)
            session = client.sock.tls.session
        for again, resumed in ((name, True), ("b.example", False)):
            with shake(server, context, again, session) as client:
                assert client.sock.tls.session_reused is resumed


def test_rotation(serve_tls: Serve, room: Path) -> None:
    """A new key seals in all workers; two older ones still open, the fourth is forgotten."""
    certfile = localhost().write(room / "a.pem")
    command = [sys.executable, str(APPS / "tls_rotating.py"), "--bind", "127.0.0.1:0"]
    command += ["--workers", "2", "--certfile", certfile, "probe:plain"]
    server = serve_tls(workers=2, line=command)
    pids = workers_of(server)
    contexts = {version: context_for(version) for version in VERSIONS}
    names: list[bytes] = []
    sessions: list[dict[str, ssl.SSLSession]] = []

    def new_key() -> bytes:
        """The key that both workers seal with, once it is none of those before."""
        by_worker: dict[int, bytes] = {}

        def known() -> bool:
            with shake(server, contexts["1.2"]) as client:
                by_worker[pid_of(client)] = key_name(client.sock.heard)
            seen = set(by_worker.values())
            return set(by_worker) == pids and len(seen) == 1 and not seen & set(names)

        await_true(known, "the same new key in both workers")
        return next(iter(by_worker.values()))

    def new_sessions() -> dict[str, ssl.SSLSession]:
        made = {}
        for version, context in contexts.items():
            with shake(server, context) as client:
                pid_of(client)
                made[version] = client.sock.tls.session
        return made

    for age in range(4):
        if age:
            server.process.send_signal(signal.SIGUSR2)
        names.append(new_key())
        sessions.append(new_sessions())
        for version, context in contexts.items():
            for number, made in enumerate(sessions):
                expected = age - number < 3
                taken = resumes(server, context, made[version], pids)
                assert taken == dict.fromkeys(pids, expected), (version, number, age)


def test_old_ticket_is_replaced(serve_tls: Serve, room: Path) -> None:
    """Whoever resumes by an older key gets a ticket by the new one."""
    command = [sys.executable, str(APPS / "tls_rotating.py"), "--bind", "127.0.0.1:0"]
    command += ["--certfile", localhost().write(room / "a.pem"), "probe:plain"]
    server = serve_tls(line=command)
    context = context_for("1.2")
    with shake(server, context) as client:
        pid_of(client)
        session, name = client.sock.tls.session, key_name(client.sock.heard)

    def rotated() -> bool:
        with shake(server, context) as client:
            pid_of(client)
            return key_name(client.sock.heard) != name

    server.process.send_signal(signal.SIGUSR2)
    await_true(rotated, "a new key")
    with shake(server, context, session=session) as client:
        pid_of(client)
        assert client.sock.tls.session_reused
        assert key_name(client.sock.heard) != name


def allow_early_data(file: Path) -> None:
    """Changes a session that s_client has kept, so that it sends 16 KiB before the handshake."""
    encoded = "".join(file.read_text().splitlines()[1:-1])
    der = base64.b64decode(encoded)
    start = 2 + (der[1] & 0x7F if der[1] > 0x80 else 0)
    parts, at = [], start
    while at < len(der):
        size, begin = der[at + 1], at + 2
        if size > 0x80:
            begin += size & 0x7F
            size = int.from_bytes(der[at + 2 : begin], "big")
        parts.append(der[at : begin + size])
        at = begin + size
    tag = 0xAF  # [15] in OpenSSL's SSL_SESSION_ASN1
    assert tag not in [part[0] for part in parts]
    before = [part for part in parts if part[0] < tag]
    body = b"".join([*before, bytes([tag, 4, 2, 2, 0x40, 0]), *parts[len(before) :]])
    der = b"\x30\x82" + len(body).to_bytes(2, "big") + body
    kind = "SSL SESSION PARAMETERS"
    text = base64.encodebytes(der).decode()
    file.write_text(f"-----BEGIN {kind}-----\n{text}-----END {kind}-----\n")


@needs_openssl
def test_no_early_data(serve_tls: Serve, room: Path) -> None:
    """Tickets allow none, and who sends some nevertheless is not heard: RFC 8446 section 4.2.10."""
    server = serve_tls("--certfile", localhost().write(room / "a.pem"))
    kept, early = room / "session", room / "early"
    early.write_bytes(request("GET", "/stream?count=1"))
    last = request("GET", "/", [("Connection", "close")])
    ask = ("-tls1_3", "-ign_eof", "-servername", "localhost")
    said = s_client(server, *ask, "-sess_out", str(kept), say=last)
    assert "Max Early Data: 0\n" in said
    said = s_client(server, *ask, "-sess_in", str(kept), "-early_data", str(early), say=last)
    assert "Early data was not sent" in said
    allow_early_data(kept)
    said = s_client(server, *ask, "-sess_in", str(kept), "-early_data", str(early), say=last)
    assert "Early data was rejected" in said
    assert "Reused, TLSv1.3" in said
    assert said.count("\nhello") == 1
    assert server.events == []
