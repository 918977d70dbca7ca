"""What an application's own code does while the ASGI gateway reads a message of its: headers may be
any iterable, a switch any object.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from asgi_core_harness import (
    BODY,
    GET,
    START,
    Core,
    Message,
    Receive,
    Scope,
    Send,
    run,
)
from core_harness import settle
from test_core_asgi import (
    HINT,
    PROMISED,
    TRAILERS,
    body,
    errors,
    hint,
    pathsend,
    start,
    trailers,
    zerocopysend,
)

from freastal import _core

__all__ = ["errors"]  # a fixture

COUNTED = b"a value that is counted"
FILE = open(__file__, "rb")  # noqa: SIM115 (for all tests)


class Acts:
    """Acts when it is asked for anything."""

    def __init__(self, act: Callable[[], None]) -> None:
        self._act = act

    def __bool__(self) -> bool:
        self._act()
        return True

    def __fspath__(self) -> str:
        self._act()
        return __file__

    def fileno(self) -> int:
        self._act()
        return FILE.fileno()

    def __iter__(self) -> Iterator[Any]:
        yield b"x-a", COUNTED
        self._act()
        yield b"x-b", COUNTED


class Links(Acts):
    def __iter__(self) -> Iterator[Any]:
        self._act()
        yield COUNTED


class Pair(Acts):
    def __iter__(self) -> Iterator[Any]:
        self._act()
        yield b"x-a"
        yield COUNTED


# What comes before; the message.
READ: dict[str, tuple[list[Message], Callable[[Callable[[], None]], Message]]] = {
    "start": ([], lambda act: start(headers=Acts(act))),
    "pair": ([], lambda act: start(headers=[(b"x", COUNTED)] * 30 + [Pair(act)])),
    "promise": ([], lambda act: start(trailers=Acts(act))),
    "hint": ([], lambda act: hint(links=Links(act))),
    "more_body": ([START], lambda act: body(body=COUNTED, more_body=Acts(act))),
    "path": ([START], lambda act: pathsend(path=Acts(act))),
    "file": ([START], lambda act: zerocopysend(file=Acts(act))),
    "file more": ([START], lambda act: zerocopysend(file=FILE, more_body=Acts(act))),
    "trailers": (PROMISED, lambda act: trailers(headers=Acts(act))),
    "trailer": (PROMISED, lambda act: trailers(headers=[(b"x", COUNTED)] * 30 + [Pair(act)])),
    "more_trailers": (PROMISED, lambda act: trailers(more_trailers=Acts(act))),
}


NESTED = "send() called while it reads another message"


@pytest.mark.parametrize("name", READ)
def test_send_inside_of_send(name: str, errors: Callable[[], list[str]]) -> None:
    """It is refused, and the message that was being read is sent."""
    before, make = READ[name]
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        def act() -> None:
            for message in (START, BODY, HINT, TRAILERS):
                with pytest.raises(RuntimeError) as raised:
                    send(message)
                seen.append(str(raised.value))

        for message in before:
            await send(message)
        await send(make(act))
        if name == "hint":
            await send(START)
        if name in ("start", "pair", "promise", "hint"):
            await send(BODY)
        if name in ("more_body", "file more"):
            await send(body())
        if name in ("promise", "more_trailers"):
            await send(trailers())

    async def main() -> None:
        async with Core(app) as core:
            answer = await core.ask()
            assert b" 200 OK\r\n" in answer
            assert not core.live().get("calls")

    run(main())
    assert seen
    assert set(seen) == {NESTED}
    assert errors() == []


@pytest.mark.parametrize("name", READ)
def test_the_worker_is_closed_while_a_message_is_read(name: str) -> None:
    """The message is refused: nothing is sent behind the end, and nothing kept."""
    before, make = READ[name]
    cores: list[Core] = []
    refused: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(0)  # out of the turn: in there a worker cannot be closed
        for message in before:
            await send(message)
        for message in (make(cores[-1].worker.close), TRAILERS):
            with pytest.raises(_core.ClientDisconnected, match="nothing can be sent any more"):
                await send(message)
            refused.append(message["type"])

    async def main() -> None:
        async with Core(app) as core:
            cores.append(core)
            answer = await core.ask()
            assert b" 200 " not in answer or before == PROMISED

    references = sys.getrefcount(COUNTED)
    run(main())
    cores.clear()
    settle()
    assert sys.getrefcount(COUNTED) == references
    assert len(refused) == 2


def test_the_worker_is_closed_while_what_is_not_sent_is_read() -> None:
    """A piece of a body, where there is none: HEAD."""
    cores: list[Core] = []
    refused: list[bool] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(0)
        await send(START)
        await send(body(more_body=True))
        with pytest.raises(_core.ClientDisconnected, match="nothing can be sent any more"):
            await send(body(more_body=Acts(cores[0].worker.close)))
        refused.append(True)

    async def main() -> None:
        async with Core(app) as core:
            cores.append(core)
            await core.ask(GET.replace(b"GET", b"HEAD"))

    run(main())
    assert refused == [True]
