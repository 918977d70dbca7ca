"""Workers as the supervisor sees them: processes, and the slots that they have.

A slot is a worker's place; its listening sockets stay open for as long as there is the slot, so
that nothing queued at them is lost while processes come and go. It has

* at most one *current* process, which serves, or boots where nobody serves;
* at most one *successor*, which boots while the current one serves, and takes over when it is
  ready (:meth:`Slot.promote`);
* any number that are *leaving*: told to stop, each with a time at which it is killed.

Whoever dies before it is ready has done no harm to the one that serves.
"""

from __future__ import annotations

import os
import random
import socket
import time
from contextlib import suppress

from freastal.board import Board
from freastal.figures import Tally
from freastal.signals import name_of

__all__ = ["Process", "Slot"]

SETTLED = 5.0
"""Seconds of serving without a request after which a death does not count as one of a series."""

FIRST_PAUSE, LONGEST_PAUSE, LONGEST_PAUSE_KILLED = 0.1, 30.0, 0.5
"""Seconds before a worker that died young is replaced: the first time, and the limits."""


class Process:
    """A worker process.

    :param number: of its slot, as people count.
    :param board: made before the fork.
    :param channel: the supervisor's end; to close it is to tell the worker that the supervisor is
        gone.
    """

    def __init__(self, number: int, pid: int, board: Board, channel: socket.socket) -> None:
        self.number = number
        self.pid = pid
        self.board = board
        self.channel: socket.socket | None = channel
        self.received = b""
        self.started_at = time.monotonic()
        self.ready_at: float | None = None
        self.kill_at: float | None = None
        """When it gets SIGKILL, if it is still there."""
        self.alive = True
        """Whether it is still to be waited for; afterwards its pid may be another's."""
        self.stuck = False
        """It has been found to stand still, and is being killed."""
        self._code = 0
        self.chance = random.random()
        """From 0 to 1: by which part of the jitter it lives longer than it must."""

    def __str__(self) -> str:
        return f"worker {self.number} (pid {self.pid})"

    def signal(self, number: int) -> None:
        """Send it a signal, unless it is dead."""
        if self.alive:
            with suppress(ProcessLookupError):  # somebody else has waited for it
                os.kill(self.pid, number)

    def tell(self, line: bytes) -> None:
        """Send it a line, unless it is dying: its successor is told by other ways."""
        if self.channel is not None:
            with suppress(OSError):
                self.channel.send(line + b"\n")

    def leave(self, number: int, seconds: float) -> None:
        """Have it stop by that signal, and be killed when so many seconds are over."""
        self.kill_at = time.monotonic() + seconds
        self.signal(number)

    def reap(self) -> int | None:
        """Its exit code, negative for a signal, if it has died; never waits."""
        if not self.alive:
            return None
        try:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:  # somebody else has waited for it
            pid, status = self.pid, 0
        if not pid:
            return None
        self.alive = False
        self._code = os.waitstatus_to_exitcode(status)
        return self._code

    @property
    def why_ended(self) -> str:
        """Of a dead one: a reason of :data:`freastal.figures.Tally.REASONS`."""
        if self.stuck:
            return "hung"
        if self.ready_at is None:
            return "boot"
        return "crash" if self._code else "exit"

    def end_of(self, code: int) -> str:
        """How it ended, in words, with what it was at."""
        line = self.board.line
        last = f" (the request that came last: {line})" if line else ""
        how = f"was killed by {name_of(-code)}" if code < 0 else f"exited with code {code}"
        return how + last

    def has_served(self, now: float) -> bool:
        """Whether it has answered a request, or was ready for long."""
        if self.ready_at is None:
            return False
        return self.board.requests > 0 or now - self.ready_at >= SETTLED

    def rss(self) -> int:
        """Bytes of its resident memory; 0 where the system does not say."""
        try:
            with open(f"/proc/{self.pid}/statm", "rb") as file:
                return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except (OSError, IndexError, ValueError):
            return 0

    def forget(self) -> None:
        """Give back what the supervisor holds for it; its channel has been closed."""
        self.board.close()


class Slot:
    """A worker's place; the laws stand at the head of the file.

    :param tally: told of all that ends here.
    """

    def __init__(self, index: int, tally: Tally | None = None) -> None:
        self.index = index
        self._tally = tally or Tally()
        self.current: Process | None = None
        self.successor: Process | None = None
        self.leaving: list[Process] = []
        self.start_at: float | None = 0.0
        """When to fill the place; ``None`` while it is filled, or is not to be."""
        self.retired = False
        """Nobody will be started here any more."""
        self.renewal = "reload"
        """Why its worker is replaced, where it is: of :data:`freastal.figures.Tally.REASONS`."""
        self.renew_after = 0.0
        """Before that, its worker is not replaced for its age: the last try has failed."""
        self.young_deaths = 0

    @property
    def number(self) -> int:
        """Of the slot, as people count."""
        return self.index + 1

    @property
    def processes(self) -> list[Process]:
        """All of them, whatever they do."""
        return [each for each in (self.current, self.successor) if each] + self.leaving

    @property
    def ready(self) -> bool:
        """Whether somebody serves."""
        return self.current is not None and self.current.ready_at is not None

    def begin(self, process: Process) -> None:
        """Somebody has been started: as current where there is nobody, else as successor."""
        if self.current is None:
            self.current, self.start_at = process, None
        else:
            assert self.successor is None
            self.successor = process

    def promote(self) -> Process:
        """The successor is ready; gives who was current, to be told to leave."""
        assert self.current is not None
        assert self.successor is not None
        old, self.current, self.successor = self.current, self.successor, None
        self.leaving.append(old)
        self._tally.restarted(self.renewal)
        self.renewal = "reload"
        return old

    def dismiss(self) -> list[Process]:
        """Everybody is to leave, and is given, to be told."""
        told = [each for each in (self.current, self.successor) if each]
        self.leaving += told
        self.current = self.successor = None
        self.start_at = None
        return told

    def bury(self, process: Process) -> None:
        """It is dead; a successor that was booting boots on as current."""
        self._tally.bury(self.number, process.board.figures)
        if process is self.current:
            self._tally.restarted(process.why_ended)
            self.current, self.successor = self.successor, None
        elif process is self.successor:
            self.successor, self.renewal = None, "reload"
        else:
            self.leaving.remove(process)

    def pause(self, dead: Process | None, now: float, *, killed: bool = False) -> float:
        """Count a death, or a fork that has failed; how many seconds to wait before the next.

        Who has served is replaced at once, but where it did not live long without a request. Who
        was killed from outside, or crashed, is not to keep the place empty for long; it is code
        that does not start which is not to be tried too often.
        """
        if dead is not None and dead.has_served(now):
            self.young_deaths = 0
            return 0.0
        self.young_deaths += 1
        longest = LONGEST_PAUSE_KILLED if killed else LONGEST_PAUSE
        return float(min(FIRST_PAUSE * 2 ** min(self.young_deaths - 1, 16), longest))
