"""The command freastal, whose ticket keys are rotated at each SIGUSR2 and not at each hour."""

from __future__ import annotations

import sys

from freastal import supervisor
from freastal.cli import main


def rotate(self: supervisor.Supervisor) -> None:
    """In the place of what SIGUSR2 does: the time for a new key has come."""
    self._next_key = 0.0


supervisor.Supervisor._on_renew = rotate  # type: ignore[method-assign]
sys.exit(main(sys.argv[1:]))
