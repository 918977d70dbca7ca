"""What a service manager is told (systemd's sd_notify(3)), and what it hands over.

Messages are datagrams to the unix socket of ``NOTIFY_SOCKET``, a path or an abstract name; without
that variable nothing is said. None of them waits: what a manager does not take is lost, and the
server serves on. Sockets come as descriptors from 3 on (sd_listen_fds(3)).
"""

from __future__ import annotations

import logging
import os
import socket
import time
from collections.abc import MutableMapping

__all__ = ["FIRST_FD", "ServiceManager", "passed_sockets"]

FIRST_FD = 3
MOST_FDS = 4096
MOST_DIGITS = 19
FIRST_ABSTRACT = "@"

logger = logging.getLogger("freastal")


class ServiceManager:
    """Told of one server's life, which this process is.

    :param environ: the environment as the manager has set it.
    """

    def __init__(self, environ: MutableMapping[str, str]) -> None:
        self._address = _address(environ.get("NOTIFY_SOCKET", ""))
        self.watchdog_seconds = _watchdog(environ) if self._address else None
        """How often it wants to be told that the server is alive; ``None``: never."""
        self._refused = False

    def ready(self, status: str) -> None:
        """The server serves; also at a reload's end."""
        self._tell("READY=1", f"MAINPID={os.getpid()}", f"STATUS={status}")

    def reloading(self, status: str) -> None:
        """A reload has begun; :meth:`ready` ends it."""
        now = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._tell("RELOADING=1", f"MONOTONIC_USEC={now}", f"STATUS={status}")

    def stopping(self, status: str) -> None:
        """The server stops."""
        self._tell("STOPPING=1", f"STATUS={status}")

    def alive(self) -> None:
        """The supervisor's loop turns."""
        self._tell("WATCHDOG=1")

    def _tell(self, *lines: str) -> None:
        if self._address is None:
            return
        message = "\n".join(lines).encode(errors="backslashreplace")
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
                channel.setblocking(False)
                channel.sendto(message, self._address)
        except OSError as error:
            if not self._refused:
                self._refused = True
                logger.warning("the service manager cannot be told %s: %s", lines[0], error)


def _address(text: str) -> bytes | None:
    if text.startswith(FIRST_ABSTRACT):
        return b"\0" + os.fsencode(text[1:])
    return os.fsencode(text) if text.startswith("/") else None


def _watchdog(environ: MutableMapping[str, str]) -> float | None:
    """Half of the time after which the manager ends who is silent (sd_watchdog_enabled(3))."""
    text, pid = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
    if not _is_number(text) or not int(text) or (pid and pid != str(os.getpid())):
        return None
    return int(text) / 1_000_000 / 2


def passed_sockets(environ: MutableMapping[str, str]) -> list[int]:
    """The descriptors that were handed to this process, and no other; taken out of ``environ``, so
    that no child takes them for its own.

    :raises ValueError: their count is none.
    """
    if environ.get("LISTEN_PID") != str(os.getpid()):
        return []
    text = environ.get("LISTEN_FDS", "")
    for name in ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID"):
        environ.pop(name, None)
    if not _is_number(text) or int(text) > MOST_FDS:
        raise ValueError(f"LISTEN_FDS is {text!r} (allowed: a number up to {MOST_FDS})")
    return list(range(FIRST_FD, FIRST_FD + int(text)))


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS
