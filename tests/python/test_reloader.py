"""``--reload``: what counts as a change, and what is done then."""

from __future__ import annotations

import os
import re
import select
import signal
from pathlib import Path

import pytest
from harness import APP, Server, freastal, wait_until

from freastal.reloader import Filter, Watcher, look

HOW = pytest.mark.parametrize("how", ["watchfiles", "looking"])

PATIENCE = 60.0

WEBSOCKET = """
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        raise RuntimeError("none")
    await receive()
    await send({"type": "websocket.accept"})
    await receive()
    await receive()
"""


@pytest.fixture
def environ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str) -> dict[str, str]:
    """Where watchfiles cannot be imported, files are looked at."""
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    if how == "looking":
        (hidden / "watchfiles.py").write_text("raise ImportError\n")
    monkeypatch.setenv("PYTHONPATH", str(hidden))
    return {"PYTHONPATH": str(hidden)}


def program(directory: Path) -> Path:
    where = directory / "program"
    where.mkdir()
    return where


class TestWhatCounts:
    def test_files(self, tmp_path: Path) -> None:
        for name in (
            *("a.py", "a.txt", "sub/b.py", "sub/b_test.py", "sub/c.html", ".git/d.py"),
            *("venv/lib/site-packages/e.py", "__pycache__/f.py", "built/g.py", "deep/er/h.py"),
        ):
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        files = Filter(["*.py", "*/sub/*.html"], ["*_test.py", "built"])
        found = {os.path.relpath(path, tmp_path) for path in look([str(tmp_path)], files)}
        assert found == {"a.py", "sub/b.py", "sub/c.html", "deep/er/h.py"}

    def test_a_directory_that_is_not_there(self, tmp_path: Path) -> None:
        assert look([str(tmp_path / "nowhere")], Filter(["*.py"], [])) == {}


class TestWatcher:
    def told(self, watcher: Watcher) -> list[str] | None:
        readable, _, _ = select.select([watcher.fd], [], [], PATIENCE)
        assert readable, "nothing was told"
        return watcher.take()

    @HOW
    def test_files_that_come_change_and_go(self, tmp_path: Path, environ: dict[str, str]) -> None:
        where = program(tmp_path)
        (where / "old.py").write_text("1")
        watcher = Watcher([str(where)], ["*.py"], ["skipped.py"])
        try:
            wait_until(lambda: self.touched(watcher, where / "probe.py"), "that it watches")
            (where / "skipped.py").write_text("2")
            (where / "new\nname.py").write_text("2")
            assert self.last(watcher) == "new\nname.py"
            (where / "old.py").write_text("much longer")
            assert self.last(watcher) == "old.py"
            (where / "old.py").unlink()
            assert self.last(watcher) == "old.py"
        finally:
            watcher.close()

    def touched(self, watcher: Watcher, probe: Path) -> bool:
        with probe.open("a") as file:
            file.write("x")
        readable, _, _ = select.select([watcher.fd], [], [], 1)
        return bool(readable) and watcher.take() != []

    def last(self, watcher: Watcher) -> str:
        """The name of what was told last, beside the probe, which may be told late."""
        names: set[str] = set()
        while not names - {"probe.py"}:
            told = self.told(watcher)
            assert told is not None
            names |= {os.path.basename(path) for path in told}
        (name,) = names - {"probe.py"}
        return name

    @HOW
    def test_its_end_is_told(self, tmp_path: Path, environ: dict[str, str]) -> None:
        watcher = Watcher([str(program(tmp_path))], ["*.py"], [])
        os.kill(watcher._process.pid, signal.SIGKILL)
        assert self.told(watcher) is None
        watcher.close()


def changed(server: Server, directory: Path, text: str) -> None:
    for cached in (directory / "__pycache__").glob("*"):
        cached.unlink()
    (directory / "wanted.py").write_text(text)


@HOW
class TestReload:
    def test_new_code(self, tmp_path: Path, environ: dict[str, str]) -> None:
        with freastal(tmp_path, "-w", "2", "--reload", env=environ) as server:
            before = server.worker_pids(2)
            self.until(
                server, tmp_path, APP + "# mended\n", "wanted.py changed: replacing 2 workers"
            )
            server.wait_for("reloaded")
            wait_until(lambda: not server.worker_pids(2) & before, "new workers")
            assert server.stop() == 0

    def until(self, server: Server, directory: Path, text: str, line: str) -> None:
        """Change the program until that is noticed: the watcher may not have begun before."""
        attempt = 0

        def noticed() -> bool:
            nonlocal attempt
            attempt += 1
            if attempt % 100 == 1:
                changed(server, directory, text + f"# {attempt}\n")
            return re.search(line, server.log) is not None

        wait_until(noticed, line)

    def test_broken_code_and_mended(self, tmp_path: Path, environ: dict[str, str]) -> None:
        with freastal(tmp_path, "--reload", env=environ) as server:
            (pid,) = server.worker_pids(1)
            self.until(server, tmp_path, "x = (\n", "SyntaxError: '\\(' was never closed")
            server.wait_for(rf"before it was ready: worker 1 \(pid {pid}\) goes on")
            assert server.worker_pids(1) == {pid}
            self.until(server, tmp_path, APP, "reloaded")
            # Who was told to leave may take one connection more.
            wait_until(lambda: server.worker_pids(1) != {pid}, "an answer of the new one")
            assert server.stop() == 0

    def test_broken_from_the_start(self, tmp_path: Path, environ: dict[str, str]) -> None:
        app = "1 / 0\n"
        with freastal(tmp_path, "--reload", app=app, ready=False, env=environ) as server:
            server.wait_for("before it was ready: waiting for a change")
            assert "ZeroDivisionError" in server.log
            self.until(server, tmp_path, APP, r", pid \d+\n")
            assert server.get().startswith("pid ")
            assert server.stop() == 0

    def test_an_open_websocket_does_not_hold_it_up(
        self, tmp_path: Path, environ: dict[str, str]
    ) -> None:
        with freastal(tmp_path, "--reload", app=WEBSOCKET, env=environ) as server:
            with server.connect() as client:
                client.sendall(
                    b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                    b"Sec-WebSocket-Version: 13\r\n"
                    b"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n\r\n"
                )
                assert client.recv(1000).startswith(b"HTTP/1.1 101 ")
                self.until(server, tmp_path, WEBSOCKET + "# mended\n", "reloaded")
                frame = client.recv(1000)
                assert frame[:1] == b"\x88"
                assert int.from_bytes(frame[2:4], "big") == 1012
            assert server.stop() == 0


def test_other_directories_and_globs(tmp_path: Path) -> None:
    where = program(tmp_path)
    options = ("--reload", "--reload-dir", str(where), "--reload-include", "*.html")
    with freastal(tmp_path, *options) as server:

        def noticed() -> bool:
            with (where / "page.html").open("a") as file:
                file.write("x")
            return "page.html changed" in server.log

        (tmp_path / "wanted.py").write_text(APP + "# not watched\n")
        wait_until(noticed, "the change")
        assert "wanted.py changed" not in server.log
        assert server.stop() == 0
