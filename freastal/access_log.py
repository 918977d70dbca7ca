"""Where the access log goes. The core formats the lines, and has a thread that writes them.

A file is made by the supervisor, which may do that where a worker may not, and opened by each
worker; lines of several workers do not mix, for each is written at once, at the end. syslog gets a
datagram a line.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from typing import Any

from freastal.addresses import TcpAddress, UnixAddress
from freastal.config import Config
from freastal.log_file import open_log
from freastal.log_target import log_target

__all__ = ["AccessLog", "AccessLogError", "prepare_file"]

STANDARD_OUTPUT = 1

TAG = "freastal"
USER_INFO = 8 * 1 + 6
"""Facility and severity (:rfc:`5424` section 6.2.1), gunicorn's."""


class AccessLogError(Exception):
    """It cannot be opened; the text is one line, made for the user."""


def prepare_file(config: Config, owner: tuple[int, int] = (-1, -1)) -> None:
    """Make the file, where it is one, and where it is not there.

    :param owner: user and group to whom a new one is to belong; -1: this process's.
    :raises AccessLogError: it cannot be made or written.
    """
    target = log_target(config.access_logfile)
    if not config.logs_access or not isinstance(target, str) or not target:
        return
    try:
        try:
            fd = open_log(target, exclusive=True)
        except FileExistsError:
            os.close(open_log(target))
            return
        try:
            if owner != (-1, -1):
                os.fchown(fd, *owner)
        finally:
            os.close(fd)
    except OSError as error:
        raise _refused(target, error) from error


def _refused(target: object, error: OSError) -> AccessLogError:
    return AccessLogError(f"cannot open --access-logfile {target}: {error.strerror or error}")


@dataclass(frozen=True)
class _Opened:
    fd: int
    path: str = ""
    prefix: str = ""


class AccessLog:
    """The access log of one worker; to be closed behind the core.

    :raises AccessLogError: it cannot be opened.
    """

    def __init__(self, config: Config) -> None:
        self._config = config
        self._opened = self._open() if config.logs_access else _Opened(-1)

    def _open(self) -> _Opened:
        target = log_target(self._config.access_logfile)
        try:
            if isinstance(target, TcpAddress | UnixAddress):
                return _Opened(_connect(target), prefix=_prefix(target))
            if target:
                path = os.path.abspath(target)  # the application may change directory
                return _Opened(open_log(path), path)
        except OSError as error:
            raise _refused(self._config.access_logfile, error) from error
        return _Opened(STANDARD_OUTPUT)

    def core_options(self) -> dict[str, Any]:
        """Keywords of ``_core.Worker``."""
        return {
            "access_log_fd": self._opened.fd,
            "access_log_format": self._config.access_log_format,
            "access_log_prefix": self._opened.prefix,
            "request_id": self._config.request_id,
            "request_id_reply": self._config.request_id_header,
        }

    def reopen(self) -> None:
        """Go on in a new file of the same name, where it is a file; no line is lost between.

        :raises AccessLogError: it cannot be opened; the old one goes on.
        """
        if not self._opened.path:
            return
        try:
            new = open_log(self._opened.path)
        except OSError as error:
            raise _refused(self._config.access_logfile, error) from error
        os.dup2(new, self._opened.fd, inheritable=False)
        os.close(new)

    def close(self) -> None:
        """Close it, if it is not somebody else's."""
        if self._opened.fd > STANDARD_OUTPUT:
            os.close(self._opened.fd)
        self._opened = _Opened(-1)


def _connect(address: TcpAddress | UnixAddress) -> int:
    if isinstance(address, UnixAddress):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as made:
            made.connect(address.name)
            return made.detach()
    kinds = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_DGRAM)
    family, kind, protocol, _, place = kinds[0]
    with socket.socket(family, kind, protocol) as made:
        made.connect(place)
        return made.detach()


def _prefix(address: TcpAddress | UnixAddress) -> str:
    """What stands before each line.

    A local syslog dates what it gets, and knows the traditional form; one on the network the form
    of :rfc:`5424`, whose date may be left to it.
    """
    if isinstance(address, UnixAddress):
        return f"<{USER_INFO}>{TAG}[{os.getpid()}]: "
    host = socket.gethostname() or "-"
    return f"<{USER_INFO}>1 - {host} {TAG} {os.getpid()} access - "
