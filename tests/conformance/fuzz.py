"""Runs cases of the ported Autobahn test suite against one server, as its fuzzing client.

Run by ``run.py`` with the interpreter of the suite's own environment:

- ``fuzz.py --list`` prints JSON: the descriptions of all cases by their numbers, in order;
- ``fuzz.py URL FOLDER CASE…`` runs these cases, prints ``case NUMBER`` when one begins and
  ``done NUMBER`` when it has ended, and writes the suite's JSON reports into the folder. An
  exception inside the suite is printed too, and then the exit code is 1.

The suite holds octets in strings, each a character below 256 (``port.py``); this file is the
border where they become bytes and bytes become they. The cases of permessage-deflate work on
bytes that they read from files, and so have bytes on both sides of it.
"""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any


def stand_in(name: str, **contents: object) -> ModuleType:
    """Take the place of a module that the suite imports but its client over TCP can do without."""
    module = ModuleType(name)
    module.__dict__.update(contents)
    sys.modules[name] = module
    return module


def resource_filename(package: str, name: str) -> str:
    """The path of a file that lies in a package."""
    return str(Path(str(sys.modules[package].__file__)).parent / name)


STYLES = ("CSS_COMMON", "CSS_DETAIL_REPORT", "CSS_MASTER_REPORT", "JS_MASTER_REPORT")
stand_in("pkg_resources", resource_filename=resource_filename)
stand_in("autobahntestsuite.report", **dict.fromkeys(STYLES, ""))
internet: Any = importlib.import_module("twisted.internet")
internet.ssl = stand_in("twisted.internet.ssl", ClientContextFactory=lambda: None)
reactor: Any = importlib.import_module("twisted.internet.reactor")
log: Any = importlib.import_module("twisted.python.log")
suite: Any = importlib.import_module("autobahntestsuite.fuzzing")

AGENT = "server"
"""What the suite calls the server in its reports."""


def octets(text: str | bytes | None) -> bytes | None:
    """What goes out."""
    return text.encode("latin-1") if isinstance(text, str) else text


def text(octets: bytes) -> str:
    """What has come in."""
    return octets.decode("latin-1")


# The methods' names and their arguments' are those of the suite and of autobahn.
# ruff: noqa: N802, N803


class Protocol(suite.FuzzingClientProtocol):  # type: ignore[misc]  # untyped
    """The suite's client of one case, with the border around it."""

    localCloseReason: Any  # noqa: N815

    def sendFrame(self, opcode: int, payload: str | bytes = b"", **rest: Any) -> None:
        super().sendFrame(opcode=opcode, payload=octets(payload), **rest)

    def sendMessage(self, payload: str | bytes, isBinary: bool = False, **rest: Any) -> None:
        super().sendMessage(octets(payload), isBinary, **rest)

    def sendMessageFrameData(self, payload: str | bytes, sync: bool = False) -> Any:
        return super().sendMessageFrameData(octets(payload), sync)

    def sendCloseFrame(
        self,
        code: int | None = None,
        reasonUtf8: str | bytes | None = None,
        isReply: bool = False,
    ) -> None:
        super().sendCloseFrame(code, octets(reasonUtf8), isReply)
        if isinstance(self.localCloseReason, bytes):
            self.localCloseReason = text(self.localCloseReason)

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        compressed = hasattr(self.runCase, "TESTDATA")
        super().onMessage(payload if compressed else text(payload), isBinary)

    def onPong(self, payload: bytes) -> None:
        super().onPong(text(payload))

    def logRxOctets(self, data: bytes) -> None:
        super().logRxOctets(text(data))

    def logTxOctets(self, data: bytes, sync: bool) -> None:
        super().logTxOctets(text(data), sync)

    def logRxFrame(self, frameHeader: Any, payload: list[bytes]) -> None:
        super().logRxFrame(frameHeader, [text(part) for part in payload])

    def logTxFrame(self, frameHeader: Any, payload: bytes, *rest: Any) -> None:
        super().logTxFrame(frameHeader, text(payload), *rest)


class Factory(suite.FuzzingClientFactory):  # type: ignore[misc]  # untyped
    """The suite's row of clients, one a case; tells of each."""

    def buildProtocol(self, addr: object) -> Protocol:
        print(f"case {self.currentCaseId}", flush=True)
        protocol: Protocol = super().buildProtocol(addr)
        return protocol

    def logCase(self, results: dict[str, Any]) -> None:
        for name in ("httpRequest", "httpResponse"):
            if isinstance(results[name], bytes):
                results[name] = text(results[name])
        super().logCase(results)
        print(f"done {results['id']}", flush=True)

    def createReports(self) -> None:
        super().createReports(produceHtml=False)


suite.FuzzingClientProtocol = Protocol  # what Factory.buildProtocol makes


def descriptions() -> dict[str, str]:
    """All cases, in the suite's order."""
    names = (suite.CaseSetname, suite.CaseBasename)
    cases = suite.CaseSet(*names, suite.Cases, suite.CaseCategories, suite.CaseSubCategories)
    describe, number = cases.caseClassToPrettyDescription, cases.caseClasstoId
    return {number(case): describe(case) for case in suite.Cases}


def run(url: str, folder: str, cases: list[str]) -> bool:
    """Run cases until the last has ended; False: the suite itself had an exception."""
    failures: list[object] = []

    def tell(event: dict[str, Any]) -> None:
        if event.get("isError"):
            failures.append(event)
            print("exception in the suite:", event.get("failure") or event, flush=True)

    log.addObserver(tell)
    spec = {"outdir": folder, "servers": [{"agent": AGENT, "url": url}], "cases": cases}
    factory = Factory(spec)
    reactor.run()
    return bool(factory.agents) and not failures


if __name__ == "__main__":
    if sys.argv[1:] == ["--list"]:
        print(json.dumps(descriptions()))
    elif not run(sys.argv[1], sys.argv[2], sys.argv[3:]):
        sys.exit(1)
