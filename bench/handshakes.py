"""Processor time of a TLS 1.3 handshake, full and resumed, for freastal and its peers.

Each connection shakes hands, asks once for 500 bytes and ends. Every server runs alone on one core
and ``tls_load.c`` on another; servers come in turn over several rounds, in an order that moves by
one each round. Prints two tables, and writes ``bench/out/``'s ``handshakes.md`` and
``handshakes.json``. What each figure means: ``bench/README.md``.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from benchkit import OUT, BenchError
from benchkit.certificate import CERTIFICATE, KEY, make_certificate
from benchkit.environments import TLS_LOAD_PROGRAM, build_tls_load, install_system
from benchkit.machine import cores_busy, facts, tree_processor
from benchkit.running import free_port, pinned, serving
from benchkit.servers import SERVERS, Server
from benchkit.suites import SUITES, Suite
from benchkit.tables import Spread, aligned, markdown

SUITE = next(suite for suite in SUITES if suite.name == "tls-500")
MODES = ("full", "resume")
WHOLE = 0.95
"""The share of handshakes that must be of the mode's kind: each client's first one is full."""

NGINX = """daemon off;
worker_processes 1;
pid {out}/nginx.pid;
error_log stderr crit;
events {{ worker_connections 1024; }}
http {{
    access_log off;
    server {{
        listen 127.0.0.1:{port} ssl;
        ssl_certificate {certificate};
        ssl_certificate_key {key};
        ssl_protocols TLSv1.3;
        location / {{ return 200 "{body}"; }}
    }}
}}
"""


def _nginx(suite: Suite, port: int) -> list[str]:
    file = OUT / "nginx.conf"
    body = "x" * suite.size
    file.write_text(NGINX.format(out=OUT, port=port, certificate=CERTIFICATE, key=KEY, body=body))
    return ["/usr/sbin/nginx", "-c", str(file)]


PEERS: tuple[Server, ...] = (
    *(server for server in SERVERS if "tls" in server.kinds and server.speaks_tls),
    Server("nginx", ("tls",), lambda: None, None, "", _nginx, single=False),
)


@dataclass(frozen=True)
class Sample:
    """One server in one mode and one round."""

    mode: str
    server: str
    round: int
    handshakes: int
    seconds: float
    processor: float  # microseconds a handshake, with its request and its end
    others: float  # work of others on the two cores meanwhile, in cores

    @property
    def rate(self) -> float:
        """Handshakes per second."""
        return self.handshakes / self.seconds


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, prog="bench/handshakes.py")
    names = [server.name for server in PEERS]
    parser.add_argument("--only", default="", help=f"comma list of: {', '.join(names)}")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="of load measured a round")
    cores = sorted(os.sched_getaffinity(0))
    parser.add_argument("--server-core", type=int, default=cores[0])
    parser.add_argument("--client-core", type=int, default=cores[-1])
    arguments = parser.parse_args()
    wanted = [name for name in arguments.only.split(",") if name]
    if unknown := set(wanted) - set(names):
        parser.error(f"nothing is called {', '.join(sorted(unknown))}")
    arguments.servers = [s for s in PEERS if not wanted or s.name in wanted]
    return arguments


def put_load(port: int, seconds: int, mode: str, core: int) -> dict[str, float]:
    """Shake hands as fast as one core can.

    :raises BenchError: a connection failed, or too many handshakes were of the other kind.
    """
    command = [str(TLS_LOAD_PROGRAM), str(port), str(seconds), mode]
    done = subprocess.run(pinned(core, command), check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise BenchError(f"tls_load failed:\n{done.stderr}")
    counted: dict[str, float] = json.loads(done.stdout)
    resumed = counted["resumed"] if mode == "resume" else counted["handshakes"]
    wrong_kind = mode == "full" and counted["resumed"]
    if counted["errors"] or wrong_kind or resumed < WHOLE * counted["handshakes"]:
        raise BenchError(f"in mode {mode}: {counted}")
    return counted


def measure(mode: str, server: Server, turn: int, arguments: argparse.Namespace) -> Sample:
    """Start a server, warm it up, measure it once, end it."""
    port = free_port()
    cores = {arguments.server_core, arguments.client_core}
    command = pinned(arguments.server_core, server.command(SUITE, port))
    with serving(server.name, command, port, SUITE) as running:
        put_load(port, 1, mode, arguments.client_core)
        before, busy_before = tree_processor(running.pid), cores_busy(cores)
        client_before = sum(os.times()[2:4])
        counted = put_load(port, arguments.seconds, mode, arguments.client_core)
        used = tree_processor(running.pid) - before
        client = sum(os.times()[2:4]) - client_before
        busy = cores_busy(cores) - busy_before
    return Sample(
        mode=mode,
        server=server.name,
        round=turn,
        handshakes=int(counted["handshakes"]),
        seconds=counted["seconds"],
        processor=used.total / counted["handshakes"] * 1e6,
        others=max(0.0, busy - used.total - client) / counted["seconds"],
    )


def table(samples: Sequence[Sample]) -> tuple[list[str], list[list[str]]]:
    """Header and rows, one a server."""
    rows = []
    for name in dict.fromkeys(sample.server for sample in samples):
        own = [sample for sample in samples if sample.server == name]
        rows.append(
            [
                name,
                Spread.of([sample.processor for sample in own]).text(0),
                f"{Spread.of([sample.rate for sample in own]).median:,.0f}",
                f"{max(sample.others for sample in own):.2f}",
            ]
        )
    return ["server", "CPU µs/handshake", "handshakes/s", "others"], rows


def main() -> None:
    """Measure, print, write."""
    arguments = parse_arguments()
    install_system()
    make_certificate()
    build_tls_load()
    for server in arguments.servers:
        server.prepare()
    os.sched_setaffinity(0, {arguments.client_core})
    samples = []
    for mode in MODES:
        for turn in range(arguments.rounds):
            shift = turn % len(arguments.servers)
            for server in arguments.servers[shift:] + arguments.servers[:shift]:
                sample = measure(mode, server, turn, arguments)
                samples.append(sample)
                print(
                    f"{mode:7} {turn + 1}/{arguments.rounds}  {server.name:16}"
                    f"{sample.processor:8.0f} µs {sample.rate:8,.0f} a second",
                    flush=True,
                )
    order = [server.name for server in PEERS]
    samples.sort(key=lambda sample: (order.index(sample.server), sample.round))
    report = []
    for mode in MODES:
        columns, rows = table([sample for sample in samples if sample.mode == mode])
        print(f"\n{mode}: medians of {arguments.rounds} rounds (least to most)")
        print(aligned(columns, rows), flush=True)
        report.append(f"## {mode}\n\n{markdown(columns, rows)}\n")
    (OUT / "handshakes.md").write_text("\n".join(report))
    about = {**facts(), "command": [Path(sys.executable).name, *sys.argv]}
    as_json = {"about": about, "samples": [asdict(sample) for sample in samples]}
    (OUT / "handshakes.json").write_text(json.dumps(as_json, indent=1) + "\n")
    print("\nwritten: bench/out/handshakes.md, bench/out/handshakes.json")


if __name__ == "__main__":
    try:
        main()
    except BenchError as error:
        sys.exit(f"bench: {error}")
