"""A TCP address that several sockets listen on, one for each worker (``SO_REUSEPORT``).

The kernel spreads new connections over all sockets of the group, also over one behind which nobody
accepts. :meth:`Group.steer` tells it which ones to choose from, by a classic BPF program
(``SO_ATTACH_REUSEPORT_CBPF``, socket(7)); it answers with a socket's place in the group. Places are
the order of ``listen()``; when a socket is closed, the last one takes its place. What is queued at
a socket that is not chosen any more stays there, for a worker to take out.

Elsewhere than on Linux nothing is steered.
"""

from __future__ import annotations

import ctypes
import socket
import struct
import sys
from collections.abc import Collection, Sequence

__all__ = ["Group", "bound"]

ATTACH, DETACH = 51, 68
"""``SO_ATTACH_REUSEPORT_CBPF``, ``SO_DETACH_REUSEPORT_BPF``; :mod:`socket` does not name them."""

LOAD, MODULO, JUMP_IF_EQUAL, RETURN = 0x20, 0x94, 0x15, 0x06
RANDOM = 0xFFFFF000 + 56
"""``SKF_AD_OFF + SKF_AD_RANDOM``: what is loaded from there is a random number."""

MOST = 1000
"""Sockets that a program can tell apart; it may have 4,096 instructions."""


class Group:
    """The sockets of one address.

    :param name: the address as :meth:`socket.socket.bind` takes it; port 0 takes a free one.
    :param backlog: the kernel's queue of connections to accept, for each socket.
    :raises OSError: the address is taken, or not this machine's.
    """

    def __init__(self, family: int, name: tuple[object, ...], *, count: int, backlog: int) -> None:
        self._family = family
        self._backlog = backlog
        self.sockets: list[socket.socket] = []
        """One for each slot."""
        self._places: list[socket.socket] = []
        """The same, as the kernel counts them."""
        self._program: tuple[int, ...] | None = None
        """Which places are chosen from; ``None``: all, as the kernel does it by itself."""
        self._open(name, count)

    def _open(self, name: tuple[object, ...], count: int) -> None:
        """Open the first sockets.

        With ``SO_REUSEPORT`` alone, a second server of the same user would get the port as well
        and take half of the connections unnoticed. So a first socket claims the address without
        it; only when that listens, which fails if anybody else does, may the others join it, and
        then it is closed.
        """
        with bound(self._family, name) as claim:
            claim.listen(1)
            claim.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            self._name = claim.getsockname()
            self._places.append(claim)
            try:
                for _ in range(count):
                    self._listen()
            except BaseException:
                self.close()
                raise
        self._leave(claim)

    def add(self) -> None:
        """Open one more socket; steered away from, where others are, until :meth:`steer`.

        :raises OSError: it cannot be opened.
        """
        before = self._program
        self._choose(before or tuple(range(len(self._places))))
        try:
            self._listen()
        except BaseException:
            self._choose(before)
            raise

    def _listen(self) -> None:
        new = bound(self._family, self._name, reuse_port=True)
        try:
            new.listen(self._backlog)
            new.setblocking(False)
        except BaseException:
            new.close()
            raise
        self.sockets.append(new)
        self._places.append(new)

    def remove(self) -> None:
        """Close the last socket; whoever has duplicates of it has closed them before."""
        gone = self.sockets.pop()
        gone.close()
        self._leave(gone)

    def _leave(self, gone: socket.socket) -> None:
        place = self._places.index(gone)
        last = self._places.pop()
        if last is not gone:
            self._places[place] = last

    def steer(self, chosen: Collection[int]) -> None:
        """Give new connections to these slots only; to all, where there is none of them."""
        places = tuple(
            place for place, each in enumerate(self._places) if self.sockets.index(each) in chosen
        )
        self._choose(places if 0 < len(places) < len(self._places) else None)

    def _choose(self, places: tuple[int, ...] | None) -> None:
        if places == self._program or sys.platform != "linux" or not self.sockets:
            return
        one = self.sockets[0]  # a program is the group's, whichever socket it is given to
        if places is None or len(places) > MOST:
            one.setsockopt(socket.SOL_SOCKET, DETACH, 0)
        else:
            attach(one, places)
        self._program = places

    def close(self) -> None:
        """Close all."""
        for each in self.sockets:
            each.close()


def attach(one: socket.socket, places: Sequence[int]) -> None:
    """Have the kernel choose among these places of the group, each as often as any other."""
    program = [(LOAD, 0, 0, RANDOM), (MODULO, 0, 0, len(places))]
    for number, place in enumerate(places[:-1]):
        program += [(JUMP_IF_EQUAL, 0, 1, number), (RETURN, 0, 0, place)]
    program.append((RETURN, 0, 0, places[-1]))
    code = ctypes.create_string_buffer(b"".join(struct.pack("=HBBI", *line) for line in program))
    # struct sock_fprog: how many, and where.
    filter_program = struct.pack("@HP", len(program), ctypes.addressof(code))
    one.setsockopt(socket.SOL_SOCKET, ATTACH, filter_program)


def bound(family: int, name: tuple[object, ...], *, reuse_port: bool = False) -> socket.socket:
    """Open a socket for this address.

    :raises OSError: the address is taken, or not this machine's.
    """
    new = socket.socket(family, socket.SOCK_STREAM)
    try:
        new.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            new.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6 and name[0] == "::":
            new.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)  # [::] means IPv4 as well
        new.bind(name)
    except BaseException:
        new.close()
        raise
    return new
