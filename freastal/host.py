"""What the system around a server sees of it: its pid file, its title, its log files, its service
manager.

The supervisor tells of each turn of its life here, and gives a moment to :meth:`Host.look` whenever
:attr:`Host.next_at` has come.
"""

from __future__ import annotations

import os
import time
from types import TracebackType

from freastal import logs, titles
from freastal.access_log import prepare_file
from freastal.config import Config
from freastal.pid_file import PidFile
from freastal.privileges import Identity
from freastal.service_manager import ServiceManager
from freastal.start_block import count

__all__ = ["Host"]


class Host:
    """Entered for as long as the server lives.

    :param app_name: the application's, for titles.
    :param workers: whom workers become: log files belong to them, so that they can reopen them.
    :raises freastal.pid_file.PidFileError: entered, while another server has the pid file.
    :raises freastal.access_log.AccessLogError: nor can the access log be made.
    """

    def __init__(self, app_name: str, config: Config, workers: Identity | None = None) -> None:
        self._config = config
        self._owner = (workers.uid, workers.gid) if workers else (-1, -1)
        self._name = config.proc_name or app_name
        self._path = config.pid
        self._pid_file: PidFile | None = None
        self._manager = ServiceManager(os.environ)
        self.next_at = time.monotonic() if self._manager.watchdog_seconds else None
        """When :meth:`look` is due, in seconds of :func:`time.monotonic`; ``None``: never."""

    def __enter__(self) -> Host:
        if self._path:
            self._pid_file = PidFile(self._path)
        titles.show(f"supervisor {self._name}", "super")
        self._own_logs()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        frames: TracebackType | None,
    ) -> None:
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

    def worker_title(self, number: int) -> str:
        """What a worker shows."""
        return f"worker {number} {self._name}"

    def look(self, now: float) -> None:
        """Tell that the supervisor is alive, if that is due."""
        if self.next_at is None or now < self.next_at:
            return
        assert self._manager.watchdog_seconds is not None
        self.next_at = now + self._manager.watchdog_seconds
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
