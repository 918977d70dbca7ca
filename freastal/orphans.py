"""Children that nobody has asked for: as the first process of a container, the supervisor inherits
every process whose parent has died, and has to wait for it, or it stays as a zombie.

Children that it has made itself are waited for by whoever made them: the workers, what watches for
``--reload``, and all that were there before.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import sys
from collections.abc import Collection

__all__ = ["Orphans", "adopts"]

PR_GET_CHILD_SUBREAPER = 37


def adopts() -> bool:
    """Whether this process inherits orphans: the first of its namespace, or a subreaper."""
    if os.getpid() == 1:
        return True
    if sys.platform != "linux":
        return False
    answer = ctypes.c_int(0)
    ctypes.CDLL(None).prctl(PR_GET_CHILD_SUBREAPER, ctypes.byref(answer), 0, 0, 0)
    return bool(answer.value)


class Orphans:
    """To be made before the first worker, and after everything else that has children."""

    def __init__(self) -> None:
        self._adopts = adopts()
        self._known = set(_children()) if self._adopts else set()

    def reap(self, own: Collection[int]) -> int:
        """Wait for those that have died; never waits for one that lives.

        :param own: the pids of workers; their exit codes are somebody else's to take.
        :returns: how many there were.
        """
        if not self._adopts:
            return 0
        count = 0
        for pid in _children():
            if pid in own or pid in self._known:
                continue
            with contextlib.suppress(ChildProcessError):
                count += bool(os.waitpid(pid, os.WNOHANG)[0])
        return count


def _children() -> list[int]:
    """The pids of this thread's children; none where the system does not tell."""
    try:
        with open("/proc/thread-self/children", "rb") as stream:
            return [int(word) for word in stream.read().split()]
    except OSError:
        return []
