"""docs/OPTIONS.md is what the table of options says."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from freastal.config import OPTIONS

ROOT = Path(__file__).resolve().parents[2]


def test_the_document_is_fresh() -> None:
    spec = importlib.util.spec_from_file_location("options_doc", ROOT / "tools/options_doc.py")
    assert spec is not None
    assert spec.loader is not None
    generator = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generator)
    written = (ROOT / "docs" / "OPTIONS.md").read_text(encoding="utf-8")
    assert written == generator.render(), "run python tools/options_doc.py"
    for row in OPTIONS.values():
        assert f"{row.flag}" in written
