"""An ASGI server inside an asyncio loop that somebody else runs: a notebook, a test, a service.

    server = freastal.Server(app, port=8000)
    await server.serve()

No process is forked, no signal handled, no logging set up, no variable of the environment read:
the process belongs to its owner. ``serve`` ends when ``should_exit`` is set or its task cancelled;
both stop gracefully. Any number of servers run in one loop, which may be asyncio's own, uvloop's
or :class:`freastal.loop.EventLoop`.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from freastal import config, loader, privileges, proxies, tls
from freastal.access_log import AccessLog
from freastal.addresses import Address
from freastal.asgi_service import Service
from freastal.sockets import Listeners, address_of
from freastal.tickets import TICKET_KEY_BYTES

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from freastal.keywords import ServerKeywords

__all__ = ["OPTIONS", "Server"]

FOR_PROCESSES = (
    *("config", "env_file", "chdir"),
    *("log_level", "error_logfile", "log_format", "log_config"),
    *("interface", "loop", "threads", "workers", "reuse_port", "timeout_worker"),
    "timeout_request",
    *("limit_max_requests", "limit_max_requests_jitter", "workers_lifetime", "workers_max_rss"),
    "metrics",
    *("shutdown_delay", "preload", "user", "group", "umask", "pid", "proc_name"),
    *("reload", "reload_dir", "reload_include", "reload_exclude"),
)
"""Options of the command that mean nothing where the process and the loop are somebody else's."""

OPTIONS = tuple(name for name in config.OPTIONS if name not in FOR_PROCESSES)
"""The keywords of :class:`Server` that are options of ``docs/OPTIONS.md``."""


class Server:
    """One application on its addresses.

    :param app: an ASGI 3 application, or ``module[:attribute]`` to import it from. A WSGI one is
        refused: it would block the loop of its host (:func:`freastal.serve` has threads for it).
    :param sockets: listen on these instead, which are bound already; they are made non-blocking,
        and stay open and their owner's.
    :param options: see ``docs/OPTIONS.md``.
    :raises freastal.config.ConfigError: a value is not allowed (a :exc:`ValueError`).
    :raises TypeError: there is no such option.
    """

    def __init__(
        self,
        app: str | Callable[..., Any],
        *,
        sockets: Sequence[socket.socket] | None = None,
        **options: Unpack[ServerKeywords],
    ) -> None:
        wrong = [name for name in options if name not in OPTIONS]
        if wrong:
            raise TypeError(
                f"Server has no option {wrong[0]!r}: its process and loop are the host's"
            )
        if isinstance(app, str):
            config.parse_target(app)
        self._app = app
        self._config = config.resolve(config.from_keywords(options))
        self._given = sockets
        self._loop: asyncio.AbstractEventLoop | None = None
        self._service: Service | None = None
        self._listeners: Listeners | None = None
        self._should_exit = False
        self.started = False
        """Whether it accepts connections: from the end of the lifespan's startup on."""
        self.addresses: tuple[Address, ...] = ()
        """Where it listens, with real ports and resolved names; empty before it does."""

    @property
    def should_exit(self) -> bool:
        """Set it to stop gracefully, from any thread."""
        return self._should_exit

    @should_exit.setter
    def should_exit(self, value: bool) -> None:
        self._should_exit = value
        if value and self._loop is not None and self._service is not None:
            self._loop.call_soon_threadsafe(self._stop, self._config.timeout_graceful_shutdown)

    def reload_certificates(self) -> None:
        """Read the files of ``certfile``, ``keyfile`` and ``client_ca`` anew, in this thread.

        New connections get what they hold, from now on, or where this is not the loop's thread
        from its next turn on; those that are there stay as they are.

        :raises freastal.config.ConfigError: what they hold cannot be used; the old ones stay.
        :raises RuntimeError: not serving, or without TLS.
        """
        loop, service = self._loop, self._service
        if loop is None or service is None or not self._config.secure:
            raise RuntimeError("no certificates are in use")
        context = tls.make_context(self._config)
        if asyncio._get_running_loop() is loop:
            service.renew_tls(context)
        else:
            loop.call_soon_threadsafe(service.renew_tls, context)

    async def serve(self) -> None:
        """Serve until told to stop.

        Requests in flight have ``timeout_graceful_shutdown`` to finish. Where the task is
        cancelled it is the same, and a second time ends it now.

        :raises freastal.loader.AppError: the application cannot be loaded or is of another kind.
        :raises freastal.lifespan.LifespanError: it refuses to start.
        :raises freastal.sockets.ListenError: an address cannot be listened on.
        :raises freastal.config.ConfigError: a file of TLS cannot be used.
        :raises freastal.access_log.AccessLogError: the access log cannot be opened.
        :raises OSError: nor can one of the given sockets, or the core cannot be made.
        :raises RuntimeError: called a second time.
        """
        if self._loop is not None:
            raise RuntimeError("a Server serves once: make another")
        self._loop = asyncio.get_running_loop()
        access_log = AccessLog(self._config)
        try:
            await self._serve(access_log)
        finally:
            access_log.close()

    async def _serve(self, access_log: AccessLog) -> None:
        keys = (os.urandom(TICKET_KEY_BYTES),)
        options = {
            **proxies.core_options(self._config),
            **tls.core_options(self._config, keys),
            **access_log.core_options(),
        }
        self._service = Service(self._load(), self._config, options)
        sockets = self._listen() if self._given is None else self._take(self._given)
        try:
            if not self._should_exit and await self._service.start(sockets):
                self.started = True
                await self._finish(self._service)
        finally:
            self._close()
            self._service = None

    async def _finish(self, service: Service) -> None:
        cancelled: asyncio.CancelledError | None = None
        while True:
            try:
                await service.finish()
                break
            except asyncio.CancelledError as error:
                self._stop(0 if cancelled else self._config.timeout_graceful_shutdown)
                cancelled = error
        if cancelled is not None:
            raise cancelled

    def _stop(self, grace: float) -> None:
        self._close()
        if self._service is not None:
            self._service.stop(grace)

    def _listen(self) -> list[socket.socket]:
        self._listeners = Listeners(
            self._config.bind,
            slots=1,
            backlog=self._config.backlog,
            uds_permissions=self._config.uds_permissions,
            uds_owner=privileges.socket_owner(self._config, None),
        )
        self.addresses = tuple(self._listeners.bound)
        return self._listeners.of_slot(0)

    def _take(self, given: Sequence[socket.socket]) -> Sequence[socket.socket]:
        for each in given:
            each.setblocking(False)
            each.listen(self._config.backlog)
        self.addresses = tuple(address_of(each) for each in given)
        return given

    def _close(self) -> None:
        """Close our own sockets; the core has duplicates, and serves what waits on them."""
        if self._listeners is not None:
            self._listeners.close()

    def _load(self) -> Callable[..., Any]:
        app = loader.load(self._app, app_dir=self._config.app_dir, factory=self._config.factory)
        name = loader.describe(self._app)
        if loader.choose_interface(app, "auto", name) != "asgi":
            raise loader.AppError(
                f"{name} is a WSGI application, which would block the loop: use freastal.serve, or "
                "wrap it with asgiref.wsgi.WsgiToAsgi"
            )
        return app
