"""What asgi_probe.py and asgi_sockets.py share."""

from __future__ import annotations

import ast
import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from probe import DIRECTORY, PATIENCE, note

Message = dict[str, Any]
Scope = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Query = list[tuple[str, str]]
Handler = Callable[[Scope, Receive, Send, Query], Awaitable[None]]

EXCEPTIONS: dict[str, type[BaseException]] = {
    kind.__name__: kind
    for kind in (
        ValueError,
        MemoryError,
        SystemExit,
        KeyboardInterrupt,
        GeneratorExit,
        StopAsyncIteration,
        asyncio.CancelledError,
    )
}


def typed(value: object) -> object:
    """A value as JSON that shows its type: `["bytes", "text/plain"]`, `["dict", {…}]`."""
    kind = type(value).__name__
    if isinstance(value, bytes):
        return [kind, value.decode("latin-1")]
    if isinstance(value, dict):
        return [kind, {str(key): typed(item) for key, item in value.items()}]
    if isinstance(value, (list, tuple)):
        return [kind, [typed(item) for item in value]]
    if value is None or isinstance(value, (str, int)):
        return [kind, value]
    return [kind, None]


async def gate(name: str) -> None:
    """Waits for a file in the directory of the test."""
    deadline = time.monotonic() + PATIENCE
    while not (DIRECTORY / name).exists() and time.monotonic() < deadline:
        await asyncio.sleep(0.005)


async def perform(steps: list[str], receive: Receive, send: Send) -> None:
    """Does steps, each a Python literal.

    A dict is sent, and what `send` raises noted as `<index> <type>: <text>`; a tuple is sent part
    by part; a str is the name of an exception to raise; None receives, which is noted; a number
    sleeps.
    """
    for index, text in enumerate(steps):
        step = ast.literal_eval(text)
        if step is None:
            note(f"{index} received {await receive()}")
        elif isinstance(step, str):
            raise EXCEPTIONS[step]("on purpose")
        elif isinstance(step, float):
            await asyncio.sleep(step)
        else:
            for message in step if isinstance(step, tuple) else (step,):
                try:
                    await send(message)
                except Exception as error:
                    note(f"{index} {type(error).__name__}: {error}")
    note("performed")
