"""The supervisor: forks the workers, replaces them, ends them all.

It imports neither the application nor the C core (but with ``--preload``, or where the caller of
``serve`` has), so it stays small and does not fail with them. One thread, one loop over
:func:`select.poll`; what can happen is a signal, a worker's word on its channel, and a point in
time:

    STARTING --- all workers ready ---> SERVING
        |                                  |
        +--- signal, failed boot ---+------+ signal
                                    v
                                STOPPING --- second signal, or out of time ---> KILLING
                                    |                                              |
                                    +------------ no worker is left ---------------+---> over

A worker's death is no event of its own but SIGCHLD. In STARTING, a worker that dies before it was
ready ends the server; afterwards it is replaced, at once if it had lived for a while, else with a
pause that doubles from death to death.

Workers are replaced one after the other (:class:`freastal.slots.Slot`), at SIGHUP and when they
have grown old (:mod:`freastal.watch`): the next one boots beside the one that serves, which leaves
when the next is ready; where that never is, it stays.

Signals, as gunicorn has them:

* SIGTERM, SIGINT: stop gracefully, after ``--shutdown-delay``; a second one ends the delay, else
  all, now. SIGQUIT: stop now.
* SIGHUP: replace all workers: new code, new certificates.
* SIGUSR1: go on in new log files. SIGUSR2: have all workers read the certificates anew, and stay.
* SIGTTIN, SIGTTOU: one worker more, one less.

Exit codes: 0 stopped; 1 cannot listen or run, or a second signal cut requests off; 3 the
application cannot be loaded or does not start.
"""

from __future__ import annotations

import logging
import os
import selectors
import signal
import socket
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from freastal import watch, worker
from freastal.access_log import AccessLogError
from freastal.board import Board
from freastal.config import Config
from freastal.hook_calls import Hooks
from freastal.host import Host
from freastal.orphans import Orphans
from freastal.privileges import Identity
from freastal.reloader import watch_program
from freastal.signals import SignalPipe
from freastal.slots import Process, Slot
from freastal.sockets import Listeners
from freastal.spawn import spawn
from freastal.start_block import announce, count, say
from freastal.states import EDGES, State
from freastal.stop_delay import StopDelay
from freastal.tickets import TICKET_SECONDS, Keys

__all__ = ["HANDLED", "Supervisor"]

HANDLED = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGQUIT,
    signal.SIGHUP,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGTTIN,
    signal.SIGTTOU,
    signal.SIGCHLD,
)

KILL_MARGIN = worker.LAST_WORDS + 1.0
"""Seconds after the time for requests when a worker that is still there gets SIGKILL."""

ABORT_SECONDS = 1.0
"""How long a worker that stands still may take to say where its threads are."""

SETTLE_SECONDS = 1.0
"""Between the last connection given to a socket and its worker's leaving: handshakes end."""

MOST_WORKERS = 1024

logger = logging.getLogger("freastal")


