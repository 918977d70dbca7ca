"""What the supervisor looks for in workers that seem well: a step that does not end, and age."""

from __future__ import annotations

from freastal.config import Config
from freastal.slots import Process

__all__ = ["LOOK_SECONDS", "late_for", "looks", "stuck_for", "worn"]

LOOK_SECONDS = 1.0
"""How often it looks."""

LIFETIME_JITTER = 0.1
"""By which part of itself a lifetime grows at most, so that workers that were started together do
not end together."""

MIB = 1024 * 1024


def looks(config: Config) -> bool:
    """Whether there is anything to look for."""
    return bool(
        config.timeout_worker
        or config.timeout_request
        or config.limit_max_requests
        or config.workers_lifetime
        or config.workers_max_rss
    )


def stuck_for(process: Process, config: Config, now: float) -> float | None:
    """How many seconds its loop's thread has been at one step, where that is too long."""
    began = process.board.step
    if not config.timeout_worker or began is None or process.ready_at is None:
        return None
    # A worker that has just begun its first turn may show a step from before it was ready.
    seconds = now - max(began, process.ready_at)
    return seconds if seconds > config.timeout_worker else None


def late_for(process: Process, config: Config, now: float) -> float | None:
    """How many seconds a call in one of its threads has taken, where that is too long."""
    began = process.board.call
    if not config.timeout_request or began is None or now - began <= config.timeout_request:
        return None
    return now - began


def worn(process: Process, config: Config, now: float) -> tuple[str, str] | None:
    """Why it is to be replaced, where it is: of :data:`freastal.figures.Tally.REASONS`, and in
    words.
    """
    if process.ready_at is None:
        return None
    if config.limit_max_requests:
        jitter = process.chance * config.limit_max_requests_jitter
        if process.board.requests >= config.limit_max_requests + jitter:
            return "requests", f"it has answered {process.board.requests:,} requests"
    late = late_for(process, config, now)
    if late is not None:
        return "call", f"a call of the application has taken {late:.0f} s"
    lifetime = config.workers_lifetime * (1 + LIFETIME_JITTER * process.chance)
    if config.workers_lifetime and now - process.ready_at >= lifetime:
        return "age", f"it has served for {now - process.ready_at:.0f} s"
    if config.workers_max_rss and process.rss() > config.workers_max_rss * MIB:
        return "memory", f"it takes {process.rss() // MIB:,} MiB of memory"
    return None
