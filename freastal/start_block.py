"""What the server says of itself when it begins to serve."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from freastal import __version__, loader, proxies
from freastal.addresses import Address
from freastal.config import Config

__all__ = ["count", "start_block"]


def start_block(
    app: str | Callable[..., Any],
    config: Config,
    interface: str,
    addresses: Sequence[Address],
    workers: int,
) -> list[str]:
    """The lines: version, application, addresses as URLs, trusted proxies, size."""
    size = count(workers, "worker")
    if interface == "wsgi":
        size += f" × {count(config.threads, 'thread')}"
    else:
        size += f" on {'uvloop' if config.loop == 'uvloop' else 'asyncio'}"
    return [
        f"freastal {__version__}: {loader.describe(app)} ({interface})",
        *(f"  {address.url(config.secure)}" for address in addresses),
        *(f"  {line}" for line in proxies.summary(config)),
        f"  {size}, pid {os.getpid()}",
    ]


def count(number: int, noun: str) -> str:
    """So many of them, in words."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
