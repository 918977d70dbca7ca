"""The blocks of docs/DEPLOY.md, so that tests run what people copy."""

from __future__ import annotations

import re
from pathlib import Path

DEPLOY = Path(__file__).parents[2] / "docs" / "DEPLOY.md"

FENCE = re.compile(r"^```(\w*)\n# (\S+)\n(.*?)^```$", re.M | re.S)


def blocks() -> dict[str, str]:
    """Each block by its path, which is its first line."""
    found = FENCE.findall(DEPLOY.read_text())
    return {path: f"# {path}\n{text}" for _, path, text in found}


def block(path: str) -> str:
    """One of them."""
    return blocks()[path]
