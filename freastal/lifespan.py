"""The lifespan of an ASGI application: told when the server starts and when it ends.

One task on the loop runs ``app(scope, receive, send)`` from before the first connection until after
the last one: https://asgi.readthedocs.io/en/stable/specs/lifespan.html (version 2.0). Its life:

    STARTING --- startup.complete ---> SERVING --- shutdown() ---> STOPPING
        |                                |                            |
        +--- startup.failed, the end ----+--------- the end ----------+--- answer, the end ---> OVER

*The end* is the application's own: it returns, or raises. In STARTING it means, with ``auto``,
that the application has no lifespan, and with ``on`` that the server cannot start; later on it is
logged, and there is nobody left to tell of the shutdown.

Used by :mod:`freastal.asgi_service`, which decides when; all of it in the loop's thread.
"""

from __future__ import annotations

import asyncio
import enum
import logging
from collections.abc import Callable
from typing import Any

from freastal.loader import AppError, summary, traceback_of

__all__ = ["Lifespan", "LifespanError"]

LAST_STEPS = 0.5
"""Seconds that a cancelled application gets to put its things away."""

logger = logging.getLogger("freastal")


class LifespanError(AppError):
    """The application has refused to start, or cannot."""


class Phase(enum.Enum):
    """Where the lifespan is; the edges stand at the head of the file."""

    STARTING = enum.auto()
    SERVING = enum.auto()
    STOPPING = enum.auto()
    OVER = enum.auto()


ANSWERS = {
    Phase.STARTING: ("lifespan.startup.complete", "lifespan.startup.failed"),
    Phase.SERVING: ("lifespan.shutdown.failed",),  # Starlette, where a task of the lifespan fails
    Phase.STOPPING: ("lifespan.shutdown.complete", "lifespan.shutdown.failed"),
    Phase.OVER: (),
}
"""What the application may send, and in which phase."""


