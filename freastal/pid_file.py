"""The file that says which process the server is (``--pid``), for scripts and service managers.

It appears whole or not at all. One that names a process that lives is another server's and is left
alone; one that names nobody has been left behind, and is replaced. What holds no number has not
been written by a server: it is left alone too.
"""

from __future__ import annotations

import contextlib
import os

__all__ = ["PidFile", "PidFileError"]

LONGEST = 32
"""Bytes that are looked at: a number and white space."""


class PidFileError(Exception):
    """The file cannot be claimed; the text is one line, made for the user."""


class PidFile:
    """Claimed by this process until :meth:`remove`.

    :raises PidFileError: another server has it, or it cannot be written.
    """

    def __init__(self, path: str) -> None:
        self._path = os.path.abspath(path)  # the application may change directory
        self._pid = os.getpid()
        try:
            self._claim(path)
        except OSError as error:
            raise PidFileError(f"cannot write --pid {path}: {error.strerror}") from error

    def _claim(self, path: str) -> None:
        import tempfile  # 5 ms of the start where there is no pid file

        directory, name = os.path.split(self._path)
        file, draft = tempfile.mkstemp(prefix=f".{name}.", dir=directory)
        try:
            with os.fdopen(file, "w") as stream:
                os.fchmod(stream.fileno(), 0o644)
                stream.write(f"{self._pid}\n")
            try:
                os.link(draft, self._path)  # fails where there is one
            except FileExistsError:
                self._refuse_others(path)
                os.rename(draft, self._path)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(draft)

    def _refuse_others(self, path: str) -> None:
        pid = _read(self._path)
        if pid is None:
            raise PidFileError(f"--pid {path}: the file that is there holds no pid: left alone")
        if pid != self._pid and _lives(pid):
            raise PidFileError(f"--pid {path}: process {pid} is running already")

    def remove(self) -> None:
        """Remove it, if it is still this process's."""
        if os.getpid() != self._pid:
            return
        with contextlib.suppress(OSError):
            if _read(self._path) == self._pid:
                os.unlink(self._path)


def _read(path: str) -> int | None:
    """The pid in it, 0 where it is empty or gone; ``None``: it holds something else."""
    try:
        with open(path, "rb") as stream:
            text = stream.read(LONGEST).strip()
    except FileNotFoundError:
        return 0
    if not text:
        return 0
    return int(text) if text.isdigit() and len(text) <= 10 else None


def _lives(pid: int) -> bool:
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # somebody else's
        return True
    return True
