"""What a worker process does between the supervisor's fork and its exit.

How it serves is the matter of :mod:`freastal.wsgi_worker` and :mod:`freastal.asgi_worker`; here
are the process, its signals, and its word to the supervisor.

The channel to the supervisor is one socket. Towards the supervisor goes a single :class:`Report`:
ready, or how the boot failed. From the supervisor come new keys for session tickets, a line of
hexadecimal digits each, :data:`SAY_CALLS` where a call in the WSGI pool takes too long, and the end
of file when it has vanished; the worker then stops gracefully.
Of both ``SIGIO`` tells: no thread has to wait for it.

Signals, all handled in Python while the core or the event loop runs:

* SIGTERM: stop gracefully within ``--timeout-graceful-shutdown``. More of them change nothing:
  systemd sends one to every process of a unit, besides the supervisor's.
* SIGQUIT: stop now, requests in flight are cut off.
* SIGUSR1: go on in new log files.
* SIGUSR2: read the certificates anew.
* SIGABRT: say where every thread stands, and die; sent to a worker that stands still.
* SIGINT: nothing. Ctrl-C reaches every process of the terminal; the supervisor has the word.

A graceful stop that hangs, in a request or in an exit handler, is ended :data:`LAST_WORDS` after
its time by a watchdog that prints where every thread stands.
"""

from __future__ import annotations

import atexit
import contextlib
import faulthandler
import fcntl
import gc
import json
import logging
import os
import signal
import socket
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from freastal import loader, logs, privileges, titles
from freastal.access_log import AccessLog, AccessLogError
from freastal.board import Board
from freastal.config import Config, ConfigError
from freastal.hook_calls import Hooks, WorkerInfo

if TYPE_CHECKING:
    from freastal import _core

__all__ = [
    "EXIT_APP",
    "EXIT_ERROR",
    "EXIT_USAGE",
    "LAST_WORDS",
    "SAY_CALLS",
    "Job",
    "Report",
    "Serving",
    "run",
]

EXIT_ERROR = 1
EXIT_USAGE = 2
EXIT_APP = 3
"""Exit code where the application cannot be loaded or does not start; gunicorn has the same."""

LAST_WORDS = 2.5
"""Seconds that a worker gets, after the time for requests, to cancel what has not finished, for the
lifespan's shutdown and for exit handlers."""

SAY_CALLS = b"calls"
"""The supervisor's word: say which call takes too long, and where all threads stand."""

STANDARD_ERROR = 2

logger = logging.getLogger("freastal")


@dataclass(frozen=True)
class Job:
    """What the supervisor hands to a worker."""

    app: str | Callable[..., Any]
    config: Config
    sockets: Sequence[socket.socket]
    """Of its slot."""
    all_sockets: Sequence[socket.socket]
    """Of all slots, for workers that share them."""
    common: bool
    """Some of the slot's are the other slots' too."""
    channel: socket.socket
    """The worker's end of the channel."""
    board: Board
    """Where it shows what it does."""
    ticket_keys: tuple[bytes, ...] = ()
    """What TLS session tickets are sealed with, the newest last."""
    identity: privileges.Identity | None = None
    """Whom it becomes."""
    loaded: Callable[..., Any] | None = None
    """The application itself, where it has been imported before the fork."""
    number: int = 1
    """Of its slot, as people count."""
    title: str = "worker"
    """What :mod:`freastal.titles` is to show."""


@dataclass(frozen=True)
class Report:
    """What a worker says of its boot, once."""

    interface: str = ""
    """How the application is called, where the worker is ready."""
    code: int = 0
    """The exit code, where the boot failed."""
    line: str = ""
    """Why it failed, in one line."""
    traceback_text: str = ""

    def encode(self) -> bytes:
        """The report as one line of bytes."""
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def decode(cls, line: bytes) -> Report:
        """The opposite of :meth:`encode`."""
        return cls(**json.loads(line))


class Serving(Protocol):
    """How a worker serves one interface; made when the application has been loaded."""

    def start(self) -> bool:
        """Start up; false if :meth:`stop` was called meanwhile."""

    def run(self) -> None:
        """Serve until :meth:`stop` has been called and carried out."""

    def stop(self, grace: float) -> None:
        """Stop gracefully within so many seconds; called by signal handlers, at any time."""

    def renew_tls(self, context: _core.TlsContext) -> None:
        """Speak TLS with that from now on; called by a signal handler."""

    def add_ticket_key(self, key: bytes) -> None:
        """Seal tickets with that from now on; called by a signal handler."""

    def oldest_call(self) -> tuple[float, str, str] | None:
        """As :meth:`freastal._core.Worker.oldest_call`; called by a signal handler."""

    def end(self) -> None:
        """End whatever runs on in the background."""

    def counters(self) -> _core.Counters:
        """What the core has counted."""


