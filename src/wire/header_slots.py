"""Writes header_slots.h, the perfect hash of the field names in header_id.h.

Run it after a change of HEADER_TABLE: `python src/wire/header_slots.py`. The unit test of
header_id fails while the two do not fit. The hash itself is header_candidate() in header_lookup.h;
this searches the factor for which no two names share a slot.
"""

from __future__ import annotations

import random
import re
from pathlib import Path

HERE = Path(__file__).parent
SLOTS = 256


def rows() -> list[tuple[str, str]]:
    """The rows of HEADER_TABLE as (id, name), in order."""
    text = (HERE / "header_id.h").read_text()
    return re.findall(r'^\s*X\((HEADER_\w+), "([a-z-]+)"\)', text, re.MULTILINE)


def key(name: str) -> int:
    """The 32 bits that are multiplied: the last four bytes and the length.

    A name that is shorter has the end of the line before it in them, in "lower case" too.
    """
    last = int.from_bytes(f"\r\n{name}".encode()[-4:], "little")
    return (last | 0x20202020) + (len(name) << 7)


def slot(factor: int, value: int) -> int:
    """Upper eight bits of the product, as header_candidate() takes them."""
    return (value * factor & 0xFFFFFFFF) >> 24


def main() -> None:
    """Searches with a fixed seed, so that the same rows give the same file."""
    table = rows()
    keys = [key(name) for _, name in table]
    if len(set(keys)) != len(keys):
        raise SystemExit("two names have the same key: header_candidate() must look at more bytes")
    numbers = random.Random(1)
    while True:
        factor = numbers.getrandbits(32) | 1
        slots = {slot(factor, value): row[0] for value, row in zip(keys, table, strict=True)}
        if len(slots) == len(table):
            break
    lines = [
        "/* Made by header_slots.py from HEADER_TABLE; not edited by hand. Included by",
        " * header_id.c (the slots) and header_lookup.h (the factor). */",
        "#ifndef WIRE_HEADER_SLOTS_H",
        "#define WIRE_HEADER_SLOTS_H",
        "",
        f"#define HEADER_SLOT_COUNT  {SLOTS}",
        f"#define HEADER_SLOT_FACTOR {factor:#010x}u",
        "",
        "#define HEADER_SLOTS(X) \\",
        *[f"    X({number}, {slots[number]}) \\" for number in sorted(slots)],
    ]
    lines[-1] = lines[-1].removesuffix(" \\")
    width = 99
    lines = [f"{line[:-2]:<{width}}\\" if line.endswith(" \\") else line for line in lines]
    (HERE / "header_slots.h").write_text("\n".join([*lines, "", "#endif", ""]))


if __name__ == "__main__":
    main()
