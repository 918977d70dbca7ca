"""Addresses to listen on, as the user writes them: parsing and printing, no I/O.

Used by :mod:`freastal.config` (reads them) and :mod:`freastal.sockets` (opens them).
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "FORMS",
    "LARGEST_FD",
    "Address",
    "FdAddress",
    "TcpAddress",
    "UnixAddress",
    "has_control",
    "parse_address",
]

FORMS = "host:port, [ipv6]:port, :port, unix:path, unix:@name or fd://number"
"""What :func:`parse_address` takes, for messages and documents."""

LARGEST_FD = 2**20

ANY_HOST = "0.0.0.0"
"""What an empty host stands for, as it does for gunicorn: every IPv4 address."""


@dataclass(frozen=True)
class TcpAddress:
    """A host, by name or number and without brackets, and a port; port 0 lets the kernel pick."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def url(self, secure: bool) -> str:
        """The address as a browser takes it, for TLS or without."""
        return f"{'https' if secure else 'http'}://{self}"


@dataclass(frozen=True)
class UnixAddress:
    """The path of a unix socket; behind ``@`` a name of Linux's abstract namespace, not a file."""

    path: str

    @property
    def abstract(self) -> bool:
        """Whether it is no file."""
        return self.path.startswith("@")

    @property
    def name(self) -> str:
        """As :meth:`socket.socket.bind` and :meth:`socket.socket.connect` take it."""
        return "\0" + self.path[1:] if self.abstract else self.path

    def __str__(self) -> str:
        return f"unix:{self.path}"

    def url(self, secure: bool) -> str:
        """The address as ``--bind`` takes it: unix sockets have no URL that all clients share."""
        return str(self)


@dataclass(frozen=True)
class FdAddress:
    """A descriptor that this process has been started with: a socket that listens already."""

    fd: int

    def __str__(self) -> str:
        return f"fd://{self.fd}"

    def url(self, secure: bool) -> str:
        """The address as ``--bind`` takes it: what it listens on is the socket's to say."""
        return str(self)


Address = TcpAddress | UnixAddress | FdAddress


def has_control(text: str) -> bool:
    """Whether control characters are in it, which would break a message into lines."""
    return any(char < " " or char == "\x7f" for char in text)


def parse_address(text: str) -> Address:
    """Read one of :data:`FORMS`.

    :raises ValueError: the text is none of them.
    """
    if has_control(text):
        raise ValueError(f"{text!r} has control characters")
    if text.startswith("unix:"):
        path = text.removeprefix("unix:")
        if path in ("", "@"):
            raise ValueError(f"{text!r} names no path")
        return UnixAddress(path)
    if text.startswith("fd://"):
        number = text.removeprefix("fd://")
        digits = number.isascii() and number.isdigit() and len(number) <= len(str(LARGEST_FD))
        if not digits or int(number) > LARGEST_FD:
            raise ValueError(f"{text!r} names no descriptor from 0 to {LARGEST_FD}")
        return FdAddress(int(number))
    host, colon, port = text.rpartition(":")
    if not colon or not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise ValueError(f"{text!r} names no port from 0 to 65535")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
        if ":" not in host:
            raise ValueError(f"{text!r} has brackets around what is no IPv6 address")
    elif ":" in host:
        raise ValueError(f"{text!r} is ambiguous: an IPv6 address stands in brackets")
    return TcpAddress(host or ANY_HOST, int(port))
