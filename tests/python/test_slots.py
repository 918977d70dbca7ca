"""Slots and what is seen in them, with processes that are none."""

from __future__ import annotations

import os
import signal
import socket
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from freastal.board import LINE, WORDS, Board
from freastal.figures import Tally
from freastal.slots import FIRST_PAUSE, LONGEST_PAUSE, LONGEST_PAUSE_KILLED, SETTLED, Process, Slot
from freastal.watch import LIFETIME_JITTER, late_for, looks, stuck_for, worn


@pytest.fixture
def process() -> Iterator[Process]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        made = Process(1, 2**22, Board(), ours)
        made.alive = False  # nobody has that pid
        yield made
        made.forget()


def config(**values: float) -> Any:
    names = [
        *("timeout_worker", "timeout_request", "limit_max_requests", "limit_max_requests_jitter"),
        *("workers_lifetime", "workers_max_rss"),
    ]
    return SimpleNamespace(**dict.fromkeys(names, 0) | values)


def show(board: Board, step: int, requests: int, line: bytes, call: int = 0) -> None:
    head = WORDS.pack(step, requests, call, len(line), 0)
    board.memory[: WORDS.size + LINE] = head + line.ljust(LINE, b"\0")


class TestSlot:
    def test_who_is_started_where_nobody_is_becomes_current(self, process: Process) -> None:
        slot = Slot(0)
        assert (slot.start_at, slot.ready) == (0.0, False)
        slot.begin(process)
        assert (slot.current, slot.start_at, slot.ready) == (process, None, False)
        process.ready_at = 1.0
        assert slot.ready

    def test_a_successor_takes_over_and_the_old_one_leaves(self, process: Process) -> None:
        slot, old = Slot(0), process
        new = Process(1, 0, old.board, socket.socket())
        slot.begin(old)
        slot.begin(new)
        assert (slot.current, slot.successor) == (old, new)
        assert slot.promote() is old
        assert (slot.current, slot.successor, slot.leaving) == (new, None, [old])
        slot.bury(old)
        assert slot.processes == [new]
        new.channel.close()  # type: ignore[union-attr]

    def test_a_successor_whose_predecessor_dies_boots_on_as_current(self, process: Process) -> None:
        slot, old = Slot(0), process
        new = Process(1, 0, old.board, socket.socket())
        slot.begin(old)
        slot.begin(new)
        slot.bury(old)
        assert (slot.current, slot.successor, slot.leaving) == (new, None, [])
        slot.bury(new)
        assert slot.processes == []
        new.channel.close()  # type: ignore[union-attr]

    def test_dismissed(self, process: Process) -> None:
        slot = Slot(0)
        slot.begin(process)
        assert slot.dismiss() == [process]
        assert (slot.current, slot.leaving, slot.start_at) == (None, [process], None)

    def test_pauses_double_up_to_a_limit_and_start_again(self, process: Process) -> None:
        slot = Slot(0)
        process.ready_at = 0.0
        pauses = [slot.pause(process, 0.0) for _ in range(40)]
        assert pauses[:3] == [FIRST_PAUSE, 2 * FIRST_PAUSE, 4 * FIRST_PAUSE]
        assert pauses == sorted(pauses)
        assert pauses[-1] == LONGEST_PAUSE
        assert slot.pause(process, SETTLED) == 0.0
        assert slot.pause(process, 0.0) == FIRST_PAUSE
        assert slot.pause(None, 0.0) == 2 * FIRST_PAUSE

    def test_who_has_answered_is_replaced_at_once(self, process: Process) -> None:
        slot = Slot(0)
        show(process.board, 0, 1, b"GET /")
        assert slot.pause(process, 0.0) == FIRST_PAUSE, "it was not ready"
        process.ready_at = 0.0
        assert slot.pause(process, 0.0) == 0.0

    def test_who_is_killed_does_not_keep_the_place_empty_for_long(self, process: Process) -> None:
        slot = Slot(0)
        pauses = [slot.pause(process, 0.0, killed=True) for _ in range(40)]
        assert pauses[0] == FIRST_PAUSE
        assert pauses[-1] == LONGEST_PAUSE_KILLED


