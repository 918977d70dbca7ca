"""The C core's own allocations fail in the extension, each in turn: those that ``_core`` asks the C
library for, below Python's allocator (test_core_nomem.py fails that one's).

A process of its own preloads ``failing_malloc.c``, which is no part of the product. For each
allocation a fresh worker serves a request and two WebSockets: each must end, with one clear line
where it is not served; nothing may be left; and what comes next must be served as ever.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from nomem_exchanges import Round
from preloaded import build, needed

HERE = Path(__file__).parent
TIMEOUT = 120.0

pytestmark = needed


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("failing_malloc", tmp_path_factory.mktemp("preloaded"))


def rounds_of(library: Path, kind: str, which: str) -> list[Round]:
    process = subprocess.run(
        [sys.executable, "-X", "faulthandler", HERE / "nomem_exchanges.py", kind, which],
        env={**os.environ, "LD_PRELOAD": str(library)},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    found: list[Round] = [json.loads(line) for line in process.stdout.splitlines()]
    assert process.returncode == 0, f"in round {len(found) + 1}: {process.stderr}"
    return found


CLEAR = (
    "closed the connection of ",
    "closed a WebSocket of ",
    "exception in the ASGI application (",
    "cannot call the application",
    "cannot keep the body of a request",
    "error in the application: ",
    "the response to ",
    # A WebSocket's client that has not waited for the answer to its handshake:
    "refused 127.0.0.1:",
)


@pytest.mark.parametrize("which", ["one", "all"])
@pytest.mark.parametrize("kind", ["asgi", "wsgi-1", "wsgi-2"])
def test_each_allocation_fails(kind: str, which: str, library: Path) -> None:
    """Only one, or all from that one on."""
    rounds = rounds_of(library, kind, which)
    for number, each in enumerate(rounds, 1):
        assert set(each["healthy"].values()) == {"whole"}, number
        assert each["live"] == {}, number
        assert each["held"] == 0, number
        assert "stuck" not in each["seen"].values(), number
        lost = [name for name, seen in each["seen"].items() if seen != "whole"]
        assert len(lost) <= 1 or which == "all", number
        if which == "one":  # a line needs memory itself
            assert len(lost) <= len(each["lines"]) <= 2 * len(lost), number
            assert all(line.startswith(CLEAR) for line in each["lines"]), number
    last = rounds.pop()
    assert set(last["seen"].values()) == {"whole"}
    assert last["lines"] == []
    assert last["used"] > 0
    # The library reaches the core: most rounds have lost something.
    lost_something = [each for each in rounds if set(each["seen"].values()) != {"whole"}]
    assert len(lost_something) > len(rounds) / 2


@pytest.mark.parametrize("kind", ["asgi", "wsgi-1", "wsgi-2"])
def test_a_worker_cannot_be_made(kind: str, library: Path) -> None:
    """Its maker is told; nothing is left of it, and another can be made."""
    rounds = rounds_of(library, kind, "making")
    for number, each in enumerate(rounds, 1):
        assert each["healthy"] == {"made": "whole"}, number
        assert each["live"] == {}, number
        assert each["held"] == 0, number
    seen = [each["seen"]["made"] for each in rounds]
    assert seen.pop() == "whole"
    assert seen
    assert set(seen) <= {"MemoryError: ", "OSError: out of memory"}
