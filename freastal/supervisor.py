"""The supervisor: opens the sockets, forks the workers, replaces the dead, ends them all.

It imports neither the application nor the C core (unless the caller of ``serve`` has), so it
stays small and does not fail with them. One thread, one loop over :func:`select.poll`; what can
happen is a signal, a worker's word on its channel, and a point in time:

    STARTING --- all workers ready ---> SERVING
        |                                  |
        +--- signal, failed boot ---+------+ signal
                                    v
                                STOPPING --- second signal, or out of time ---> KILLING
                                    |                                              |
                                    +------------ no worker is left ---------------+---> over

No signal is lost between looking and waiting: its handler does nothing, and its number goes as a
byte through :func:`signal.set_wakeup_fd` into a pipe that the loop polls. Around a fork signals
are blocked, so that a child never writes into its parent's pipe.

A worker's death is no event of its own but SIGCHLD. In STARTING, a worker that dies before it was
ready ends the server; afterwards it is replaced, at once if it had lived for a while, else with a
pause that doubles from death to death.

Exit codes: 0 stopped; 1 cannot listen or run, or a second signal cut requests off; 3 the
application cannot be loaded or does not start.
"""

from __future__ import annotations

import contextlib
import enum
import logging
import os
import selectors
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable
from types import FrameType, TracebackType
from typing import Any

from freastal import __version__, loader, logs, worker
from freastal.config import Config
from freastal.sockets import ListenError, Listeners
from freastal.tickets import TICKET_SECONDS, Keys

__all__ = ["Supervisor", "serve"]

HANDLED = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGCHLD)

SETTLED = 5.0
"""Seconds of serving after which a worker's death does not count as a series any more."""

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 30.0
"""Seconds before a worker that died young is replaced: the first time, and the limit."""

KILL_MARGIN = worker.LAST_WORDS + 1.0
"""Seconds after the time for requests when a worker that is still there gets SIGKILL."""

logger = logging.getLogger("freastal")


def serve(app: str | Callable[..., Any], config: Config) -> int:
    """Serve until a signal or a failure ends it; to be called in the main thread.

    :param app: the application, or ``module[:attribute]``, which only the workers import.
    :returns: the exit code.
    :raises RuntimeError: called in another thread, where signals cannot be handled.
    """
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("freastal serves from the main thread only: it handles signals")
    logs.set_up(config.log_level)
    with SignalPipe() as signals:  # before the sockets: who can connect can also stop the server
        try:
            listeners = Listeners(
                config.bind,
                slots=config.workers,
                backlog=config.backlog,
                uds_permissions=config.uds_permissions,
            )
        except ListenError as error:
            _say(f"freastal: {error}")
            return worker.EXIT_ERROR
        try:
            return Supervisor(app, config, listeners, signals).run()
        finally:
            listeners.close()


class State(enum.Enum):
    """Where the server is in its life; the edges stand at the head of the file."""

    STARTING = enum.auto()
    SERVING = enum.auto()
    STOPPING = enum.auto()
    KILLING = enum.auto()


EDGES = {
    (State.STARTING, State.SERVING),
    (State.STARTING, State.STOPPING),
    (State.SERVING, State.STOPPING),
    (State.STOPPING, State.KILLING),
}


class Slot:
    """A worker's place: its sockets stay while processes come and go."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.pid = 0
        """The process that has the place, or had it last; 0 before the first."""
        self.alive = False
        """Whether the process is still to be waited for; afterwards its pid may be another's."""
        self.channel: socket.socket | None = None
        """The supervisor's end; to close it is to tell the worker that the supervisor is gone."""
        self.received = b""
        self.ready_at: float | None = None
        self.start_at: float | None = 0.0
        """When to fill the place; ``None`` while it is filled."""
        self.young_deaths = 0

    def __str__(self) -> str:
        return f"worker {self.index + 1}" + (f" (pid {self.pid})" if self.pid else "")

    def pause(self, now: float) -> float:
        """Count a death; how many seconds to wait before the next worker takes the place."""
        if self.ready_at is not None and now - self.ready_at >= SETTLED:
            self.young_deaths = 0
            return 0.0
        self.young_deaths += 1
        return float(min(FIRST_PAUSE * 2 ** min(self.young_deaths - 1, 16), LONGEST_PAUSE))


class SignalPipe:
    """While entered, signals of :data:`HANDLED` do nothing but become readable numbers."""

    def __init__(self) -> None:
        self.fd, self._write_fd = os.pipe()
        os.set_blocking(self.fd, False)
        os.set_blocking(self._write_fd, False)
        self._before: dict[int, Any] = {}
        self._fd_before = -1

    def __enter__(self) -> SignalPipe:
        self._fd_before = signal.set_wakeup_fd(self._write_fd, warn_on_full_buffer=False)
        for number in HANDLED:
            self._before[number] = signal.signal(number, _leave_to_pipe)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        frames: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        signal.set_wakeup_fd(self._fd_before)
        self.close()

    def close(self) -> None:
        """Close both ends, and no more: for a forked child."""
        os.close(self.fd)
        os.close(self._write_fd)

    def take(self) -> list[int]:
        """The signals that have come, in their order."""
        try:
            return list(os.read(self.fd, 4096))
        except BlockingIOError:
            return []


