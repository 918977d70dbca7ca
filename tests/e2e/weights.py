"""Bodies too large to be kept, and what the processes of a server hold of them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from .harness import Server

MEGABYTE = bytes(range(250)) * 4000
HUGE = 200
"""Megabytes of a large body."""

GROWTH = 40_000_000
"""Bytes that a worker may grow by while it passes on five times as much."""

FORM = {"Content-Type": "multipart/form-data; boundary=b"}
"""The fields of a request that carries a `Multipart`."""


def resident(server: Server) -> int:
    """The most bytes that a process of the server has had in memory."""
    group = server.process.pid
    peaks = []
    for status in Path("/proc").glob("[0-9]*/status"):
        try:
            if os.getpgid(int(status.parent.name)) == group:
                line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
                peaks.append(int(line.split()[1]) * 1024)
        except (OSError, StopIteration):
            continue
    return max(peaks)


class Multipart:
    """A form that uploads a file of so many megabytes as `file`, named `f`.

    To requests its length is known; what `iter` makes of it is sent in chunks.
    """

    HEAD = (
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n'
        b"Content-Type: application/octet-stream\r\n\r\n"
    )
    TAIL = b"\r\n--b--\r\n"

    def __init__(self, megabytes: int) -> None:
        self.megabytes = megabytes

    def __len__(self) -> int:
        return len(self.HEAD) + self.megabytes * len(MEGABYTE) + len(self.TAIL)

    def __iter__(self) -> Iterator[bytes]:
        yield self.HEAD
        for _ in range(self.megabytes):
            yield MEGABYTE
        yield self.TAIL


def sha256(megabytes: int) -> str:
    """The digest of that file."""
    digest = hashlib.sha256()
    for _ in range(megabytes):
        digest.update(MEGABYTE)
    return digest.hexdigest()
