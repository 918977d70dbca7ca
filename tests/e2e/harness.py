"""Starts the server as a user does, as a process of its own, and watches how it ends.

A `Shape` is one point of the matrix that tests run over. A new transport (TLS, io_uring) is a new
row of `TRANSPORTS`; no test changes.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .client import PATIENCE, Client, Socket
from .rules import ROOT
from .tls_socket import TlsSocket, certificate, client_context

APPS = ROOT / "tests" / "apps"

Address = tuple[str, int] | str


@dataclass(frozen=True)
class Transport:
    """How bytes reach the server: what its command line says and how a client connects."""

    name: str
    bind: Callable[[Path], str]
    """The value of --bind; the path is a directory of the test's own."""
    started: re.Pattern[str]
    """Finds the address in the block that the server prints at its start."""
    address: Callable[[re.Match[str]], Address]
    connect: Callable[[Address], Socket]
    arguments: Callable[[], tuple[str, ...]] = tuple


def connect_tcp(address: Address) -> socket.socket:
    """A TCP connection that sends small segments at once."""
    assert isinstance(address, tuple)
    sock = socket.create_connection(address, PATIENCE)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


def connect_tls(address: Address) -> TlsSocket:
    """TLS over such a connection."""
    return TlsSocket(connect_tcp(address), client_context())


def connect_unix(address: Address) -> socket.socket:
    """A connection to a unix socket."""
    assert isinstance(address, str)
    sock = socket.socket(socket.AF_UNIX)
    sock.settimeout(PATIENCE)
    try:
        sock.connect(address)
    except OSError:
        sock.close()
        raise
    return sock


OWN_TLS = "own-tls"
"""TLS whose options and handshakes are the test's: `connect` gives a TCP connection."""

TRANSPORTS = {
    row.name: row
    for row in (
        Transport(
            "tcp",
            bind=lambda directory: "127.0.0.1:0",
            started=re.compile(r"http://(127\.0\.0\.1):(\d+)"),
            address=lambda match: (match[1], int(match[2])),
            connect=connect_tcp,
        ),
        Transport(
            "unix",
            bind=lambda directory: f"unix:{directory}/s",
            started=re.compile(r"unix:(/\S+/s)\b"),
            address=lambda match: match[1],
            connect=connect_unix,
        ),
        Transport(
            "tls",
            bind=lambda directory: "127.0.0.1:0",
            started=re.compile(r"https://(127\.0\.0\.1):(\d+)"),
            address=lambda match: (match[1], int(match[2])),
            connect=connect_tls,
            arguments=lambda: ("--certfile", str(certificate())),
        ),
        Transport(
            OWN_TLS,
            bind=lambda directory: "127.0.0.1:0",
            started=re.compile(r"https://(127\.0\.0\.1):(\d+)"),
            address=lambda match: (match[1], int(match[2])),
            connect=connect_tcp,
        ),
    )
}


@dataclass(frozen=True)
class Shape:
    """One point of the matrix."""

    transport: str = os.environ.get("TEST_TRANSPORT", "tcp")
    workers: int = 1
    threads: int = 1
    loop: str = "auto"
    """The value of --loop, for ASGI applications."""

    def __str__(self) -> str:
        return f"{self.transport}-{self.workers}w-{self.threads}t-{self.loop}".removesuffix("-auto")


AXES: dict[str, tuple[Any, ...]] = {
    "transport": ("tcp", "unix", "tls"),
    "workers": (1, 2),
    "threads": (1, 4),
    "loop": ("asyncio", "uvloop"),
}

WHOLE = ("transport", "workers", "threads")
"""The axes of `@pytest.mark.matrix` without any; --loop means nothing to a WSGI application."""


def command(shape: Shape, directory: Path, app: str, arguments: Sequence[str]) -> list[str]:
    """The command line of a server of that shape."""
    transport = TRANSPORTS[shape.transport]
    return [
        *(sys.executable, "-m", "freastal"),
        *("--bind", transport.bind(directory)),
        *("--workers", str(shape.workers)),
        *("--threads", str(shape.threads)),
        *(() if shape.loop == "auto" else ("--loop", shape.loop)),
        *transport.arguments(),
        *arguments,
        app,
    ]