class TestProcess:
    def test_its_end_in_words(self, process: Process) -> None:
        show(process.board, 0, 1, b"GET /a\x1b\\\xff")
        last = "(the request that came last: GET /a\\x1b\\x5c\\xff)"
        assert process.end_of(3) == f"exited with code 3 {last}"
        assert process.end_of(-signal.SIGSEGV) == f"was killed by SIGSEGV {last}"
        show(process.board, 0, 0, b"")
        assert process.end_of(-60) == "was killed by signal 60"

    def test_reaped_once(self) -> None:
        pid = os.posix_spawnp("false", ["false"], {})
        ours, theirs = socket.socketpair()
        with ours, theirs:
            child = Process(1, pid, Board(), ours)
            end = time.monotonic() + 60
            while (code := child.reap()) is None and time.monotonic() < end:
                time.sleep(0.01)
            assert (code, child.alive, child.reap()) == (1, False, None)
            child.signal(signal.SIGKILL)  # nobody is hit
            assert child.rss() == 0
            child.forget()

    def test_memory_of_a_living_one(self) -> None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            this = Process(1, os.getpid(), Board(), ours)
            assert this.rss() > 2**20
            this.forget()


class TestWatch:
    def test_nothing_to_look_for(self) -> None:
        assert not looks(config())
        assert looks(config(workers_max_rss=1))

    def test_a_step_that_does_not_end(self, process: Process) -> None:
        limit = config(timeout_worker=10)
        show(process.board, 100_000, 0, b"")
        assert stuck_for(process, limit, 111.0) is None, "it is booting"
        process.ready_at = 50.0
        assert stuck_for(process, limit, 110.0) is None
        assert stuck_for(process, limit, 111.0) == 11.0
        assert stuck_for(process, config(), 111.0) is None
        show(process.board, 0, 0, b"")
        assert stuck_for(process, limit, 111.0) is None, "it waits"

    def test_a_step_from_before_it_was_ready(self, process: Process) -> None:
        show(process.board, 1_000, 0, b"")
        process.ready_at = 100.0
        assert stuck_for(process, config(timeout_worker=10), 105.0) is None

    def test_a_call_in_a_thread_that_does_not_end(self, process: Process) -> None:
        limit = config(timeout_request=10)
        process.ready_at = 50.0
        show(process.board, 0, 0, b"", call=100_000)
        assert late_for(process, limit, 110.0) is None
        assert late_for(process, limit, 110.5) == 10.5
        assert worn(process, limit, 111.0) == ("call", "a call of the application has taken 11 s")
        assert worn(process, config(), 111.0) is None
        show(process.board, 0, 0, b"")
        assert worn(process, limit, 111.0) is None, "none runs"

    def test_requests_with_jitter(self, process: Process) -> None:
        limit = config(limit_max_requests=1000, limit_max_requests_jitter=100)
        process.chance = 0.5
        show(process.board, 0, 1049, b"")
        assert worn(process, limit, 0.0) is None
        show(process.board, 0, 1050, b"")
        assert worn(process, limit, 0.0) is None, "it is not ready"
        process.ready_at = 0.0
        assert worn(process, limit, 0.0) == ("requests", "it has answered 1,050 requests")
        assert worn(process, config(), 0.0) is None

    def test_lifetime_with_jitter(self, process: Process) -> None:
        process.ready_at, process.chance = 100.0, 1.0
        limit = config(workers_lifetime=60)
        end = 100 + 60 * (1 + LIFETIME_JITTER)
        assert worn(process, limit, end - 1) is None
        assert worn(process, limit, end) == ("age", "it has served for 66 s")

    def test_memory(self, process: Process) -> None:
        process.ready_at, process.pid = 0.0, os.getpid()
        assert worn(process, config(workers_max_rss=2**20), 0.0) is None
        reason = worn(process, config(workers_max_rss=1), 0.0)
        assert reason is not None
        assert reason[0] == "memory"
        assert reason[1].startswith("it takes ")


def test_a_line_that_is_longer_than_there_is_room(process: Process) -> None:
    show(process.board, 0, 0, b"GET /")
    process.board.memory[24:28] = (10**6).to_bytes(4, "little")
    assert len(process.board.line) >= LINE


class TestTally:
    def test_a_replaced_worker_is_counted_with_its_reason(self, process: Process) -> None:
        tally = Tally()
        slot = Slot(0, tally)
        slot.begin(process)
        slot.renewal = "age"
        slot.begin(process)
        slot.promote()
        assert tally.restarts["age"] == 1
        assert slot.renewal == "reload"

    def test_a_successor_that_dies_has_replaced_nobody(self, process: Process) -> None:
        tally = Tally()
        slot = Slot(0, tally)
        slot.begin(process)
        slot.renewal = "age"
        ours, theirs = socket.socketpair()
        theirs.close()
        slot.begin(Process(1, 2**22, Board(), ours))
        assert slot.successor is not None
        slot.bury(slot.successor)
        ours.close()
        assert sum(tally.restarts.values()) == 0
        assert slot.renewal == "reload"
