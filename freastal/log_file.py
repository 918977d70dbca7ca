"""Files that logs are written to, and what happens where they cannot be."""

from __future__ import annotations

import contextlib
import logging
import os
import stat
import sys
from io import TextIOWrapper

__all__ = ["LogFile", "LogStream", "open_log"]

FLAGS = os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOCTTY
MODE = 0o644


def open_log(path: str, *, exclusive: bool = False) -> int:
    """A descriptor that appends to the file, which is made if it is not there.

    A named pipe is opened for reading too: else the opening would wait for a reader, and writing
    fail while there is none (:manpage:`fifo(7)`).

    :param exclusive: the file must not be there.
    :raises OSError: it cannot be opened.
    """
    access = os.O_RDWR if _is_fifo(path) else os.O_WRONLY
    return os.open(path, FLAGS | access | (os.O_EXCL if exclusive else 0), MODE)


def _is_fifo(path: str) -> bool:
    try:
        return stat.S_ISFIFO(os.stat(path).st_mode)
    except OSError:
        return False


class LogStream(logging.StreamHandler):  # type: ignore[type-arg]
    """Writes to standard error; what cannot be written, a full disk or a reader that has gone, is
    passed over, where logging's own handler would write a stack for each line.
    """

    place = "standard error"

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802, the library's name
        """Say a record in another place, in one line."""
        error = sys.exc_info()[1]
        if not isinstance(error, OSError):
            super().handleError(record)  # the message itself is wrong: its author needs the stack
            return
        with contextlib.suppress(OSError, ValueError, AttributeError):
            if self.stream is not sys.stderr:
                words = error.strerror or error
                sys.stderr.write(f"freastal: cannot write {self.place}: {words}: ")
                sys.stderr.write(f"{record.getMessage()}\n")


class LogFile(LogStream, logging.FileHandler):
    """Appends to a file."""

    def __init__(self, path: str) -> None:
        self.place = path
        logging.FileHandler.__init__(self, path)

    def _open(self) -> TextIOWrapper:
        return open(self.baseFilename, "a", opener=lambda path, _: open_log(path))
