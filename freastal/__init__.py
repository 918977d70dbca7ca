"""freastal serves Python web applications from a C core.

From a script::

    import freastal
    freastal.serve(app, host="0.0.0.0", port=8000, workers=4)

From a shell: ``freastal module:app``. Inside a running asyncio loop::

    await freastal.Server(app, port=8000).serve()
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from freastal._core import ClientDisconnected
    from freastal.keywords import AsgiKeywords, Keywords
    from freastal.server import Server

__all__ = ["ClientDisconnected", "Server", "__version__", "serve", "serve_asgi"]

__version__ = "0.1.0"


def serve(app: str | Callable[..., Any], **options: Unpack[Keywords]) -> None:
    """Serve an application until SIGINT or SIGTERM stops it gracefully.

    Keywords are the options of the command line, described in ``docs/OPTIONS.md``; those that are
    not given, or ``None``, come from the environment (``FREASTAL_*``), else from the file that
    ``config`` or the environment names, else from the defaults.

    Workers are forked from this process, so what it has imported they share, and no
    ``if __name__ == "__main__"`` is needed. Exit handlers that were registered before run in each
    worker and in this process.

    :param app: a WSGI or ASGI 3 application, or ``module[:attribute]`` to import it from in the
        workers.
    :raises freastal.config.ConfigError: a value is not allowed (a :exc:`ValueError`).
    :raises TypeError: there is no such option.
    :raises RuntimeError: not called in the main thread.
    :raises SystemExit: with 1, an address cannot be listened on, or a second signal came; with 3,
        the application cannot be loaded or does not start. The reason has been written to
        standard error.
    """
    import os

    from freastal import config, settings, startup

    if isinstance(app, str):
        config.parse_target(app)
    found = settings.gather(config.from_keywords(options), os.environ)
    found.enter()
    code = startup.serve(app, found.config)
    if code:
        raise SystemExit(code)


def serve_asgi(app: str | Callable[..., Any], **options: Unpack[AsgiKeywords]) -> None:
    """Serve an ASGI 3 application as :func:`serve` does, without a look at what it may be."""
    serve(app, interface="asgi", **options)


def __getattr__(name: str) -> Any:
    """Import what needs asyncio or the core only for those who want it."""
    if name == "Server":
        from freastal.server import Server

        return Server
    if name == "ClientDisconnected":
        from freastal._core import ClientDisconnected

        return ClientDisconnected
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
