"""Prints ns per request head, our parsers and others side by side, measured in one run.

    python bench/parser/run.py [--rounds N]

The others are fetched when they are missing, into bench/out/parser, which git ignores:
picohttpparser in its SSE4.2 build from the source package gunicorn-h1c, llhttp from the source
package httptools; libh2o (Debian: libh2o0.13), which has picohttpparser built without SSE4.2, is
used where the machine has it.
"""

from __future__ import annotations

import argparse
import ctypes.util
import platform
import shutil
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
OUT = ROOT / "bench" / "out" / "parser"
WIRE = ROOT / "src" / "wire"
HEADS = ("small.http", "browser.http")

# Which files of src/wire a machine gets and with which flags, as src/wire/meson.build has it.
COMMON = ("head.c", "head_line.c", "head_scalar.c", "header_id.c")
BY_MACHINE: dict[str, dict[str, list[str]]] = {
    "x86_64": {
        "head_dispatch_x86.c": [],
        "head_sse42.c": ["-msse4.2"],
        "head_avx2.c": ["-mavx2", "-mbmi", "-mbmi2"],
    },
    "aarch64": {"head_dispatch_arm.c": [], "head_neon.c": []},
}


def run(*command: str | Path) -> str:
    """Output of a command; ends the program with the command's own words where it fails."""
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
    return done.stdout


def source_package(name: str) -> Path:
    """Directory of the unpacked source package of that name, fetched once."""
    pattern = f"{name.replace('-', '_')}-*/"
    if not any(OUT.glob(pattern)):
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        run(*pip, "--no-binary", ":all:", "--dest", OUT, name)
        (archive,) = OUT.glob(f"{pattern[:-1]}.tar.gz")
        shutil.unpack_archive(archive, OUT)
    return next(OUT.glob(pattern))


def build_ours(compiler: str) -> Path:
    """The benchmark program with the parsers of src/wire in it."""
    objects: list[Path] = []
    sources = {name: [] for name in COMMON} | BY_MACHINE.get(
        platform.machine(), {"head_dispatch_generic.c": []}
    )
    # Optimised as the product is (meson.build); the peers as their own projects build them.
    flags = ["-std=c11", "-D_GNU_SOURCE", "-O2", "-flto", f"-I{ROOT / 'src'}"]
    for name, extra in sources.items():
        objects.append(OUT / f"{name}.o")
        run(compiler, *flags, *extra, "-c", WIRE / name, "-o", objects[-1])
    program = OUT / "bench_parser"
    run(compiler, *flags, HERE / "bench_parser.c", *objects, "-ldl", "-o", program)
    return program


def build_others(compiler: str) -> list[str | Path]:
    """Arguments of the benchmark program for the parsers to compare with."""
    arguments: list[str | Path] = []
    shared = [compiler, "-O3", "-fPIC", "-shared"]
    if platform.machine() == "x86_64":
        (pico,) = source_package("gunicorn-h1c").rglob("picohttpparser.c")
        library = OUT / "libpico.so"
        run(*shared, "-msse4.2", pico, "-o", library)
        arguments += ["phr", "picohttpparser, SSE4.2", library]
    h2o = ctypes.util.find_library("h2o")
    if h2o:
        arguments += ["phr", "picohttpparser, libh2o", h2o]
    else:
        print("libh2o is not installed (apt install libh2o0.13): left out")
    llhttp = source_package("httptools") / "vendor" / "llhttp"
    library = OUT / "libllhttp_adapter.so"
    files = sorted((llhttp / "src").glob("*.c"))
    run(*shared, f"-I{llhttp / 'include'}", HERE / "llhttp_adapter.c", *files, "-o", library)
    return [*arguments, "llhttp", "llhttp", library]


def main() -> None:
    """Builds, measures, prints one table a head."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=101, help="rounds to take medians of")
    options.add_argument("--cc", default="cc", help="the C compiler")
    given = options.parse_args()
    OUT.mkdir(parents=True, exist_ok=True)
    program = build_ours(given.cc)
    others = build_others(given.cc)
    for head in HEADS:
        path = HERE / head
        rows = [
            line.split("\t") for line in run(program, path, str(given.rounds), *others).splitlines()
        ]
        print(f"\n{head}: {path.stat().st_size} bytes, {rows[0][3]} fields")
        print(f"{'parser':<26}{'median ns':>10}{'least ns':>10}{'x fastest':>11}")
        fastest = min(float(row[1]) for row in rows)
        for name, median, least, _ in rows:
            print(f"{name:<26}{median:>10}{least:>10}{float(median) / fastest:>11.2f}")


if __name__ == "__main__":
    main()
