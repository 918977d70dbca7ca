"""What workers count: words in the memory that each shares with the supervisor, and their sums.

The core writes them (``src/base/figures.h`` has the laws, ``src/base/figures.def`` the rows, and a
test holds the table here to it); they stay when the process is killed. :class:`Tally` keeps what
the dead have counted, so that nothing ever counts backwards.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

__all__ = ["BOUNDS", "CLASSES", "FIRST", "METHODS", "REASONS", "WORDS", "Figures", "Tally"]

VERSION = 1

METHODS = ("OTHER", "GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS")
"""By which requests are told apart."""

CLASSES = ("other", "1xx", "2xx", "3xx", "4xx", "5xx")
"""Of statuses; likewise."""

MICROSECONDS = (
    *(50, 100, 250, 500, 1000, 2500, 5000, 10000, 25000, 50000, 100000, 250000, 500000),
    *(1000000, 2500000, 5000000, 10000000, 30000000),
)

BOUNDS = tuple(each / 1000000 for each in MICROSECONDS)
"""The upper bounds, in seconds, of all buckets of a duration but the last, which has none."""

REASONS = (
    "open",  # of a connection that is closed, never
    *("peer_eof", "peer_reset", "done", "refused", "head_timeout", "body_timeout"),
    *("idle_timeout", "write_timeout", "cut", "websocket", "ping_timeout", "stopped"),
    *("stopped_late", "file", "tls_failed", "tls_timeout", "tls_plain", "tls_cut"),
    *("preface", "preface_timeout", "preface_peer", "nomem", "system"),
)
"""Why connections are closed: ``src/net/close_why.h``."""

CLOSES = 32
KILLED = CLOSES - 1
"""Where connections are counted whose worker died; the core has no such reason."""

ROWS = {
    "version": 1,
    "arrived": 1,
    "started": 1,
    "dropped": 1,
    "answers": len(METHODS) * len(CLASSES),
    "aborted": 1,
    "refused": len(CLASSES),
    "duration": len(MICROSECONDS) + 1,
    "duration_ns": 1,
    "queue_ns": 1,
    "gil_waits": 1,
    "gil_ns": 1,
    "accepted": 1,
    "closed": CLOSES,
    "busy": 1,
    "tunnels": 1,
    "closing": 1,
    "bytes_in": 1,
    "bytes_out": 1,
    "messages_in": 1,
    "messages_out": 1,
    "handshakes_full": 1,
    "handshakes_resumed": 1,
    "handshakes_failed": 1,
}

GAUGES = ("busy", "tunnels", "closing")

FIRST = 32
"""Where they begin on a board, in words."""

WORDS = sum(ROWS.values())

PAGE = struct.Struct(f"={WORDS}Q")

PLACES: dict[str, slice] = {}
for _name, _words in ROWS.items():
    _start = sum(each.stop - each.start for each in PLACES.values())
    PLACES[_name] = slice(_start, _start + _words)


class Figures:
    """Counts of one process, or the sums of several.

    :param words: as they stand on a board; without them, all zero.
    """

    def __init__(self, words: Iterable[int] | None = None) -> None:
        self._words = [0] * WORDS if words is None else list(words)

    @classmethod
    def of_board(cls, memory: bytes | memoryview) -> Figures:
        """Read a board. What a core of another version writes there counts as nothing."""
        words = PAGE.unpack_from(memory, FIRST * 8)
        return cls(words if words[0] == VERSION else None)

    def row(self, name: str) -> list[int]:
        """The words of a row."""
        return self._words[PLACES[name]]

    def one(self, name: str) -> int:
        """The only word of a row."""
        return self.row(name)[0]

    def __iadd__(self, other: Figures) -> Figures:
        self._words = [a + b for a, b in zip(self._words, other._words, strict=True)]
        return self

    def bury(self) -> Figures:
        """The process is dead: what it was at has come to an end."""
        self._set("aborted", self.one("aborted") + self.in_flight)
        self._set("dropped", self.one("dropped") + self.queued)
        self._words[PLACES["closed"].start + KILLED] += self.connections
        self._set("started", self.answered + self.one("aborted"))
        self._set("arrived", self.one("started") + self.one("dropped"))
        for name in GAUGES:
            self._set(name, 0)
        return self

    def _set(self, name: str, value: int) -> None:
        self._words[PLACES[name].start] = value

    @property
    def answered(self) -> int:
        """Requests that have got a whole response."""
        return sum(self.row("answers"))

    @property
    def in_flight(self) -> int:
        """Requests that the application has, or had before their clients went."""
        return max(0, self.one("started") - self.answered - self.one("aborted"))

    @property
    def queued(self) -> int:
        """Requests that wait for the application to be called."""
        return max(0, self.one("arrived") - self.one("started") - self.one("dropped"))

    @property
    def connections(self) -> int:
        """That are open."""
        return max(0, self.one("accepted") - sum(self.row("closed")))

    @property
    def states(self) -> dict[str, int]:
        """Open connections by what they do."""
        used = {
            "request": min(self.one("busy"), self.connections),
            "websocket": self.one("tunnels"),
            "closing": self.one("closing"),
        }
        return {"idle": max(0, self.connections - sum(used.values())), **used}

    @property
    def closed(self) -> dict[str, int]:
        """Connections by why they were closed."""
        counts = self.row("closed")
        reasons = dict(zip(REASONS[1:], counts[1:], strict=False))
        return {**reasons, "worker_died": counts[KILLED]}


class Tally:
    """What is over: the counts of dead workers, by the number of their slot, and why workers
    were replaced.
    """

    REASONS = ("crash", "exit", "hung", "boot", "reload", "requests", "call", "age", "memory")

    def __init__(self) -> None:
        self.restarts = dict.fromkeys(self.REASONS, 0)
        self._dead: dict[int, Figures] = {}

    def restarted(self, reason: str) -> None:
        """Another worker takes a place, or is to."""
        self.restarts[reason] += 1

    def bury(self, number: int, figures: Figures) -> None:
        """A worker of that slot is dead."""
        self._dead[number] = self.of(number)
        self._dead[number] += figures.bury()

    def of(self, number: int) -> Figures:
        """What the dead of a slot have counted."""
        return self._dead.get(number) or Figures()

    @property
    def numbers(self) -> list[int]:
        """The slots in which somebody has died."""
        return sorted(self._dead)