class Supervisor:
    """One server: see the head of the file.

    :param listeners: the open sockets; closed as soon as the server stops.
    :param signals: entered for as long as :meth:`run` runs.
    """

    def __init__(
        self,
        app: str | Callable[..., Any],
        config: Config,
        listeners: Listeners,
        signals: SignalPipe,
    ) -> None:
        self._app = app
        self._config = config
        self._listeners = listeners
        self._slots = [Slot(index) for index in range(config.workers)]
        self._state = State.STARTING
        self._code = 0
        self._deadline: float | None = None
        """When STOPPING becomes KILLING."""
        self._selector = selectors.PollSelector()  # has no descriptor that a child would inherit
        self._signals = signals
        self._keys = Keys() if config.secure else None
        self._next_key = time.monotonic() + TICKET_SECONDS

    def run(self) -> int:
        """Serve to the end.

        :returns: the exit code.
        """
        self._selector.register(self._signals.fd, selectors.EVENT_READ, self._on_signals)
        try:
            while self._turn():
                pass
        finally:
            for slot in self._slots:
                self._close_channel(slot)
        return self._code

    def _turn(self) -> bool:
        """Do what is due, wait for what comes; false when it is over."""
        now = time.monotonic()
        if self._state in (State.STARTING, State.SERVING):
            self._start_due(now)
            self._rotate_due(now)
        if self._deadline is not None and self._deadline <= now:
            self._kill("not finished in time")
        if self._over():
            return False
        for key, _ in self._selector.select(self._time_to_wait()):
            key.data()
        return True

    def _over(self) -> bool:
        stopping = self._state in (State.STOPPING, State.KILLING)
        return stopping and not any(slot.alive for slot in self._slots)

    def _time_to_wait(self) -> float | None:
        times = [self._deadline]
        if self._state in (State.STARTING, State.SERVING):
            times += [slot.start_at for slot in self._slots]
            times += [self._next_key] if self._keys else []
        due = [each for each in times if each is not None]
        return max(0.0, min(due) - time.monotonic()) if due else None

    def _enter(self, state: State) -> None:
        assert (self._state, state) in EDGES
        self._state = state

    # Starting workers

    def _start_due(self, now: float) -> None:
        for slot in self._slots:
            if slot.start_at is not None and slot.start_at <= now:
                self._start(slot)
            if self._state is State.STOPPING:  # it could not be started
                break

    def _start(self, slot: Slot) -> None:
        ours, theirs = socket.socketpair()
        for stream in (sys.stdout, sys.stderr):
            if stream is not None:
                stream.flush()  # or the child would write it a second time
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, HANDLED)
        try:
            pid = os.fork()
            if pid == 0:
                ours.close()
                self._become_worker(slot, theirs, mask)
        except OSError as error:
            ours.close()
            self._lost(slot, f"cannot be started: {error}", worker.EXIT_ERROR)
            return
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            theirs.close()
        ours.setblocking(False)
        slot.pid, slot.alive, slot.channel, slot.received = pid, True, ours, b""
        slot.ready_at = slot.start_at = None
        self._selector.register(ours, selectors.EVENT_READ, lambda: self._on_channel(slot))

    def _become_worker(self, slot: Slot, channel: socket.socket, mask: Iterable[int]) -> None:
        """In the child; does not return."""
        try:
            self._signals.close()
            for other in self._slots:
                if other.channel is not None:
                    other.channel.close()
            self._listeners.close_other_slots(slot.index)
            sockets = self._listeners.of_slot(slot.index)
            keys = self._keys.all if self._keys else ()
            worker.run(worker.Job(self._app, self._config, sockets, channel, keys), mask)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(worker.EXIT_ERROR)

    def _rotate_due(self, now: float) -> None:
        """Seal session tickets with a new key, in all workers, when its time has come."""
        if self._keys is None or now < self._next_key:
            return
        self._next_key = now + TICKET_SECONDS
        line = self._keys.rotate().hex().encode() + b"\n"
        for slot in self._slots:
            if slot.channel is not None:
                with contextlib.suppress(OSError):  # it dies: its successor has the key already
                    slot.channel.send(line)

    def _on_channel(self, slot: Slot) -> None:
        """Read a worker's report; its end of file says nothing that SIGCHLD does not."""
        while slot.channel is not None:
            try:
                data = slot.channel.recv(65536)
            except BlockingIOError:
                return
            except ConnectionError:
                data = b""
            slot.received += data
            if not data:
                self._close_channel(slot)
            elif slot.received.endswith(b"\n"):
                self._on_report(slot, worker.Report.decode(slot.received))

    def _on_report(self, slot: Slot, report: worker.Report) -> None:
        if not report.code:
            slot.ready_at = time.monotonic()
            if self._state is State.SERVING:
                logger.info("%s is ready", slot)
            elif self._state is State.STARTING and self._all_ready():
                self._enter(State.SERVING)
                self._announce(report.interface)
                for flag in self._config.idle_options(report.interface):
                    logger.warning("%s means nothing to %s", flag, report.interface.upper())
        elif self._state is State.STARTING:
            self._fail(f"{report.traceback_text}freastal: {report.line}", report.code)
        elif self._state is State.SERVING:
            logger.error("%s: %s\n%s", slot, report.line, report.traceback_text.rstrip())

    def _all_ready(self) -> bool:
        return all(slot.ready_at is not None for slot in self._slots)

    def _announce(self, interface: str) -> None:
        if not logger.isEnabledFor(logging.INFO):
            return
        size = _count(self._config.workers, "worker")
        if interface == "wsgi":
            size += f" × {_count(self._config.threads, 'thread')}"
        else:
            size += f" on {'uvloop' if self._config.loop == 'uvloop' else 'asyncio'}"
        _say(
            f"freastal {__version__}: {loader.describe(self._app)} ({interface})",
            *(f"  {address.url(self._config.secure)}" for address in self._listeners.bound),
            f"  {size}, pid {os.getpid()}",
        )

    # Signals and deaths

    def _on_signals(self) -> None:
        for number in self._signals.take():
            if number == signal.SIGCHLD:
                self._reap()
            elif number == signal.SIGHUP:
                self._on_hang_up()
            elif number in HANDLED:
                self._on_stop_signal(signal.Signals(number))

    def _on_hang_up(self) -> None:
        if self._config.secure:
            self._signal_workers(signal.SIGHUP)
        else:
            logger.info("SIGHUP: there are no certificates to read anew")

    def _on_stop_signal(self, number: signal.Signals) -> None:
        if self._state is State.STOPPING:
            self._code = worker.EXIT_ERROR
            self._kill(number.name)
        elif self._state is not State.KILLING:
            grace = 0.0 if number == signal.SIGQUIT else self._config.timeout_graceful_shutdown
            logger.info("%s: stopping, requests in flight have %g s", number.name, grace)
            self._stop(signal.SIGTERM if number == signal.SIGINT else number, grace)

    def _reap(self) -> None:
        for slot in self._slots:
            if not slot.alive:
                continue
            try:
                pid, status = os.waitpid(slot.pid, os.WNOHANG)
            except ChildProcessError:  # somebody else has waited for it
                pid, status = slot.pid, 0
            if pid:
                slot.alive = False
                self._on_channel(slot)  # its last word may not have been read yet
                self._on_death(slot, os.waitstatus_to_exitcode(status))

    def _on_death(self, slot: Slot, code: int) -> None:
        """A worker is dead: with an exit code, or by a signal where that is negative."""
        how = f"was killed by {_signal_name(-code)}" if code < 0 else f"exited with code {code}"
        self._close_channel(slot)
        if self._state in (State.STOPPING, State.KILLING):
            logger.debug("%s %s", slot, how)
        else:
            level = logging.INFO if code == 0 else logging.ERROR  # 0: it was told to stop
            self._lost(slot, how, worker.EXIT_APP, level)

    def _lost(self, slot: Slot, how: str, code: int, level: int = logging.ERROR) -> None:
        """Replace a worker, or give up where it never came to serve.

        :param code: the exit code if the server gives up.
        """
        if self._state is State.STARTING and slot.ready_at is None:
            self._fail(f"freastal: {slot} {how} before it was ready", code)
            return
        now = time.monotonic()
        pause = slot.pause(now)
        slot.start_at = now + pause
        when = f"in {pause:g} s" if pause else "now"
        logger.log(level, "%s %s; starting another %s", slot, how, when)

    def _fail(self, text: str, code: int) -> None:
        _say(text)
        self._code = code
        self._stop(signal.SIGTERM, self._config.timeout_graceful_shutdown)

    def _stop(self, number: int, grace: float) -> None:
        self._enter(State.STOPPING)
        self._listeners.close()
        self._deadline = time.monotonic() + grace + KILL_MARGIN
        self._signal_workers(number)

    def _kill(self, why: str) -> None:
        self._enter(State.KILLING)
        self._deadline = None
        left = ", ".join(str(slot) for slot in self._slots if slot.alive)
        logger.warning("%s: killing %s", why, left)
        self._signal_workers(signal.SIGKILL)

    def _signal_workers(self, number: int) -> None:
        for slot in self._slots:
            if slot.alive:
                os.kill(slot.pid, number)

    def _close_channel(self, slot: Slot) -> None:
        if slot.channel is not None:
            self._selector.unregister(slot.channel)
            slot.channel.close()
            slot.channel = None


def _leave_to_pipe(number: int, frame: FrameType | None) -> None:
    """Handle a signal by nothing: the loop reads its number from the pipe."""


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _say(*lines: str) -> None:
    with contextlib.suppress(OSError):  # nobody reads it any more: no reason to stop
        print(*lines, sep="\n", file=sys.stderr, flush=True)
