"""The command freastal, whose ticket keys are rotated at each SIGHUP and not at each hour."""

from __future__ import annotations

import sys

from freastal import supervisor
from freastal.cli import main


def rotate(self: supervisor.Supervisor) -> None:
    """In the place of what SIGHUP does: the time for a new key has come."""
    self._next_key = 0.0


supervisor.Supervisor._on_hang_up = rotate  # type: ignore[method-assign]
sys.exit(main(sys.argv[1:]))
