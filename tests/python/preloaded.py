"""Libraries of C that a process of a test preloads, to make happen what else happens rarely."""

from __future__ import annotations

import platform
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent

needed = [
    pytest.mark.skipif(
        platform.libc_ver()[0] != "glibc", reason="the preloaded library is glibc's"
    ),
    pytest.mark.skipif(not shutil.which("cc"), reason="there is no C compiler"),
]
"""Marks of a module that preloads one."""


def build(name: str, directory: Path) -> Path:
    """Make the library of ``name``.c beside this file."""
    made = directory / f"{name}.so"
    options = ["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror"]
    subprocess.run(["cc", *options, "-o", made, HERE / f"{name}.c"], check=True)
    return made
