"""``--shutdown-delay``: between the word to stop and the stop.

A balancer sends requests until it knows that it should not, and learns that by asking. So the
server serves on for a while, new connections too, and only its ``--health-path`` says that it is
going; each worker reads that off its board, those that start meanwhile as well.
"""

from __future__ import annotations

import logging
import signal
import time
from collections.abc import Iterable

from freastal.slots import Process

__all__ = ["StopDelay"]

logger = logging.getLogger("freastal")


class StopDelay:
    """One server's, which begins once or never.

    :param seconds: 0: none.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.due: float | None = None
        """When it is over; ``None``: it has not begun."""

    def begin(self, number: signal.Signals, processes: Iterable[Process]) -> bool:
        """A signal to stop has come; false where the stop is to begin now.

        SIGQUIT does not wait, and neither does a second signal.
        """
        if not self._seconds or number == signal.SIGQUIT or self.due is not None:
            return False
        self.due = time.monotonic() + self._seconds
        logger.info("%s: stopping in %g s, serving till then", number.name, self._seconds)
        for process in processes:
            self.tell(process)
        return True

    def tell(self, process: Process) -> None:
        """Have a worker say that the server is going, if it is."""
        if self.due is not None:
            process.board.show_stopping()

    def is_over(self, now: float) -> bool:
        """Whether the stop is to begin."""
        return self.due is not None and now >= self.due
