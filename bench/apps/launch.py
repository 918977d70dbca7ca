"""Starts a server that has no command line, or that is to run without its own.

``python launch.py SERVER APP PORT``: the server by its name in :data:`LAUNCHERS`, the application
by its name in ``wsgi.py``. Every module is imported where it is needed, because each environment
of the bench holds only some of them.
"""

from __future__ import annotations

import signal
import socket
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

import wsgi

HOST = "127.0.0.1"


def bjoern(app: Any, port: int) -> None:
    """bjoern: one process, one thread, libev."""
    import_module("bjoern").run(app, HOST, port)


def fastpysgi(app: Any, port: int) -> None:
    """fastpysgi: one process, one thread, libuv."""
    module = import_module("fastpysgi")
    module.run(app, host=HOST, port=port, loglevel=module.LL_FATAL_ERROR)


def freastal_0_0_3(app: Any, port: int) -> None:
    """The earlier ``freastal`` of PyPI, which shares ours only its name."""
    import_module("freastal").serve(app, host=HOST, port=port, workers=1)


def freastal_worker(app: Any, port: int) -> None:
    """Our own worker alone, without its supervisor; for counting instructions."""
    listener = socket.create_server((HOST, port), backlog=1024)
    listener.setblocking(False)
    wakeup_read, wakeup_write = socket.socketpair()
    wakeup_read.setblocking(False)
    wakeup_write.setblocking(False)
    signal.set_wakeup_fd(wakeup_write.fileno())
    core = import_module("freastal._core")
    worker = core.Worker(app, [listener.fileno()], wakeup_fd=wakeup_read.fileno())
    signal.signal(signal.SIGTERM, lambda *_: worker.stop(1.0))
    worker.run()


LAUNCHERS: dict[str, Callable[[Any, int], None]] = {
    "bjoern": bjoern,
    "fastpysgi": fastpysgi,
    "freastal-0.0.3": freastal_0_0_3,
    "freastal-worker": freastal_worker,
}


def main() -> None:
    """Start what the command line names."""
    name, app, port = sys.argv[1:]
    LAUNCHERS[name](getattr(wsgi, app), int(port))


if __name__ == "__main__":
    main()
