"""Run cases of CPython's own ``test.test_asyncio`` on asyncio's loop or on ours.

``python run_cases.py stock|ours MODULE [CASE…]`` prints one JSON object, the outcome of each case
by its name, as its last line. In the same way for both: where a test makes a selector event loop
(with whatever selector), or a test's own loop class stands on asyncio's base classes, the class
is replaced; all else is CPython's.

Left out, for they would take most of the time and show nothing more: the cases of Task and Future
over their Python twins and over subclasses, and those over a second and a third selector.
"""

from __future__ import annotations

import asyncio
import asyncio.events
import asyncio.selector_events
import asyncio.unix_events
import importlib
import json
import re
import sys
import types
import unittest
from collections.abc import Iterator
from typing import Any
from unittest import mock

TWINS = re.compile(r"Py(Task|Future)|Subclass|^(Select|Poll)EventLoopTests$")
"""In the names of classes."""


class Outcomes(unittest.TestResult):
    """Keeps one word for each case; sub-tests that fail are their case's failure."""

    def __init__(self) -> None:
        super().__init__()
        self.words: dict[str, str] = {}
        self.texts: dict[str, str] = {}

    def _set(self, test: Any, word: str, text: str = "") -> None:
        name = getattr(test, "test_case", test).id()
        if self.words.get(name, "ok") == "ok":
            self.words[name] = word
            self.texts[name] = text

    def addSuccess(self, test: Any) -> None:  # noqa: N802
        self._set(test, "ok")

    def addSubTest(self, test: Any, subtest: Any, err: Any) -> None:  # noqa: N802
        if err is not None:
            self._set(test, "failed", self._exc_info_to_string(err, test))  # type: ignore[attr-defined]

    def addFailure(self, test: Any, err: Any) -> None:  # noqa: N802
        self._set(test, "failed", self._exc_info_to_string(err, test))  # type: ignore[attr-defined]

    def addError(self, test: Any, err: Any) -> None:  # noqa: N802
        self._set(test, "error", self._exc_info_to_string(err, test))  # type: ignore[attr-defined]

    def addSkip(self, test: Any, reason: str) -> None:  # noqa: N802
        self._set(test, "skipped")

    def addExpectedFailure(self, test: Any, err: Any) -> None:  # noqa: N802
        self._set(test, "expected failure")

    def addUnexpectedSuccess(self, test: Any) -> None:  # noqa: N802
        self._set(test, "unexpected success")


def substitute_loop(made: list[object]) -> None:
    """Put our class where asyncio makes selector event loops.

    :param made: gets the class of each loop that is made.
    """
    from freastal.loop import EventLoop

    class Substitute(EventLoop):
        """Takes a selector as asyncio's does, and leaves it: ours has its own."""

        def __init__(self, selector: Any = None) -> None:
            super().__init__()
            made.append(self.__class__)
            if selector is not None:
                selector.close()

    first = EventLoop()
    first.call_soon(first.stop)  # the core looks asyncio's names up, before they are replaced
    first.close()
    modules: list[Any] = [asyncio, asyncio.unix_events]
    for module in modules:
        module.SelectorEventLoop = Substitute
        if hasattr(module, "EventLoop"):  # CPython 3.13
            module.EventLoop = Substitute
    policy: Any = asyncio.DefaultEventLoopPolicy
    policy._loop_factory = Substitute


def import_over_ours(name: str, made: list[object]) -> types.ModuleType:
    """Import a module of tests whose own loop classes stand on the C type."""
    from freastal import _core

    def make(cls: Any, *args: Any, **kwargs: Any) -> Any:
        made.append(cls)
        return _core.Loop.__new__(cls)

    def over(base: Any) -> Any:
        return type(base.__name__, (_core.Loop, base), {"__new__": make})

    base_events, selector_events = asyncio.base_events, asyncio.selector_events
    base = over(base_events.BaseEventLoop)
    with (
        mock.patch.object(base_events, "BaseEventLoop", base),
        mock.patch.object(
            selector_events, "BaseSelectorEventLoop", over(selector_events.BaseSelectorEventLoop)
        ),
    ):
        module = importlib.import_module(name)
    asyncio.BaseEventLoop = base  # type: ignore[misc]
    if hasattr(module, "base_events"):
        names = {**vars(base_events), "BaseEventLoop": base}
        module.base_events = types.SimpleNamespace(**names)  # type: ignore[attr-defined]
    return module


def flat(suite: unittest.TestSuite) -> Iterator[unittest.TestCase]:
    """All cases of a suite of suites."""
    for each in suite:
        if isinstance(each, unittest.TestSuite):
            yield from flat(each)
        else:
            yield each


def main(which: str, name: str, cases: list[str]) -> None:
    """Run and print."""
    name = f"test.test_asyncio.{name}"
    made: list[object] = []
    if which == "ours":
        substitute_loop(made)
        module = import_over_ours(name, made)
    else:
        module = importlib.import_module(name)
    loader = unittest.TestLoader()
    found = loader.loadTestsFromNames(cases) if cases else loader.loadTestsFromModule(module)
    suite = unittest.TestSuite(
        each for each in flat(found) if not TWINS.search(type(each).__name__)
    )
    outcomes = Outcomes()
    suite.run(outcomes)
    result = {"words": outcomes.words, "texts": outcomes.texts, "loops": len(made)}
    print("\n" + json.dumps(result), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
