"""Signals as something to read, for a process with one loop.

No signal is lost between looking and waiting: its handler does nothing, and its number goes as a
byte through :func:`signal.set_wakeup_fd` into a pipe that the loop polls.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Collection
from types import FrameType, TracebackType
from typing import Any

__all__ = ["SignalPipe", "name_of"]


class SignalPipe:
    """While entered, these signals do nothing but become readable numbers."""

    def __init__(self, handled: Collection[signal.Signals]) -> None:
        self.handled = handled
        self.fd, self._write_fd = os.pipe()
        os.set_blocking(self.fd, False)
        os.set_blocking(self._write_fd, False)
        self._before: dict[int, Any] = {}
        self._fd_before = -1

    def __enter__(self) -> SignalPipe:
        self._fd_before = signal.set_wakeup_fd(self._write_fd, warn_on_full_buffer=False)
        for number in self.handled:
            self._before[number] = signal.signal(number, _leave_to_pipe)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        frames: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        signal.set_wakeup_fd(self._fd_before)
        self.close()

    def close(self) -> None:
        """Close both ends, and no more: for a forked child."""
        os.close(self.fd)
        os.close(self._write_fd)

    def take(self) -> list[int]:
        """The signals that have come, in their order."""
        try:
            return list(os.read(self.fd, 4096))
        except BlockingIOError:
            return []


def name_of(number: int) -> str:
    """A signal's name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _leave_to_pipe(number: int, frame: FrameType | None) -> None:
    """Handle a signal by nothing: the loop reads its number from the pipe."""
