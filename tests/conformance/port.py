"""Makes the Autobahn test suite run on Python 3: translates an installed copy in its place.

The suite (``autobahntestsuite`` on PyPI) is written for Python 2 alone, which no supported system
has any more. Its fuzzing client and its cases need little: 2to3 takes the syntax, :data:`EDITS`
the few lines whose meaning changed. Python 2's strings stay what they were, bytes, each byte being
a character below 256; ``fuzz.py`` encodes and decodes them as latin-1 where they meet the wire.
No rule of any case is changed: every edit is listed here, and one that no longer fits fails.

Run by ``run.py`` once, with the interpreter of the suite's own environment: ``python port.py``.
"""

from __future__ import annotations

import importlib
import sysconfig
from pathlib import Path

FIXERS = ("print", "has_key", "xrange", "unicode", "import", "except", "raise")

SUITE = "autobahntestsuite"
FILES = ("fuzzing.py", "caseset.py", "case/*.py")
"""What the suite's fuzzing client is made of; the rest of it stays as it is, unused."""

Edits = dict[str, list[tuple[str, str]]]

SUITE_EDITS: Edits = {
    # A case that the suite itself leaves out, with a decorator that is gone.
    "case/__init__.py": [("from .case9_9_1 import *\n", "")],
    # Pickles of equal values may differ, as equal strings need not be one object.
    "case/case.py": [("pickle.dumps(obj1) == pickle.dumps(obj2)", "obj1 == obj2")],
    "case/case6_x_x.py": [
        ("(object, Case, )", "(Case, )"),
        ("v.validate(vss[:i])", 'v.validate(vss[:i].encode("latin-1"))'),
    ],
    # Every class has `object` above it now, and it cannot stand first.
    "case/case7_7_X.py": [("(object, Case, )", "(Case, )")],
    "case/case7_9_X.py": [("(object, Case, )", "(Case, )")],
    "case/case9_7_X.py": [("(object, Case, )", "(Case, )")],
    "case/case12_x_x.py": [("(object, Case, )", "(Case, )")],
    # Python 2 took the integer quotient of two integers.
    "case/case10_1_1.py": [("/ self.p.autoFragmentSize", "// self.p.autoFragmentSize")],
    "fuzzing.py": [("dd.decode('utf8',", "dd.encode('latin-1').decode('utf8',")],
}

AUTOBAHN_EDITS: Edits = {
    "websocket/protocol.py": [("payload_len / len(payload)", "payload_len // len(payload)")],
}
"""The library below it runs on Python 3 but for this line."""

PACKAGE = '"""Only the fuzzing client."""\nfrom ._version import __version__ as version\n'

PY2 = '''"""What Python 2's binascii.b2a_hex gave: text, of text as of bytes."""
def b2a_hex(data):
    return (data if isinstance(data, bytes) else data.encode("latin-1")).hex()
'''


def edit(package: Path, edits: Edits) -> None:
    """Put other lines in the place of some.

    :raises RuntimeError: a line to edit is not there: this is another version.
    """
    for name, pairs in edits.items():
        text = (package / name).read_text(encoding="utf-8")
        for old, new in pairs:
            if old not in text:
                raise RuntimeError(f"{package / name} has no {old!r}")
            text = text.replace(old, new)
        (package / name).write_text(text, encoding="utf-8")


def translate(package: Path) -> None:
    """Turn the suite's Python 2 into Python 3."""
    (package / "__init__.py").write_text(PACKAGE)
    (package / "py2.py").write_text(PY2)
    refactor = importlib.import_module("fissix.refactor")
    tool = refactor.RefactoringTool([f"fissix.fixes.fix_{name}" for name in FIXERS])
    for path in sorted(path for pattern in FILES for path in package.glob(pattern)):
        source = path.read_text(encoding="latin-1")  # a character an octet, as said above
        # fissix looks beside the path for the package's other modules.
        text = str(tool.refactor_string(source + "\n", str(path)))
        plain = text.replace("binascii.b2a_hex(", "b2a_hex(")
        if plain != text:
            plain = f"from {SUITE}.py2 import b2a_hex\n{plain}"
        path.write_text(plain, encoding="utf-8")


def main() -> None:
    """Port what this interpreter has installed."""
    packages = Path(sysconfig.get_path("purelib"))
    translate(packages / SUITE)
    edit(packages / SUITE, SUITE_EDITS)
    edit(packages / "autobahn", AUTOBAHN_EDITS)


if __name__ == "__main__":
    main()
