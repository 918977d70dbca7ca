"""``make conformance``: the Autobahn test suite against the echo application of ``echo.py``.

Makes an environment with the suite ported to Python 3 (``port.py``), starts the server, runs the
cases as the suite's fuzzing client (``fuzz.py``), reads the suite's JSON reports and fails unless
every case that was asked for has run and is OK, NON-STRICT or INFORMATIONAL, in what was received
as in how the connection was closed. All that it writes is under ``build/conformance/``.

With ``--server uvicorn`` another server runs the same, for comparison. ``--shards`` runs as many
servers and clients at once, each with a part of the cases.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
OUT = ROOT / "build" / "conformance"
SUITE = OUT / "suite"
PEER = OUT / "uvicorn"

SUITE_RELEASE = "autobahntestsuite==25.10.1"
PEER_PACKAGES = (
    "uvicorn==0.54.0",
    "websockets==17.4; python_version >= '3.11'",
    "websockets==16.1.1; python_version < '3.11'",
)

HOST = "127.0.0.1"
MESSAGE_MAX = 32 << 20
"""Bytes that a message may have; the suite's longest have 16 MiB."""

START_SECONDS = 15.0
STOP_SECONDS = 15.0
PROGRESS_SECONDS = 5.0

GOOD = ("OK", "NON-STRICT", "INFORMATIONAL")

SECTIONS = {
    "1": "framing",
    "2": "pings and pongs",
    "3": "reserved bits",
    "4": "opcodes",
    "5": "fragmentation",
    "6": "UTF-8",
    "7": "close",
    "9": "limits and performance",
    "10": "automatic fragmentation",
    "12": "permessage-deflate: payloads",
    "13": "permessage-deflate: parameters",
}
"""The suite's categories; it has no 8 and no 11."""


class ConformanceError(Exception):
    """The cases could not be run; the text says why."""


