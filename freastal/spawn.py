"""How the supervisor forks a worker."""

from __future__ import annotations

import os
import signal
import socket
import sys
import traceback
from collections.abc import Callable, Collection, Iterable

from freastal.board import Board
from freastal.slots import Process

__all__ = ["spawn"]

EXIT_ERROR = 1


def spawn(
    number: int,
    handled: Collection[signal.Signals],
    work: Callable[[socket.socket, Board, Iterable[int]], object],
) -> Process:
    """Fork a worker.

    :param number: of its slot, as people count.
    :param handled: signals that are blocked around the fork, so that a child never writes into its
        parent's pipe.
    :param work: what the child does, with its end of the channel, its board and the signals to
        keep blocked in the end; where that returns or raises, the child exits.
    :raises OSError: there can be no process, or no socket for it.
    """
    ours, theirs = socket.socketpair()
    board = Board()
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()  # or the child would write it a second time
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, handled)
    try:
        pid = os.fork()
        if pid == 0:
            ours.close()
            _be_child(lambda: work(theirs, board, mask))
    except OSError:
        ours.close()
        board.close()
        raise
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        theirs.close()
    ours.setblocking(False)
    return Process(number, pid, board, ours)


def _be_child(work: Callable[[], object]) -> None:
    try:
        work()
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(EXIT_ERROR)
