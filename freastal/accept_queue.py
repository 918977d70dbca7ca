"""How many connections wait at a listening socket for somebody to accept them.

Of TCP the kernel says it in ``TCP_INFO``; of unix sockets by ``sock_diag``, where it has that.
Linux only: elsewhere nothing is known.
"""

from __future__ import annotations

import os
import socket
import struct
import sys

__all__ = ["waiting"]

TCP_INFO = 11
UNACKED = struct.Struct("=24xI")
"""Of ``struct tcp_info``: for a socket that listens, its queue."""

SOCK_DIAG, BY_FAMILY, REQUEST = 4, 20, 1
SHOW_QUEUE = 16
QUEUE_ATTRIBUTE = 4
ASK = struct.Struct("=IHHII BBHIII II")
MESSAGE = struct.Struct("=IHHII BBBBI II")
ATTRIBUTE = struct.Struct("=HH")
ALL_STATES = 0xFFFFFFFF
NO_COOKIE = 0xFFFFFFFF


def waiting(listener: socket.socket) -> int | None:
    """So many; ``None``: nobody knows."""
    if sys.platform != "linux":
        return None
    try:
        if listener.family == socket.AF_UNIX:
            return _of_unix(os.fstat(listener.fileno()).st_ino)
        info = listener.getsockopt(socket.IPPROTO_TCP, TCP_INFO, 192)
        return int(UNACKED.unpack_from(info)[0])
    except (OSError, struct.error):
        return None


def _of_unix(inode: int) -> int | None:
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, SOCK_DIAG) as diag:
        diag.settimeout(0.1)
        head = (ASK.size, BY_FAMILY, REQUEST, 0, 0)
        what = (socket.AF_UNIX, 0, 0, ALL_STATES, inode, SHOW_QUEUE, NO_COOKIE, NO_COOKIE)
        diag.send(ASK.pack(*head, *what))
        return _queue_in(diag.recv(4096), inode)


def _queue_in(answer: bytes, inode: int) -> int | None:
    fields = MESSAGE.unpack_from(answer)
    length, kind, found = fields[0], fields[1], fields[9]
    at = MESSAGE.size
    if kind != BY_FAMILY or found != inode:
        return None
    while at + ATTRIBUTE.size <= min(length, len(answer)):
        size, name = ATTRIBUTE.unpack_from(answer, at)
        if name == QUEUE_ATTRIBUTE:
            return int(struct.unpack_from("=I", answer, at + ATTRIBUTE.size)[0])
        at += max(ATTRIBUTE.size, (size + 3) & ~3)
    return None
