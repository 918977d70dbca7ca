"""What the programs of the bench share: environments, servers, loads and the machine's facts."""

from __future__ import annotations

from pathlib import Path

BENCH = Path(__file__).resolve().parent.parent
ROOT = BENCH.parent
OUT = BENCH / "out"
"""Everything that a run writes: the floor's program, tables, JSON."""


class BenchError(Exception):
    """The figures cannot be trusted or taken; the text says why, for the person who asked."""
