"""--shutdown-delay: a server that is to stop serves on, and says so to who asks for its health."""

from __future__ import annotations

import http.client
import os
import signal
import socket
from pathlib import Path

import pytest
from harness import PATIENCE, Server, freastal

WSGI_APP = """
import os, time
if os.path.exists("slow"):
    time.sleep(1000)

def application(environ, start_response):
    body = b"pid %d" % os.getpid()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""

ASGI_APP = """
import os

async def application(scope, receive, send):
    assert scope["type"] == "http", "no lifespan"
    body = b"pid %d" % os.getpid()
    await send({"type": "http.response.start", "status": 200,
                "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})
"""

BOTH = pytest.mark.parametrize("app", [WSGI_APP, ASGI_APP], ids=["wsgi", "asgi"])

LONG = ("--shutdown-delay", "600", "--health-path", "/health")
"""Far beyond a test's patience: who waits for its end fails."""


def kept(server: Server) -> http.client.HTTPConnection:
    """A connection for many requests."""
    return http.client.HTTPConnection("127.0.0.1", server.ports[0], timeout=PATIENCE)


def ask(connection: http.client.HTTPConnection, path: str) -> tuple[int, str]:
    connection.request("GET", path)
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


GOING = (503, "stopping\n")


@BOTH
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_on_and_says_that_it_is_going(tmp_path: Path, app: str, number: int) -> None:
    with freastal(tmp_path, "-w", "2", *LONG, app=app) as server:
        old = kept(server)
        assert ask(old, "/health") == (200, "ok\n")
        server.send(number)
        server.wait_for("stopping in 600 s, serving till then")
        assert ask(old, "/health") == GOING
        assert ask(old, "/")[0] == 200
        old.close()
        for _ in range(10):
            new = kept(server)
            assert ask(new, "/health") == GOING
            assert ask(new, "/")[0] == 200
            new.close()
        assert server.stop(number) == 0  # a second signal ends the delay
        assert "requests in flight have 30 s" in server.log


@BOTH
def test_when_the_delay_is_over_it_stops(tmp_path: Path, app: str) -> None:
    with freastal(tmp_path, "--shutdown-delay", "0.5", app=app) as server:
        assert server.stop() == 0
        assert server.log.index("stopping in 0.5 s") < server.log.index("SIGTERM: stopping, req")


def test_a_worker_that_starts_in_the_delay_says_so_too(tmp_path: Path) -> None:
    with freastal(tmp_path, *LONG, app=WSGI_APP) as server:
        (first,) = server.worker_pids(1)
        server.send(signal.SIGTERM)
        server.wait_for("stopping in 600 s")
        os.kill(first, signal.SIGKILL)
        server.wait_for(r"worker 1 \(pid \d+\) is ready")
        assert server.worker_pids(1) != {first}
        connection = kept(server)
        assert ask(connection, "/health") == GOING
        connection.close()
        assert server.stop() == 0


def test_sigquit_does_not_wait(tmp_path: Path) -> None:
    with freastal(tmp_path, *LONG, app=WSGI_APP) as server:
        assert server.stop(signal.SIGQUIT) == 0


def test_who_does_not_serve_yet_does_not_wait(tmp_path: Path) -> None:
    (tmp_path / "slow").touch()
    with freastal(tmp_path, *LONG, app=WSGI_APP, ready=False) as server:
        children = Path(f"/proc/{server.pid}/task/{server.pid}/children")
        while not children.read_text():  # until then SIGTERM may find no handler
            assert not server.all_gone(0.01)
        assert server.stop() == 0


def test_a_service_manager_is_told_when_it_begins(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(PATIENCE)
        env = {"NOTIFY_SOCKET": str(tmp_path / "notify")}
        with freastal(tmp_path, *LONG, app=WSGI_APP, env=env) as server:
            assert manager.recv(4096).startswith(b"READY=1")
            server.send(signal.SIGTERM)
            assert manager.recv(4096).startswith(b"STOPPING=1")
            assert server.get().startswith("pid ")
            assert server.stop() == 0
