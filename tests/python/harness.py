"""Runs the real command in real processes.

A server under test prints where it listens; :meth:`Server.wait_for` waits for what it writes. An
application is a file in the test's directory; :data:`APP` answers with what the tests ask about.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

PATIENCE = 60.0
"""Seconds after which something that should come is taken not to come."""

APP = """
import os, signal, time
from pathlib import Path

def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/exit":
        os._exit(7)
    if path == "/wait":  # until the test says go, so that a request is in flight for sure
        Path("waiting").touch()
        while not Path("go").exists():
            time.sleep(0.01)
    body = b"pid %d" % os.getpid()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Wait for a condition that events outside this process make true."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"never came: {what}"
        time.sleep(0.01)


class Server:
    """A process tree of freastal, in a session of its own."""

    def __init__(
        self,
        directory: Path,
        command: Sequence[str],
        env: dict[str, str] | None = None,
        pass_fds: Sequence[int] = (),
    ) -> None:
        self.directory = directory
        self._log = directory / "stderr"
        self._output = directory / "stdout"
        clean = {key: value for key, value in os.environ.items() if "FREASTAL" not in key}
        clean.pop("PYTHONUNBUFFERED", None)  # what is buffered must come out as well
        clean |= {"PYTHONDONTWRITEBYTECODE": "1", **(env or {})}
        # Every process of the tree holds the other end: at its end of file all have ended.
        self._alive, held = os.pipe()
        with self._log.open("wb") as stderr, self._output.open("wb") as stdout:
            self.process = subprocess.Popen(
                command,
                cwd=directory,
                env=clean,
                stdout=stdout,
                stderr=stderr,
                start_new_session=True,
                pass_fds=[held, *pass_fds],
            )
        os.close(held)

    @property
    def pid(self) -> int:
        """The supervisor's pid, which is that of the process group as well."""
        return self.process.pid

    @property
    def log(self) -> str:
        """What has come on standard error so far."""
        return self._log.read_text()

    @property
    def output(self) -> str:
        """What has come on standard output so far."""
        return self._output.read_text()

    def wait_for(self, pattern: str, count: int = 1) -> list[str]:
        """Wait until the log holds so many matches of a pattern; gives them."""

        def enough() -> bool:
            gone = self.all_gone(0)
            found = len(re.findall(pattern, self.log))
            assert found >= count or not gone, f"no {pattern!r} in:\n{self.log}"
            return found >= count

        wait_until(enough, pattern)
        return re.findall(pattern, self.log)

    def wait_ready(self) -> None:
        """Wait for the block at the start."""
        self.wait_for(r", pid \d+\n")

    @property
    def ports(self) -> list[int]:
        """The TCP ports, in the order of the start block."""
        return [int(port) for port in re.findall(r"^  http://.*:(\d+)$", self.log, re.M)]

    def connect(self) -> socket.socket:
        """Connect to the first port on 127.0.0.1."""
        return socket.create_connection(("127.0.0.1", self.ports[0]), PATIENCE)

    def get(self, path: str = "/") -> str:
        """The body of a request on a connection of its own."""
        return self.ask(path).getresponse().read().decode()

    def ask(self, path: str) -> http.client.HTTPConnection:
        """Send a request and do not wait for the response."""
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[0], timeout=PATIENCE)
        connection.request("GET", path, headers={"Connection": "close"})
        return connection

    def ask_slowly(self) -> http.client.HTTPConnection:
        """Send a request that is in flight until :meth:`let_go`."""
        connection = self.ask("/wait")
        wait_until((self.directory / "waiting").exists, "the request in the application")
        return connection

    def let_go(self) -> None:
        """Let the request of :meth:`ask_slowly` finish."""
        (self.directory / "go").touch()

    def worker_pids(self, count: int) -> set[int]:
        """Ask until so many workers have answered."""
        pids: set[int] = set()

        def all_seen() -> bool:
            pids.add(int(self.get().removeprefix("pid ")))
            return len(pids) >= count

        wait_until(all_seen, f"answers of {count} workers")
        return pids

    def send(self, number: int) -> None:
        """Signal the supervisor alone."""
        os.kill(self.pid, number)

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Signal the supervisor; gives the exit code when all processes have ended."""
        self.send(number)
        return self.wait()

    def wait(self) -> int:
        """Wait until all processes have ended; gives the supervisor's exit code."""
        code = self.process.wait(PATIENCE)
        self.wait_all_gone()
        return code

    def wait_all_gone(self) -> None:
        """Wait until no process of the tree is left."""
        assert self.all_gone(PATIENCE), f"processes are left:\n{self.log}"

    def all_gone(self, seconds: float) -> bool:
        """Whether no process of the tree is left after so long."""
        readable, _, _ = select.select([self._alive], [], [], seconds)
        return bool(readable)

    def close(self) -> None:
        """End whatever is left."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self.process.wait()
        os.close(self._alive)


@contextlib.contextmanager
def freastal(
    directory: Path,
    *arguments: str,
    app: str = APP,
    ready: bool = True,
    env: dict[str, str] | None = None,
    pass_fds: Sequence[int] = (),
) -> Iterator[Server]:
    """Run ``freastal --port 0 … wanted`` on this source of ``wanted.py``."""
    (directory / "wanted.py").write_text(app)
    where = (
        [] if any(each in ("--bind", "--uds", "--fd") for each in arguments) else ["--port", "0"]
    )
    command = [sys.executable, "-m", "freastal", *where, *arguments, "wanted"]
    with running(directory, command, ready=ready, env=env, pass_fds=pass_fds) as server:
        yield server


@contextlib.contextmanager
def script(directory: Path, source: str, *, ready: bool = True) -> Iterator[Server]:
    """Run a script that calls ``freastal.serve``."""
    (directory / "script.py").write_text(source)
    with running(directory, [sys.executable, "script.py"], ready=ready) as server:
        yield server


@contextlib.contextmanager
def running(
    directory: Path,
    command: Sequence[str],
    *,
    ready: bool,
    env: dict[str, str] | None = None,
    pass_fds: Sequence[int] = (),
) -> Iterator[Server]:
    """Run a command, wait until it is ready, and leave nothing behind."""
    server = Server(directory, command, env, pass_fds)
    try:
        if ready:
            server.wait_ready()
        yield server
    finally:
        server.close()
