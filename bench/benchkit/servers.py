"""The servers that are measured: one table, a row each. To add one, add a row.

Every server runs one process and one thread that calls the application (gunicorn's gthread: see
its row) and writes no log. Where a peer has more settings, those are as near to that as it can
be; granian's run-time modes and thread counts could not be told apart by cost here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchkit import BENCH, BenchError
from benchkit.environments import (
    FLOOR_PROGRAM,
    HERE,
    NULL_PROGRAM,
    OLD,
    PEERS,
    build_floor,
    build_null,
    make_here,
    make_old,
    make_peers,
)

APPS = BENCH / "apps"


@dataclass(frozen=True)
class Suite:
    """What is asked of every server."""

    name: str
    app: str  # in apps/wsgi.py
    size: int  # bytes of body in each answer


SUITES = (Suite("wsgi-500", "app_500", 500), Suite("wsgi-12k", "app_12k", 12288))


Command = Callable[[Suite, int], list[str]]
"""The command that serves a suite on a port."""


@dataclass(frozen=True)
class Server:
    """One row of the table."""

    name: str
    prepare: Callable[[], object]  # installs or builds it
    environment: Path | None  # the virtual environment that tells its version
    distribution: str
    command: Command
    single: bool = True  # one process, so that valgrind can run it alone
    keeps_alive: bool = True
    idle_options: tuple[str, ...] = ()  # what it needs to hold 10,000 connections


def _launch(environment: Path, name: str) -> Command:
    python = str(environment / "bin" / "python")
    script = str(APPS / "launch.py")
    return lambda suite, port: [python, script, name, suite.app, str(port)]


def _freastal(suite: Suite, port: int) -> list[str]:
    return [
        *(str(HERE / "bin" / "freastal"), "--bind", f"127.0.0.1:{port}"),
        *("--workers", "1", "--threads", "1", "--no-access-log", "--log-level", "error"),
        *("--app-dir", str(APPS), f"wsgi:{suite.app}"),
    ]


def _granian(suite: Suite, port: int) -> list[str]:
    return [
        *(str(PEERS / "bin" / "granian"), "--interface", "wsgi", "--port", str(port)),
        *("--workers", "1", "--runtime-mode", "st", "--http", "1", "--no-ws", "--no-log"),
        *("--blocking-threads", "1", "--working-dir", str(APPS), f"wsgi:{suite.app}"),
    ]


def _gunicorn(*worker: str) -> Command:
    return lambda suite, port: [
        *(str(PEERS / "bin" / "gunicorn"), "--bind", f"127.0.0.1:{port}", "--workers", "1"),
        *("--keep-alive", "75", "--log-level", "critical", "--no-control-socket"),
        *("--http-parser", "fast", *worker, "--chdir", str(APPS), f"wsgi:{suite.app}"),
    ]


def _floor(suite: Suite, port: int) -> list[str]:
    return [str(FLOOR_PROGRAM), str(port), str(suite.size)]


def _null(suite: Suite, port: int) -> list[str]:
    return [str(NULL_PROGRAM), str(port), str(suite.size)]


FLOOR = Server("floor", build_floor, None, "", _floor)
NULL = Server("null-gateway", build_null, None, "", _null)

SERVERS = (
    FLOOR,
    NULL,
    Server("freastal", make_here, HERE, "freastal", _freastal, single=False),
    Server("freastal-0.0.3", make_old, OLD, "freastal", _launch(OLD, "freastal-0.0.3")),
    Server("bjoern", make_peers, PEERS, "bjoern", _launch(PEERS, "bjoern")),
    Server("fastpysgi", make_peers, PEERS, "fastpysgi", _launch(PEERS, "fastpysgi")),
    Server(
        "granian",
        make_peers,
        PEERS,
        "granian",
        _granian,
        single=False,
        idle_options=(
            *("--backlog", "20000", "--backpressure", "20000"),
            *("--http1-header-read-timeout", "60000"),
        ),
    ),
    Server(
        "gunicorn-gthread",
        make_peers,
        PEERS,
        "gunicorn",
        # Four threads, as with one it serves fewer requests at more cost each.
        _gunicorn("--worker-class", "gthread", "--threads", "4"),
        single=False,
        idle_options=("--worker-connections", "20000"),
    ),
    Server(
        "gunicorn-sync",
        make_peers,
        PEERS,
        "gunicorn",
        _gunicorn("--worker-class", "sync"),
        single=False,
        keeps_alive=False,
    ),
)

WORKER = Server("freastal-worker", make_here, HERE, "freastal", _launch(HERE, "freastal-worker"))
"""freastal without its supervisor; only for counting instructions."""


def choose(names: str, among: tuple[Server, ...]) -> list[Server]:
    """The rows of a comma list of names, in the table's order; all for an empty one.

    :raises BenchError: no row has such a name.
    """
    wanted = {name for name in names.split(",") if name}
    known = [server.name for server in among]
    if unknown := wanted.difference(known):
        raise BenchError(f"no server {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    return [server for server in among if not wanted or server.name in wanted]
