"""The servers that are measured: one table, a row each. To add one, add a row.

Every server runs one process and one thread that calls the application (gunicorn's gthread: see
its row) and writes no log. Where a peer has more settings, those are as near to that as it can
be; granian's run-time modes and thread counts could not be told apart by cost here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchkit import BENCH, BenchError
from benchkit.certificate import CERTIFICATE, KEY
from benchkit.environments import (
    ECHO_FLOOR_PROGRAM,
    FLOOR_PROGRAM,
    HERE,
    NULL_PROGRAM,
    OLD,
    PEERS,
    build_null,
    build_programs,
    make_here,
    make_old,
    make_peers,
)
from benchkit.suites import KINDS, SUITES, Suite

APPS = BENCH / "apps"

Command = Callable[[Suite, int], list[str]]
"""The command that serves a suite on a port."""


@dataclass(frozen=True)
class Server:
    """One row of the tables."""

    name: str
    kinds: tuple[str, ...]  # of suites that it can serve
    prepare: Callable[[], object]  # installs or builds it
    environment: Path | None  # the virtual environment that tells its version
    distribution: str
    command: Command
    single: bool = True  # one process, so that valgrind can run it alone
    keeps_alive: bool = True
    speaks_tls: bool = True  # the floor does not: its ratio tells what TLS costs with all else
    # What it needs to hold 10,000 connections, by the kind of suite.
    idle_options: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def asked(self, suite: Suite) -> Suite:
        """The suite as this server is asked it."""
        plain = suite.kind == "tls" and not self.speaks_tls
        return replace(suite, kind="wsgi") if plain else suite


def _launch(environment: Path, name: str) -> Command:
    python = str(environment / "bin" / "python")
    script = str(APPS / "launch.py")
    files = {"tls": (str(CERTIFICATE), str(KEY))}
    return lambda suite, port: [
        *(python, script, name, suite.kind, suite.app, str(port)),
        *files.get(suite.kind, ()),
    ]


FREASTAL_WSGI = ("--interface", "wsgi", "--threads", "1")
GRANIAN_WSGI = ("wsgi", "--blocking-threads", "1", "--no-ws")


def _freastal(suite: Suite, port: int) -> list[str]:
    interface = {
        "wsgi": FREASTAL_WSGI,
        "tls": (*FREASTAL_WSGI, "--certfile", str(CERTIFICATE), "--keyfile", str(KEY)),
    }.get(suite.kind, ("--interface", "asgi", "--loop", "asyncio"))
    return [
        *(str(HERE / "bin" / "freastal"), "--bind", f"127.0.0.1:{port}", *interface),
        *("--workers", "1", "--no-access-log", "--log-level", "error"),
        *("--app-dir", str(APPS), suite.app),
    ]


def _granian(suite: Suite, port: int) -> list[str]:
    interface = {
        "wsgi": GRANIAN_WSGI,
        "tls": (*GRANIAN_WSGI, "--ssl-certificate", str(CERTIFICATE), "--ssl-keyfile", str(KEY)),
        "websocket": ("asginl", "--loop", "uvloop", "--ws"),
    }.get(suite.kind, ("asginl", "--loop", "uvloop", "--no-ws"))
    return [
        *(str(PEERS / "bin" / "granian"), "--port", str(port), "--interface", *interface),
        *("--workers", "1", "--runtime-mode", "st", "--http", "1", "--no-log"),
        *("--working-dir", str(APPS), suite.app),
    ]


def _gunicorn(*worker: str) -> Command:
    return lambda suite, port: [
        *(str(PEERS / "bin" / "gunicorn"), "--bind", f"127.0.0.1:{port}", "--workers", "1"),
        *("--keep-alive", "75", "--log-level", "critical", "--no-control-socket"),
        *("--http-parser", "fast", *worker, "--chdir", str(APPS), suite.app),
    ]


def _uvicorn(*websocket: str) -> Command:
    return lambda suite, port: [
        *(str(PEERS / "bin" / "uvicorn"), "--port", str(port), "--loop", "uvloop"),
        *("--http", "httptools", *websocket, "--lifespan", "off", "--no-access-log"),
        *("--log-level", "critical", "--app-dir", str(APPS), suite.app),
    ]


def _floor(suite: Suite, port: int) -> list[str]:
    program = ECHO_FLOOR_PROGRAM if suite.kind == "websocket" else FLOOR_PROGRAM
    return [str(program), str(port), str(suite.size)]


def _null(suite: Suite, port: int) -> list[str]:
    return [str(NULL_PROGRAM), str(port), str(suite.size)]


NO_PINGS = ("--ws-ping-interval", "3600")
"""Nothing is to come from an idle WebSocket while its memory is looked at."""

GRANIAN_IDLE = (
    *("--backlog", "20000", "--backpressure", "20000"),
    *("--http1-header-read-timeout", "60000"),
)


def _uvicorn_websocket(parser: str) -> Server:
    return Server(
        f"uvicorn-{parser}",
        ("websocket",),
        make_peers,
        PEERS,
        "uvicorn",
        _uvicorn("--ws", parser),
        idle_options={"websocket": (*NO_PINGS, "--backlog", "20000")},
    )


FLOOR = Server("floor", KINDS, build_programs, None, "", _floor, speaks_tls=False)

SERVERS = (
    FLOOR,
    Server("null-gateway", ("wsgi", "asgi"), build_null, None, "", _null),
    Server(
        "freastal",
        KINDS,
        make_here,
        HERE,
        "freastal",
        _freastal,
        single=False,
        idle_options={"websocket": NO_PINGS},
    ),
    Server(
        "freastal-0.0.3",
        ("wsgi", "asgi", "tls"),
        make_old,
        OLD,
        "freastal",
        _launch(OLD, "freastal-0.0.3"),
    ),
    Server("bjoern", ("wsgi",), make_peers, PEERS, "bjoern", _launch(PEERS, "bjoern")),
    Server(
        "fastpysgi",
        ("wsgi", "asgi"),
        make_peers,
        PEERS,
        "fastpysgi",
        _launch(PEERS, "fastpysgi"),
    ),
    Server("uvicorn", ("asgi", "fastapi"), make_peers, PEERS, "uvicorn", _uvicorn()),
    _uvicorn_websocket("websockets"),
    _uvicorn_websocket("websockets-sansio"),
    _uvicorn_websocket("wsproto"),
    Server(
        "granian",
        KINDS,
        make_peers,
        PEERS,
        "granian",
        _granian,
        single=False,
        idle_options={"wsgi": GRANIAN_IDLE, "websocket": GRANIAN_IDLE},
    ),
    Server(
        "gunicorn-gthread",
        ("wsgi",),
        make_peers,
        PEERS,
        "gunicorn",
        # Four threads, as with one it serves fewer requests at more cost each.
        _gunicorn("--worker-class", "gthread", "--threads", "4"),
        single=False,
        idle_options={"wsgi": ("--worker-connections", "20000")},
    ),
    Server(
        "gunicorn-sync",
        ("wsgi",),
        make_peers,
        PEERS,
        "gunicorn",
        _gunicorn("--worker-class", "sync"),
        single=False,
        keeps_alive=False,
    ),
)

WORKER = Server(
    "freastal-worker",
    ("wsgi", "asgi"),
    make_here,
    HERE,
    "freastal",
    _launch(HERE, "freastal-worker"),
)
"""freastal without its supervisor; only for counting instructions."""

Plan = list[tuple[Suite, list[Server]]]


def choose(names: str, among: Sequence[Server], suites: Sequence[Suite] = SUITES) -> Plan:
    """The suites to run and the servers of each, in the tables' order.

    :param names: a comma list of kinds and suites, of which others are left out, and of servers,
        of which others are left out; empty for all.
    :raises BenchError: there is no such name, or nothing that has all of them.
    """
    wanted = {name for name in names.split(",") if name}
    known_suites = {name for suite in suites for name in (suite.kind, suite.name)}
    known_servers = {server.name for server in among}
    if unknown := wanted - known_suites - known_servers:
        known = ", ".join([*sorted(known_suites), *(server.name for server in among)])
        raise BenchError(f"nothing is called {', '.join(sorted(unknown))}; there are {known}")
    only_suites, only_servers = wanted & known_suites, wanted & known_servers
    plan = []
    for suite in suites:
        if only_suites and not only_suites & {suite.kind, suite.name}:
            continue
        able = [server for server in among if suite.kind in server.kinds]
        chosen = [server for server in able if not only_servers or server.name in only_servers]
        if chosen:
            plan.append((suite, chosen))
    if not plan:
        raise BenchError(f"no suite and server together are called {names}")
    return plan


def chosen_servers(plan: Plan) -> list[Server]:
    """Every server of a plan, once."""
    rows = {server.name: server for _, servers in plan for server in servers}
    return list(rows.values())