def await_true(condition: Callable[[], bool], what: str) -> None:
    """Waits until the condition holds; it must within the patience of a test."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.01)


@dataclass
class Server:
    """A running server. `stop` ends it and checks how it ended."""

    process: subprocess.Popen[bytes]
    shape: Shape
    directory: Path
    exit_code: int = 0
    """What the server must end with."""
    tracebacks_expected: bool = False
    """Set by a test whose application fails on purpose."""
    checks_counters: bool = True
    """Cleared by a test that ends the server without its leave."""
    address: Address = field(default="", init=False)
    _log_start: int = field(default=0, init=False)
    _events_start: int = field(default=0, init=False)
    _stopping: bool = field(default=False, init=False)

    # files

    def begin(self) -> None:
        """A new test begins on this server: forgets what was logged and noted before."""
        self._log_start = len(self.whole_log)
        self._events_start += len(self.events)

    @property
    def whole_log(self) -> str:
        """The error log from the server's start on."""
        return (self.directory / "stderr").read_text(errors="backslashreplace")

    @property
    def log(self) -> str:
        """The error log of this test so far."""
        return self.whole_log[self._log_start :]

    @property
    def access_log(self) -> str:
        """What the server has written to its standard output so far."""
        return (self.directory / "stdout").read_text(errors="backslashreplace")

    @property
    def whole_events(self) -> list[str]:
        """The lines that the application has noted, see tests/apps/probe.py."""
        return (self.directory / "events").read_text().splitlines()

    @property
    def events(self) -> list[str]:
        """Those that it has noted in this test."""
        return self.whole_events[self._events_start :]

    def await_log(self, text: str) -> None:
        """Waits until the error log holds that text."""
        await_true(lambda: text in self.log, f"{text!r} in the log")

    def await_event(self, event: str, count: int = 1) -> None:
        """Waits until the application has noted that event that often."""
        await_true(lambda: self.events.count(event) >= count, f"the event {event!r}")

    def await_event_of(self, kind: str) -> str:
        """Waits for an event that begins so, and returns the first."""

        def found() -> list[str]:
            return [event for event in self.events if event.startswith(kind)]

        await_true(lambda: bool(found()), f"an event {kind!r}")
        return found()[0]

    # life

    def await_start(self) -> None:
        """Waits until the server says where it listens and accepts there."""
        transport = TRANSPORTS[self.shape.transport]

        def listening() -> bool:
            if self.process.poll() is not None:
                raise AssertionError(
                    f"ended at its start: {self.process.returncode}\n{self.whole_log}"
                )
            match = transport.started.search(self.whole_log)
            if match is None:
                return False
            self.address = transport.address(match)
            try:
                transport.connect(self.address).close()
            except OSError:
                return False
            return True

        await_true(listening, "the server's start")

    def connect(self) -> Client:
        """A new connection."""
        return Client(TRANSPORTS[self.shape.transport].connect(self.address))

    @property
    def scheme(self) -> str:
        """http or https."""
        return "https" if self.shape.transport.endswith("tls") else "http"

    @property
    def url(self) -> str:
        """The base URL, for real clients over TCP."""
        assert isinstance(self.address, tuple)
        return f"{self.scheme}://{self.address[0]}:{self.address[1]}"

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal to the server's first process; all that tests send end it."""
        self._stopping = True
        self.process.send_signal(number)

    def await_exit(self) -> int:
        """Waits for the end and returns the exit code."""
        return self.process.wait(PATIENCE)

    def stop(self) -> None:
        """Stops it as an operator does and checks the end: code, log, counters, processes."""
        if not self._stopping:
            self.signal(signal.SIGTERM)
        try:
            code = self.await_exit()
        except subprocess.TimeoutExpired:
            raise AssertionError(f"does not stop on SIGTERM\n{self.whole_log}") from None
        assert code == self.exit_code, f"exit code {code}\n{self.whole_log}"
        self.check_log()
        if self.checks_counters:
            self.check_counters()
        await_true(lambda: not group_lives(self.process.pid), "the end of every worker")

    def kill(self) -> None:
        """Ends whatever is left of it, for the fixture's last resort."""
        if group_lives(self.process.pid):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def check_log(self) -> None:
        """No traceback that the test did not ask for, and no sanitizer's or interpreter's cry."""
        log = self.whole_log
        for cry in (
            "Fatal Python error",
            "Sanitizer",
            "runtime error:",
            "Assertion `",
            "Timeout (",
        ):
            assert cry not in log, log
        if not self.tracebacks_expected:
            assert "Traceback (most recent call last)" not in log, log

    def check_counters(self) -> None:
        """Each worker says at its end which C objects are still alive; none may be."""
        reports = counter_reports(self.whole_log)
        assert len(reports) >= self.shape.workers, f"a worker did not report\n{self.whole_log}"
        for live in reports:
            left = {name: count for name, count in live.items() if count}
            assert not left, f"C objects left alive: {left}\n{self.whole_log}"


def counter_reports(log: str) -> list[dict[str, int]]:
    """The counts of live objects that workers printed at their end."""
    lines = [line for line in log.splitlines() if line.startswith("counters: ")]
    return [json.loads(line.removeprefix("counters: "))["live"] for line in lines]


def group_lives(group: int) -> bool:
    """True while a process of that group exists."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def environment(directory: Path, extra: Mapping[str, str]) -> dict[str, str]:
    """What a server process sees: ours, without options from outside."""
    env = {key: value for key, value in os.environ.items() if not key.startswith("FREASTAL_")}
    env["FREASTAL_DEBUG_COUNTERS"] = "1"
    env["PYTHONFAULTHANDLER"] = "1"
    env["PROBE_DIRECTORY"] = str(directory)
    if preload := os.environ.get("TEST_PRELOAD"):  # a sanitizer's library, for servers only
        env["LD_PRELOAD"] = preload
    env["TMPDIR"] = str(directory / "tmp")
    return {**env, **extra}


@contextmanager
def launched(
    shape: Shape,
    directory: Path,
    app: str,
    arguments: Sequence[str] = (),
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path = APPS,
    line: Sequence[str] | None = None,
) -> Iterator[Server]:
    """A server of that shape whose start is not waited for; killed when the context ends.

    :param directory: its own, for sockets and what it writes.
    :param line: the command line, where it is not that of `command`.
    """
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "tmp").mkdir()
    (directory / "events").touch()
    with open(directory / "stdout", "wb") as stdout, open(directory / "stderr", "wb") as stderr:
        process = subprocess.Popen(
            line or command(shape, directory, app, arguments),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=stderr,
            cwd=cwd,
            env=environment(directory, env or {}),
            start_new_session=True,
        )
    server = Server(process, shape, directory)
    try:
        yield server
    finally:
        server.kill()


@contextmanager
def running(
    shape: Shape,
    directory: Path,
    app: str,
    arguments: Sequence[str] = (),
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path = APPS,
    line: Sequence[str] | None = None,
) -> Iterator[Server]:
    """A server of that shape while the context lasts; parameters as of `launched`.

    The end is checked only where the context ends without an exception.
    """
    with launched(shape, directory, app, arguments, env=env, cwd=cwd, line=line) as server:
        server.await_start()
        yield server
        server.stop()
