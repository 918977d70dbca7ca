"""The table of errors of ``src/base/err.h``, read from the source: it stands in one place only."""

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]

_ROW = re.compile(r'X\((ERR_\w+),\s*"([^"]*)",\s*(\d+)\)')


class Rule(NamedTuple):
    """One row: the sentence that the log carries and the status that the peer gets."""

    text: str
    status: int


def read_rules(path: Path) -> dict[str, Rule]:
    """All rows of the table, by name.

    :raises ValueError: the file holds no table.
    """
    rows = _ROW.findall(path.read_text())
    if not rows:
        raise ValueError(f"no table of errors in {path}")
    return {name: Rule(text, int(status)) for name, text, status in rows}


RULES = read_rules(ROOT / "src" / "base" / "err.h")
