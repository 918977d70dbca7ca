"""CPython's own tests of asyncio give on our event loop what they give on asyncio's, case by case.

The modules of the interpreter's ``test.test_asyncio`` that make event loops; each is run twice by
``run_cases.py``, in processes of their own. Debian has them in ``libpython3.X-testsuite``.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

MODULES = [
    "test_base_events",
    "test_buffered_proto",
    "test_context",
    "test_eager_task_factory",
    "test_events",
    "test_futures2",
    "test_locks",
    "test_pep492",
    "test_queues",
    "test_runners",
    "test_selector_events",
    "test_sendfile",
    "test_server",
    "test_sock_lowlevel",
    "test_ssl",
    "test_sslproto",
    "test_streams",
    "test_subprocess",
    "test_taskgroups",
    "test_tasks",
    "test_threads",
    "test_timeouts",
    "test_unix_events",
    "test_waitfor",
]

LEFT_OUT = {
    "test_futures": "futures only, on a mock of a loop",
    "test_proactor_events": "another kind of loop, of Windows",
    "test_protocols": "makes no loop",
    "test_staggered": "a helper that is given coroutines; on the loop that asyncio.run makes",
    "test_transports": "makes no loop",
    "test_windows_events": "of Windows",
    "test_windows_utils": "of Windows",
}

PATIENCE = 240.0
TRIES = 3
"""Some cases look at the clock: what differs is run again, alone."""

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("test") is None
    or importlib.util.find_spec("test.test_asyncio") is None,
    reason="CPython's own tests are not installed",
)

Outcomes = dict[str, dict[str, str]]


def run(module: str, cases: list[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What the cases give on asyncio's loop and on ours; all of them where none is named."""
    script = str(Path(__file__).with_name("run_cases.py"))
    processes = [
        subprocess.Popen(
            [sys.executable, "-W", "ignore", script, which, module, *cases],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={**os.environ, "PYTHONFAULTHANDLER": "1"},
        )
        for which in ("stock", "ours")
    ]
    results = []
    for process in processes:
        try:
            output, errors = process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGABRT)  # it says where it stands
            pytest.fail(f"{module} is stuck: {process.communicate()[1]}")
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # a case that failed may leave its own
        assert process.returncode == 0, errors
        results.append(json.loads(output.splitlines()[-1]))
    return results[0], results[1]


def differences(stock: dict[str, Any], ours: dict[str, Any]) -> dict[str, str]:
    """Cases whose outcome is not the same, with both."""
    a, b = stock["words"], ours["words"]
    return {
        name: f"{a.get(name)} on asyncio's, {b.get(name)} on ours: {ours['texts'].get(name)}"
        for name in a.keys() | b.keys()
        if a.get(name) != b.get(name)
    }


def is_here(module: str) -> bool:
    return importlib.util.find_spec(f"test.test_asyncio.{module}") is not None


@pytest.mark.parametrize("module", MODULES)
@pytest.mark.timeout((TRIES + 1) * PATIENCE)
def test_module(module: str) -> None:
    if not is_here(module):
        pytest.skip("this CPython has no such module")
    stock, ours = run(module, [])
    passed = [name for name, word in stock["words"].items() if word == "ok"]
    assert passed
    assert ours["loops"] > 0
    found = differences(stock, ours)
    for _ in range(TRIES - 1):
        if found:
            found = differences(*run(module, sorted(found)))
    assert found == {}


def test_every_module_is_run_or_left_out() -> None:
    spec = importlib.util.find_spec("test.test_asyncio")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    [directory] = spec.submodule_search_locations
    present = {path.stem for path in Path(directory).glob("test_*.py")}
    assert present - set(MODULES) - LEFT_OUT.keys() == set()
    assert set(MODULES) & LEFT_OUT.keys() == set()