def _run(command: Sequence[str | Path], what: str) -> str:
    """Run a command to its end; gives what it printed.

    :raises ConformanceError: it failed; with the end of what it said.
    """
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise ConformanceError(f"{what} failed:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return done.stdout


def _environment(path: Path, made_from: str, steps: Sequence[Sequence[str | Path]]) -> None:
    """Make a virtual environment by these steps of its interpreter, unless one is there already.

    :param made_from: what makes it another one.
    """
    stamp, digest = path / "made-from", hashlib.sha256((sys.version + made_from).encode())
    if stamp.exists() and stamp.read_text() == digest.hexdigest():
        return
    print(f"making {path.relative_to(ROOT)}", flush=True)
    _run([sys.executable, "-m", "venv", "--clear", path], f"making {path}")
    for step in steps:
        _run([path / "bin" / "python", *step], f"making {path}")
    stamp.write_text(digest.hexdigest())


PIP = ("-m", "pip", "install", "--quiet", "--disable-pip-version-check")


def make_suite() -> None:
    """The suite and what its client needs, ported to this Python."""
    requirements, port = HERE / "requirements.txt", HERE / "port.py"
    _environment(
        SUITE,
        SUITE_RELEASE + requirements.read_text() + port.read_text(),
        [
            (*PIP, "-r", requirements),
            # Without what it depends on: those releases are for Python 2.
            (*PIP, "--no-deps", SUITE_RELEASE),
            (port,),
        ],
    )


def make_peer() -> None:
    """uvicorn."""
    _environment(PEER, " ".join(PEER_PACKAGES), [(*PIP, *PEER_PACKAGES)])


def freastal(port: int) -> list[str]:
    """This checkout, as it is installed beside the interpreter that runs this program."""
    return [
        *(str(Path(sys.executable).with_name("freastal")), "--bind", f"{HOST}:{port}"),
        *("--interface", "asgi", "--workers", "1", "--no-access-log", "--log-level", "warning"),
        *("--ws-max-size", str(MESSAGE_MAX), "--app-dir", str(HERE), "echo:app"),
    ]


def uvicorn(port: int) -> list[str]:
    """uvicorn with ``websockets``."""
    return [
        *(str(PEER / "bin" / "uvicorn"), "--host", HOST, "--port", str(port)),
        *("--ws", "websockets", "--ws-max-size", str(MESSAGE_MAX), "--lifespan", "off"),
        *("--log-level", "warning", "--no-access-log", "--app-dir", str(HERE), "echo:app"),
    ]


@dataclass(frozen=True)
class Server:
    """A server that can be tested."""

    prepare: Callable[[], None]
    command: Callable[[int], list[str]]


SERVERS = {
    "freastal": Server(lambda: None, freastal),
    "uvicorn": Server(make_peer, uvicorn),
}


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((HOST, port)) == 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class Running:
    """A server that has been started."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path  # what it says

    def ended(self) -> str:
        """How it ended, where it should still be there; empty: it is."""
        if self.process.poll() is None:
            return ""
        said = self.log.read_text(errors="replace")[-4000:]
        return f"the server ended with {self.process.returncode}:\n{said}"


@contextmanager
def serving(server: Server, log: Path) -> Iterator[Running]:
    """Run a server as long as the block lasts.

    :raises ConformanceError: it did not start.
    """
    port = _free_port()
    with log.open("wb") as said:
        process = subprocess.Popen(
            server.command(port),
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=said,
            start_new_session=True,
        )
    running = Running(process, port, log)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _answers(port):
            if why := running.ended():
                raise ConformanceError(why)
            if time.monotonic() > deadline:
                raise ConformanceError(f"the server does not answer; {log} has what it said")
            time.sleep(0.05)
        yield running
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@dataclass
class Shard:
    """A client of the suite's with its part of the cases."""

    folder: Path
    cases: list[str]
    done: int = 0
    at: str = ""  # the case that runs now
    said: list[str] = field(default_factory=list)
    returncode: int = 0

    def run(self, port: int) -> None:
        """Run the cases to their end, keeping :attr:`done` and :attr:`at` up to date."""
        command = [str(SUITE / "bin" / "python"), "-W", "ignore", str(HERE / "fuzz.py")]
        with subprocess.Popen(
            [*command, f"ws://{HOST}:{port}", str(self.folder), *self.cases],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as client:
            for line in client.stdout or ():
                word, _, number = line.rstrip().partition(" ")
                if word == "case":
                    self.at = number
                self.done += word == "done"
                self.said.append(line)
        self.at = ""
        self.returncode = client.returncode


def run_shards(server: Server, shards: list[Shard]) -> list[str]:
    """Run all shards at once, with a server each, telling how far they are.

    :returns: how those servers ended that did not live as long as their clients.
    :raises ConformanceError: the suite itself failed.
    """
    total = sum(len(shard.cases) for shard in shards)
    with ExitStack() as stack:
        servers, threads = [], []
        for shard in shards:
            shard.folder.mkdir(parents=True, exist_ok=True)
            for old in shard.folder.glob("*.json"):
                old.unlink()
            running = stack.enter_context(serving(server, shard.folder / "server.log"))
            servers.append(running)
            threads.append(threading.Thread(target=shard.run, args=(running.port,), daemon=True))
        for thread in threads:
            thread.start()
        told = time.monotonic()
        while any(thread.is_alive() for thread in threads):
            time.sleep(0.1)
            if time.monotonic() - told >= PROGRESS_SECONDS:
                told = time.monotonic()
                done = sum(shard.done for shard in shards)
                at = " and ".join(shard.at for shard in shards if shard.at)
                print(f"{done} of {total} cases, at {at}", flush=True)
        deaths = [why for running in servers if (why := running.ended())]
    for shard in shards:
        if shard.returncode != 0 and not deaths:
            raise ConformanceError(f"the suite's client failed:\n{''.join(shard.said)[-4000:]}")
    return deaths


@dataclass(frozen=True)
class Verdict:
    """What the suite says of one case."""

    number: str
    behavior: str
    behavior_close: str
    report: Path | None  # None: the case has not run

    @property
    def good(self) -> bool:
        """The server passes."""
        return self.behavior in GOOD and self.behavior_close in GOOD


def read_verdicts(shards: list[Shard]) -> list[Verdict]:
    """One verdict for each case, from the suite's reports."""
    verdicts = []
    for shard in shards:
        index = shard.folder / "index.json"
        # The suite writes none when it could not connect once.
        report = json.loads(index.read_text()) if index.exists() else {}
        cases = {number: row for agent in report.values() for number, row in agent.items()}
        for number in shard.cases:
            if row := cases.get(number):
                path = shard.folder / row["reportfile"]
                verdicts.append(Verdict(number, row["behavior"], row["behaviorClose"], path))
            else:
                verdicts.append(Verdict(number, "NOT RUN", "NOT RUN", None))
    return sorted(verdicts, key=lambda verdict: [int(part) for part in verdict.number.split(".")])


def print_sections(verdicts: list[Verdict]) -> None:
    """A line for each section: how many of its cases ended how."""
    counts: dict[str, Counter[str]] = {}
    for verdict in verdicts:
        kind = verdict.behavior if verdict.good else "failed"
        counts.setdefault(verdict.number.partition(".")[0], Counter())[kind] += 1
    columns = (*GOOD, "failed")
    print(f"\n{'section':36}" + "".join(f"{column:>15}" for column in columns))
    for section, found in counts.items():
        name = f"{section} {SECTIONS.get(section, '')}"
        print(f"{name:36}" + "".join(f"{found[column]:15}" for column in columns))


def print_failures(verdicts: list[Verdict], descriptions: dict[str, str]) -> None:
    """What is to be known of each case that failed."""
    for verdict in verdicts:
        if verdict.good or verdict.report is None:
            continue
        report = json.loads(verdict.report.read_text())
        print(f"\n{verdict.number} {verdict.behavior}, close: {verdict.behavior_close}")
        for line in dict.fromkeys(
            (descriptions[verdict.number], report["result"], report["resultClose"])
        ):
            print(f"  {line}")
        print(f"  {verdict.report.relative_to(ROOT)}")
    if missing := [verdict.number for verdict in verdicts if verdict.report is None]:
        print(f"\nnot run: {' '.join(missing)}")


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        description="the Autobahn test suite against a server", prog="tests/conformance/run.py"
    )
    parser.add_argument("--server", choices=SERVERS, default="freastal")
    parser.add_argument(
        "--cases", default="*", help="comma list of numbers and patterns, as 1.*,6.4.2; all"
    )
    parser.add_argument("--shards", type=int, default=os.cpu_count() or 1, help="one a core")
    arguments = parser.parse_args()
    if arguments.shards < 1:
        parser.error("--shards must be at least 1")
    return arguments


def main() -> int:
    """Run, print, judge; gives the exit code."""
    arguments = parse_arguments()
    server = SERVERS[arguments.server]
    OUT.mkdir(parents=True, exist_ok=True)
    make_suite()
    server.prepare()
    listed = _run(
        [SUITE / "bin" / "python", "-W", "ignore", HERE / "fuzz.py", "--list"], "listing the cases"
    )
    descriptions: dict[str, str] = json.loads(listed)
    patterns = arguments.cases.split(",")
    cases = [number for number in descriptions if any(fnmatch(number, p) for p in patterns)]
    if not cases:
        raise ConformanceError(f"no case is called {arguments.cases}")
    count = min(arguments.shards, len(cases))
    print(f"{SUITE_RELEASE} against {arguments.server}: {len(cases)} cases in {count} shards")
    shards = [
        Shard(OUT / f"{arguments.server}-{part}", cases[part::count]) for part in range(count)
    ]
    deaths = run_shards(server, shards)
    verdicts = read_verdicts(shards)
    print_sections(verdicts)
    print_failures(verdicts, descriptions)
    print("".join(f"\n{why}" for why in deaths))
    failed = sum(not verdict.good for verdict in verdicts)
    print(f"{len(verdicts) - failed} passed, {failed} failed")
    return 1 if failed or deaths else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ConformanceError as error:
        sys.exit(f"conformance: {error}")
