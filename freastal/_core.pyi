"""The C core: a worker's loop, its protocols and gateways (built from ``src/``)."""

import asyncio
from collections.abc import Callable, Sequence
from contextvars import Context
from typing import Any, Final, TypedDict, final

from typing_extensions import Buffer, TypeVarTuple, Unpack

__all__ = [
    "FIGURES",
    "OPTIONS",
    "ClientDisconnected",
    "Loop",
    "TlsContext",
    "Worker",
    "__version__",
]

_Args = TypeVarTuple("_Args")

__version__: Final[str]

class Option(TypedDict):
    """One row of ``src/ext/options.def``."""

    name: str
    type: str  # "int", "float" or "bool"
    default: int | float | bool
    minimum: float
    maximum: float

OPTIONS: Final[Sequence[Option]]
"""The options that the core takes, in the order of its table."""

FIGURES: Final[tuple[tuple[str, int, int], ...]]
"""What a worker counts on its board: name, place in words of eight bytes, and how many words."""

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

class ClientDisconnected(ConnectionError):  # noqa: N818 (the name that uvicorn has)
    """Raised by an ASGI application's ``send()`` once the client has left, or the response is over
    for another reason.
    """

class Loop:
    """A libuv loop that turns the three beats for the workers upon it.

    Stands beside an asyncio loop in one of two ways. As host: first base of an event loop class
    (``class EventLoop(_core.Loop, asyncio.SelectorEventLoop)``) whose selector's ``select()``
    calls :meth:`turn`; :meth:`call_soon` and :meth:`call_at` then note that asyncio has something
    to do. As guest: an object of its own, whose :meth:`backend_fd` another loop watches and which
    is turned with ``turn(0)``.

    Belongs to one thread, but for what is said otherwise. Subclasses need not call ``__init__``.

    :raises OSError: the loop could not be made (when it is first used).
    """

    def turn(self, timeout: float | None) -> bool:
        """Turn the beats until asyncio has something to do: the descriptor of :meth:`watch` is
        readable, something was scheduled meanwhile, or the time is over. Without the GIL while it
        waits and reads and writes.

        :param timeout: seconds; 0 or less for one turn that does not wait; ``None`` for ever.
        :returns: whether the watched descriptor is readable.
        :raises BaseException: what a Python signal handler raised.
        :raises RuntimeError: called inside a turn, or after :meth:`release`.
        """

    def watch(self, fd: int) -> None:
        """Watch a descriptor for :meth:`turn`: an epoll or kqueue with those of asyncio in it.

        :raises OSError: it cannot be watched.
        """

    def unwatch(self) -> None:
        """Take :meth:`watch` back; to be called before the descriptor is closed."""

    def signal_fd(self) -> int:
        """Let signals end a turn that waits.

        :returns: the descriptor for :func:`signal.set_wakeup_fd`, always the same; -1 in a forked
            child, where the loop is the parent's.
        :raises OSError: it could not be made.
        """

    def forward_signals(self, fd: int, /) -> None:
        """Say who else is to get the bytes that :meth:`signal_fd` gets: those that have come and
        that no turn has taken, at once, and those that will come.

        :param fd: a non-blocking descriptor; -1 for none.
        """

    def backend_fd(self) -> int:
        """The descriptor that is readable when a turn has something to do."""

    def backend_timeout(self) -> float | None:
        """Seconds until a turn is due even if the descriptor stays silent; ``None`` for never."""

    def on_stir(self, callback: Callable[[], object] | None) -> None:
        """Call this, once before each turn, when something that needs a turn has been put out
        between two turns.
        """

    def release(self) -> None:
        """Free the loop; all its workers must have been closed.

        :raises RuntimeError: one has not been, or the loop is being turned.
        """

    def call_soon(
        self,
        callback: Callable[[Unpack[_Args]], object],
        *args: Unpack[_Args],
        context: Context | None = None,
    ) -> asyncio.Handle:
        """As asyncio's; for the host's class only."""

    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[_Args]], object],
        *args: Unpack[_Args],
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """As asyncio's; for the host's class only."""

    def stop(self) -> None:
        """As asyncio's; for the host's class only."""

@final
class TlsContext:
    """What TLS is negotiated with. Not there in a build without TLS.

    :param certificates: tuples of the paths of a certificate with its chain, its key, the key's
        password or ``None``, and an OCSP response to staple or ``None``.
    :param min_version: ``"1.2"`` or ``"1.3"``.
    :param ciphers: suites of TLS 1.2 in OpenSSL's notation; ``None`` for the default.
    :param ciphersuites: the same of TLS 1.3.
    :param verify: ``"none"``, ``"optional"`` or ``"required"``: whether clients show certificates.
    :param client_ca: the path of the authorities that these must come from.
    :raises ValueError: a file cannot be read or used, in one line that names it and says why.
    """

    def __new__(
        cls,
        certificates: Sequence[tuple[str, str, str | None, str | None]],
        *,
        min_version: str = "1.2",
        ciphers: str | None = None,
        ciphersuites: str | None = None,
        verify: str = "none",
        client_ca: str | None = None,
    ) -> TlsContext: ...

