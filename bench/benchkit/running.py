"""Starts a server, checks that it answers rightly, and ends it with all its children."""

from __future__ import annotations

import functools
import os
import signal
import socket
import ssl
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from benchkit import BenchError
from benchkit.machine import tree
from benchkit.suites import Suite

HOST = "127.0.0.1"
STOP_SECONDS = 5.0

UPGRADE = (
    b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
ACCEPTED = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
"""The example of RFC 6455, section 1.3, and what it must be answered."""


@dataclass(frozen=True)
class Running:
    """A server that answers."""

    name: str
    process: subprocess.Popen[bytes]
    port: int
    suite: Suite
    answer_size: int  # bytes of one whole answer, head and body or frame

    @property
    def pid(self) -> int:
        """The root of its process tree."""
        return self.process.pid


def pinned(core: int, command: list[str]) -> list[str]:
    """The command, kept to one core with all its children."""
    return ["taskset", "--cpu-list", str(core), *command]


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def open_echo(client: socket.socket, size: int) -> int:
    """Shake hands on a new connection, have one message echoed; gives the bytes of that frame.

    :param size: bytes of the message, up to 125.
    :raises OSError: nobody answers there.
    :raises BenchError: the answer is wrong.
    """
    client.sendall(UPGRADE)
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = client.recv(1)
        if not byte:
            raise ConnectionResetError("closed in the handshake")
        head += byte
    if not head.startswith(b"HTTP/1.1 101 ") or ACCEPTED not in head:
        raise BenchError(f"the handshake was answered {head!r}")
    # A mask of zeros leaves the text as it is.
    client.sendall(bytes([0x81, 0x80 | size, 0, 0, 0, 0]) + b"x" * size)
    expected = bytes([0x81, size]) + b"x" * size
    answer = client.recv(len(expected), socket.MSG_WAITALL)
    if answer != expected:
        raise BenchError(f"the message was answered {answer!r}")
    return len(expected)


@functools.cache
def _anybody() -> ssl.SSLContext:
    """Trusts every certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def connect(port: int, suite: Suite, timeout: float, source: str = HOST) -> socket.socket:
    """A connection to a server, with TLS where the suite speaks it.

    :raises OSError: nobody answers there.
    """
    client = socket.create_connection((HOST, port), timeout, source_address=(source, 0))
    return _anybody().wrap_socket(client) if suite.kind == "tls" else client


def check_answer(port: int, suite: Suite) -> int:
    """Ask once; gives the bytes of the whole answer.

    :raises OSError: nobody answers there.
    :raises BenchError: the answer is wrong.
    """
    with connect(port, suite, 10) as client:
        if suite.kind == "websocket":
            return open_echo(client, suite.size)
        size = suite.size
        client.sendall(suite.request)
        with client.makefile("rb") as answer:
            head = [answer.readline()]
            while head[-1].strip():
                head.append(answer.readline())
            if not head[0]:
                raise ConnectionResetError("closed without an answer")
            body = answer.read(size)
    status = head[0].split()[1]
    lengths = [line.split()[1] for line in head if line.lower().startswith(b"content-length:")]
    if status != b"200" or lengths != [b"%d" % size] or len(body) != size:
        raise BenchError(
            f"answered {status!r}, Content-Length {lengths}, {len(body)} bytes; not 200 with {size}"
        )
    return sum(map(len, head)) + size


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End a server that leads its own process group."""
    with suppress(FileNotFoundError, ProcessLookupError):
        members = tree(process.pid)
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_SECONDS)
        for pid in members:
            with suppress(ProcessLookupError):
                if os.getpgid(pid) == process.pid:
                    os.kill(pid, signal.SIGKILL)
    process.wait()


@contextmanager
def serving(
    name: str, command: list[str], port: int, suite: Suite, patience: float = 15.0
) -> Iterator[Running]:
    """Run a server as long as the block lasts.

    :param suite: what it must answer.
    :param patience: seconds until it must answer.
    :raises BenchError: it ended, did not answer in time, or answered wrongly.
    """
    with tempfile.TemporaryFile() as said:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
        try:
            deadline = time.monotonic() + patience
            while True:
                try:
                    answer_size = check_answer(port, suite)
                    break
                except OSError:
                    ended = process.poll() is not None
                    if ended or time.monotonic() > deadline:
                        said.seek(0)
                        why = "ended" if ended else f"did not answer within {patience:g} s"
                        tail = said.read()[-4000:].decode(errors="replace")
                        raise BenchError(f"{name} {why}:\n{tail}") from None
                time.sleep(0.02)
            yield Running(name, process, port, suite, answer_size)
        finally:
            _stop(process)
