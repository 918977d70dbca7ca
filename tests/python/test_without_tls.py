"""A build with ``-Dtls=disabled``: it serves, and refuses the options of TLS with a sentence."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TIMEOUT = 300.0

SCRIPT = """
import sys
from freastal import _core, cli

assert not hasattr(_core, "TlsContext")
sys.exit(cli.main(sys.argv[1:]))
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with the package as such a build makes it."""
    made = tmp_path_factory.mktemp("without-tls")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    # The environment decides where -Dtls does not (meson.build).
    env = {**os.environ, "PATH": path, "FREASTAL_TLS": "0"}
    options = ["--buildtype=plain", "-Db_lto=false"]
    commands: list[list[str | Path]] = [
        ["meson", "setup", made / "build", ROOT, *options],
        ["meson", "compile", "-C", made / "build"],
    ]
    for command in commands:
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=TIMEOUT)
        assert done.returncode == 0, done.stdout + done.stderr
    package = made / "freastal"
    shutil.copytree(ROOT / "freastal", package, ignore=shutil.ignore_patterns("*.so"))
    for extension in (made / "build").rglob("_core*.so"):
        shutil.copy(extension, package)
    return made


def test_the_options_are_refused(site: Path) -> None:
    (site / "app.py").write_text("def application(environ, start_response): ...\n")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, "--certfile", "c.pem", "--port", "0", "app"],
        cwd=site,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    assert done.returncode == 2
    assert "--certfile is given, but freastal was built without TLS" in done.stderr
    assert "Traceback" not in done.stderr
