"""Starts a server, checks that it answers rightly, and ends it with all its children."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from benchkit import BenchError
from benchkit.machine import tree

HOST = "127.0.0.1"
REQUEST = b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
STOP_SECONDS = 5.0


@dataclass(frozen=True)
class Running:
    """A server that answers."""

    name: str
    process: subprocess.Popen[bytes]
    port: int
    answer_size: int  # bytes of one whole answer, head and body

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


def check_answer(port: int, size: int) -> int:
    """Ask once; gives the bytes of the whole answer.

    :param size: bytes that its body must have.
    :raises OSError: nobody answers there.
    :raises BenchError: the answer is wrong.
    """
    with socket.create_connection((HOST, port), timeout=10) as client:
        client.sendall(REQUEST)
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
    name: str, command: list[str], port: int, size: int, patience: float = 15.0
) -> Iterator[Running]:
    """Run a server as long as the block lasts.

    :param size: bytes of body that it must answer with.
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
                    answer_size = check_answer(port, size)
                    break
                except OSError:
                    ended = process.poll() is not None
                    if ended or time.monotonic() > deadline:
                        said.seek(0)
                        why = "ended" if ended else f"did not answer within {patience:g} s"
                        tail = said.read()[-4000:].decode(errors="replace")
                        raise BenchError(f"{name} {why}:\n{tail}") from None
                time.sleep(0.02)
            yield Running(name, process, port, answer_size)
        finally:
            _stop(process)
