"""The rooms of src/ keep their floors: who may include whom, and what their objects may ask for."""

import importlib.util
import platform
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SRC = ROOT / "src"

# room -> rooms whose headers it may include besides its own (docs/HOUSE.md)
MAY_INCLUDE = {
    "base": set(),
    "wire": {"base"},
    "net": {"base"},
    "http": {"base", "wire", "net"},
    "gateway": {"base", "wire", "net", "http"},
    "ext": {"base", "wire", "net", "http", "gateway"},
}

OPENSSL = ["bio", "crypto", "err", "evp", "ocsp", "pem", "rand", "ssl", "x509", "x509v3"]

# library header -> rooms that may include it
LIBRARIES = {
    "uv.h": {"net", "ext"},
    "zlib.h": {"http"},
    **{f"openssl/{name}.h": {"net"} for name in OPENSSL},
    "Python.h": {"gateway", "ext"},
    "structmember.h": {"gateway", "ext"},
}

# what src/wire may take of libc's headers: types, memory functions, vector instructions
WIRE_HEADERS = {
    "stdbool.h",
    "stddef.h",
    "stdint.h",
    "string.h",
    "sys/types.h",
    "assert.h",
    "limits.h",
    "immintrin.h",
    "nmmintrin.h",
    "smmintrin.h",
    "emmintrin.h",
    "arm_neon.h",
}

# what the objects of src/wire may ask for beyond each other: no allocator, no clock, no I/O
WIRE_SYMBOLS = {
    "memchr",
    "memcmp",
    "memcpy",
    "memmove",
    "memset",
    "__assert_fail",
    "__cpu_indicator_init",
    "__cpu_model",
    "__stack_chk_fail",
    "_GLOBAL_OFFSET_TABLE_",
    # of src/base
    "err_name",
    "err_status",
    "err_text",
    "ip_is_mapped",
    "ip_text_v4",
    "ip_text_v6",
}

# files of other machines, which the cross build compiles (tools/cross.sh) or another system
ARCHITECTURES = {
    "x86_64": {
        "head_neon.c",
        "head_dispatch_arm.c",
        "head_dispatch_generic.c",
        "utf8_neon.c",
        "utf8_dispatch_arm.c",
        "utf8_dispatch_generic.c",
        "ws_mask_neon.c",
        "ws_mask_generic.c",
    },
    "aarch64": {
        "head_sse42.c",
        "head_avx2.c",
        "head_dispatch_x86.c",
        "head_dispatch_generic.c",
        "utf8_sse42.c",
        "utf8_avx2.c",
        "utf8_dispatch_x86.c",
        "utf8_dispatch_generic.c",
        "ws_mask_sse2.c",
        "ws_mask_generic.c",
    },
}
SYSTEMS = {"Linux": {"sys_macos.c"}, "Darwin": {"sys_linux.c"}}
AVX2 = ["-mavx2", "-mbmi", "-mbmi2"]
VECTOR_FLAGS = {
    "head_sse42.c": ["-msse4.2"],
    "head_avx2.c": AVX2,
    "utf8_sse42.c": ["-msse4.2"],
    "utf8_avx2.c": AVX2,
}

INCLUDE = re.compile(r'^\s*#\s*include\s+([<"])([^">]+)[">]', re.MULTILINE)
CONDITIONAL = re.compile(r"\s*#\s*(if|ifdef|ifndef|elif|else|endif)\b")


def c_files(*rooms: str) -> list[Path]:
    return sorted(path for room in rooms for path in (SRC / room).glob("*.c"))


def all_files() -> list[Path]:
    return sorted(
        path for path in SRC.rglob("*") if path.is_file() and path.suffix in {".c", ".h", ".def"}
    )


def includes(path: Path) -> list[tuple[bool, str]]:
    """All includes of a file in order: whether of the system's, and the name."""
    return [(kind == "<", name) for kind, name in INCLUDE.findall(path.read_text())]


def room_of(path: Path) -> str:
    return path.relative_to(SRC).parts[0]


def test_every_room_is_in_the_table() -> None:
    assert {room_of(path) for path in all_files()} == set(MAY_INCLUDE)


def test_rooms_include_only_the_floors_below() -> None:
    wrong = []
    for path in all_files():
        room = room_of(path)
        for system, name in includes(path):
            if system:
                allowed = room in LIBRARIES.get(name, {room})
            else:
                target = name.split("/")[0]
                allowed = target == room or target in MAY_INCLUDE[room]
                allowed = allowed and (SRC / name).is_file()
            if not allowed:
                wrong.append(f"{path.relative_to(ROOT)} includes {name}")
    assert wrong == []


def test_wire_is_pure() -> None:
    wrong = [
        f"{path.relative_to(ROOT)} includes {name}"
        for path in all_files()
        if room_of(path) == "wire"
        for system, name in includes(path)
        if system and name not in WIRE_HEADERS
    ]
    assert wrong == []


def test_own_header_first_and_banned_last() -> None:
    wrong = []
    for path in c_files(*MAY_INCLUDE):
        names = [name for _, name in includes(path)]
        own = path.with_suffix(".h")
        if own.is_file() and own.relative_to(SRC).as_posix() != names[0]:
            wrong.append(f"{path.relative_to(ROOT)} does not include its own header first")
        headers = [name for name in names if name.endswith(".h")]
        if not headers or headers[-1] != "base/banned.h":
            wrong.append(f"{path.relative_to(ROOT)} does not include base/banned.h last")
    assert wrong == []


