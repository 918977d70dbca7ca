"""Listening sockets: opened by the supervisor before it forks, kept open across its workers.

A TCP address gets one ``SO_REUSEPORT`` socket for each worker's slot, between which the kernel
spreads connections, or one that all workers share (``--no-reuse-port``); a unix path gets one that
all share, and so is one that was handed to this process (``fd://``), whose file, if it has one, is
its owner's. All are non-blocking and closed on exec. Whatever goes wrong is a :class:`ListenError`
of one line.
"""

from __future__ import annotations

import errno
import os
import socket
import stat
import sys
from collections.abc import Collection, Sequence

from freastal.addresses import Address, FdAddress, TcpAddress, UnixAddress
from freastal.reuseport import Group, bound

__all__ = ["ListenError", "Listeners", "address_of"]

SERVED_FAMILIES = (socket.AF_INET, socket.AF_INET6, socket.AF_UNIX)

NOBODY = (-1, -1)
"""User and group for :func:`os.chown`: they stay."""


class ListenError(Exception):
    """An address cannot be listened on; its text is one line, made for the user."""

    def __init__(self, address: Address, error: Exception | str) -> None:
        reason = error if isinstance(error, str) else _reason(error)
        super().__init__(f"cannot listen on {address}: {reason}")


class Listeners:
    """All sockets of one server.

    :param slots: how many workers there will be at first.
    :param reuse_port: a socket of its own for each of them.
    :param backlog: the kernel's queue of connections to accept, for each socket.
    :param uds_permissions: mode of unix sockets.
    :param uds_owner: their user and group, by number; -1: whoever this process is.
    :raises ListenError: an address is taken, not this machine's, or not resolvable; nothing stays
        open then.
    """

    def __init__(
        self,
        addresses: Sequence[Address],
        *,
        slots: int,
        backlog: int,
        uds_permissions: int,
        uds_owner: tuple[int, int] = NOBODY,
        reuse_port: bool = True,
    ) -> None:
        self.bound: list[Address] = []
        """Where the server listens, with real ports and resolved names."""
        self._slots = slots
        self._groups: list[Group] = []
        self._shared: list[socket.socket] = []
        self._reuse_port = reuse_port
        self._unix: list[_UnixListener] = []
        try:
            for address in addresses:
                if isinstance(address, UnixAddress):
                    self._open_unix(address, backlog, uds_permissions, uds_owner)
                elif isinstance(address, FdAddress):
                    self._take(address)
                else:
                    self._open_tcp(address, backlog)
        except ListenError:
            self.close()
            raise

    def of_slot(self, index: int) -> list[socket.socket]:
        """The sockets of one slot, and those that are the same for all.

        A slot that is none of :meth:`add_slot` has no sockets of its own.
        """
        own = [group.sockets[index] for group in self._groups if index < len(group.sockets)]
        return own + self.common

    @property
    def common(self) -> list[socket.socket]:
        """Those that are the same for all."""
        return [*self._shared, *(each.socket for each in self._unix)]

    @property
    def all(self) -> list[socket.socket]:
        """Those of all slots."""
        return [each for group in self._groups for each in group.sockets] + self.common

    def add_slot(self) -> None:
        """Open the sockets of one slot more; :meth:`steer` gives them connections.

        :raises OSError: they cannot be opened; nothing has changed then.
        """
        grown = []
        try:
            for group in self._groups:
                group.add()
                grown.append(group)
        except BaseException:
            for group in grown:
                group.remove()
            raise
        self._slots += 1

    def remove_slot(self) -> None:
        """Close the sockets of the last slot, which nobody accepts from any more."""
        for group in self._groups:
            group.remove()
        self._slots -= 1

    def steer(self, chosen: Collection[int]) -> None:
        """Have the kernel give new connections to these slots only."""
        for group in self._groups:
            group.steer(chosen)

    def close(self) -> None:
        """Close everything; remove the unix sockets' files that this process made."""
        for group in self._groups:
            group.close()
        _close_all(self._shared)
        for each in self._unix:
            each.close()

    def _open_tcp(self, address: TcpAddress, backlog: int) -> None:
        try:
            found = socket.getaddrinfo(
                address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )
        except (OSError, ValueError) as error:  # ValueError: no possible host name
            raise ListenError(address, error) from error
        absent: OSError | None = None
        port, before = address.port, len(self.bound)
        for family, _, _, _, name in dict.fromkeys(found):
            try:
                first = self._open_name(family, (name[0], port, *name[2:]), backlog)
            except OSError as error:
                # A name like localhost may have an address of a family that is switched off here.
                if error.errno not in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                    raise ListenError(address, error) from error
                absent = error
                continue
            host, port = first.getsockname()[:2]
            self.bound.append(TcpAddress(host, port))
        if absent is not None and len(self.bound) == before:
            raise ListenError(address, absent) from absent

    def _open_name(self, family: int, name: tuple[object, ...], backlog: int) -> socket.socket:
        """Open what listens on one address; gives the first socket back."""
        if self._reuse_port:
            group = Group(family, name, count=self._slots, backlog=backlog)
            self._groups.append(group)
            return group.sockets[0]
        shared = bound(family, name)
        self._shared.append(shared)
        shared.listen(backlog)
        shared.setblocking(False)
        return shared

    def _take(self, address: FdAddress) -> None:
        """Take over a socket that this process has been started with."""
        if any(each.fileno() == address.fd for each in self._shared):
            raise ListenError(address, "it is given twice")
        try:
            given = socket.socket(fileno=address.fd)
        except OSError as error:
            raise ListenError(address, _reason_of_fd(error)) from error
        wrong = _wrong_with(given)
        if wrong:
            given.detach()  # whatever it is, it is not ours
            raise ListenError(address, wrong)
        given.setblocking(False)
        given.set_inheritable(False)
        self._shared.append(given)
        self.bound.append(address_of(given))

    def _open_unix(
        self, address: UnixAddress, backlog: int, mode: int, owner: tuple[int, int]
    ) -> None:
        try:
            if address.abstract:
                self._shared.append(_open_abstract(address, backlog))
            else:
                _remove_stale(address, owner[0])
                self._unix.append(_UnixListener(address.path, backlog, mode, owner))
        except OSError as error:
            raise ListenError(address, error) from error
        self.bound.append(address)


