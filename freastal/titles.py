"""What ``ps`` and ``top`` show of a process.

With setproctitle (``pip install 'freastal[titles]'``) the whole command line, as
``freastal: worker 1 myapp:app``; without it, on Linux, the name of 15 bytes that ``top`` shows, as
``freastal-w1``.
"""

from __future__ import annotations

import ctypes
import sys

__all__ = ["show"]

PR_SET_NAME = 15
LONGEST_NAME = 15


def show(title: str, name: str) -> None:
    """Show this process so.

    :param title: behind ``freastal: ``.
    :param name: behind ``freastal-``, in a few bytes.
    """
    try:
        import setproctitle
    except ImportError:
        _name(f"freastal-{name}")
    else:
        setproctitle.setproctitle(f"freastal: {title}")


def _name(text: str) -> None:
    if sys.platform != "linux":
        return
    prctl = ctypes.CDLL(None).prctl
    prctl(PR_SET_NAME, ctypes.c_char_p(text.encode()[:LONGEST_NAME]), 0, 0, 0)
