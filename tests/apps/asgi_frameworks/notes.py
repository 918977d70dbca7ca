"""What the applications beside it share: what they tell the test, and whom they wait for."""

import os
import threading
from pathlib import Path

ROOM = Path(os.environ["PROBE_DIRECTORY"])
HERE = Path(__file__).parent
MEGABYTE = b"m" * 1_000_000

_two = threading.Barrier(2)


def note(event: str) -> None:
    """Notes in the file `events` what happens out of sight, as tests/apps/probe.py does."""
    with open(ROOM / "events", "a") as events:
        events.write(event + "\n")


def meet() -> str:
    """Blocks until it is called in a second thread too; a loop that calls it would stand still."""
    _two.wait(20)
    return "met in a thread" if threading.current_thread() is not threading.main_thread() else ""
