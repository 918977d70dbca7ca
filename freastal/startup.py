"""From checked options to a running supervisor: what happens once, in this order.

1. Users and groups are looked up, and with ``--preload`` the application is imported: what fails
   here leaves nothing behind. Signals still do what they do to any program.
2. Signals are the supervisor's: who connects can also stop it.
3. The pid file is claimed, the hook ``on_starting`` called, then the sockets are opened.
"""

from __future__ import annotations

import dataclasses
import gc
import logging
import os
import threading
from collections.abc import Callable
from typing import Any

from freastal import loader, logs, privileges, worker
from freastal.access_log import AccessLogError
from freastal.addresses import Address, FdAddress
from freastal.config import Config, ConfigError
from freastal.hook_calls import Hooks
from freastal.host import Host
from freastal.pid_file import PidFileError
from freastal.service_manager import passed_sockets
from freastal.signals import SignalPipe
from freastal.sockets import ListenError, Listeners
from freastal.start_block import say
from freastal.supervisor import HANDLED, Supervisor

__all__ = ["serve"]

RELOAD_GRACE = 1.0
"""With --reload, what is in flight is not worth more waiting: an open WebSocket, for one."""

logger = logging.getLogger("freastal")


def serve(app: str | Callable[..., Any], config: Config) -> int:
    """Serve until a signal or a failure ends it; to be called in the main thread.

    :param app: the application, or ``module[:attribute]``, which only the workers import, but with
        ``--preload``.
    :returns: the exit code.
    :raises RuntimeError: called in another thread, where signals cannot be handled.
    """
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("freastal serves from the main thread only: it handles signals")
    if config.reload:
        grace = min(config.timeout_graceful_shutdown, RELOAD_GRACE)
        config = dataclasses.replace(config, timeout_graceful_shutdown=grace)
    try:
        return _serve(app, config)
    except ConfigError as error:
        say(f"freastal: {error}")
        return worker.EXIT_USAGE
    except loader.AppError as error:
        say(f"{error.traceback_text}freastal: {error}")
        return worker.EXIT_APP
    except (AccessLogError, ListenError, PidFileError) as error:
        say(f"freastal: {error}")
        return worker.EXIT_ERROR


def _serve(app: str | Callable[..., Any], config: Config) -> int:
    identity = privileges.identity(config)
    owner = privileges.socket_owner(config, identity)
    host = Host(loader.describe(app), config, identity)
    hooks = Hooks(loader.describe(app), config, os.getpid())
    loaded = preload(app, config) if config.preload else None
    with SignalPipe(HANDLED) as signals, host:
        hooks.must("on_starting")
        listeners = Listeners(
            _addresses(config),
            slots=config.workers,
            backlog=config.backlog,
            uds_permissions=config.uds_permissions,
            uds_owner=owner,
            reuse_port=config.reuse_port is not False,
        )
        try:
            hooks.call("nworkers_changed", config.workers, None)
            return Supervisor(app, config, listeners, signals, host, hooks, identity, loaded).run()
        finally:
            listeners.close()
            hooks.call("on_exit")


def preload(app: str | Callable[..., Any], config: Config) -> Callable[..., Any]:
    """Import the application here, and what workers import besides.

    :raises freastal.loader.AppError: see :func:`freastal.loader.load`.
    """
    found = loader.load(app, app_dir=config.app_dir, factory=config.factory)
    interface = loader.choose_interface(found, config.interface, loader.describe(app))
    logs.enable()
    if interface == "wsgi":
        from freastal import wsgi_worker  # noqa: F401
    else:
        from freastal import asgi_worker  # noqa: F401
    gc.collect()
    gc.freeze()  # or the first collection of each worker would copy what they share
    return found


def _addresses(config: Config) -> tuple[Address, ...]:
    """Where to listen: on what a service manager has opened, else where the options say."""
    try:
        passed = passed_sockets(os.environ)
    except ValueError as error:
        raise ConfigError(str(error)) from None
    if not passed:
        return config.bind
    logger.info("listening on the sockets of the service manager, not on those of the options")
    return tuple(FdAddress(fd) for fd in passed)
