"""How a worker process serves a WSGI application: the core's own loop, with the GIL let go of.

The core runs until it has stopped; it is woken for signals by the descriptor that Python writes
their numbers to.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from freastal import _core
from freastal.config import Config

__all__ = ["WsgiWorker"]

POOL_THREADS = "freastal-"
"""How the names begin that the core gives its threads (src/gateway/wsgi_pool.c)."""


class WsgiWorker:
    """A :class:`freastal.worker.Serving` for WSGI."""

    def __init__(
        self,
        app: Callable[..., Any],
        config: Config,
        sockets: Sequence[socket.socket],
        core: Mapping[str, Any],
    ) -> None:
        wakeup_fd, signal_fd = os.pipe()
        os.set_blocking(wakeup_fd, False)
        os.set_blocking(signal_fd, False)
        signal.set_wakeup_fd(signal_fd, warn_on_full_buffer=False)
        self._core = _core.Worker(
            app,
            [each.fileno() for each in sockets],
            wakeup_fd=wakeup_fd,
            multiprocess=config.workers > 1,
            **core,
            **config.core_options("wsgi"),
        )

    def start(self) -> bool:
        """Connections are accepted from the first turn on."""
        return True

    def run(self) -> None:
        """Serve until stopped."""
        self._core.run()

    def stop(self, grace: float) -> None:
        """Stop gracefully; from a signal handler."""
        self._core.stop(grace)

    def renew_tls(self, context: _core.TlsContext) -> None:
        """Speak TLS with that from now on."""
        self._core.renew_tls(context)

    def add_ticket_key(self, key: bytes) -> None:
        """Seal tickets with that from now on."""
        self._core.add_ticket_key(key)

    def oldest_call(self) -> tuple[float, str, str] | None:
        """In a thread of the pool."""
        return self._core.oldest_call()

    def end(self) -> None:
        """Wait for the threads of the core, which does not.

        Those that are still in the application get the time to see that nobody listens any more,
        and to close what they were iterating.
        """
        for thread in threading.enumerate():
            if thread.name.startswith(POOL_THREADS):
                thread.join()

    def counters(self) -> _core.Counters:
        """Those of the core."""
        return self._core.counters()