def run(job: Job, mask: Iterable[int]) -> NoReturn:
    """Be a worker; to be called in the forked child, with all handled signals blocked.

    Leaves by :func:`os._exit`, never through the frames of whoever called ``serve``.

    :param mask: the signals to keep blocked once handlers are installed.
    """
    code = EXIT_ERROR
    try:
        process = _Process(job)
        process.handle_signals(mask)
        code = process.main()
    except BaseException:
        logger.exception("worker failed")
    finally:
        os._exit(code)


class _Process:
    def __init__(self, job: Job) -> None:
        self._job = job
        self._serving: Serving | None = None
        self._access_log: AccessLog | None = None
        self._hooks: Hooks
        self._stopping = False
        self._said = b""  # by the supervisor: a line that is not complete

    def handle_signals(self, mask: Iterable[int]) -> None:
        faulthandler.enable(STANDARD_ERROR)  # also at SIGABRT, for the supervisor's sake
        signal.set_wakeup_fd(-1)  # the supervisor's, which has been closed
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, _ignore)
        signal.signal(signal.SIGTERM, self._on_term)
        signal.signal(signal.SIGQUIT, self._on_quit)
        signal.signal(signal.SIGUSR1, self._on_reopen)
        signal.signal(signal.SIGUSR2, self._on_renew)
        for number in (signal.SIGHUP, signal.SIGTTIN, signal.SIGTTOU):
            signal.signal(number, _ignore)  # they are the supervisor's
        signal.signal(signal.SIGIO, self._on_channel)
        channel = self._job.channel.fileno()
        # Ask for SIGIO when the other end is closed.
        fcntl.fcntl(channel, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(channel, fcntl.F_SETFL, fcntl.fcntl(channel, fcntl.F_GETFL) | os.O_ASYNC)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    @property
    def _info(self) -> WorkerInfo:
        return self._hooks.worker(self._job.number, os.getpid())

    def main(self) -> int:
        """Boot, serve, end.

        :returns: the exit code.
        """
        report = self._boot()
        code = report.code
        if not self._stopping:
            # Where the supervisor is gone, nobody needs the report, and nothing has told of it.
            with contextlib.suppress(OSError):
                self._job.channel.sendall(report.encode())
            self._on_channel()
        if self._serving is None:
            return code
        if report.interface:
            code = self._serve()
        self._end()
        if report.interface and os.environ.get("FREASTAL_DEBUG_COUNTERS"):
            line = f"counters: {json.dumps(self._serving.counters())}\n"
            os.write(STANDARD_ERROR, line.encode())  # one write: workers share the descriptor
        return code

    def _boot(self) -> Report:
        job, config = self._job, self._job.config
        try:
            titles.show(job.title, f"w{job.number}")
            if job.identity is not None:
                _import_ahead()
            privileges.become(job.identity, config.umask)
            access_log = self._access_log = AccessLog(config)
            self._hooks = Hooks.of_worker(loader.describe(job.app), config)
            self._hooks.must("post_fork", self._info)
            app = job.loaded or loader.load(job.app, app_dir=config.app_dir, factory=config.factory)
            name = loader.describe(job.app)
            interface = loader.choose_interface(app, config.interface, name)
            logs.enable()
            self._hooks.must("post_worker_init", self._info)
            self._serving = self._make_serving(app, interface, access_log)
            if not self._serving.start():
                return Report()
        except loader.AppError as error:
            return Report(code=EXIT_APP, line=str(error), traceback_text=error.traceback_text)
        except ConfigError as error:
            return Report(code=EXIT_USAGE, line=str(error))
        except AccessLogError as error:
            return Report(code=EXIT_ERROR, line=str(error))
        except Exception as error:
            line = f"cannot start a worker: {error}"
            return Report(code=EXIT_ERROR, line=line, traceback_text=traceback.format_exc())
        for each in job.all_sockets:
            each.close()  # the core's duplicates remain, which close when it stops
        gc.collect()
        gc.freeze()  # the application's modules live for ever: no need to visit them again
        return Report(interface=interface)

    def _make_serving(
        self, app: Callable[..., Any], interface: str, access_log: AccessLog
    ) -> Serving:
        from freastal import proxies, tls

        config = self._job.config
        shares = config.shares_sockets(interface)
        sockets = self._job.all_sockets if shares else self._job.sockets
        options = {
            **proxies.core_options(config),
            **tls.core_options(config, self._job.ticket_keys),
            **access_log.core_options(),
            "board": self._job.board.memory,
            "shared": shares or self._job.common,
        }
        if interface == "wsgi":
            from freastal.wsgi_worker import WsgiWorker

            return WsgiWorker(app, config, sockets, options)
        from freastal.asgi_worker import AsgiWorker

        return AsgiWorker(app, config, sockets, options)

    def _serve(self) -> int:
        assert self._serving is not None
        try:
            self._serving.run()
        except BaseException:
            logger.exception("the worker's loop failed")
            return EXIT_ERROR
        return 0

    def _end(self) -> None:
        """Do what the interpreter does at its exit, bounded by the watchdog."""
        assert self._serving is not None
        if not self._stopping:
            self._watch(self._job.config.timeout_graceful_shutdown)
        self._hooks.call("worker_exit", self._info)
        try:
            self._serving.end()
        except Exception:
            logger.exception("the worker's end failed")
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError, AttributeError):
                stream.flush()

    def _stop(self, grace: float) -> None:
        self._stopping = True
        if self._serving is None:  # still importing: no request is lost
            os._exit(0)
        self._hooks.call("worker_int", self._info)
        self._watch(grace)
        self._serving.stop(grace)

    def _watch(self, grace: float) -> None:
        faulthandler.dump_traceback_later(grace + LAST_WORDS, exit=True, file=STANDARD_ERROR)

    def _on_term(self, signum: int, frame: FrameType | None) -> None:
        if not self._stopping:
            self._stop(self._job.config.timeout_graceful_shutdown)

    def _on_quit(self, signum: int, frame: FrameType | None) -> None:
        self._stop(0)

    def _on_reopen(self, signum: int, frame: FrameType | None) -> None:
        """Go on in new log files; where one cannot be opened, the old one goes on."""
        files: list[Callable[[], None]] = [logs.reopen]
        if self._access_log is not None:  # else it is still booting
            files.append(self._access_log.reopen)
        for reopen in files:
            try:
                reopen()
            except (OSError, AccessLogError) as error:
                logger.error("SIGUSR1: %s", error)

    def _on_renew(self, signum: int, frame: FrameType | None) -> None:
        """Read the certificates anew; what is wrong with them changes nothing."""
        if self._serving is None or not self._job.config.secure or self._stopping:
            return
        from freastal import tls

        try:
            self._serving.renew_tls(tls.make_context(self._job.config))
        except ConfigError as error:
            logger.error("the certificates stay as they were: %s", error)
        else:
            logger.info("the certificates have been read anew")

    def _on_channel(self, signum: int = 0, frame: FrameType | None = None) -> None:
        """Take what the supervisor says; stop if it has vanished."""
        while True:
            try:
                data = self._job.channel.recv(4096, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return  # also an application's own SIGIO
            except OSError:
                data = b""
            if not data:
                break
            self._take(data)
        if not self._stopping:
            logger.error("the supervisor has vanished: stopping")
            self._stop(self._job.config.timeout_graceful_shutdown)

    def _take(self, data: bytes) -> None:
        if self._stopping:  # the core may be closed, and seals nothing more
            return
        *lines, self._said = (self._said + data).split(b"\n")
        for line in lines:
            if line == SAY_CALLS:
                self._say_calls()
            else:
                self._add_key(bytes.fromhex(line.decode()))

    def _add_key(self, key: bytes) -> None:
        if self._serving is not None:
            self._serving.add_ticket_key(key)
        else:
            self._job = replace(self._job, ticket_keys=(*self._job.ticket_keys, key))

    def _say_calls(self) -> None:
        call = self._serving.oldest_call() if self._serving else None
        if call is None:  # it is over
            return
        logger.error("a call of the application has taken %.1f s so far: %s %s", *call)
        faulthandler.dump_traceback(STANDARD_ERROR)


def _import_ahead() -> None:
    """Import what a worker needs besides, while it may still read every file."""
    import tempfile  # noqa: F401  # the core does

    from freastal import asgi_worker, wsgi_worker  # noqa: F401


def _ignore(signum: int, frame: FrameType | None) -> None:
    """Handle a signal by nothing; other than SIG_IGN it is not inherited by programs started."""
