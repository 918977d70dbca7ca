"""Starts a server that has no command line, or that is to run without its own.

``python launch.py SERVER KIND APP PORT [CERTIFICATE KEY]``: the server by its name in
:data:`LAUNCHERS`, wsgi, asgi or tls (WSGI over it), the application by ``module:name``. Every
module is imported where it is needed, because each environment of the bench holds only some.
"""

from __future__ import annotations

import signal
import socket
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

HOST = "127.0.0.1"


def bjoern(app: Any, kind: str, port: int, *tls: str) -> None:
    """bjoern: one process, one thread, libev."""
    import_module("bjoern").run(app, HOST, port)


def fastpysgi(app: Any, kind: str, port: int, *tls: str) -> None:
    """fastpysgi: one process, one thread, libuv."""
    module = import_module("fastpysgi")
    module.run(app, host=HOST, port=port, loglevel=module.LL_FATAL_ERROR)


def freastal_0_0_3(app: Any, kind: str, port: int, *tls: str) -> None:
    """The earlier ``freastal`` of PyPI, which shares ours only its name."""
    module = import_module("freastal")
    serve = module.serve_asgi if kind == "asgi" else module.serve
    certificate, key = tls or (None, None)
    serve(app, host=HOST, port=port, workers=1, certfile=certificate, keyfile=key)


def freastal_worker(app: Any, kind: str, port: int, *tls: str) -> None:
    """Our own worker alone, without its supervisor; for counting instructions."""
    listener = socket.create_server((HOST, port), backlog=1024)
    listener.setblocking(False)
    config = import_module("freastal.config").resolve()
    name = "WsgiWorker" if kind == "wsgi" else "AsgiWorker"
    worker = getattr(import_module(f"freastal.{kind}_worker"), name)(app, config, [listener], {})
    signal.signal(signal.SIGTERM, lambda *_: worker.stop(1.0))
    if worker.start():
        worker.run()
    worker.end()


LAUNCHERS: dict[str, Callable[..., None]] = {
    "bjoern": bjoern,
    "fastpysgi": fastpysgi,
    "freastal-0.0.3": freastal_0_0_3,
    "freastal-worker": freastal_worker,
}


def main() -> None:
    """Start what the command line names."""
    server, kind, app, port, *tls = sys.argv[1:]
    module, _, name = app.partition(":")
    LAUNCHERS[server](getattr(import_module(module), name), kind, int(port), *tls)


if __name__ == "__main__":
    main()
