"""Logging: the ``freastal`` logger, in the format that gunicorn's users know.

``freastal`` carries the supervisor's and the workers' messages; the C core logs through its child
``freastal.error``. Access log lines do not pass here: the core formats them and writes them to a
descriptor in batches.
"""

from __future__ import annotations

import logging

__all__ = ["enable", "set_up"]

ROOT = "freastal"
NAMES = (ROOT, "freastal.error")
FORMAT = "[%(asctime)s] [%(process)d] [%(levelname)s] %(message)s"
DATE_FORMAT = "%Y-%m-%d %H:%M:%S %z"


def set_up(level: str) -> None:
    """Log to standard error from this level on; a logger with handlers of its own keeps them.

    :param level: one of the choices of ``--log-level``.
    """
    logger = logging.getLogger(ROOT)
    logger.setLevel(level.upper())
    if not logger.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter(FORMAT, DATE_FORMAT))
        logger.addHandler(handler)
        logger.propagate = False


def enable() -> None:
    """Undo what :func:`logging.config.dictConfig` does by default: it disables known loggers.

    To be called when the application, which may configure logging, has been loaded.
    """
    for name in NAMES:
        logging.getLogger(name).disabled = False
