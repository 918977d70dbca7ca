"""How a worker process serves an ASGI application: an event loop of its own, to its proper end.

The loop is begun before the lifespan's startup and closed after all that :class:`asyncio.Runner`
does at its end: every task cancelled, asynchronous generators closed, the executor's threads
joined.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from freastal.asgi_service import Service
from freastal.config import Config, ConfigError
from freastal.loop import EventLoop

if TYPE_CHECKING:
    from freastal import _core

__all__ = ["AsgiWorker"]

Result = TypeVar("Result")

logger = logging.getLogger("freastal.error")


class AsgiWorker:
    """A :class:`freastal.worker.Serving` for ASGI.

    :raises ConfigError: the loop is not installed.
    """

    def __init__(
        self,
        app: Callable[..., Any],
        config: Config,
        sockets: Sequence[socket.socket],
        core: Mapping[str, Any],
    ) -> None:
        self._sockets = sockets
        self._service = Service(app, config, core)
        self._loop = make_loop(config.loop)
        asyncio.set_event_loop(self._loop)
        self._loop.set_exception_handler(_log_failure)

    def start(self) -> bool:
        """Run the lifespan's startup; false if :meth:`stop` was called meanwhile.

        :raises freastal.lifespan.LifespanError: the application refuses to start.
        """
        return self._run(self._service.start(self._sockets))

    def run(self) -> None:
        """Serve until stopped, and to the end of the lifespan's shutdown."""
        self._run(self._service.finish())

    def stop(self, grace: float) -> None:
        """Stop gracefully; from a signal handler."""
        with contextlib.suppress(RuntimeError):  # the loop is closed already
            self._loop.call_soon_threadsafe(self._service.stop, grace)

    def renew_tls(self, context: _core.TlsContext) -> None:
        """Speak TLS with that from now on."""
        with contextlib.suppress(RuntimeError):  # the loop is closed already
            self._loop.call_soon_threadsafe(self._service.renew_tls, context)

    def add_ticket_key(self, key: bytes) -> None:
        """Seal tickets with that from now on."""
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._service.add_ticket_key, key)

    def oldest_call(self) -> tuple[float, str, str] | None:
        """They take turns: none runs beside this."""
        return None

    def end(self) -> None:
        """End whatever runs on the loop, and close it."""
        try:
            self._run(self._cancel_all())
            self._run(self._loop.shutdown_asyncgens())
            self._run(self._loop.shutdown_default_executor())
        finally:
            asyncio.set_event_loop(None)
            self._loop.close()

    def counters(self) -> _core.Counters:
        """Those of the core."""
        return self._service.counters()

    def _run(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Run to its end, whatever other tasks do.

        A task that raises SystemExit or KeyboardInterrupt ends what turns the loop: asyncio does
        not keep these for whoever awaits it. No application ends a server so.
        """
        task = self._loop.create_task(work)
        while True:
            try:
                return self._loop.run_until_complete(task)
            except (SystemExit, KeyboardInterrupt):
                if task.done():
                    raise
                logger.exception("a task of the application has tried to end the process")

    async def _cancel_all(self) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(result, Exception):
                logger.error("a task failed at the server's end", exc_info=result)


def make_loop(name: str) -> asyncio.AbstractEventLoop:
    """Make an event loop.

    :param name: one of the choices of ``--loop``.
    :raises ConfigError: it is not installed.
    """
    if name != "uvloop":
        return EventLoop()
    try:
        import uvloop
    except ImportError as error:
        hint = "pip install 'freastal[uvloop]'"
        raise ConfigError(f"--loop uvloop: uvloop is not installed ({hint})") from error
    loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
    return loop


def _log_failure(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what nobody has awaited, where an asyncio loop would log it elsewhere."""
    more = [f"{key}: {context[key]!r}" for key in sorted(context) if key in ("task", "future")]
    error = context.get("exception")
    logger.error("\n".join([context["message"], *more]), exc_info=error)
