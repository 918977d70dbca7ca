"""``--preload``: the application is imported once, before the workers are forked."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from harness import freastal, wait_until

APP = """
import os

IMPORTED_BY = os.getpid()

def application(environ, start_response):
    body = f"pid {os.getpid()}" if environ["PATH_INFO"] == "/" else str(IMPORTED_BY)
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body.encode()]
"""

ASGI_APP = """
import os

IMPORTED_BY = os.getpid()

async def application(scope, receive, send):
    assert scope["type"] == "http", "no lifespan"
    body = f"pid {os.getpid()}" if scope["path"] == "/" else str(IMPORTED_BY)
    head = {"type": "http.response.start", "status": 200}
    await send({**head, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body.encode()})
"""


@pytest.mark.parametrize(
    ("app", "options"),
    [
        (APP, []),
        (APP, ["--threads", "3"]),
        (ASGI_APP, ["--loop", "asyncio"]),
        (ASGI_APP, ["--loop", "uvloop"]),
    ],
    ids=["wsgi", "threads", "asyncio", "uvloop"],
)
def test_workers_share_it(tmp_path: Path, app: str, options: list[str]) -> None:
    with freastal(tmp_path, "--preload", "-w", "2", *options, app=app) as server:
        assert server.get("/importer") == str(server.pid)
        first = server.worker_pids(2)
        os.kill(min(first), signal.SIGKILL)
        server.wait_for(r"was killed by SIGKILL")
        server.wait_for(r"worker \d \(pid \d+\) is ready")
        assert server.get("/importer") == str(server.pid)
        (tmp_path / "wanted.py").write_text("1 /")
        server.send(signal.SIGHUP)
        server.wait_for("the code stays as it was when the server started: --preload")
        server.wait_for("reloaded")
        # Who was told to leave may take one connection more.
        wait_until(lambda: not server.worker_pids(2) & first, "answers of the new ones alone")
        assert server.stop() == 0


def test_what_fails_opens_no_socket(tmp_path: Path) -> None:
    with freastal(tmp_path, "--preload", "--uds", "s", app="1 / 0", ready=False) as server:
        assert server.wait() == 3
        assert "ZeroDivisionError" in server.log
        assert server.log.splitlines()[-1].startswith("freastal: ")
        assert "pid" not in server.log
    assert not (tmp_path / "s").exists()


def test_is_not_for_reloading(tmp_path: Path) -> None:
    with freastal(tmp_path, "--preload", "--reload", ready=False) as server:
        assert server.wait() == 2
        assert server.log.startswith("freastal: --preload and --reload are both given (allowed: ")
