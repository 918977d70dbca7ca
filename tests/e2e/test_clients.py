"""Real clients: curl, requests and httpx, over TCP and unix sockets."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import requests

from .conftest import Serve
from .harness import Server

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
BODY = bytes(range(256)) * 1000


def curl(server: Server, target: str, *arguments: str) -> bytes:
    """What curl prints for that target."""
    where = ["--unix-socket", server.address] if isinstance(server.address, str) else []
    base = "http://localhost" if where else server.url
    command = ["curl", "--silent", "--show-error", "--fail-with-body", "--max-time", "20"]
    run = subprocess.run(
        [*command, *where, *arguments, base + target], capture_output=True, check=False
    )
    assert run.returncode == 0, run
    return run.stdout


@needs_curl
@pytest.mark.matrix
def test_curl(serve: Serve, room: Path) -> None:
    server = serve()
    (room / "body").write_bytes(BODY)
    assert curl(server, "/") == b"hello"
    assert curl(server, "/echo", "--data-binary", "@" + str(room / "body")) == BODY
    chunked = ("--header", "Transfer-Encoding: chunked")
    assert curl(server, "/echo", "--data-binary", "@" + str(room / "body"), *chunked) == BODY
    assert b"content-length: 7" in curl(server, "/respond?length=7&piece=7", "--head").lower()
    assert curl(server, "/", "--http1.0") == b"hello"
    environ = json.loads(curl(server, "/environ", "--user", "me:secret", "--cookie", "a=1; b=2"))
    assert environ["HTTP_COOKIE"] == "a=1; b=2"
    assert environ["HTTP_AUTHORIZATION"].startswith("Basic ")


@needs_curl
def test_curl_waits_for_100_continue(server: Server, room: Path) -> None:
    """curl asks for it with large bodies, and says so when the server leaves it out."""
    (room / "body").write_bytes(BODY * 8)
    arguments = ("--data-binary", f"@{room / 'body'}", "--header", "Expect: 100-continue")
    assert curl(server, "/echo", *arguments, "--expect100-timeout", "30") == BODY * 8


@needs_curl
def test_curl_sends_many_over_one_connection(server: Server) -> None:
    again = [part for _ in range(20) for part in ("--next", "--silent", f"{server.url}/environ")]
    out = curl(server, "/environ", *again)
    ports = {part.split('"')[2] for part in out.decode().split("REMOTE_PORT")[1:]}
    assert len(ports) == 1


@needs_curl
def test_curl_resumes_and_uploads_by_put(server: Server, room: Path) -> None:
    (room / "body").write_bytes(BODY)
    assert curl(server, "/echo", "--upload-file", str(room / "body")) == BODY


@pytest.mark.matrix("workers", "threads")
def test_requests(server: Server) -> None:
    with requests.Session() as session:
        assert session.get(server.url).content == b"hello"
        assert session.post(server.url + "/echo", data=BODY).content == BODY

        def pieces() -> Iterator[bytes]:
            for at in range(0, len(BODY), 10_000):
                yield BODY[at : at + 10_000]

        assert session.post(server.url + "/echo", data=pieces()).content == BODY
        with session.get(server.url + "/stream?size=1000&count=100", stream=True) as answer:
            assert sum(map(len, answer.iter_content(777))) == 100_000
        assert session.head(server.url + "/respond?piece=5").status_code == 200
        answer = session.get(server.url + "/environ", headers={"X-A": "b"}, cookies={"c": "d"})
        assert answer.json()["HTTP_X_A"] == "b"
        assert answer.json()["HTTP_COOKIE"] == "c=d"


@pytest.mark.matrix
def test_httpx(server: Server) -> None:
    address = server.address
    transport = httpx.HTTPTransport(uds=address if isinstance(address, str) else None)
    base = "http://localhost" if isinstance(address, str) else server.url
    with httpx.Client(transport=transport, base_url=base, timeout=20) as client:
        for _ in range(10):
            assert client.get("/").content == b"hello"
        assert client.post("/echo", content=BODY).content == BODY
        assert client.post("/echo", content=iter([b"a", BODY])).content == b"a" + BODY
        with client.stream("GET", "/stream?size=1000&count=100") as answer:
            assert sum(map(len, answer.iter_bytes())) == 100_000
        assert client.request("DELETE", "/environ").json()["REQUEST_METHOD"] == "DELETE"
        assert client.options("/environ").status_code == 200
