"""What the user may have meant: the nearest right name for one that is not known.

Used for the messages of :mod:`freastal.config` and its neighbours; never to accept a wrong name.
"""

from __future__ import annotations

from collections.abc import Iterable

from freastal.options import OPTIONS

__all__ = ["did_you_mean", "nearest", "nearest_option"]


def nearest(name: str, names: Iterable[str]) -> str:
    """The most similar of the names, or nothing where none is similar."""
    import difflib  # for messages only

    found = difflib.get_close_matches(name, list(names), n=1)
    return found[0] if found else ""


def nearest_option(name: str, others: Iterable[str] = ()) -> str:
    """The name of the option that was meant, or nothing.

    :param name: a flag, a key or the end of a variable, with ``-`` or ``_``.
    :param others: names beside those of the table.
    """
    aliases = {
        _plain(alias): row.name for row in OPTIONS.values() for alias in (row.name, *row.aliases)
    }
    found = nearest(_plain(name), [*aliases, *others])
    return aliases.get(found, found)


def did_you_mean(name: str) -> str:
    """The end of a message; nothing where nothing is near."""
    return f" (did you mean {name}?)" if name else ""


def _plain(name: str) -> str:
    return name.lstrip("-").replace("-", "_").lower()
