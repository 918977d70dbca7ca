"""The notation of access log lines, as far as it is checked before a worker is there.

The core reads it (``src/http/access_format.h`` has the same table, and a test holds the two
together); the supervisor does not import the core.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from freastal.addresses import has_control
from freastal.kinds import ConfigError

__all__ = ["ATOMS", "PRESETS", "check_format"]

PRESETS = ("common", "combined", "json")
"""Names of ready-made formats."""

ATOMS: Mapping[str, str] = {
    "h": "address of the client",
    "l": "a dash",
    "u": "user of Basic authentication",
    "t": "time of the line, UTC, as in [24/Nov/2026:10:30:00 +0000]",
    "time": "the same as in 2026-11-24T10:30:00Z",
    "r": "request line",
    "m": "method",
    "U": "path, without the query",
    "q": "query",
    "H": "protocol",
    "s": "status",
    "B": "bytes of the response's body",
    "b": "the same, a dash for 0",
    "f": "Referer",
    "a": "User-Agent",
    "T": "time taken, in seconds",
    "M": "the same in milliseconds",
    "D": "the same in microseconds",
    "L": "the same in seconds with six decimals",
    "p": "process id of the worker",
    "I": "request id (--request-id)",
    "{}i": "a field of the request",
    "{}o": "a field of the application's response",
    "{}e": "a variable of the request (HTTP_ACCEPT) or of the process",
}
"""What may stand in ``%(…)s``; those with ``{}`` have a name in it."""

ATOM = re.compile(r"%(?:%|\(([^)]*)\)s)?")
NAMED = re.compile(r"\{[^}]+\}([ioe])")

LONGEST = 16 * 1024
MOST_ATOMS = 256
LONGEST_LINE, LONGEST_TEXT, LONGEST_NUMBER = 64 * 1024, 2048, 48
TEXTS = frozenset("urmUqHfaI")
"""Atoms of what comes from outside, which may be long."""


def check_format(text: str, where: str) -> None:
    """Refuse what the core would refuse.

    :param where: how the user wrote the option, for the message.
    :raises ConfigError: there is something unknown in it, or lines could be too long.
    """
    if text in PRESETS:
        return
    most = len(text.encode())
    if has_control(text) or most > LONGEST or text.count("%") > MOST_ATOMS:
        raise ConfigError(
            f"wrong value for {where}: it is too long, or has control characters (allowed: up to "
            f"{LONGEST} bytes and {MOST_ATOMS} atoms)"
        )
    for found in ATOM.finditer(text):
        name = found.group(1)
        if found.group() == "%%":
            continue
        named = NAMED.fullmatch(name or "")
        if not named and (name not in ATOMS or "{" in name):
            known = ", ".join(f"%({each.replace('{}', '{name}')})s" for each in ATOMS)
            raise ConfigError(
                f"wrong value for {where}: {found.group()!r} is not known (allowed: {known}, %%, "
                f"or one of {', '.join(PRESETS)})"
            )
        most += LONGEST_TEXT if named or name in TEXTS else LONGEST_NUMBER
    if most > LONGEST_LINE:
        raise ConfigError(
            f"wrong value for {where}: a line could be {most} bytes long (allowed: {LONGEST_LINE})"
        )
