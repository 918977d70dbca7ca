"""Addresses to listen on, as the user writes them: parsing and printing, no I/O.

Used by :mod:`freastal.config` (reads them) and :mod:`freastal.sockets` (opens them).
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["FORMS", "Address", "TcpAddress", "UnixAddress", "has_control", "parse_address"]

FORMS = "host:port, [ipv6]:port, :port or unix:path"
"""What :func:`parse_address` takes, for messages and documents."""

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
    """The path of a unix socket."""

    path: str

    def __str__(self) -> str:
        return f"unix:{self.path}"

    def url(self, secure: bool) -> str:
        """The address as ``--bind`` takes it: unix sockets have no URL that all clients share."""
        return str(self)


Address = TcpAddress | UnixAddress


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
        if not path:
            raise ValueError(f"{text!r} names no path")
        return UnixAddress(path)
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
