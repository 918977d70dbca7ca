"""``gunicorn -k freastal.gunicorn.Worker``: gunicorn's processes, our requests."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harness import PATIENCE, Server, wait_until
from load import Load

pytest.importorskip("gunicorn", reason="gunicorn is not installed")

from freastal import config
from freastal.gunicorn import keywords

APP = """
import os, time
from pathlib import Path

VERSION = "one"

def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/loop_for_ever":
        while True:
            pass
    if path == "/wait":
        Path("waiting").touch()
        while not Path("go").exists():
            time.sleep(0.01)
    query = environ["QUERY_STRING"]
    said = {"/peer": environ["REMOTE_ADDR"] + " " + environ["wsgi.url_scheme"], "/version": VERSION}
    body = said.get(path, f"{query} {VERSION}" if query else f"pid {os.getpid()}").encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""

ASGI_APP = """
import os
from pathlib import Path

async def application(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            Path(message["type"]).touch()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    body = f"pid {os.getpid()}".encode()
    await send({"type": "http.response.start", "status": 200,
                "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})
"""


class Gunicorn(Server):
    """gunicorn's processes, over our worker."""

    @property
    def ports(self) -> list[int]:
        """As gunicorn says them."""
        return [int(port) for port in re.findall(r"Listening at: http://[\d.]+:(\d+)", self.log)]


@contextlib.contextmanager
def gunicorn(directory: Path, *arguments: str, app: str = APP) -> Iterator[Gunicorn]:
    """Run it, until it answers."""
    (directory / "wanted.py").write_text(app)
    command = [sys.executable, "-m", "gunicorn", "-k", "freastal.gunicorn.Worker"]
    server = Gunicorn(directory, [*command, "-b", "127.0.0.1:0", *arguments, "wanted:application"])
    try:
        server.wait_for(r"Booting worker with pid: \d+")
        yield server
    finally:
        server.close()


@pytest.mark.parametrize("app", [APP, ASGI_APP], ids=["wsgi", "asgi"])
@pytest.mark.parametrize("options", [[], ["--threads", "3"], ["--preload"]])
def test_serves(tmp_path: Path, app: str, options: list[str]) -> None:
    with gunicorn(tmp_path, "-w", "2", *options, app=app) as server:
        connection = server.ask("/")
        response = connection.getresponse()
        assert (response.status, response.headers["Server"]) == (200, "freastal")
        assert response.read().startswith(b"pid ")
        server.worker_pids(2)
        assert server.stop() == 0
        assert "Traceback" not in server.log
    if app is ASGI_APP:
        assert (tmp_path / "lifespan.shutdown").exists()


def test_reload_under_load_loses_nothing(tmp_path: Path) -> None:
    with gunicorn(tmp_path, "-w", "2") as server:
        server.worker_pids(2)
        with Load(server.ports[0], clients=4, keep=True) as load:
            source = (tmp_path / "wanted.py").read_text()
            (tmp_path / "wanted.py").write_text(source.replace('"one"', '"two"'))
            os.utime(tmp_path / "wanted.py", (time.time() + 5, time.time() + 5))
            server.send(signal.SIGHUP)
            wait_until(lambda: server.get("/version") == "two", "the new code")
            load.wait_until_answers(200, "two")
        assert not load.faults
        assert server.stop() == 0


def test_more_and_fewer(tmp_path: Path) -> None:
    with gunicorn(tmp_path) as server:
        server.worker_pids(1)
        server.send(signal.SIGTTIN)
        server.wait_for(r"Booting worker with pid: \d+", 2)
        server.worker_pids(2)
        server.send(signal.SIGTTOU)
        server.wait_for(r"Worker exiting")
        assert server.get().startswith("pid ")
        assert server.stop() == 0


def test_requests_wear_a_worker_out(tmp_path: Path) -> None:
    with gunicorn(tmp_path, "--max-requests", "5") as server:
        first = server.get()
        wait_until(lambda: server.get() != first, "another worker")
        assert "Autorestarting worker after current request." in server.log
        assert server.stop() == 0


def test_who_stands_still_is_replaced(tmp_path: Path) -> None:
    with gunicorn(tmp_path, "--timeout", "2") as server:
        first = server.get()
        time.sleep(5)  # idle, and alive
        assert server.get() == first
        with contextlib.closing(server.ask("/loop_for_ever")):
            server.wait_for(r"WORKER TIMEOUT")
            wait_until(lambda: server.log.count("Booting worker") == 2, "another worker")
        assert server.get() != first
        server.send(signal.SIGQUIT)
        server.wait()


def test_what_is_in_flight_is_finished(tmp_path: Path) -> None:
    with gunicorn(tmp_path, "--threads", "2") as server:
        connection = server.ask_slowly()
        server.send(signal.SIGTERM)
        server.wait_for("Handling signal: term")
        time.sleep(0.3)
        server.let_go()
        assert connection.getresponse().read().startswith(b"pid ")
        assert server.wait() == 0


