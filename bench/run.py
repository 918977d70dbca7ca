"""``make bench``: processor time per request of freastal, its peers and the bare floors.

For WSGI, ASGI, an echo over WebSocket, and FastAPI; ``--only asgi`` takes one of them. Every server
runs alone on one core and its load on another; servers come in turn over several rounds, in an
order that moves by one each round. Prints a table a suite, and writes ``bench/out/``'s
``bench.md`` and ``bench.json``. What each figure means: ``bench/README.md``.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path

from benchkit import OUT, BenchError
from benchkit.certificate import make_certificate
from benchkit.environments import checkout, install_system, versions
from benchkit.load import put_load
from benchkit.machine import cores_busy, facts, tree_processor
from benchkit.running import free_port, pinned, serving
from benchkit.servers import FLOOR, SERVERS, Plan, Server, choose, chosen_servers
from benchkit.suites import KINDS, SUITES, Suite
from benchkit.tables import Spread, aligned, markdown

NOISE = 0.05
"""Work of others on the two cores, in cores, above which a sample is taken again."""


@dataclass(frozen=True)
class Sample:
    """One server in one suite and one round."""

    suite: str
    server: str
    round: int
    requests: int  # or messages
    seconds: float
    user: float  # microseconds a request
    system: float  # as well
    busy: float  # share of its core that the server used
    others: float  # work of others on the two cores meanwhile, in cores

    @property
    def processor(self) -> float:
        """Microseconds of processor time a request."""
        return self.user + self.system

    @property
    def rate(self) -> float:
        """Requests per second."""
        return self.requests / self.seconds


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, prog="bench/run.py")
    names = [*KINDS, *(s.name for s in SUITES if s.name not in KINDS), *(s.name for s in SERVERS)]
    parser.add_argument(
        "--only", default="", help=f"comma list, always with the floor, of: {', '.join(names)}"
    )
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4, help="of load measured a round")
    parser.add_argument("--warm-up", type=int, default=1, help="seconds of load before it")
    parser.add_argument(
        "--again", type=int, default=2, help="times a sample is taken again while others work"
    )
    parser.add_argument("--connections", type=int, default=40, help="kept alive")
    cores = sorted(os.sched_getaffinity(0))
    parser.add_argument("--server-core", type=int, default=cores[0])
    parser.add_argument("--client-core", type=int, default=cores[-1])
    arguments = parser.parse_args()
    if arguments.server_core == arguments.client_core:
        parser.error("the server and the client need a core each")
    for name in ("rounds", "seconds", "connections"):
        if getattr(arguments, name) < 1:
            parser.error(f"--{name} must be at least 1")
    return arguments


def measure(suite: Suite, server: Server, turn: int, arguments: argparse.Namespace) -> Sample:
    """Start a server, warm it up, measure it once, end it."""
    port = free_port()
    command = server.command(suite, port)
    cores = {arguments.server_core, arguments.client_core}
    command = pinned(arguments.server_core, command)
    with serving(server.name, command, port, server.asked(suite)) as running:
        if arguments.warm_up:
            put_load(running, arguments.warm_up, arguments.connections, arguments.client_core)
        before, busy_before = tree_processor(running.pid), cores_busy(cores)
        load = put_load(running, arguments.seconds, arguments.connections, arguments.client_core)
        used = tree_processor(running.pid) - before
        busy = cores_busy(cores) - busy_before
    return Sample(
        suite=suite.name,
        server=server.name,
        round=turn,
        requests=load.requests,
        seconds=load.seconds,
        user=used.user / load.requests * 1e6,
        system=used.system / load.requests * 1e6,
        busy=used.total / load.seconds,
        others=max(0.0, busy - used.total - load.processor) / load.seconds,
    )


def measure_quietly(
    suite: Suite, server: Server, turn: int, arguments: argparse.Namespace
) -> Sample:
    """Measure, again while others work on the cores; gives the sample they disturbed least.

    The choice looks at the others' work alone, never at the figure.
    """
    samples = [measure(suite, server, turn, arguments)]
    say(samples[0], arguments.rounds)
    while samples[-1].others > NOISE and len(samples) <= arguments.again:
        samples.append(measure(suite, server, turn, arguments))
        say(samples[-1], arguments.rounds)
    return min(samples, key=lambda sample: sample.others)


def say(sample: Sample, rounds: int) -> None:
    """One line of progress."""
    print(
        f"{sample.suite:12} {sample.round + 1}/{rounds}  {sample.server:25}"
        f"{sample.processor:8.2f} µs ({sample.user:.2f} user + {sample.system:.2f}"
        f" system) {sample.rate:9,.0f} a second"
        + (f"  noisy: others used {sample.others:.2f} cores" if sample.others > NOISE else ""),
        flush=True,
    )


def header(suite: Suite) -> list[str]:
    """The names of a table's columns."""
    unit = suite.unit
    columns = ["server", "× floor", f"CPU µs/{unit}", "user", "system", f"{unit}s/s"]
    return [*columns, "busy", "others"]


