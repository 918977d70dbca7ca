"""ASGI applications that differ in their lifespan; requests are answered by asgi_probe.py."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable

import asgi_probe
from asgi_parts import Receive, Scope, Send, gate
from probe import note

Lifespan = Callable[[Scope, Receive, Send], Awaitable[None]]


def served_with(lifespan: Lifespan) -> Lifespan:
    """An application of that lifespan."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await lifespan(scope, receive, send)
        else:
            scope.setdefault("state", {})
            await asgi_probe.app(scope, receive, send)

    return app


@served_with
async def scope(scope: Scope, receive: Receive, send: Send) -> None:
    """Notes its scope and its messages."""
    note(f"scope {scope!r}")
    note(f"message {await receive()}")
    await send({"type": "lifespan.startup.complete"})
    note(f"message {await receive()}")
    await send({"type": "lifespan.shutdown.complete"})
    note("returned")


@served_with
async def missing(scope: Scope, receive: Receive, send: Send) -> None:
    """No lifespan, as most bare applications say it."""
    assert scope["type"] == "http"


@served_with
async def raising(scope: Scope, receive: Receive, send: Send) -> None:
    """Fails after it has been told to start."""
    await receive()
    raise RuntimeError("no database here")


@served_with
async def returning(scope: Scope, receive: Receive, send: Send) -> None:
    """Returns without a word."""


@served_with
async def failing(scope: Scope, receive: Receive, send: Send) -> None:
    """Says that it cannot start."""
    await receive()
    await send({"type": "lifespan.startup.failed", "message": "no database here"})


@served_with
async def slow(scope: Scope, receive: Receive, send: Send) -> None:
    """Starts when a gate opens, ends when another does."""
    await receive()
    note("starting")
    await gate("start")
    await send({"type": "lifespan.startup.complete"})
    await receive()
    note("stopping")
    await gate("stop")
    note("stopped")
    await send({"type": "lifespan.shutdown.complete"})


@served_with
async def failing_late(scope: Scope, receive: Receive, send: Send) -> None:
    """Says that it could not end."""
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.failed", "message": "the pool leaks"})


@served_with
async def raising_late(scope: Scope, receive: Receive, send: Send) -> None:
    """Fails at its end."""
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    raise RuntimeError("the pool leaks")


@served_with
async def working(scope: Scope, receive: Receive, send: Send) -> None:
    """Holds a task that works as long as the application is served."""
    await receive()
    beats = 0

    async def beat() -> None:
        nonlocal beats
        while True:
            await asyncio.sleep(0.01)
            beats += 1

    task = asyncio.create_task(beat())
    await send({"type": "lifespan.startup.complete"})
    await receive()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    note(f"worked {beats > 0}")
    await send({"type": "lifespan.shutdown.complete"})


@served_with
async def half(scope: Scope, receive: Receive, send: Send) -> None:
    """Fails in the second worker that starts and in none before."""
    await receive()
    try:
        os.close(
            os.open(os.path.join(os.environ["PROBE_DIRECTORY"], "first"), os.O_CREAT | os.O_EXCL)
        )
    except FileExistsError:
        await send({"type": "lifespan.startup.failed", "message": "only one of us"})
        return
    await send({"type": "lifespan.startup.complete"})
    await receive()
    note("first ends")
    await send({"type": "lifespan.shutdown.complete"})
