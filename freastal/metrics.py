"""What ``--metrics`` shows of a server: Prometheus's text, and the numbers of the status page.

Read off shared memory, the supervisor's own lists and the kernel; no worker is asked, so that all
of it is there while every worker hangs. ``docs/METRICS.md`` describes each metric.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from freastal import __version__, accept_queue
from freastal.board import Board
from freastal.figures import BOUNDS, CLASSES, METHODS, Figures, Tally
from freastal.sockets import Listeners, address_of

__all__ = ["CONTENT_TYPE", "Place", "Source", "Worker", "numbers", "text"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

NANO = 1e-9


class Worker(Protocol):
    """A process, as :class:`freastal.slots.Process` is one."""

    pid: int
    board: Board
    started_at: float
    ready_at: float | None
    stuck: bool

    def rss(self) -> int:
        """Bytes of resident memory; 0: nobody knows."""


class Place(Protocol):
    """A slot, as :class:`freastal.slots.Slot` is one."""

    @property
    def number(self) -> int:
        """As people count."""

    @property
    def leaving(self) -> Sequence[Worker]:
        """Who has been told to stop."""

    @property
    def processes(self) -> Sequence[Worker]:
        """All of them."""


@dataclass
class Source:
    """Where the numbers are."""

    name: str
    """The application's."""
    slots: Sequence[Place]
    """As they are now: the supervisor's own list."""
    tally: Tally
    listeners: Listeners
    began: float = field(default_factory=time.time)


@dataclass
class Row:
    """One process of a moment."""

    slot: int
    worker: Worker
    figures: Figures
    state: str
    rss: int


def _rows(source: Source) -> list[Row]:
    return [
        Row(slot.number, each, each.board.figures, _state(each, slot), each.rss())
        for slot in source.slots
        for each in slot.processes
    ]


def _state(worker: Worker, slot: Place) -> str:
    if worker.stuck:
        return "hung"
    if any(worker is each for each in slot.leaving):
        return "leaving"
    return "starting" if worker.ready_at is None else "serving"


STATES = ("starting", "serving", "leaving", "hung")


def _sum(parts: Iterable[Figures]) -> Figures:
    total = Figures()
    for each in parts:
        total += each
    return total


def _queues(listeners: Listeners) -> dict[str, int]:
    """Connections to accept, by address."""
    found: dict[str, int] = {}
    for each in listeners.all:
        count = accept_queue.waiting(each) if each.fileno() >= 0 else None
        if count is not None:
            name = str(address_of(each))
            found[name] = found.get(name, 0) + count
    return found


# --- Prometheus's text, version 0.0.4

Sample = tuple[str, dict[str, str], float]
"""What is behind the family's name, labels, value."""


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')


def _number(value: float) -> str:
    return f"{value:.9f}".rstrip("0").rstrip(".")


def _family(name: str, kind: str, words: str, samples: Iterable[Sample]) -> Iterator[str]:
    yield f"# HELP freastal_{name} {words}"
    yield f"# TYPE freastal_{name} {kind}"
    for suffix, labels, value in samples:
        inside = ",".join(f'{key}="{_escape(text)}"' for key, text in labels.items())
        yield f"freastal_{name}{suffix}{f'{{{inside}}}' if inside else ''} {_number(value)}"


def _one(name: str, kind: str, words: str, value: float) -> Iterator[str]:
    return _family(name, kind, words, [("", {}, value)])


def _by(name: str, kind: str, words: str, label: str, values: dict[str, int]) -> Iterator[str]:
    samples = [("", {label: key}, value) for key, value in values.items()]
    return _family(name, kind, words, samples) if samples else iter(())


def _requests(total: Figures) -> Iterator[str]:
    answers, refused = total.row("answers"), total.row("refused")
    yield from _family(
        "requests_total",
        "counter",
        "Requests with a whole response.",
        (
            ("", {"method": method, "status": status}, answers[i * len(CLASSES) + j])
            for i, method in enumerate(METHODS)
            for j, status in enumerate(CLASSES)
        ),
    )
    yield from _by(
        "requests_refused_total",
        "counter",
        "Requests that broke a rule or came too slowly, by the answer's status.",
        "status",
        dict(zip(CLASSES, refused, strict=True)),
    )
    yield from _one(
        "requests_aborted_total",
        "counter",
        "Requests that have got no whole response.",
        total.one("aborted") + total.one("dropped"),
    )
    yield from _one(
        "requests_in_flight", "gauge", "Requests that the application has.", total.in_flight
    )
    yield from _duration(total)


def _duration(total: Figures) -> Iterator[str]:
    counts, below = total.row("duration"), 0
    samples: list[Sample] = []
    for bound, count in zip([*map(_number, BOUNDS), "+Inf"], counts, strict=True):
        below += count
        samples.append(("_bucket", {"le": bound}, below))
    samples.append(("_sum", {}, total.one("duration_ns") * NANO))
    samples.append(("_count", {}, below))
    words = "From a request's arrival to the end of its response."
    return _family("request_duration_seconds", "histogram", words, samples)


