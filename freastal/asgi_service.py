"""One ASGI application served upon the running asyncio loop, from its startup to its shutdown.

What a worker process (:mod:`freastal.asgi_worker`) and a :class:`freastal.Server` inside somebody's
loop have in common; it knows neither processes nor signals. Its life::

    start() -> finish() ............ stop(grace) ......................... finish() returns
    lifespan   connections come       no more; those in flight have        calls cancelled,
    startup                           the time                             lifespan shutdown
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from freastal import _core
from freastal.config import Config
from freastal.lifespan import Lifespan
from freastal.loop import Guest, attach, beats_of

__all__ = ["Service"]

CANCEL_SECONDS = 0.5
"""How long cancelled calls may take to put their things away."""

SHUTDOWN_SECONDS = 1.0
"""What the lifespan's shutdown gets where requests have used up the time; together with the above
less than a worker's ``LAST_WORDS``."""

LOOK_SECONDS = 0.02
"""Between two looks whether calls are over whose connections are."""


class Service:
    """One application, its lifespan and its worker in the core.

    :param app: an ASGI 3 application.
    :param config: of it, the options of the core, ``lifespan`` and ``root_path``.
    :param core: more keywords of ``_core.Worker``: see :func:`freastal.tls.core_options`,
        :func:`freastal.proxies.core_options`, :class:`freastal.access_log.AccessLog`, ``board``.
    """

    def __init__(self, app: Callable[..., Any], config: Config, core: Mapping[str, Any]) -> None:
        self._app = app
        self._config = config
        self._options = dict(core)
        self._lifespan = Lifespan(app, config.lifespan)
        self._core: _core.Worker | None = None
        self._guest: Guest | None = None  # where the running loop is not ours
        self._closed = False  # so is the core
        self._deadline: float | None = None  # time.monotonic(), once stop() has been called
        self._stopped: asyncio.Future[None]  # the core has no connection left

    async def start(self, sockets: Sequence[socket.socket]) -> bool:
        """Start the application up, then accept connections.

        :param sockets: listening and non-blocking; they may be closed afterwards.
        :returns: false if :meth:`stop` was called before that; all has ended then.
        :raises freastal.lifespan.LifespanError: the application refuses to start.
        :raises OSError: the core cannot be made.
        """
        if self._deadline is not None:
            return False
        try:
            state = await self._lifespan.startup()
        except asyncio.CancelledError:
            if self._deadline is None:
                raise
            return False
        try:
            self._core = self._make_core(sockets, state)
        except BaseException:
            self._leave_loop()
            await self._lifespan.shutdown(SHUTDOWN_SECONDS)
            raise
        return True

    def _make_core(
        self, sockets: Sequence[socket.socket], state: dict[str, Any] | None
    ) -> _core.Worker:
        tasks = asyncio.get_running_loop()
        self._stopped = tasks.create_future()
        loop = beats_of(tasks)
        if loop is None:
            self._guest = attach(tasks, shown="board" in self._options)
            loop = self._guest.beats
        return _core.Worker(
            self._app,
            [each.fileno() for each in sockets],
            interface="asgi",
            loop=loop,
            tasks=tasks,
            state=state,
            root_path=self._config.root_path,
            stopped=self._on_stopped,
            multiprocess=self._config.workers > 1,
            **self._options,
            **self._config.core_options("asgi"),
        )

    def stop(self, grace: float) -> None:
        """Stop gracefully, in the loop's thread; a second call can only shorten the time.

        :param grace: seconds for what is in flight.
        """
        deadline = time.monotonic() + grace
        if self._deadline is None or deadline < self._deadline:
            self._deadline = deadline
        if self._core is not None:
            self._core.stop(grace)
        else:
            self._lifespan.abort()

    async def finish(self) -> None:
        """Serve until :meth:`stop` has been called and carried out.

        Where its task is cancelled it can be called again, and goes on.
        """
        assert self._core is not None
        await asyncio.wait({self._stopped})
        # A call may outlive its connection: background tasks of frameworks, for example.
        while self._calls() and self._time_left() > 0:
            await asyncio.sleep(LOOK_SECONDS)
        if self._core.cancel():
            self._deadline = time.monotonic()
            while self._calls() and self._time_left() > -CANCEL_SECONDS:
                await asyncio.sleep(LOOK_SECONDS)
        self._closed = True
        self._core.close()
        self._leave_loop()
        await self._lifespan.shutdown(max(self._time_left(), SHUTDOWN_SECONDS))

    def renew_tls(self, context: _core.TlsContext) -> None:
        """Speak TLS with that from now on; in the loop's thread."""
        if self._core is None:
            self._options["tls"] = context
        elif not self._closed:
            self._core.renew_tls(context)

    def add_ticket_key(self, key: bytes) -> None:
        """Seal session tickets with that from now on."""
        if self._core is None:
            self._options["ticket_keys"] = (*self._options["ticket_keys"], key)
        elif not self._closed:
            self._core.add_ticket_key(key)

    def _leave_loop(self) -> None:
        if self._guest is not None:
            self._guest.detach()
            self._guest = None

    def counters(self) -> _core.Counters:
        """Those of the core; after :meth:`start`."""
        assert self._core is not None
        return self._core.counters()

    def _on_stopped(self) -> None:
        if not self._stopped.done():
            self._stopped.set_result(None)

    def _calls(self) -> int:
        assert self._core is not None
        return self._core.counters()["live"].get("calls", 0)

    def _time_left(self) -> float:
        assert self._deadline is not None
        return self._deadline - time.monotonic()