class Lifespan:
    """One application's lifespan.

    :param app: an ASGI 3 application.
    :param mode: ``"auto"``: it may have none; ``"on"``: it must have one; ``"off"``: nothing is
        called.
    """

    def __init__(self, app: Callable[..., Any], mode: str) -> None:
        self._app = app
        self._mode = mode
        self._phase = Phase.STARTING
        self._received = 0  # messages that the application has got
        self._failed = False  # as it said itself
        self._task: asyncio.Task[None] | None = None
        # Made by startup(), which knows the loop.
        self._answered: asyncio.Future[bool]  # whether there is a lifespan
        self._stopping: asyncio.Future[None]  # the application may be told
        self._finished: asyncio.Future[None]  # nothing more is to be expected of it

    async def startup(self) -> dict[str, Any] | None:
        """Start the application.

        :returns: what it left in the scope's ``state``; ``None`` where it has no lifespan.
        :raises LifespanError: it sent ``lifespan.startup.failed``; with ``on`` also where it ended
            without an answer.
        :raises asyncio.CancelledError: :meth:`abort` was called, or the task was cancelled; so has
            been the application.
        """
        if self._mode == "off":
            self._phase = Phase.OVER
            return None
        loop = asyncio.get_running_loop()
        self._answered, self._stopping = loop.create_future(), loop.create_future()
        self._finished = loop.create_future()
        state: dict[str, Any] = {}
        self._task = loop.create_task(self._run(state), name="freastal lifespan")
        try:
            return state if await self._answered else None
        except (LifespanError, asyncio.CancelledError):
            await self._end()
            raise

    def abort(self) -> None:
        """Let :meth:`startup` end with :exc:`asyncio.CancelledError`."""
        if self._phase is Phase.STARTING and self._task is not None:
            self._answered.cancel()

    async def shutdown(self, timeout: float) -> None:
        """Tell the application that the server ends, and wait for it; whatever goes wrong is
        logged.

        :param timeout: seconds until it is cancelled.
        """
        if self._phase is not Phase.SERVING:
            return
        self._phase = Phase.STOPPING
        self._stopping.set_result(None)
        try:
            await asyncio.wait({self._finished}, timeout=timeout)
            if not self._finished.done():
                logger.error("the application's lifespan took longer than %g s to end", timeout)
        finally:
            await self._end()

    async def _end(self) -> None:
        """Cancel what is left of the application."""
        self._phase = Phase.OVER
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=LAST_STEPS)

    # The application's side

    async def _run(self, state: dict[str, Any]) -> None:
        scope = {
            "type": "lifespan",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "state": state,
        }
        error: BaseException | None = None
        try:
            await self._app(scope, self._receive, self._send)
        except (Exception, SystemExit, KeyboardInterrupt) as caught:
            error = caught
        except asyncio.CancelledError as caught:
            if self._phase is Phase.OVER:
                raise
            error = caught  # of its own making
        finally:
            self._on_end(error)

    def _on_end(self, error: BaseException | None) -> None:
        phase, self._phase = self._phase, Phase.OVER
        if not self._finished.done():
            self._finished.set_result(None)
        if phase is Phase.STARTING:
            self._on_no_answer(error)
        elif isinstance(error, asyncio.CancelledError):
            logger.warning("the application's lifespan was cancelled")
        elif error is not None and not self._failed:
            logger.error("the application's lifespan failed", exc_info=error)

    def _on_no_answer(self, error: BaseException | None) -> None:
        if self._mode == "on":
            how = f"failed with {summary(error)}" if error else "returned"
            line = f"the application's lifespan {how} before it sent lifespan.startup.complete"
            failure = LifespanError(line, traceback_of(error, __file__) if error else "")
            failure.__cause__ = error
            self._answered.set_exception(failure)
            return
        if error is not None and self._received:
            # Who asks for messages means to have a lifespan; yet the server has to go on.
            words = "the application's lifespan failed at startup (--lifespan on: an error)"
            logger.warning(words, exc_info=error)
        else:
            logger.debug("the application has no lifespan", exc_info=error)
        self._answered.set_result(False)

    async def _receive(self) -> dict[str, Any]:
        if self._received == 0:
            self._received = 1
            return {"type": "lifespan.startup"}
        await asyncio.shield(self._stopping)
        if self._received == 1:
            self._received = 2
            return {"type": "lifespan.shutdown"}
        # A loop that goes on asking after its last answer: nothing more will come.
        if self._phase is Phase.OVER and not self._finished.done():
            self._finished.set_result(None)
        return await asyncio.get_running_loop().create_future()  # type: ignore[no-any-return]

    async def _send(self, message: dict[str, Any]) -> None:
        expected = ANSWERS[self._phase]
        kind = message.get("type") if isinstance(message, dict) else None
        if not isinstance(kind, str):
            raise TypeError(f"{message!r} was sent, expected a dict of type {_either(expected)}")
        if kind not in expected:
            raise RuntimeError(f"{kind!r} was sent, expected {_either(expected)}")
        words = message.get("message", "")
        if not isinstance(words, str):
            raise TypeError(f"the 'message' of {kind!r} is {words!r}, expected a str")
        self._failed = kind.endswith(".failed")
        *more, reason = words.strip().splitlines() or ["no reason given"]  # often a traceback
        starting = self._phase is Phase.STARTING
        self._phase = Phase.SERVING if starting and not self._failed else Phase.OVER
        if starting and self._failed:
            line = f"the application failed to start: {reason.strip()}"
            self._answered.set_exception(LifespanError(line, words.strip() + "\n" if more else ""))
        elif starting:
            self._answered.set_result(True)
        elif self._failed:
            words = words.strip() if more else reason
            logger.error("the application failed to shut down: %s", words)


def _either(kinds: tuple[str, ...]) -> str:
    return " or ".join(map(repr, kinds)) or "nothing now"
