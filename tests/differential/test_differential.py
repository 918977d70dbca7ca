"""Our parser against llhttp and picohttpparser, on the corpus and on mutants of it.

They need not agree: we are stricter on purpose. But each difference has a row in differences.py
that says why, and a difference that has none fails.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

import pytest
from differences import DIFFERENCES, LAXER, OTHER, STRICTER, Difference
from peers import Answer, ask_llhttp, ask_ours, ask_phr, build_ours, load_phr

CORPUS = Path(__file__).resolve().parent.parent / "corpus"
MUTANTS = 20_000
SEED = 20241123
INTERESTING = b'\r\n \t:;,/?#@\x00\x7f\x80\xff\x01"%+-_0159aAfFHP.x'

# (name of the input, its bytes, our answer, the peer's)
Compared = tuple[str, bytes, Answer, Answer]


def mutant(numbers: random.Random, data: bytes) -> bytes:
    """The bytes with one to three small changes."""
    changed = bytearray(data)
    for _ in range(numbers.randint(1, 3)):
        at = numbers.randrange(len(changed) + 1)
        byte = numbers.choice(INTERESTING)
        kind = numbers.randrange(4)
        if kind == 0:
            changed[at : at + 1] = bytes([byte])
        elif kind == 1:
            changed.insert(at, byte)
        elif kind == 2:
            del changed[at : at + 1]
        else:
            del changed[at : at + numbers.randint(1, 8)]
    return bytes(changed)


@pytest.fixture(scope="module")
def inputs() -> dict[str, bytes]:
    """Names and bytes: the corpus, then mutants of its smaller files (fixed seed)."""
    corpus = {path.name: path.read_bytes() for path in sorted(CORPUS.glob("*/*.http"))}
    assert len(corpus) > 100
    seeds = [data for data in corpus.values() if len(data) < 1500]
    numbers = random.Random(SEED)
    mutants = {f"mutant {i}": mutant(numbers, numbers.choice(seeds)) for i in range(MUTANTS)}
    return corpus | mutants


@pytest.fixture(scope="module")
def ours(
    inputs: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, tuple[Answer, Answer]]:
    """Our answers by name of the input: of the first head, of all requests."""
    program = build_ours(tmp_path_factory.mktemp("probe"))
    answers = ask_ours(program, inputs.values())
    return dict(zip(inputs, answers, strict=True))


def difference_of(ours: Answer, theirs: Answer) -> tuple[str, str] | None:
    """How the peer differs and the word for it, None where they agree.

    Where both refuse the same request, they agree, whatever each calls it.
    """
    for our, their in zip(ours.requests, theirs.requests, strict=False):
        for part in ("method", "target", "minor", "fields", "body"):
            if getattr(our, part) != getattr(their, part):
                return OTHER, part
    behind = len(theirs.requests) - len(ours.requests)
    if ours.error and theirs.error and behind == 0:
        return None
    if ours.error and (behind > 0 or not theirs.error):
        return LAXER, ours.error
    if theirs.error:
        return STRICTER, theirs.error
    if behind != 0:
        return OTHER, "number of requests"
    return None


def row_of(peer: str, compared: Compared) -> Difference | None:
    """The row that explains the difference. The answers must differ."""
    _, data, ours, theirs = compared
    difference = difference_of(ours, theirs)
    for row in DIFFERENCES:
        if (row.peer, (row.how, row.word)) == (peer, difference) and row.applies(
            data, ours, theirs
        ):
            return row
    return None


def check(peer: str, answers: list[Compared]) -> None:
    """Fails where a difference has no row, or a row no difference."""
    explained: dict[Difference, int] = defaultdict(int)
    unexplained = []
    agreed = 0
    for compared in answers:
        name, data, ours, theirs = compared
        difference = difference_of(ours, theirs)
        if difference is None:
            agreed += 1
        elif row := row_of(peer, compared):
            explained[row] += 1
        else:
            unexplained.append(f"{name}: {difference}: {data[:300]!r}\n  {ours}\n  {theirs}")
    assert not unexplained, "\n".join(unexplained[:10])
    idle = [row for row in DIFFERENCES if row.peer == peer and row not in explained]
    assert not idle, "rows that explain nothing"
    assert agreed > len(answers) / 3  # else it compares nothing much


def compare(
    ours: dict[str, Answer], inputs: dict[str, bytes], ask: Callable[[bytes], Answer]
) -> list[Compared]:
    """Asks the peer about each input that we have an answer to."""
    return [(name, inputs[name], answer, ask(inputs[name])) for name, answer in ours.items()]


def test_llhttp_differs_as_explained(
    inputs: dict[str, bytes], ours: dict[str, tuple[Answer, Answer]]
) -> None:
    whole = {name: requests for name, (_, requests) in ours.items()}
    check("llhttp", compare(whole, inputs, ask_llhttp))


def test_phr_differs_as_explained(
    inputs: dict[str, bytes], ours: dict[str, tuple[Answer, Answer]]
) -> None:
    library = load_phr()
    if library is None:
        pytest.skip("no libh2o on this machine (Debian: apt install libh2o0.13)")
    heads = {name: head for name, (head, _) in ours.items()}
    check("phr", compare(heads, inputs, lambda data: ask_phr(library, data)))


def test_every_row_has_a_reason() -> None:
    assert all(row.reason and 1 <= row.rule <= 21 for row in DIFFERENCES)