class Supervisor:
    """One server: see the head of the file.

    :param listeners: the open sockets; closed as soon as the server stops.
    :param signals: entered for as long as :meth:`run` runs.
    :param host: likewise.
    :param hooks: the supervisor's.
    :param identity: whom workers become.
    :param loaded: the application itself, where it is not the workers that import it.
    """

    def __init__(
        self,
        app: str | Callable[..., Any],
        config: Config,
        listeners: Listeners,
        signals: SignalPipe,
        host: Host,
        hooks: Hooks,
        identity: Identity | None = None,
        loaded: Callable[..., Any] | None = None,
    ) -> None:
        self._app = app
        self._config = config
        self._listeners = listeners
        self._slots = [Slot(index, host.tally) for index in range(config.workers)]
        self._state = State.STARTING
        self._code = 0
        self._selector = selectors.PollSelector()  # has no descriptor that a child would inherit
        self._signals = signals
        self._host = host
        self._hooks = hooks
        self._identity = identity
        self._loaded = loaded
        self._keys = Keys() if config.secure else None
        self._next_key = time.monotonic() + TICKET_SECONDS
        self._next_look = time.monotonic() if watch.looks(config) else None
        self._delay = StopDelay(config.shutdown_delay)
        self._to_replace: deque[Slot] = deque()
        """Slots whose worker is to be replaced, one after the other."""
        self._sharing = False
        """Workers accept from each other's sockets."""
        self._reloading = False
        """SIGHUP is being carried out."""
        self._watcher = watch_program(config)
        self._orphans = Orphans()
        self._retiring: list[tuple[float, Slot]] = []
        """Slots that get no new connections, and when their workers are told to leave."""

    def run(self) -> int:
        """Serve to the end.

        :returns: the exit code.
        """
        self._selector.register(self._signals.fd, selectors.EVENT_READ, self._on_signals)
        self._host.show(self._selector, self._slots, self._listeners)
        if self._watcher is not None:
            self._selector.register(self._watcher.fd, selectors.EVENT_READ, self._on_changes)
        try:
            while self._turn():
                pass
        finally:
            for process in self._processes():
                self._close_channel(process)
            if self._watcher is not None:
                self._watcher.close()
        return self._code

    # What is due

    def _turn(self) -> bool:
        """Do what is due, wait for what comes; false when it is over."""
        now = time.monotonic()
        self._host.look(now)
        if self._living:
            self._start_due(now)
            self._rotate_due(now)
            self._look_due(now)
            self._retire_due(now)
            self._replace_next()
            if self._delay.is_over(now):
                self._on_stop_signal(signal.SIGTERM)
        self._kill_due(now)
        if not self._living and not any(self._processes()):
            return False
        for key, _ in self._selector.select(self._time_to_wait()):
            key.data()
        return True

    @property
    def _living(self) -> bool:
        return self._state in (State.STARTING, State.SERVING)

    def _processes(self) -> list[Process]:
        return [process for slot in self._slots for process in slot.processes]

    def _time_to_wait(self) -> float | None:
        times = [process.kill_at for process in self._processes()] + [self._host.next_at]
        if self._living:
            times += [slot.start_at for slot in self._slots]
            times += [self._next_key] if self._keys else []
            times += [self._next_look, self._delay.due] + [due for due, _ in self._retiring]
        due = [each for each in times if each is not None]
        return max(0.0, min(due) - time.monotonic()) if due else None

    def _enter(self, state: State) -> None:
        assert (self._state, state) in EDGES
        self._state = state

    def _look_due(self, now: float) -> None:
        if self._next_look is None or now < self._next_look:
            return
        self._next_look = now + watch.LOOK_SECONDS
        for slot in self._slots:
            for process in slot.processes:
                seconds = watch.stuck_for(process, self._config, now)
                if seconds is not None and not process.stuck:
                    self._abort(process, seconds)
            if slot.current and not slot.current.stuck and slot not in self._to_replace:
                reason = watch.worn(slot.current, self._config, now)
                if reason and slot.successor is None and now >= slot.renew_after:
                    if watch.late_for(slot.current, self._config, now):
                        slot.current.tell(worker.SAY_CALLS)
                    slot.renewal, words = reason
                    logger.info("%s is replaced: %s", slot.current, words)
                    self._to_replace.append(slot)

    def _abort(self, process: Process, seconds: float) -> None:
        """It stands still: it is to say where (faulthandler, at SIGABRT), and is killed."""
        process.stuck = True
        at = f" ({process.board.line})" if process.board.line else ""
        logger.error("%s has been at one step for %.0f s%s: killing it", process, seconds, at)
        process.leave(signal.SIGABRT, ABORT_SECONDS)

    def _kill_due(self, now: float) -> None:
        late = [p for p in self._processes() if p.kill_at is not None and p.kill_at <= now]
        if not late:
            return
        if self._state is State.STOPPING:
            self._enter(State.KILLING)
        names = ", ".join(str(process) for process in late if not process.stuck)
        if names:
            logger.warning("not finished in time: killing %s", names)
        for process in late:
            process.kill_at = None
            process.signal(signal.SIGKILL)

    # Starting workers

    def _start_due(self, now: float) -> None:
        for slot in self._slots:
            if slot.start_at is not None and slot.start_at <= now:
                self._start(slot)
            if not self._living:  # it could not be started
                break

    def _start(self, slot: Slot) -> None:
        """Fork a worker: the slot's current one, or its successor."""

        def work(channel: socket.socket, board: Board, mask: Iterable[int]) -> None:
            self._become_worker(slot, channel, board, mask)

        self._hooks.call("pre_fork", self._hooks.worker(slot.number))
        try:
            process = spawn(slot.number, HANDLED, work)
        except OSError as error:
            self._not_started(slot, error)
            return
        slot.begin(process)
        self._delay.tell(process)
        assert process.channel is not None
        self._selector.register(
            process.channel, selectors.EVENT_READ, lambda: self._on_channel(slot, process)
        )

    def _not_started(self, slot: Slot, error: OSError) -> None:
        if self._state is State.STARTING:
            self._fail(f"freastal: worker {slot.number} cannot be started: {error}", 1)
            return
        pause = slot.pause(None, time.monotonic())
        logger.error("worker %d cannot be started: %s; again in %g s", slot.number, error, pause)
        if slot.current is None:
            slot.start_at = time.monotonic() + pause
        else:
            slot.renew_after = time.monotonic() + pause

    def _become_worker(
        self, slot: Slot, channel: socket.socket, board: Board, mask: Iterable[int]
    ) -> None:
        """In the child; does not return."""
        self._signals.close()
        self._host.drop()
        for other in self._processes():
            if other.channel is not None:
                other.channel.close()
        job = worker.Job(
            app=self._app,
            config=self._config,
            sockets=self._listeners.of_slot(slot.index),
            all_sockets=self._listeners.all,
            common=bool(self._listeners.common),
            channel=channel,
            board=board,
            ticket_keys=self._keys.all if self._keys else (),
            identity=self._identity,
            loaded=self._loaded,
            number=slot.number,
            title=self._host.worker_title(slot.number),
        )
        worker.run(job, mask)

    def _rotate_due(self, now: float) -> None:
        """Seal session tickets with a new key, in all workers, when its time has come."""
        if self._keys is None or now < self._next_key:
            return
        self._next_key = now + TICKET_SECONDS
        line = self._keys.rotate().hex().encode()
        for process in self._processes():
            process.tell(line)

    # What workers say

    def _on_channel(self, slot: Slot, process: Process) -> None:
        """Read a worker's report; its end of file says nothing that SIGCHLD does not."""
        while process.channel is not None:
            try:
                data = process.channel.recv(65536)
            except BlockingIOError:
                return
            except ConnectionError:
                data = b""
            process.received += data
            if not data:
                self._close_channel(process)
            elif process.received.endswith(b"\n"):
                self._on_report(slot, process, worker.Report.decode(process.received))

    def _on_report(self, slot: Slot, process: Process, report: worker.Report) -> None:
        if not report.code:
            self._on_ready(slot, process, report)
        elif self._state is State.STARTING and self._watcher is None:
            self._fail(f"{report.traceback_text}freastal: {report.line}", report.code)
        elif self._living:
            logger.error("%s: %s\n%s", process, report.line, report.traceback_text.rstrip())

    def _on_ready(self, slot: Slot, process: Process, report: worker.Report) -> None:
        process.ready_at = time.monotonic()
        if self._state is State.SERVING:
            if process is slot.successor:
                old = slot.promote()
                logger.info("%s is ready; pid %d leaves", process, old.pid)
                old.leave(signal.SIGTERM, self._grace + KILL_MARGIN)
                self._note_progress()
            else:
                logger.info("%s is ready", process)
            self._steer()
        elif self._state is State.STARTING and all(slot.ready for slot in self._slots):
            self._enter(State.SERVING)
            self._sharing = self._config.shares_sockets(report.interface)
            self._steer()
            announce(
                self._app, self._config, report.interface, self._listeners.bound, len(self._slots)
            )
            self._host.ready(self._size)
            self._hooks.call("when_ready")

    # Replacing workers

    def _replace_next(self) -> None:
        """Start the successor of the next worker that is to be replaced, if none is booting."""
        if any(slot.successor for slot in self._slots) or self._state is not State.SERVING:
            return
        for slot in list(self._to_replace):
            if slot.retired:
                self._to_replace.remove(slot)
            elif slot.ready:
                self._to_replace.remove(slot)
                self._start(slot)
                return
        self._note_progress()

    def _note_progress(self) -> None:
        """Is a reload over?"""
        if self._reloading and not self._to_replace and not any(s.successor for s in self._slots):
            self._reloading = False
            logger.info("reloaded")
            self._host.ready(self._size)

    def _give_up_replacing(self, slot: Slot, process: Process, how: str) -> None:
        """A successor has died before it was ready: who serves goes on."""
        if self._reloading:
            self._host.ready(self._size)
        self._reloading = False
        self._to_replace.clear()
        pause = slot.pause(process, time.monotonic())
        slot.renew_after = time.monotonic() + pause
        logger.error("%s %s before it was ready: %s goes on", process, how, slot.current)

    def _steer(self) -> None:
        """New connections go where somebody serves.

        Where all accept from all sockets, they go to one of them: who waits in one queue is served
        in turn.
        """
        serve = [slot.index for slot in self._slots if slot.ready and not slot.retired]
        self._listeners.steer([0] if self._sharing else serve)

    def _on_one_more(self) -> None:
        kept = next((slot for slot in self._slots if slot.retired), None)
        if kept is not None:
            kept.retired, kept.start_at = False, 0.0 if kept.current is None else None
            self._retiring = [(due, slot) for due, slot in self._retiring if slot is not kept]
        elif len(self._slots) >= MOST_WORKERS:
            logger.error("SIGTTIN: there are %d workers, no more are allowed", MOST_WORKERS)
            return
        else:
            try:
                if not self._sharing:
                    self._listeners.add_slot()
            except OSError as error:
                logger.error("SIGTTIN: no socket for one worker more: %s", error)
                return
            self._slots.append(Slot(len(self._slots), self._host.tally))
        self._steer()
        logger.info("SIGTTIN: %s", count(self._size, "worker"))
        self._hooks.call("nworkers_changed", self._size, self._size - 1)

    def _on_one_less(self) -> None:
        if self._size == 1:
            logger.info("SIGTTOU: 1 worker is the least")
            return
        slot = [slot for slot in self._slots if not slot.retired][-1]
        slot.retired, slot.start_at = True, None
        self._retiring.append((time.monotonic() + SETTLE_SECONDS, slot))
        self._steer()
        logger.info("SIGTTOU: %s", count(self._size, "worker"))
        self._hooks.call("nworkers_changed", self._size, self._size + 1)

    @property
    def _size(self) -> int:
        return sum(not slot.retired for slot in self._slots)

    def _retire_due(self, now: float) -> None:
        """Carry out what SIGTTOU has begun, when handshakes with the slot's sockets are over.

        Its worker takes what is queued there, and leaves; then the sockets are closed, those of the
        last slot first.
        """
        for due, slot in list(self._retiring):
            if due <= now:
                self._retiring.remove((due, slot))
                for process in slot.dismiss():
                    process.leave(signal.SIGTERM, self._grace + KILL_MARGIN)
        if any(process.ready_at is None for process in self._processes()):
            return  # who boots has duplicates of all sockets
        while self._slots[-1].retired and not self._slots[-1].processes:
            self._slots.pop()
            if not self._sharing:
                self._listeners.remove_slot()

    # Signals and deaths

    def _on_signals(self) -> None:
        for number in self._signals.take():
            if number == signal.SIGCHLD:
                self._reap()
            elif number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT):
                self._on_stop_signal(signal.Signals(number))
            elif not self._living:
                continue
            elif number == signal.SIGHUP:
                self._on_hang_up()
            elif number == signal.SIGUSR1:
                self._on_reopen()
            elif number == signal.SIGUSR2:
                self._on_renew()
            elif self._state is not State.SERVING:
                continue
            elif number == signal.SIGTTIN:
                self._on_one_more()
            elif number == signal.SIGTTOU:
                self._on_one_less()

    def _on_hang_up(self) -> None:
        self._hooks.call("on_reload")
        self._reload("SIGHUP")

    def _on_changes(self) -> None:
        """Files of the program have changed (--reload)."""
        assert self._watcher is not None
        changed = self._watcher.take()
        if changed is None:
            self._selector.unregister(self._watcher.fd)
            logger.error("--reload: nobody watches any more")
        elif changed and self._living:
            more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
            self._reload(f"{os.path.relpath(changed[0])}{more} changed")

    def _reload(self, why: str) -> None:
        self._reloading = True
        self._to_replace = deque(slot for slot in self._slots if not slot.retired)
        for slot in self._to_replace:
            if slot.current is None:
                slot.start_at = 0.0  # it waits after a death, or for a change
        logger.info("%s: replacing %s", why, count(self._size, "worker"))
        if self._loaded is not None:
            logger.info("the code stays as it was when the server started: --preload")
        self._host.reloading()

    def _on_reopen(self) -> None:
        try:
            self._host.reopen_logs()
        except (OSError, AccessLogError) as error:
            logger.error("SIGUSR1: %s", error)
        for process in self._processes():
            process.signal(signal.SIGUSR1)

    def _on_renew(self) -> None:
        if not self._config.secure:
            logger.info("SIGUSR2: there are no certificates to read anew")
            return
        for process in self._processes():
            process.signal(signal.SIGUSR2)

    @property
    def _grace(self) -> float:
        return self._config.timeout_graceful_shutdown

    def _on_stop_signal(self, number: signal.Signals) -> None:
        if self._state is State.SERVING and self._delay.begin(number, self._processes()):
            self._host.stopping()
        elif self._state is State.STOPPING:
            self._code = worker.EXIT_ERROR
            self._enter(State.KILLING)
            left = ", ".join(map(str, self._processes()))
            logger.warning("%s: killing %s", number.name, left)
            for process in self._processes():
                process.signal(signal.SIGKILL)
        elif self._state is not State.KILLING:
            grace = 0.0 if number == signal.SIGQUIT else self._grace
            logger.info("%s: stopping, requests in flight have %g s", number.name, grace)
            self._stop(signal.SIGTERM if number == signal.SIGINT else number, grace)

    def _reap(self) -> None:
        for slot in list(self._slots):
            for process in slot.processes:
                code = process.reap()
                if code is not None:
                    self._on_channel(slot, process)  # its last word may not have been read yet
                    self._on_death(slot, process, code)
        self._orphans.reap({process.pid for process in self._processes()})

    def _on_death(self, slot: Slot, process: Process, code: int) -> None:
        """A worker is dead: with an exit code, or by a signal where that is negative."""
        self._close_channel(process)
        how = process.end_of(code)
        serves = process is slot.current
        boots = process is slot.successor
        slot.bury(process)
        if not self._living or not (serves or boots):
            calm = not self._living or code == 0 or process.stuck
            logger.log(logging.DEBUG if calm else logging.WARNING, "%s %s", process, how)
        elif boots:
            self._give_up_replacing(slot, process, how)
        elif self._state is State.STARTING and process.ready_at is None and self._watcher:
            logger.error("%s %s before it was ready: waiting for a change", process, how)
        elif self._state is State.STARTING and process.ready_at is None:
            self._fail(f"freastal: {process} {how} before it was ready", worker.EXIT_APP)
        else:
            self._lost(slot, process, how, code)
        process.forget()
        self._hooks.call("child_exit", self._hooks.worker(slot.number, process.pid))

    def _lost(self, slot: Slot, process: Process, how: str, code: int) -> None:
        """Who served is dead, or who was to serve: somebody else is to."""
        pause = slot.pause(process, time.monotonic(), killed=code < 0)
        level = logging.INFO if code == 0 else logging.ERROR
        if slot.current is None and not slot.retired:
            slot.start_at = time.monotonic() + pause
        when = f"in {pause:g} s" if pause else "now"
        logger.log(level, "%s %s; starting another %s", process, how, when)
        if self._state is State.SERVING:
            self._steer()

    def _fail(self, text: str, code: int) -> None:
        say(text)
        self._code = code
        self._stop(signal.SIGTERM, self._grace)

    def _stop(self, number: int, grace: float) -> None:
        self._enter(State.STOPPING)
        self._host.stopping()
        self._listeners.close()
        for slot in self._slots:
            slot.dismiss()
            for process in slot.processes:
                process.leave(number, grace + KILL_MARGIN)

    def _close_channel(self, process: Process) -> None:
        if process.channel is not None:
            self._selector.unregister(process.channel)
            process.channel.close()
            process.channel = None
