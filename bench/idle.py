"""User memory of idle connections: kept-alive, plain and over TLS, and WebSockets.

Opens many connections to one server at a time, has each answered once (a WebSocket: one message
echoed), and divides by their number what the server's process tree has grown by meanwhile. Prints a
table and writes ``bench/out/idle.md`` and ``idle.json``. What each figure means:
``bench/README.md``.
"""

from __future__ import annotations

import argparse
import json
import resource
import select
import socket
import sys
import time
from dataclasses import asdict, dataclass

from benchkit import OUT, BenchError
from benchkit.certificate import make_certificate
from benchkit.environments import install_system
from benchkit.machine import facts, tree_memory
from benchkit.running import Running, check_answer, connect, free_port, open_echo, serving
from benchkit.servers import SERVERS, Server, choose, chosen_servers
from benchkit.suites import SUITES, Suite
from benchkit.tables import aligned, markdown

HELD = tuple(suite for suite in SUITES if suite.name in ("wsgi-500", "tls-500", "websocket-64"))

WARM_UP = 100
"""Requests before the first look, so that what a server allocates once is there already."""

SETTLE_SECONDS = 1.0
SPARE_FILES = 200
"""Descriptors that a server needs besides its connections."""

CONNECTIONS_A_SOURCE = 5000
"""Connections from one source address; each has some 28,000 ports on Linux."""


@dataclass(frozen=True)
class Idle:
    """What one idle connection costs one server."""

    suite: str
    server: str
    anonymous: float  # bytes of memory that it allocated itself
    resident: float  # bytes of all resident memory


def raise_file_limit(connections: int) -> None:
    """Let this process and its servers open enough descriptors.

    :raises BenchError: the hard limit is lower.
    """
    needed = connections + SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise BenchError(
            f"the hard limit of open files is {hard}, below {needed}: raise it (ulimit -Hn)"
            f" or ask for fewer --connections"
        )
    if soft != resource.RLIM_INFINITY and soft < needed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def open_connection(server: Running, number: int) -> socket.socket:
    """A connection that has been answered once and is kept."""
    source = f"127.0.0.{1 + number // CONNECTIONS_A_SOURCE}"
    client = connect(server.port, server.suite, 30, source)
    if server.suite.kind == "websocket":
        open_echo(client, server.suite.size)
        return client
    client.sendall(server.suite.request)
    missing = server.answer_size
    while missing > 0:
        got = len(client.recv(missing))
        if not got:
            raise BenchError(f"{server.name} closed connection {number} in its first answer")
        missing -= got
    return client


def check_open(server: Running, clients: list[socket.socket]) -> None:
    """Nothing has come since the answer, neither bytes nor an end.

    :raises BenchError: the server closed some.
    """
    poll = select.poll()
    for client in clients:
        poll.register(client, select.POLLIN)
    if disturbed := len(poll.poll(0)):
        raise BenchError(f"{server.name} closed {disturbed} of {len(clients)} idle connections")


def measure(suite: Suite, server: Server, connections: int) -> Idle:
    """Start a server, hold connections, look at its memory before and with them."""
    port = free_port()
    command = [*server.command(suite, port), *server.idle_options.get(suite.kind, ())]
    clients: list[socket.socket] = []
    try:
        asked = server.asked(suite)
        with serving(server.name, command, port, asked) as running:
            for _ in range(WARM_UP):
                check_answer(port, asked)
            time.sleep(SETTLE_SECONDS)
            resident, anonymous = tree_memory(running.pid)
            for number in range(connections):
                clients.append(open_connection(running, number))
            time.sleep(SETTLE_SECONDS)
            check_open(running, clients)
            resident_with, anonymous_with = tree_memory(running.pid)
    finally:
        for client in clients:
            client.close()
    return Idle(
        suite.name,
        server.name,
        (anonymous_with - anonymous) / connections,
        (resident_with - resident) / connections,
    )


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, prog="bench/idle.py")
    names = [*(suite.name for suite in HELD), *(server.name for server in SERVERS)]
    parser.add_argument("--only", default="", help=f"comma list of: {', '.join(names)}")
    parser.add_argument("--connections", type=int, default=10_000)
    arguments = parser.parse_args()

    plan = choose(arguments.only, [server for server in SERVERS if server.keeps_alive], HELD)
    raise_file_limit(arguments.connections)
    install_system()
    make_certificate()
    for server in chosen_servers(plan):
        server.prepare()
    header = ("server", "bytes allocated", "bytes resident")
    tables: list[str] = []
    rows: list[Idle] = []
    for suite, servers in plan:
        for server in servers:
            rows.append(measure(suite, server, arguments.connections))
            told = f"{suite.name:13} {server.name:25}"
            print(f"{told}{rows[-1].anonymous:10,.0f} bytes a connection", flush=True)
    for suite, _ in plan:
        own = [row for row in rows if row.suite == suite.name]
        cells = [[row.server, f"{row.anonymous:,.0f}", f"{row.resident:,.0f}"] for row in own]
        print(f"\n{suite.name}: each of {arguments.connections:,} idle connections")
        print(aligned(header, cells))
        tables.append(f"## {suite.name}\n\n{markdown(header, cells)}\n")
    OUT.mkdir(exist_ok=True)
    (OUT / "idle.md").write_text("\n".join(tables))
    about = {**facts(), "connections": arguments.connections}
    as_json = {"about": about, "servers": [asdict(row) for row in rows]}
    (OUT / "idle.json").write_text(json.dumps(as_json, indent=1) + "\n")
    print("\nwritten: bench/out/idle.md, bench/out/idle.json")


if __name__ == "__main__":
    try:
        main()
    except BenchError as error:
        sys.exit(f"bench: {error}")
