"""The C core: a worker's loop, its protocols and gateways (built from ``src/``)."""

from collections.abc import Callable, Sequence
from typing import Any, Final, TypedDict, final

__all__ = ["OPTIONS", "Worker", "__version__"]

__version__: Final[str]

class Option(TypedDict):
    """One row of ``src/ext/options.def``."""

    name: str
    type: str  # "int" or "float"
    default: int | float
    minimum: float
    maximum: float

OPTIONS: Final[Sequence[Option]]
"""The options that the core takes, in the order of its table."""

class Counters(TypedDict):
    """What a worker has done, and what it holds now."""

    accepted: int
    requests: int
    refused: int
    bytes_read: int
    bytes_written: int
    live: dict[str, int]
    """C objects in use: connections, exchanges, buffers …; all zero when nothing is served."""
    closed: dict[str, int]
    """Connections closed, by reason."""

@final
class Worker:
    """One loop and all that it serves; belongs to the thread that calls :meth:`run`.

    :param app: a WSGI application (:pep:`3333`).
    :param sockets: descriptors of listening, non-blocking sockets; they are duplicated, so that
        the caller may close its own, and the port is closed once :meth:`stop` has drained it.
    :param wakeup_fd: a descriptor that becomes readable when a signal has come (the other end
        of :func:`signal.set_wakeup_fd`); -1 for none. Its bytes are read and dropped.
    :param access_log_fd: where access log lines are written in batches; -1 for none.
    :param multiprocess: ``wsgi.multiprocess`` of the environ.
    :param options: one keyword for each row of :data:`OPTIONS`.
    :raises TypeError: an unknown keyword or a value of the wrong type.
    :raises ValueError: a value out of its row's range.
    :raises OSError: the loop could not be made.
    """

    def __init__(
        self,
        app: Callable[..., Any],
        sockets: Sequence[int],
        *,
        wakeup_fd: int = -1,
        access_log_fd: int = -1,
        multiprocess: bool = False,
        **options: int | float,
    ) -> None: ...
    def run(self) -> None:
        """Serve until :meth:`stop` has been carried out; Python signal handlers run meanwhile.

        :raises BaseException: whatever a Python signal handler raised.
        :raises RuntimeError: called twice.
        """

    def stop(self, grace: float) -> None:
        """Stop gracefully: accept what is queued, then no more; close idle connections; finish
        what is in flight for at most ``grace`` seconds, then close it. A second call with a
        shorter grace shortens it. Safe in a signal handler and from other threads.
        """

    def counters(self) -> Counters:
        """Count what is and what was; empty once the worker is freed."""
