"""Calling the hooks (:mod:`freastal.hooks`), with what gunicorn hands to them, by its names.

Each is imported once in the process that calls it, as the application is. What fails before
anything is served ends the start; later it is logged, and the server serves on.
"""

from __future__ import annotations

import logging
import os
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from freastal import loader
from freastal.config import Config

__all__ = ["Hooks", "ServerInfo", "WorkerInfo"]

IN_SUPERVISOR = (
    *("on_starting", "when_ready", "pre_fork", "child_exit", "on_reload", "on_exit"),
    "nworkers_changed",
)
IN_WORKER = ("post_fork", "post_worker_init", "worker_int", "worker_exit")

logger = logging.getLogger("freastal")


@dataclass(frozen=True)
class ServerInfo:
    """The ``server`` of a hook."""

    pid: int
    """Of the supervisor."""
    app: str
    """The application, as the command names it."""
    config: Config
    log: logging.Logger


@dataclass(frozen=True)
class WorkerInfo:
    """The ``worker`` of a hook."""

    pid: int
    """0 before the fork."""
    number: int
    """Of its place, from 1 on; its successors have the same."""
    config: Config
    log: logging.Logger


class Hooks:
    """The hooks of one process: of the supervisor, or of a worker.

    :param names: those that this process calls.
    :raises freastal.loader.AppError: one cannot be imported.
    """

    def __init__(
        self, app_name: str, config: Config, pid: int, names: tuple[str, ...] = IN_SUPERVISOR
    ) -> None:
        self._config = config
        self._server = ServerInfo(pid, app_name, config, logger)
        self._functions: dict[str, Callable[..., Any]] = {
            name: loader.load_hook(name, target, app_dir=config.app_dir)
            for name, target in config.hooks.items()
            if name in names
        }

    @classmethod
    def of_worker(cls, app_name: str, config: Config) -> Hooks:
        """Those that a worker calls."""
        return cls(app_name, config, os.getppid(), IN_WORKER)

    def worker(self, number: int, pid: int = 0) -> WorkerInfo:
        """What is handed to a hook as ``worker``."""
        return WorkerInfo(pid, number, self._config, logger)

    def must(self, name: str, *values: object) -> None:
        """Call a hook upon which the start depends.

        :raises freastal.loader.AppError: it failed.
        """
        function = self._functions.get(name)
        if function is None:
            return
        try:
            self._call(name, function, values)
        except Exception as error:
            words = f"the hook {name} failed: {type(error).__name__}: {error}"
            raise loader.AppError(words, traceback.format_exc()) from error

    def call(self, name: str, *values: object) -> None:
        """Call a hook; what it raises is logged."""
        function = self._functions.get(name)
        if function is None:
            return
        try:
            self._call(name, function, values)
        except Exception:
            logger.exception("the hook %s failed", name)

    def _call(self, name: str, function: Callable[..., Any], values: tuple[object, ...]) -> None:
        if name in ("post_worker_init", "worker_int"):
            function(*values)
        else:
            function(self._server, *values)
