"""freastal serves Python web applications from a C core.

From a script::

    import freastal
    freastal.serve(app, host="0.0.0.0", port=8000, workers=4)

From a shell: ``freastal module:app``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

__all__ = ["__version__", "serve"]

__version__ = "0.1.0"


def serve(
    app: str | Callable[..., Any],
    *,
    bind: str | Sequence[str] | None = None,
    host: str | None = None,
    port: int | None = None,
    uds: str | None = None,
    uds_permissions: int | None = None,
    backlog: int | None = None,
    workers: int | None = None,
    threads: int | None = None,
    timeout_graceful_shutdown: float | None = None,
    interface: str | None = None,
    app_dir: str | None = None,
    factory: bool | None = None,
    log_level: str | None = None,
    access_log: bool | None = None,
    limit_request_line: int | None = None,
    limit_request_head: int | None = None,
    limit_request_fields: int | None = None,
    limit_request_body: int | None = None,
    limit_connections: int | None = None,
    timeout_headers: float | None = None,
    timeout_body: float | None = None,
    timeout_keep_alive: float | None = None,
    timeout_write: float | None = None,
) -> None:
    """Serve an application until SIGINT or SIGTERM stops it gracefully.

    Keywords are the options of the command line, described in ``docs/OPTIONS.md``; those that are
    not given, or ``None``, come from the environment (``FREASTAL_*``), else from the defaults.

    Workers are forked from this process, so what it has imported they share, and no
    ``if __name__ == "__main__"`` is needed. Exit handlers that were registered before run in each
    worker and in this process.

    :param app: a WSGI application, or ``module[:attribute]`` to import it from in the workers.
    :raises freastal.config.ConfigError: a value is not allowed (a :exc:`ValueError`).
    :raises RuntimeError: not called in the main thread.
    :raises SystemExit: with 1, an address cannot be listened on, or a second signal came; with 3,
        the application cannot be loaded. The reason has been written to standard error.
    """
    keywords = dict(locals())
    del keywords["app"]

    import os

    from freastal import config, supervisor

    if isinstance(app, str):
        config.parse_target(app)
    checked = config.resolve(config.from_keywords(keywords), config.from_environment(os.environ))
    code = supervisor.serve(app, checked)
    if code:
        raise SystemExit(code)