def summarise(samples: Sequence[Sample]) -> list[list[str]]:
    """Rows under :func:`header`, one a server, from the samples of one suite.

    The ratio is taken round by round and its median shown, so that a machine that is slower for
    a while is slower in both of its parts.
    """
    floors = {sample.round: sample.processor for sample in samples if sample.server == FLOOR.name}
    rows = []
    for name in dict.fromkeys(sample.server for sample in samples):
        own = [sample for sample in samples if sample.server == name]
        ratio = Spread.of([sample.processor / floors[sample.round] for sample in own])
        rows.append(
            [
                name,
                ratio.text(2),
                Spread.of([sample.processor for sample in own]).text(2),
                f"{Spread.of([sample.user for sample in own]).median:.2f}",
                f"{Spread.of([sample.system for sample in own]).median:.2f}",
                f"{Spread.of([sample.rate for sample in own]).median:,.0f}",
                f"{Spread.of([sample.busy for sample in own]).median:.0%}",
                f"{max(sample.others for sample in own):.2f}",
            ]
        )
    return rows


def with_floor(plan: Plan) -> Plan:
    """The plan with the floor, which is the unit of every table."""
    return [(suite, servers if FLOOR in servers else [FLOOR, *servers]) for suite, servers in plan]


def server_versions(servers: Sequence[Server]) -> dict[str, str]:
    """Version of each server that has one."""
    environments = {server.environment for server in servers if server.environment}
    installed = {path: versions(path) for path in environments}
    found = {
        server.name: installed[server.environment][server.distribution]
        for server in servers
        if server.environment
    }
    if "freastal" in found:
        found["freastal"] += f" ({checkout()})"
    return found


def main() -> None:
    """Measure, print, write."""
    arguments = parse_arguments()
    about = {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        **facts(),
        "command": shlex.join([Path(sys.executable).name, *sys.argv]),
    }
    plan = with_floor(choose(arguments.only, SERVERS))
    install_system()
    make_certificate()
    for server in chosen_servers(plan):
        server.prepare()
    about.update(server_versions(chosen_servers(plan)))
    os.sched_setaffinity(0, {arguments.client_core})

    samples: list[Sample] = []
    for suite, chosen in plan:
        for turn in range(arguments.rounds):
            shift = turn % len(chosen)
            for server in chosen[shift:] + chosen[:shift]:
                samples.append(measure_quietly(suite, server, turn, arguments))

    order = [server.name for server in SERVERS]
    samples.sort(key=lambda sample: (order.index(sample.server), sample.round))
    report = ["".join(f"- {name}: {value}\n" for name, value in about.items())]
    for suite, _ in plan:
        rows = summarise([sample for sample in samples if sample.suite == suite.name])
        print(f"\n{suite.name}: medians of {arguments.rounds} rounds (least to most)")
        print(aligned(header(suite), rows), flush=True)
        report.append(f"## {suite.name}\n\n{markdown(header(suite), rows)}\n")
    (OUT / "bench.md").write_text("\n".join(report))
    as_json = {"about": about, "samples": [asdict(sample) for sample in samples]}
    (OUT / "bench.json").write_text(json.dumps(as_json, indent=1) + "\n")
    print("\nwritten: bench/out/bench.md, bench/out/bench.json")


if __name__ == "__main__":
    try:
        main()
    except BenchError as error:
        sys.exit(f"bench: {error}")
