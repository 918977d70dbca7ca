"""Builds what the bench runs: the floors, and virtual environments with the servers.

``bench/.venv/here`` holds freastal built from this checkout, ``bench/.venv/peers`` the servers of
``peers.txt``, both with the frameworks of ``frameworks.txt``; ``bench/.venv/freastal-0.0.3`` holds
the earlier ``freastal`` of PyPI, which has the same import name as ours; ``bench/.venv/tools``
brings meson. Each is made anew only when what it is made from has changed.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

from benchkit import BENCH, OUT, ROOT, BenchError

EARLIER = "freastal==0.0.3"
HERE = BENCH / ".venv" / "here"
PEERS = BENCH / ".venv" / "peers"
OLD = BENCH / ".venv" / "freastal-0.0.3"
TOOLS = BENCH / ".venv" / "tools"

FRAMEWORKS = BENCH / "frameworks.txt"

FLOOR_PROGRAM = OUT / "floor"
ECHO_FLOOR_PROGRAM = OUT / "echo_floor"
ECHO_LOAD_PROGRAM = OUT / "echo_load"
TLS_LOAD_PROGRAM = OUT / "tls_load"
NULL_BUILD = OUT / "null"
NULL_PROGRAM = NULL_BUILD / "bench" / "null_server"


def _run(command: list[str | Path], what: str) -> None:
    """Run a command that should say nothing.

    :raises BenchError: it failed; with the end of what it said.
    """
    done = subprocess.run(
        command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    if done.returncode != 0:
        raise BenchError(f"{what} failed:\n{done.stdout[-4000:]}")


def install_system() -> None:
    """Install by apt what is missing of the system's packages."""
    script = ROOT / "tools" / "system-packages.sh"
    _run(["sh", script, "bench", sys.executable], "installing system packages")


def build_programs() -> None:
    """Compile the floors, and the load that wrk cannot put on."""
    OUT.mkdir(exist_ok=True)
    flags = ["-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", f"-I{ROOT / 'src'}"]
    for program in (FLOOR_PROGRAM, ECHO_FLOOR_PROGRAM, ECHO_LOAD_PROGRAM):
        source = BENCH / f"{program.name}.c"
        _run(["cc", *flags, source, "-o", program], f"building {program.name}")


def build_tls_load() -> None:
    """Compile the load of handshakes."""
    OUT.mkdir(exist_ok=True)
    flags = ["-std=c11", "-O2", "-Wall", "-Wextra", "-Werror"]
    source = BENCH / f"{TLS_LOAD_PROGRAM.name}.c"
    libraries = ["-lssl", "-lcrypto", "-lpthread"]
    command: list[str | Path] = ["cc", *flags, source, "-o", TLS_LOAD_PROGRAM, *libraries]
    _run(command, f"building {TLS_LOAD_PROGRAM.name}")


def build_null() -> None:
    """Compile ``null_server.c`` and the rooms below it, as the extension is compiled."""
    _environment(TOOLS, ["meson", "ninja"], _digest([b"meson ninja"]))
    meson: list[str | Path] = ["env", f"PATH={TOOLS / 'bin'}:{os.environ['PATH']}", "meson"]
    if not (NULL_BUILD / "build.ninja").exists():
        options = ["-Dbench=true", "-Dextension=false"]
        _run([*meson, "setup", NULL_BUILD, ROOT, *options], "configuring null_server")
    _run([*meson, "compile", "-C", NULL_BUILD, "null_server"], "building null_server")


def _digest(parts: Iterable[bytes]) -> str:
    digest = hashlib.sha256(sys.version.encode())
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def _sources() -> Iterable[bytes]:
    """All that a build of this checkout is made from, names and contents."""
    files = [ROOT / "pyproject.toml", *ROOT.glob("meson*")]
    for room in ("src", "freastal"):
        files += [path for path in sorted((ROOT / room).rglob("*")) if path.is_file()]
    for path in files:
        if path.suffix not in (".pyc", ".so"):
            yield bytes(path.relative_to(ROOT))
            yield path.read_bytes()


def _environment(path: Path, requirements: list[str | Path], stamp: str) -> None:
    """Make a virtual environment, unless the one there was made from the same."""
    stamp_file = path / "made-from"
    if stamp_file.exists() and stamp_file.read_text() == stamp:
        return
    print(f"making {path.relative_to(ROOT)}", flush=True)
    _run([sys.executable, "-m", "venv", "--clear", path], f"making {path}")
    pip: list[str | Path] = [path / "bin" / "python", "-m", "pip", "install", "--quiet"]
    _run([*pip, "--disable-pip-version-check", *requirements], f"installing into {path}")
    stamp_file.write_text(stamp)


def make_here() -> None:
    """freastal, built from this checkout as ``pip install .`` builds it for a user."""
    if not (ROOT / "pyproject.toml").exists():
        raise BenchError("no pyproject.toml: freastal itself cannot be installed")
    stamp = _digest([*_sources(), FRAMEWORKS.read_bytes()])
    _environment(HERE, [ROOT, "-r", FRAMEWORKS], stamp)


def make_peers() -> None:
    """The servers of ``peers.txt``."""
    requirements = BENCH / "peers.txt"
    stamp = _digest([requirements.read_bytes(), FRAMEWORKS.read_bytes()])
    _environment(PEERS, ["-r", requirements, "-r", FRAMEWORKS], stamp)


def make_old() -> None:
    """The earlier ``freastal``."""
    _environment(OLD, [EARLIER], _digest([EARLIER.encode()]))


def versions(path: Path) -> dict[str, str]:
    """Versions of the distributions in a virtual environment, by their names in small letters."""
    done = subprocess.run(
        [path / "bin" / "python", "-m", "pip", "list", "--format", "json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        check=True,
    )
    return {row["name"].lower(): row["version"] for row in json.loads(done.stdout)}


def checkout() -> str:
    """The checkout's commit, with ``-dirty`` behind it where files differ from it."""
    done = subprocess.run(
        ["git", "-C", ROOT, "describe", "--always", "--dirty"],
        check=False,
        capture_output=True,
        text=True,
    )
    return done.stdout.strip() if done.returncode == 0 else "unknown"
