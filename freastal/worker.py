"""What a worker process does between the supervisor's fork and its exit.

The channel to the supervisor is one socket. Towards the supervisor goes a single :class:`Report`:
ready, or how the boot failed. From the supervisor nothing comes but the end of file when it has
vanished, of which ``SIGIO`` tells (no thread has to wait for it); the worker then stops gracefully.

Signals, all handled in Python while the core runs:

* SIGTERM: stop gracefully within ``--timeout-graceful-shutdown``; the second one exits at once.
* SIGQUIT: stop now, requests in flight are cut off.
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
from dataclasses import asdict, dataclass
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from freastal import loader, logs
from freastal.config import Config

if TYPE_CHECKING:
    from freastal import _core

__all__ = ["EXIT_APP", "EXIT_ERROR", "LAST_WORDS", "Job", "Report", "run"]

EXIT_ERROR = 1
EXIT_APP = 3
"""Exit code where the application cannot be loaded; gunicorn has the same."""

LAST_WORDS = 1.0
"""Seconds that a worker gets, after the time for requests, to run exit handlers."""

STANDARD_OUTPUT, STANDARD_ERROR = 1, 2

POOL_THREADS = "freastal-"
"""How the names begin that the core gives its threads (src/gateway/wsgi_pool.c)."""

logger = logging.getLogger("freastal")


@dataclass(frozen=True)
class Job:
    """What the supervisor hands to a worker."""

    app: str | Callable[..., Any]
    config: Config
    sockets: Sequence[socket.socket]
    channel: socket.socket
    """The worker's end of the channel."""


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
        self._core: _core.Worker | None = None
        self._stopping = False
        self._wakeup_fd, self._signal_fd = os.pipe()
        os.set_blocking(self._wakeup_fd, False)
        os.set_blocking(self._signal_fd, False)

    def handle_signals(self, mask: Iterable[int]) -> None:
        signal.set_wakeup_fd(self._signal_fd, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.signal(signal.SIGINT, _ignore)
        signal.signal(signal.SIGTERM, self._on_term)
        signal.signal(signal.SIGQUIT, self._on_quit)
        signal.signal(signal.SIGIO, self._on_channel)
        channel = self._job.channel.fileno()
        # Ask for SIGIO when the other end is closed.
        fcntl.fcntl(channel, fcntl.F_SETOWN, os.getpid())
        fcntl.fcntl(channel, fcntl.F_SETFL, fcntl.fcntl(channel, fcntl.F_GETFL) | os.O_ASYNC)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)

    def main(self) -> int:
        """Boot, serve, end.

        :returns: the exit code.
        """
        report = self._boot()
        # Where the supervisor is gone, nobody needs the report, and nothing has told of it yet.
        with contextlib.suppress(OSError):
            self._job.channel.sendall(report.encode())
        if self._core is None:
            return report.code
        self._on_channel()
        code = 0
        try:
            self._core.run()
        except BaseException:
            logger.exception("the worker's loop failed")
            code = EXIT_ERROR
        self._end()
        if os.environ.get("FREASTAL_DEBUG_COUNTERS"):
            line = f"counters: {json.dumps(self._core.counters())}\n"
            os.write(STANDARD_ERROR, line.encode())  # one write: workers share the descriptor
        return code

    def _boot(self) -> Report:
        job, config = self._job, self._job.config
        try:
            app = loader.load(job.app, app_dir=config.app_dir, factory=config.factory)
            interface = config.interface
            if interface == "auto":
                interface = loader.detect_interface(app)
            if interface != "wsgi":
                name = loader.describe(job.app)
                raise loader.AppError(
                    f"{name} is an ASGI application, and this version serves only WSGI ones"
                )
        except loader.AppError as error:
            return Report(code=EXIT_APP, line=str(error), traceback_text=error.traceback_text)
        logs.enable()
        try:
            self._core = self._make_core(app)
        except Exception as error:
            line = f"cannot start a worker: {error}"
            return Report(code=EXIT_ERROR, line=line, traceback_text=traceback.format_exc())
        gc.collect()
        gc.freeze()  # the application's modules live for ever: no need to visit them again
        return Report(interface=interface)

    def _make_core(self, app: Callable[..., Any]) -> _core.Worker:
        from freastal import _core

        config = self._job.config
        core = _core.Worker(
            app,
            [each.fileno() for each in self._job.sockets],
            wakeup_fd=self._wakeup_fd,
            access_log_fd=STANDARD_OUTPUT if config.access_log else -1,
            multiprocess=config.workers > 1,
            **config.core_options(),
        )
        for each in self._job.sockets:
            each.close()  # the core's duplicates remain, which close when it stops
        return core

    def _end(self) -> None:
        """Do what the interpreter does at its exit, bounded by the watchdog."""
        if not self._stopping:
            self._watch(self._job.config.timeout_graceful_shutdown)
        # The core does not wait for threads that are still in the application: they get the time
        # to see that nobody listens any more, and to close what they were iterating.
        for thread in threading.enumerate():
            if thread.name.startswith(POOL_THREADS):
                thread.join()
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError, AttributeError):
                stream.flush()

    def _stop(self, grace: float) -> None:
        self._stopping = True
        if self._core is None:  # still booting: no request is lost
            os._exit(0)
        self._watch(grace)
        self._core.stop(grace)

    def _watch(self, grace: float) -> None:
        faulthandler.dump_traceback_later(grace + LAST_WORDS, exit=True, file=STANDARD_ERROR)

    def _on_term(self, signum: int, frame: FrameType | None) -> None:
        if self._stopping:
            os._exit(EXIT_ERROR)
        self._stop(self._job.config.timeout_graceful_shutdown)

    def _on_quit(self, signum: int, frame: FrameType | None) -> None:
        self._stop(0)

    def _on_channel(self, signum: int = 0, frame: FrameType | None = None) -> None:
        """Stop if the supervisor has vanished."""
        try:
            vanished = not self._job.channel.recv(1, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return  # an application's own SIGIO
        except OSError:
            vanished = True
        if vanished and not self._stopping:
            logger.error("the supervisor has vanished: stopping")
            self._stop(self._job.config.timeout_graceful_shutdown)


def _ignore(signum: int, frame: FrameType | None) -> None:
    """Handle a signal by nothing; other than SIG_IGN it is not inherited by programs started."""