def without_literals(text: str) -> str:
    """The text with comments, strings and character constants blanked, lines kept."""

    def blank(match: re.Match[str]) -> str:
        return re.sub(r"[^\n]", " ", match.group())

    literal = r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\''
    return re.sub(literal, blank, text, flags=re.DOTALL)


def inner_conditionals(text: str) -> Iterator[int]:
    """Numbers of the lines where the preprocessor chooses inside of a function or a struct.

    Rows of a table (the braces of an initializer) may be chosen.
    """
    tables: list[bool] = []  # of the braces that are open: does an initializer open them
    last = ""
    continued = False
    for number, line in enumerate(without_literals(text).splitlines(), 1):
        directive = continued or line.lstrip().startswith("#")
        if not continued and CONDITIONAL.match(line) and not all(tables):
            yield number
        continued = directive and line.endswith("\\")
        if directive:
            continue
        for char in line:
            if char == "{":
                tables.append(last == "=" or (bool(tables) and tables[-1]))
            elif char == "}":
                tables.pop()
            last = last if char.isspace() else char


def test_the_finder_of_conditionals_finds() -> None:
    inside = "int f(void) {\n    char c = '{'; /* } */ \"}\";\n#ifdef A\n#endif\n}\n#if B\n#endif\n"
    assert list(inner_conditionals(inside)) == [3, 4]
    assert list(inner_conditionals("struct s {\n#ifdef A\n};\n")) == [2]
    macro = "#define M(x) \\\n    { \\\n    }\n#if 1\n#endif\n"
    assert list(inner_conditionals(macro)) == []
    assert list(inner_conditionals("int t[] = {\n#ifdef A\n    {1},\n#endif\n};\n")) == []


def test_the_preprocessor_chooses_by_file_not_inside_of_functions() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in all_files()
        for number in inner_conditionals(path.read_text())
    ]
    assert wrong == []


# --- objects ---


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> dict[Path, Path]:
    """The lower rooms compiled for this machine, without Python's headers: source -> object."""
    directory = tmp_path_factory.mktemp("objects")
    other = ARCHITECTURES.get(platform.machine(), set()) | SYSTEMS.get(platform.system(), set())
    flags = subprocess.run(
        ["pkg-config", "--cflags", "libuv"], check=True, capture_output=True, text=True
    ).stdout.split()
    built = {}
    for source in c_files("base", "wire", "net", "http"):
        if source.name in other:
            continue
        target = directory / f"{room_of(source)}-{source.stem}.o"
        command = ["cc", "-std=gnu11", "-D_GNU_SOURCE", "-O1", "-fPIC", f"-I{SRC}", *flags]
        command += [*VECTOR_FLAGS.get(source.name, []), "-c", str(source), "-o", str(target)]
        subprocess.run(command, check=True)
        built[source] = target
    return built


def symbols(path: Path, *options: str) -> set[str]:
    """What nm lists, without the versions of shared libraries."""
    output = subprocess.run(
        ["nm", "-P", *options, str(path)], check=True, capture_output=True, text=True
    ).stdout
    return {line.split()[0].split("@")[0] for line in output.splitlines() if line}


def test_the_lower_rooms_ask_nothing_of_python(objects: dict[Path, Path]) -> None:
    asked = {
        f"{source.relative_to(ROOT)}: {symbol}"
        for source, built in objects.items()
        for symbol in symbols(built, "-u")
        if symbol.startswith(("Py", "_Py"))
    }
    assert asked == set()


def test_wire_asks_for_no_memory_clock_or_io(objects: dict[Path, Path]) -> None:
    wire = {source: built for source, built in objects.items() if room_of(source) == "wire"}
    own = set[str]().union(*(symbols(built, "--defined-only") for built in wire.values()))
    asked = {
        f"{source.relative_to(ROOT)}: {symbol}"
        for source, built in wire.items()
        for symbol in symbols(built, "-u") - own - WIRE_SYMBOLS
    }
    assert asked == set()


def test_rooms_call_only_the_floors_below(objects: dict[Path, Path]) -> None:
    """As the includes, but of what is really called: wire and net do not see each other."""
    home = {
        symbol: room_of(source)
        for source, built in objects.items()
        for symbol in symbols(built, "--defined-only", "--extern-only")
    }
    wrong = {
        f"{source.relative_to(ROOT)} calls {symbol} of {home[symbol]}"
        for source, built in objects.items()
        for symbol in symbols(built, "-u") & set(home)
        if home[symbol] not in MAY_INCLUDE[room_of(source)] | {room_of(source)}
    }
    assert wrong == set()


def test_the_extension_exports_its_init_function_only() -> None:
    spec = importlib.util.find_spec("freastal")
    found = sorted(Path(spec.origin).parent.glob("_core*.so")) if spec and spec.origin else []
    if not found:
        pytest.skip("freastal._core is not built for this interpreter")
    for extension in found:
        exported = symbols(extension, "-D", "--defined-only")
        assert exported - {"_init", "_fini"} == {"PyInit__core"}


# --- formatting ---


def test_clang_format() -> None:
    tool = shutil.which("clang-format-14") or shutil.which("clang-format")
    if tool is None:
        pytest.skip("clang-format is not installed")
    files = subprocess.run(
        ["git", "ls-files", "--", "*.c", "*.h"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    assert files
    result = subprocess.run(
        [tool, "--dry-run", "-Werror", *files],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