def _waits(total: Figures) -> Iterator[str]:
    yield from _one(
        "run_queue_length", "gauge", "Requests that wait for the loop to run them.", total.queued
    )
    yield from _family(
        "run_queue_wait_seconds",
        "summary",
        "From a request's arrival to the call of the application, or to its pool.",
        [("_sum", {}, total.one("queue_ns") * NANO), ("_count", {}, total.one("started"))],
    )
    yield from _family(
        "gil_wait_seconds",
        "summary",
        "Waits of loops for the GIL, measured in one turn of sixteen.",
        [("_sum", {}, total.one("gil_ns") * NANO), ("_count", {}, total.one("gil_waits"))],
    )


def _connections(total: Figures, source: Source) -> Iterator[str]:
    yield from _by(
        "accept_queue_length",
        "gauge",
        "Connections that wait to be accepted.",
        "listener",
        _queues(source.listeners),
    )
    yield from _by("connections", "gauge", "Open connections.", "state", total.states)
    yield from _one(
        "connections_accepted_total", "counter", "Connections accepted.", total.one("accepted")
    )
    yield from _by(
        "connections_closed_total", "counter", "Connections closed, and why.", "reason",
        total.closed,
    )  # fmt: skip
    yield from _one(
        "received_bytes_total", "counter", "Bytes read from sockets.", total.one("bytes_in")
    )
    yield from _one(
        "sent_bytes_total", "counter", "Bytes written to sockets.", total.one("bytes_out")
    )
    yield from _by(
        "websocket_messages_total", "counter", "Messages of WebSockets.", "direction",
        {"received": total.one("messages_in"), "sent": total.one("messages_out")},
    )  # fmt: skip
    yield from _by(
        "tls_handshakes_total", "counter", "TLS handshakes.", "result",
        {result: total.one(f"handshakes_{result}") for result in ("full", "resumed", "failed")},
    )  # fmt: skip


def _workers(rows: Sequence[Row], source: Source, now: float) -> Iterator[str]:
    states = {state: sum(row.state == state for row in rows) for state in STATES}
    yield from _by("workers", "gauge", "Worker processes.", "state", states)
    yield from _by(
        "worker_restarts_total", "counter", "Workers that were replaced, and why.", "reason",
        source.tally.restarts,
    )  # fmt: skip
    numbers = sorted({row.slot for row in rows} | set(source.tally.numbers))
    requests = {
        str(number): sum(row.figures.answered for row in rows if row.slot == number)
        + source.tally.of(number).answered
        for number in numbers
    }
    yield from _by(
        "worker_requests_total", "counter", "Requests with a whole response, by the worker's "
        "place.", "worker", requests,
    )  # fmt: skip
    here = sorted({row.slot for row in rows})
    memory = {str(n): sum(row.rss for row in rows if row.slot == n) for n in here}
    yield from _by(
        "worker_resident_memory_bytes", "gauge", "Resident memory of the processes of a place.",
        "worker", memory,
    )  # fmt: skip
    yield from _family(
        "worker_step_seconds",
        "gauge",
        "For how long the loop has been at its present step; 0 while it waits.",
        (
            ("", {"worker": str(n)}, max(_step(row.worker, now) for row in rows if row.slot == n))
            for n in here
        ),
    )


def _step(worker: Worker, now: float) -> float:
    began = worker.board.step
    return 0.0 if began is None else max(0.0, now - began)


def text(source: Source) -> str:
    """All metrics now, as Prometheus reads them."""
    rows = _rows(source)
    total = _total(rows, source)
    lines = [
        *_family(
            "info", "gauge", "What runs here; always 1.",
            [("", {"version": __version__, "app": source.name}, 1)],
        ),
        *_one("start_time_seconds", "gauge", "When the server was started.", source.began),
        *_requests(total),
        *_waits(total),
        *_connections(total, source),
        *_workers(rows, source, time.monotonic()),
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _total(rows: Iterable[Row], source: Source) -> Figures:
    dead = (source.tally.of(number) for number in source.tally.numbers)
    return _sum([*(row.figures for row in rows), *dead])


# --- the status page's numbers


def numbers(source: Source) -> dict[str, Any]:
    """What the page draws: totals to take differences of, and the processes."""
    rows = _rows(source)
    total = _total(rows, source)
    answers = total.row("answers")
    return {
        "version": __version__,
        "app": source.name,
        "pid": os.getpid(),
        "time": time.monotonic(),
        "uptime": time.time() - source.began,
        "workers": [_worker(row) for row in rows],
        "restarts": source.tally.restarts,
        "statuses": {name: sum(answers[j :: len(CLASSES)]) for j, name in enumerate(CLASSES)},
        "refused": sum(total.row("refused")),
        "aborted": total.one("aborted") + total.one("dropped"),
        "in_flight": total.in_flight,
        "queued": total.queued,
        "bounds": BOUNDS,
        "duration": total.row("duration"),
        "connections": total.states,
        "accept_queue": sum(_queues(source.listeners).values()),
        "bytes_in": total.one("bytes_in"),
        "bytes_out": total.one("bytes_out"),
        "messages_in": total.one("messages_in"),
        "messages_out": total.one("messages_out"),
    }


def _worker(row: Row) -> dict[str, Any]:
    now = time.monotonic()
    return {
        "slot": row.slot,
        "pid": row.worker.pid,
        "state": row.state,
        "age": now - row.worker.started_at,
        "requests": row.figures.answered,
        "in_flight": row.figures.in_flight,
        "connections": row.figures.connections,
        "rss": row.rss,
        "step": _step(row.worker, now),
    }