@final
class Worker:
    """What one loop serves: listening sockets, connections and an application behind them.

    :param app: a WSGI application (:pep:`3333`), or an ASGI 3 one.
    :param sockets: descriptors of listening, non-blocking sockets; they are duplicated, so that
        the caller may close its own, and the port is closed once :meth:`stop` has drained it.
    :param interface: ``"wsgi"`` or ``"asgi"``.
    :param loop: the loop to be served on; without it (WSGI) the worker has one of its own, which
        :meth:`run` turns.
    :param tasks: ASGI: the asyncio loop that runs the application's tasks; ``loop`` itself where
        that is the host. A task factory that it has by now makes the tasks.
    :param state: ASGI: what the lifespan's startup left, given to each scope as a shallow copy;
        ``None``: scopes have no ``state``.
    :param root_path: ASGI: ``root_path`` of scopes.
    :param stopped: called without arguments, in the loop's thread, once :meth:`stop` has been
        carried out: no connection is left.
    :param board: where the loop shows what it does: a writable buffer of
        :data:`freastal.board.SIZE` bytes, shared with whoever watches; ``None``: nowhere.
    :param tls: speak TLS, with this; ``None``: speak without.
    :param ticket_keys: what session tickets are sealed with, 80 bytes each, the newest last.
    :param forwarded_allow_ips: peers whose fields are believed, where ``proxy_headers`` is on:
        addresses, networks, ``unix``, ``*``.
    :param forwarded_kind: which fields: ``"auto"``, ``"x-forwarded"`` or ``"forwarded"``.
    :param proxy_allow_from: likewise, peers who may connect where ``proxy_protocol`` is on.
    :param health_path: the path that is answered without the application; empty for none.
    :param wakeup_fd: WSGI without ``loop``: a descriptor that becomes readable when a signal has
        come (the other end of :func:`signal.set_wakeup_fd`); -1 for none. Its bytes are dropped.
    :param access_log_fd: where access log lines are written, by a thread; -1 for none. It can be
        given another file by :func:`os.dup2`.
    :param access_log_format: see ``docs/OPTIONS.md``; empty for the usual one.
    :param access_log_prefix: what stands before each line where the descriptor takes datagrams.
    :param request_id: ``off``, ``make``, or ``take`` from peers in ``forwarded_allow_ips``.
    :param request_id_reply: responses carry it too.
    :param shared: other processes accept from the same sockets: take one connection at a time.
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
        interface: str = "wsgi",
        loop: Loop | None = None,
        tasks: asyncio.AbstractEventLoop | None = None,
        state: dict[str, Any] | None = None,
        root_path: str = "",
        stopped: Callable[[], object] | None = None,
        board: Buffer | None = None,
        tls: TlsContext | None = None,
        ticket_keys: Sequence[bytes] = (),
        forwarded_allow_ips: Sequence[str] = (),
        forwarded_kind: str = "auto",
        proxy_allow_from: Sequence[str] = (),
        health_path: str = "",
        wakeup_fd: int = -1,
        access_log_fd: int = -1,
        access_log_format: str = "",
        access_log_prefix: str = "",
        request_id: str = "off",
        request_id_reply: bool = False,
        multiprocess: bool = False,
        shared: bool = False,
        **options: int | float | bool,
    ) -> None: ...
    def run(self) -> None:
        """Serve until :meth:`stop` has been carried out; Python signal handlers run meanwhile.

        :raises BaseException: whatever a Python signal handler raised.
        :raises RuntimeError: called twice, or the worker has no loop of its own.
        """

    def stop(self, grace: float) -> None:
        """Stop gracefully: accept what is queued, then no more; close idle connections; finish
        what is in flight for at most ``grace`` seconds, then close it. A second call with a
        shorter grace shortens it. Safe in a signal handler and from other threads.
        """

    def oldest_call(self) -> tuple[float, str, str] | None:
        """WSGI with several threads: the call that has run longest without handing over a piece of
        its response.

        :returns: for how many seconds, its method, and its path without the query; ``None``:
            none runs.
        """

    def cancel(self) -> int:
        """ASGI: cancel the tasks of calls that are not over.

        :returns: how many.
        """

    def close(self) -> None:
        """Stop at once, if that has not been done, and let go of the loop; ASGI calls that are
        not over must have been cancelled and have ended, or they are left behind without a
        connection.

        :raises RuntimeError: called inside a turn of the loop.
        """

    def renew_tls(self, context: TlsContext, /) -> None:
        """Negotiate with that from now on; in the loop's thread.

        :raises TypeError: the worker does not speak TLS.
        """

    def add_ticket_key(self, key: bytes, /) -> None:
        """Seal session tickets with that from now on; in the loop's thread.

        :raises TypeError: the worker does not speak TLS.
        :raises ValueError: it has not 80 bytes.
        """

    def counters(self) -> Counters:
        """Count what is and what was."""