class _UnixListener:
    """A listening unix socket and the file that is its name."""

    def __init__(self, path: str, backlog: int, mode: int, owner: tuple[int, int]) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._path = os.path.abspath(path)  # the application may change directory
        self._owner = os.getpid()
        try:
            umask = os.umask(0o777 & ~mode)  # so that the file never has other permissions
            try:
                self.socket.bind(path)
            finally:
                os.umask(umask)
            self._identity = _identity(os.lstat(path))
        except BaseException:
            self.socket.close()
            raise
        try:
            if owner != NOBODY:
                os.chown(path, *owner, follow_symlinks=False)
            self.socket.listen(backlog)
            self.socket.setblocking(False)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close; remove the file if this process made it and it is still the same file."""
        if self.socket.fileno() < 0:
            return
        self.socket.close()
        if os.getpid() != self._owner:
            return
        try:
            if _identity(os.lstat(self._path)) == self._identity:
                os.unlink(self._path)
        except OSError:
            pass  # gone, or its directory is not ours any more: nothing is left to do


def _open_abstract(address: UnixAddress, backlog: int) -> socket.socket:
    if sys.platform != "linux":
        raise ListenError(address, "only Linux has abstract names")
    new = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        new.bind(address.name)
        new.listen(backlog)
        new.setblocking(False)
    except BaseException:
        new.close()
        raise
    return new


def _wrong_with(given: socket.socket) -> str:
    """Why it cannot be served from; empty: it can."""
    if given.family not in SERVED_FAMILIES:
        return "it is neither an IPv4, nor an IPv6, nor a unix socket"
    if given.type != socket.SOCK_STREAM:
        return "it is no stream socket"
    if not given.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
        return "it does not listen"
    return ""


def _reason_of_fd(error: OSError) -> str:
    return {
        errno.EBADF: "there is no such descriptor: this process was started without it",
        errno.ENOTSOCK: "it is no socket",
    }.get(error.errno or 0) or _reason(error)


def address_of(given: socket.socket) -> Address:
    """Where a socket is bound."""
    name = given.getsockname()
    if given.family != socket.AF_UNIX:
        return TcpAddress(*name[:2])
    if isinstance(name, bytes):  # abstract
        return UnixAddress("@" + os.fsdecode(name[1:]))
    return UnixAddress(name)


def _remove_stale(address: UnixAddress, owner: int) -> None:
    """Remove a socket file that a server of ours has left behind, and nothing else.

    :param owner: to whom files of ours belong, besides this process's user.
    :raises ListenError: something else is there, or somebody answers on it.
    :raises OSError: it cannot be looked at or removed.
    """
    path = address.path
    try:
        found = os.lstat(path)
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise ListenError(address, "a file that is no socket is there, and is left alone")
    if found.st_uid not in (os.geteuid(), owner):
        raise ListenError(address, "a socket of another user is there, and is left alone")
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.setblocking(False)  # EAGAIN: somebody listens, and is busy
        result = probe.connect_ex(path)
    if result == errno.ENOENT:
        return
    if result != errno.ECONNREFUSED:
        raise ListenError(address, "another server answers there")
    if _identity(os.lstat(path)) == _identity(found):
        os.unlink(path)


def _identity(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino


def _close_all(sockets: Sequence[socket.socket]) -> None:
    for each in sockets:
        each.close()


def _reason(error: Exception) -> str:
    text = getattr(error, "strerror", None)
    return text[:1].lower() + text[1:] if text else str(error)
