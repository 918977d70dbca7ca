"""Much data over TLS, files, WebSockets; by raw and real clients."""

from __future__ import annotations

import hashlib
import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests
from cryptography.x509.oid import NameOID
from websockets.sync.client import connect

from .asgi_script import START, script
from .client import PATIENCE, Client, request
from .conftest import Serve, Share
from .harness import Server
from .tls_client import both_versions, context_for, shake
from .tls_pki import authority, localhost

LARGE = 50_000_000
needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")


def pattern(size: int) -> bytes:
    """What tests/apps/files.py puts into a file of that size."""
    return (bytes(range(256)) * 256 * (size // 65536 + 1))[:size]


def hashed(data: bytes) -> str:
    """Compared in the place of the data: a difference would fill the report."""
    return hashlib.sha256(data).hexdigest()


EXPECTED = hashed(pattern(LARGE))


@pytest.fixture
def certfile(room: Path) -> list[str]:
    """The option."""
    return ["--certfile", localhost().write(room / "both.pem")]


# files


def downloaded(client: Client, target: str) -> str:
    """The hash of a body of 50 MB; the connection goes on after it."""
    answer = client.exchange(request("GET", target))
    assert answer.status == 200
    assert len(answer.body) == LARGE
    short = client.exchange(request("HEAD", "/?size=3&length=3"), "HEAD")
    assert short.status == 200
    return hashed(answer.body)


@pytest.mark.parametrize("threads", ["1", "4"])
@pytest.mark.parametrize("kind", ["file", "reader"])
def test_file_wrapper(serve_tls: Serve, certfile: list[str], kind: str, threads: str) -> None:
    """wsgi.file_wrapper, of a file that sendfile would take without TLS, and of another."""
    server = serve_tls(*certfile, "--threads", threads, app="files:app")
    with shake(server, context_for()) as client:
        assert downloaded(client, f"/?kind={kind}&size={LARGE}&length={LARGE}") == EXPECTED
        answer = client.exchange(request("GET", f"/?kind={kind}&size=1000001"))
        assert (answer.framing, hashed(answer.body)) == ("chunked", hashed(pattern(1_000_001)))
    server.await_event("close file", 3)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of 50 MB."""
    path = tmp_path_factory.mktemp("large") / "data"
    path.write_bytes(pattern(LARGE))
    return path


@both_versions
@pytest.mark.parametrize("way", ["pathsend", "zerocopysend"])
def test_asgi_files(share_tls: Share, large: Path, version: str, way: str) -> None:
    server = share_tls("asgi_probe:app")
    target = f"/zerocopy?file={quote(str(large))}"
    if way == "pathsend":
        target = script(START, {"type": "http.response.pathsend", "path": str(large)})
    with shake(server, context_for(version)) as client:
        assert downloaded(client, target) == EXPECTED


def test_part_of_a_file_between_texts(serve_tls: Serve, certfile: list[str], large: Path) -> None:
    """Ranges of a file share records with what stands before and behind them."""
    server = serve_tls(*certfile, app="asgi_probe:app")
    numbers = "offset=12345&count=70001&times=3&between=-then-"
    with shake(server, context_for()) as client:
        answer = client.exchange(request("GET", f"/zerocopy?file={quote(str(large))}&{numbers}"))
    part = pattern(LARGE)[12345 : 12345 + 70001] + b"-then-"
    assert hashed(answer.body) == hashed(part * 3)


# much data, both ways


@both_versions
def test_upload(share_tls: Share, version: str) -> None:
    server = share_tls("probe:plain")
    data = pattern(LARGE // 5)
    with shake(server, context_for(version)) as client:
        assert hashed(client.exchange(request("POST", "/echo", body=data)).body) == hashed(data)


def test_slow_reader_holds_nobody_up(serve_tls: Serve, certfile: list[str]) -> None:
    server = serve_tls(*certfile)
    with shake(server, context_for()) as slow:
        slow.send(request("GET", f"/stream?size=65536&count={LARGE // 65536}"))
        slow.await_bytes(b"\r\n\r\n")
        for _ in range(3):
            with shake(server, context_for()) as client:
                assert client.exchange(request()).body == b"hello"
        assert len(slow.response().body) == LARGE // 65536 * 65536


# real clients


def curl(server: Server, room: Path, target: str, *arguments: str) -> bytes:
    """What curl prints that trusts the authority."""
    assert isinstance(server.address, tuple)
    port = server.address[1]
    where = ["--resolve", f"localhost:{port}:127.0.0.1", f"https://localhost:{port}{target}"]
    trust = ["--cacert", authority().write_root(room / "root.pem")]
    line = ["curl", "--silent", "--show-error", "--fail-with-body", "--max-time", str(PATIENCE)]
    run = subprocess.run([*line, *trust, *arguments, *where], capture_output=True, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout


@needs_curl
@pytest.mark.parametrize("version", [("--tlsv1.2", "--tls-max", "1.2"), ("--tlsv1.3",)])
def test_curl(share_tls: Share, room: Path, version: tuple[str, ...]) -> None:
    """It offers h2 with http/1.1 by itself."""
    server = share_tls("probe:plain")
    data = pattern(3_000_000)
    (room / "body").write_bytes(data)
    assert curl(server, room, "/", *version) == b"hello"
    sent = curl(server, room, "/echo", *version, "--data-binary", f"@{room / 'body'}")
    assert hashed(sent) == hashed(data)
    chunked = ("--header", "Transfer-Encoding: chunked", "--header", "Expect: 100-continue")
    sent = curl(server, room, "/echo", *version, "--data-binary", f"@{room / 'body'}", *chunked)
    assert hashed(sent) == hashed(data)
    assert b"200" in curl(server, room, "/", *version, "--head").splitlines()[0]
    assert curl(server, room, "/", *version, "--http1.0") == b"hello"
    assert curl(server, room, "/", *version, "--no-alpn") == b"hello"


@needs_curl
def test_curl_with_a_certificate(serve_tls: Serve, certfile: list[str], room: Path) -> None:
    clients = authority("for clients")
    roots = clients.write_root(room / "roots.pem")
    server = serve_tls(*certfile, "--client-ca", roots, "--client-verify", "required")
    client = clients.sign_client((NameOID.COMMON_NAME, "curl"))
    shown = ("--cert", client.write(room / "client.pem"))
    environ = json.loads(curl(server, room, "/environ", *shown))
    assert (environ["SSL_CLIENT_VERIFY"], environ["SSL_CLIENT_S_DN"]) == ("SUCCESS", "CN=curl")


def test_requests(serve_tls: Serve, room: Path, certfile: list[str]) -> None:
    server = serve_tls(*certfile)
    assert isinstance(server.address, tuple)
    url = f"https://localhost:{server.address[1]}"
    data = pattern(1_000_000)

    def pieces() -> Iterator[bytes]:
        for at in range(0, len(data), 10_000):
            yield data[at : at + 10_000]

    with requests.Session() as session:
        session.trust_env = False  # or the variables of conftest.py would say whom to trust
        session.verify = authority().write_root(room / "root.pem")
        assert session.get(url).content == b"hello"
        assert hashed(session.post(url + "/echo", data=pieces()).content) == hashed(data)
        environ = session.get(url + "/environ").json()
    assert (environ["wsgi.url_scheme"], environ["SERVER_PORT"]) == ("https", url.split(":")[-1])


# WebSockets


@both_versions
@pytest.mark.parametrize("compression", [None, "deflate"])
def test_websockets(share_tls: Share, version: str, compression: Any) -> None:
    server = share_tls("asgi_probe:app")
    assert isinstance(server.address, tuple)
    data = pattern(3_000_000)
    with connect(
        f"wss://localhost:{server.address[1]}/echo",
        ssl=context_for(version),
        compression=compression,
        max_size=None,
        open_timeout=PATIENCE,
    ) as websocket:
        for message in ("text", b"bytes", "", "ü" * 70_000):
            websocket.send(message)
            assert websocket.recv(PATIENCE) == message
        websocket.send(data)
        received = websocket.recv(PATIENCE)
        assert isinstance(received, bytes)
        assert hashed(received) == hashed(data)
        websocket.ping().wait(PATIENCE)
    server.await_event_of("disconnect 1000")


def test_websocket_that_is_cut(serve_tls: Serve, certfile: list[str]) -> None:
    """Without close_notify and without a Close: 1006."""
    server = serve_tls(*certfile, app="asgi_probe:app")
    assert isinstance(server.address, tuple)
    url = f"wss://localhost:{server.address[1]}/echo"
    with connect(url, ssl=context_for(), close_timeout=1) as websocket:
        websocket.send("text")
        assert websocket.recv(PATIENCE) == "text"
        websocket.socket.shutdown(socket.SHUT_RDWR)  # of TCP alone
        server.await_event_of("disconnect 1006")
