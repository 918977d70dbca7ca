"""What the system around a server sees of it: its pid file, its title, its log files, its service
manager, and its figures (``--metrics``).

The supervisor tells of each turn of its life here, and gives a moment to :meth:`Host.look` whenever
:attr:`Host.next_at` has come.
"""

from __future__ import annotations

import logging
import os
import selectors
import time
from collections.abc import Sequence
from types import TracebackType
from typing import TYPE_CHECKING

from freastal import logs, privileges, titles
from freastal.access_log import prepare_file
from freastal.config import Config
from freastal.figures import Tally
from freastal.metrics import Place, Source
from freastal.pid_file import PidFile
from freastal.privileges import Identity
from freastal.service_manager import ServiceManager
from freastal.sockets import Listeners
from freastal.start_block import count

if TYPE_CHECKING:
    from freastal.metrics_server import MetricsServer

__all__ = ["Host"]

logger = logging.getLogger("freastal")


class Host:
    """Entered for as long as the server lives.

    :param app_name: the application's, for titles.
    :param workers: whom workers become: log files belong to them, so that they can reopen them.
    :raises freastal.pid_file.PidFileError: entered, while another server has the pid file.
    :raises freastal.access_log.AccessLogError: nor can the access log be made.
    :raises freastal.sockets.ListenError: nor is --metrics to be listened on.
    """

    def __init__(self, app_name: str, config: Config, workers: Identity | None = None) -> None:
        self._config = config
        self._owner = (workers.uid, workers.gid) if workers else (-1, -1)
        self._socket_owner = privileges.socket_owner(config, workers)
        self._name = config.proc_name or app_name
        self._path = config.pid
        self._pid_file: PidFile | None = None
        self._manager = ServiceManager(os.environ)
        self._alive_at = time.monotonic() if self._manager.watchdog_seconds else None
        self.tally = Tally()
        """What is over; for all slots."""
        self._listeners: Listeners | None = None
        self._metrics: MetricsServer | None = None

    def __enter__(self) -> Host:
        if self._path:
            self._pid_file = PidFile(self._path)
        try:
            self._listen()
            self._own_logs()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        titles.show(f"supervisor {self._name}", "super")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        frames: TracebackType | None,
    ) -> None:
        if self._metrics is not None:
            self._metrics.close()
        if self._listeners is not None:
            self._listeners.close()
        if self._pid_file is not None:
            self._pid_file.remove()

    def _own_logs(self) -> None:
        logs.own(self._owner)
        prepare_file(self._config, self._owner)

    def reopen_logs(self) -> None:
        """Have the supervisor go on in new log files, and make the workers'.

        :raises OSError: one cannot be opened, or given to them.
        :raises freastal.access_log.AccessLogError: nor can the access log be made.
        """
        logs.reopen()
        self._own_logs()

    def _listen(self) -> None:
        if self._config.metrics:
            self._listeners = Listeners(
                self._config.metrics,
                slots=1,
                backlog=self._config.backlog,
                uds_permissions=self._config.uds_permissions,
                uds_owner=self._socket_owner,
                reuse_port=False,
            )

    def show(
        self, selector: selectors.BaseSelector, slots: Sequence[Place], listeners: Listeners
    ) -> None:
        """Begin to answer about the server (``--metrics``), from callbacks of the selector."""
        if self._listeners is not None:
            from freastal.metrics_server import MetricsServer

            source = Source(self._name, slots, self.tally, listeners)
            for address in self._listeners.bound:
                logger.info("metrics: %s", address.url(secure=False))
            self._metrics = MetricsServer(selector, self._listeners.common, source)

    def drop(self) -> None:
        """In a forked child: close what is the supervisor's."""
        if self._metrics is not None:
            self._metrics.drop()
        if self._listeners is not None:
            self._listeners.close()

    def worker_title(self, number: int) -> str:
        """What a worker shows."""
        return f"worker {number} {self._name}"

    @property
    def next_at(self) -> float | None:
        """When :meth:`look` is due, in seconds of :func:`time.monotonic`; ``None``: not before
        something comes.
        """
        times = [self._alive_at, self._metrics.next_at if self._metrics else None]
        return min((each for each in times if each is not None), default=None)

    def look(self, now: float) -> None:
        """Do what is due; tell that the supervisor is alive."""
        if self._metrics is not None:
            self._metrics.look(now)
        if self._alive_at is None or now < self._alive_at:
            return
        assert self._manager.watchdog_seconds is not None
        self._alive_at = now + self._manager.watchdog_seconds
        self._manager.alive()

    def ready(self, workers: int) -> None:
        """It serves, or serves on after a reload."""
        self._manager.ready(f"serving {self._name} by {count(workers, 'worker')}")

    def reloading(self) -> None:
        """Its workers are being replaced; :meth:`ready` is the end of that."""
        self._manager.reloading("replacing the workers")

    def stopping(self) -> None:
        """It takes no new connections."""
        self._manager.stopping("finishing what is in flight")
