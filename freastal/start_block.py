"""What the server says of itself when it begins to serve."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from freastal import __version__, loader, proxies
from freastal.addresses import Address
from freastal.config import Config

__all__ = ["announce", "count", "say", "start_block"]

logger = logging.getLogger("freastal")


def start_block(
    app: str | Callable[..., Any],
    config: Config,
    interface: str,
    addresses: Sequence[Address],
    workers: int,
) -> list[str]:
    """The lines: version, application, interface, addresses as URLs, TLS, trusted proxies, workers
    and what they wait with.
    """
    size = count(workers, "worker")
    if interface == "wsgi":
        size += f" × {count(config.threads, 'thread')}"
    else:
        size += f" on {'uvloop' if config.loop == 'uvloop' else 'asyncio'}"
    return [
        f"freastal {__version__}: {loader.describe(app)} ({interface})",
        *(f"  {address.url(config.secure)}" for address in addresses),
        *(f"  {line}" for line in (*_tls(config), *proxies.summary(config))),
        f"  {size} over libuv, pid {os.getpid()}",
    ]


def _tls(config: Config) -> Iterator[str]:
    if config.secure:
        clients = {
            "none": "",
            "optional": ", certificates of clients are checked",
            "required": ", certificates of clients are required",
        }[config.client_verify]
        yield f"TLS by {', '.join(config.certfile)}{clients}"


def count(number: int, noun: str) -> str:
    """So many of them, in words."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def announce(
    app: str | Callable[..., Any],
    config: Config,
    interface: str,
    addresses: Sequence[Address],
    workers: int,
) -> None:
    """Write the block, and warn of options that mean nothing here."""
    if logger.isEnabledFor(logging.INFO):
        say(*start_block(app, config, interface, addresses, workers))
    for flag in config.idle_options(interface):
        logger.warning("%s means nothing to %s", flag, interface.upper())
    for flag, other in (*proxies.idle_options(config), *_idle_options(config, interface)):
        logger.warning("%s means nothing without %s", flag, other)


def _idle_options(config: Config, interface: str) -> Iterator[tuple[str, str]]:
    if config.timeout_request and interface == "wsgi" and config.threads == 1:
        yield "--timeout-request", "--threads"
    if config.request_id == "off" and config.request_id_header:
        yield "--request-id-header", "--request-id"
    if config.access_log is False and config.access_logfile:
        yield "--access-logfile", "--access-log"


def say(*lines: str) -> None:
    """Write to standard error, for the operator."""
    with contextlib.suppress(OSError):  # nobody reads it any more: no reason to stop
        print(*lines, sep="\n", file=sys.stderr, flush=True)
