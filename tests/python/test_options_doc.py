"""docs/OPTIONS.md is what the table of options says, and the tool that checks it does."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from freastal.options import OPTIONS

ROOT = Path(__file__).resolve().parents[2]


def check(root: Path) -> int:
    command = [sys.executable, str(root / "tools" / "options_doc.py"), "--check"]
    return subprocess.run(command, stderr=subprocess.DEVNULL, check=False).returncode


def test_the_document_is_fresh() -> None:
    assert check(ROOT) == 0, "run python tools/options_doc.py"


def test_the_document_names_every_option() -> None:
    written = (ROOT / "docs" / "OPTIONS.md").read_text(encoding="utf-8")
    for row in OPTIONS.values():
        assert f"`{row.flag}" in written
        assert all(f"`{name}`" in written for name in row.variables)


def test_a_stale_document_is_found(tmp_path: Path) -> None:
    for name in ("tools", "freastal"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
    (tmp_path / "docs").mkdir()
    document = tmp_path / "docs" / "OPTIONS.md"
    document.write_text("# Options\n")
    assert check(tmp_path) == 1
    assert document.read_text() == "# Options\n"
