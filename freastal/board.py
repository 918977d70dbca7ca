"""What a worker shows of itself: memory that it shares with the supervisor.

The core writes (``src/base/board.h`` has the same layout, and its laws), the supervisor reads,
without a word between them: it works also while the worker is stuck or dead. One word goes the
other way.
"""

from __future__ import annotations

import mmap
import struct

from freastal import figures
from freastal.figures import Figures

__all__ = ["SIZE", "Board"]

WORDS = struct.Struct("=QQQII")
LINE = 224

STOPPING = struct.Struct("=I")
STOPPING_AT = 28

SIZE = (figures.FIRST + figures.WORDS) * 8
"""Bytes of a board."""


class Board:
    """The board of one worker process; to be made before it is forked."""

    def __init__(self) -> None:
        self.memory = mmap.mmap(-1, SIZE)
        """For ``_core.Worker``."""

    @property
    def step(self) -> float | None:
        """When the present step of the loop's thread began, in seconds of
        :func:`time.monotonic`; ``None``: it waits for something to happen.
        """
        return self._moment(0)

    @property
    def call(self) -> float | None:
        """When, of the calls in threads of a WSGI pool, the one that has taken longest began, or
        last gave a piece of its response; ``None``: there is none.
        """
        return self._moment(2)

    @property
    def requests(self) -> int:
        """How many it has answered."""
        return int(WORDS.unpack_from(self.memory)[1])

    @property
    def line(self) -> str:
        """Method and target of the request that came last, with everything but printable ASCII
        escaped; empty: none has come.
        """
        length = min(WORDS.unpack_from(self.memory)[3], LINE)
        raw = self.memory[WORDS.size : WORDS.size + length].decode("latin-1")
        return "".join(
            each if " " <= each <= "~" and each != "\\" else f"\\x{ord(each):02x}" for each in raw
        )

    def show_stopping(self) -> None:
        """Have the worker say, where it is asked for its health, that the server is going."""
        STOPPING.pack_into(self.memory, STOPPING_AT, 1)

    @property
    def figures(self) -> Figures:
        """What it has counted."""
        return Figures.of_board(memoryview(self.memory))

    def _moment(self, word: int) -> float | None:
        milliseconds = WORDS.unpack_from(self.memory)[word]
        return milliseconds / 1000 if milliseconds else None

    def close(self) -> None:
        """Give the memory back."""
        self.memory.close()
