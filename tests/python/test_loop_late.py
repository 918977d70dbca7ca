"""A process is put aside between the start of a timer and the wait for it: the timer is due when
libuv looks at it, which before version 1.45 is before it waits."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from preloaded import build, needed

TIMEOUT = 60.0

pytestmark = needed

SLEEPS = """
import asyncio, ctypes
from freastal.loop import EventLoop

loop = EventLoop()
loop.run_until_complete(asyncio.sleep(0.001))
loop.run_until_complete(asyncio.wait_for(asyncio.sleep(0.02), 0.05))
print(ctypes.c_int.in_dll(ctypes.CDLL(None), "late_timers").value)
"""


def test_a_timer_that_is_late_ends_the_wait(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SLEEPS],
        cwd=tmp_path,
        env={**os.environ, "LD_PRELOAD": str(build("late_timers", tmp_path))},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "2\n", "")
