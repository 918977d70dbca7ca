"""Logging: the ``freastal`` logger, as gunicorn's users know it, or as they configure it.

``freastal`` carries the supervisor's and the workers' messages; the C core logs through its child
``freastal.error``. Access log lines do not pass here (:mod:`freastal.access_log`).
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

from freastal.config import Config
from freastal.config_file import read_toml
from freastal.kinds import ConfigError
from freastal.log_file import LogFile, LogStream, open_log

__all__ = ["JsonFormatter", "enable", "own", "reopen", "set_up"]

ROOT = "freastal"
NAMES = (ROOT, "freastal.error")
FORMAT = "[%(asctime)s] [%(process)d] [%(levelname)s] %(message)s"
DATE_FORMAT = "%Y-%m-%d %H:%M:%S %z"


class JsonFormatter(logging.Formatter):
    """One JSON object a line: ``time`` (:rfc:`3339`, UTC), ``level``, ``logger``, ``pid``,
    ``message``; ``exception`` and ``stack`` where there are any.

    For a configuration of one's own too: ``"()": "freastal.logs.JsonFormatter"``.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Write a record."""
        moment = datetime.fromtimestamp(record.created, timezone.utc)
        entry: dict[str, Any] = {
            "time": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "pid": record.process,
            "message": record.getMessage(),
        }
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        if record.stack_info:
            entry["stack"] = self.formatStack(record.stack_info)
        return json.dumps(entry)


def set_up(config: Config) -> None:
    """Log as the options say; a logger with handlers of its own keeps them.

    :raises ConfigError: a file cannot be read or opened, or is wrong.
    """
    logger = logging.getLogger(ROOT)
    if config.log_config:
        _configure(config.log_config)
        if logger.level == logging.NOTSET:
            logger.setLevel(config.log_level.upper())
        return
    logger.setLevel(config.log_level.upper())
    if not logger.handlers:
        handler = _handler(config.error_logfile)
        json_lines = config.log_format == "json"
        handler.setFormatter(
            JsonFormatter() if json_lines else logging.Formatter(FORMAT, DATE_FORMAT)
        )
        logger.addHandler(handler)
        logger.propagate = False


def _handler(path: str) -> logging.Handler:
    if path == "-":
        return LogStream()
    try:
        return LogFile(path)
    except OSError as error:
        raise ConfigError(f"cannot open --error-logfile {path}: {error.strerror}") from error


def _configure(path: str) -> None:
    """Do what a file says, and leave loggers alone that it does not name."""
    import logging.config

    try:
        if path.endswith(".json"):
            with open(path, encoding="utf-8") as stream:
                _from_dict(json.load(stream))
        elif path.endswith(".toml"):
            _from_dict(read_toml(path, "--log-config"))
        else:
            with open(path, encoding="utf-8") as stream:
                logging.config.fileConfig(stream, disable_existing_loggers=False)
    except ConfigError:
        raise
    except OSError as error:
        raise ConfigError(f"cannot read --log-config {path}: {error.strerror or error}") from error
    except Exception as error:
        # What a configuration may raise is not defined: it names classes and calls them.
        cause = f": {error.__cause__}" if error.__cause__ else ""
        words = " ".join(f"{error}{cause}".split()) or type(error).__name__
        raise ConfigError(f"--log-config {path} is wrong: {words}") from error


def _from_dict(found: Any) -> None:
    if not isinstance(found, dict):
        raise TypeError("it holds no table")
    import logging.config

    logging.config.dictConfig({"version": 1, "disable_existing_loggers": False, **found})


def reopen() -> None:
    """Have every log file of this process go on in a new one of the same name.

    The new file takes the old one's descriptor, so that nobody has to stop writing.

    :raises OSError: one cannot be opened, and goes on in the old one.
    """
    for handler, fd in _files():
        new = open_log(handler.baseFilename)
        try:
            os.dup2(new, fd, inheritable=False)
        finally:
            os.close(new)


def _files() -> Iterator[tuple[logging.FileHandler, int]]:
    """What is open, with its descriptor."""
    for logger in [logging.getLogger(), *logging.Logger.manager.loggerDict.values()]:
        for handler in getattr(logger, "handlers", ()):
            if isinstance(handler, logging.FileHandler) and handler.stream is not None:
                yield handler, handler.stream.fileno()


def enable() -> None:
    """Undo what :func:`logging.config.dictConfig` does by default: it disables known loggers.

    To be called when the application, which may configure logging, has been loaded.
    """
    for name in NAMES:
        logging.getLogger(name).disabled = False


def own(owner: tuple[int, int]) -> None:
    """Give the log files of this process to a user and a group, so that workers can reopen them.

    :raises OSError: one cannot be given.
    """
    for _, fd in _files():
        os.fchown(fd, *owner)