def test_or_cut_off(tmp_path: Path) -> None:
    with gunicorn(tmp_path, "--threads", "2", "--graceful-timeout", "60") as server:
        connection = server.ask_slowly()
        server.send(signal.SIGQUIT)
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            connection.getresponse()
        server.let_go()
        assert server.wait() == 0


def test_the_access_log(tmp_path: Path) -> None:
    options = ("--access-logfile", "a.log", "--access-logformat", "%(m)s %(U)s %(s)s")
    with gunicorn(tmp_path, *options) as server:
        server.get("/a")
        wait_until(lambda: (tmp_path / "a.log").read_text() == "GET /a 200\n", "the line")
        os.rename(tmp_path / "a.log", tmp_path / "b.log")
        server.send(signal.SIGUSR1)

        def in_the_new_file() -> bool:
            server.get("/b")
            path = tmp_path / "a.log"
            return path.exists() and "GET /b 200" in path.read_text()

        wait_until(in_the_new_file, "a line in the new file")
        assert server.stop() == 0


def test_errors_go_to_gunicorns_log(tmp_path: Path) -> None:
    app = "def application(environ, start_response):\n    raise RuntimeError('on purpose')\n"
    with gunicorn(tmp_path, app=app) as server:
        server.get("/x?secret")
        server.wait_for(r"error in the application: GET /x\n")
        assert "RuntimeError: on purpose" in server.log


def test_what_means_nothing_is_told(tmp_path: Path) -> None:
    (tmp_path / "gunicorn.conf.py").write_text(
        "def pre_request(worker, request):\n    pass\n"
        "access_log_format = '%(x)s'\naccesslog = '-'\nlimit_request_field_size = 100\n"
    )
    with gunicorn(tmp_path) as server:
        assert server.get().startswith("pid ")
        assert server.log.count("the setting pre_request means nothing to this worker") == 1
        assert server.log.count("the setting limit_request_field_size means nothing") == 1
        assert server.log.count("means nothing") == 2
        assert "'%(x)s' is not known" in server.log
        assert server.stop() == 0
        assert '"GET / HTTP/1.1" 200' in server.output


def test_a_proxy_is_believed(tmp_path: Path) -> None:
    headers = {"X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "https"}
    for allowed, seen in (("127.0.0.1", "192.0.2.7 https"), ("192.0.2.1", "127.0.0.1 http")):
        with gunicorn(tmp_path, "--forwarded-allow-ips", allowed) as server:
            connection = http.client.HTTPConnection("127.0.0.1", server.ports[0])
            connection.request("GET", "/peer", headers=headers)
            assert connection.getresponse().read().decode() == seen
            connection.close()


def test_a_unix_socket(tmp_path: Path) -> None:
    with gunicorn(tmp_path, "-b", f"unix:{tmp_path}/s"), socket.socket(socket.AF_UNIX) as client:
        client.settimeout(PATIENCE)
        client.connect(str(tmp_path / "s"))
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        assert client.recv(1000).startswith(b"HTTP/1.1 200 ")


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with gunicorn(tmp_path, "--certfile", __file__, "--keyfile", __file__) as server:
        assert server.wait() != 0
        assert "holds no certificate in PEM" in server.log


@pytest.mark.parametrize(
    ("settings", "options"),
    [
        ({}, {"proxy_headers": False, "proxy_protocol": False}),
        ({"keepalive": 2, "threads": 4}, {"timeout_keep_alive": 2, "threads": 4}),
        ({"limit_request_line": 0}, {}),
        ({"limit_request_line": 100}, {"limit_request_line": 100}),
        (
            {"forwarded_allow_ips": ["127.0.0.1", "::1"]},
            {"forwarded_allow_ips": "127.0.0.1,::1", "proxy_headers": True},
        ),
        ({"forwarded_allow_ips": "*"}, {"forwarded_allow_ips": "*", "proxy_headers": True}),
        ({"proxy_protocol": True}, {"proxy_protocol": True}),
        ({"proxy_protocol": "off"}, {"proxy_protocol": False}),
        (
            {"certfile": "c", "ca_certs": "a", "cert_reqs": 2},
            {"certfile": "c", "client_ca": "a", "client_verify": "required"},
        ),
        ({"ca_certs": "a", "cert_reqs": 0}, {}),
        (
            {"accesslog": "-", "access_log_format": "common"},
            {"access_log": True, "access_logfile": "-", "access_log_format": "common"},
        ),
        ({"accesslog": None, "access_log_format": "%(x)s"}, {}),
    ],
)
def test_settings(settings: dict[str, Any], options: dict[str, Any]) -> None:
    found = keywords(settings)
    base = {"proxy_headers": False, "proxy_protocol": False}
    assert found == base | options
    config.resolve(config.from_keywords(found))
