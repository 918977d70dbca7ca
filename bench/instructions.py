"""User-space instructions per request, counted by valgrind: free of the machine's noise.

Runs each server under callgrind twice, once with N and once with 2 N requests of one client on
one connection, each sent when the last is answered; the difference divided by N is free of
start, warm-up and end. Prints a table and writes ``bench/out/instructions.json``, beside
callgrind's own files (``callgrind_annotate`` reads them). More: ``bench/README.md``.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import sys
from pathlib import Path

from benchkit import OUT, BenchError
from benchkit.environments import install_system
from benchkit.running import HOST, Running, free_port, serving
from benchkit.servers import SERVERS, WORKER, Server, choose, chosen_servers
from benchkit.suites import SUITES, Suite
from benchkit.tables import aligned

COUNTED = (WORKER, *(server for server in SERVERS if server.single))
COUNTED_SUITES = tuple(suite for suite in SUITES if suite.kind in ("wsgi", "asgi"))
DEFAULT = "wsgi-500,asgi-500"

BROWSER = (
    b"GET / HTTP/1.1\r\n"
    b"Host: www.example.org\r\n"
    b"Connection: keep-alive\r\n"
    b'sec-ch-ua: "Chromium";v="126", "Not-A.Brand";v="8"\r\n'
    b"sec-ch-ua-mobile: ?0\r\n"
    b'sec-ch-ua-platform: "Linux"\r\n'
    b"Upgrade-Insecure-Requests: 1\r\n"
    b"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) "
    b"Chrome/126.0.0.0 Safari/537.36\r\n"
    b"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,"
    b"*/*;q=0.8\r\n"
    b"Sec-Fetch-Site: none\r\n"
    b"Sec-Fetch-Mode: navigate\r\n"
    b"Sec-Fetch-User: ?1\r\n"
    b"Sec-Fetch-Dest: document\r\n"
    b"Accept-Encoding: gzip, deflate, br\r\n"
    b"Accept-Language: en-GB,en;q=0.9\r\n"
    b"Cookie: session=3f1c9ad20b7e4c5f8a6d; theme=dark\r\n"
    b"\r\n"
)

REQUESTS = {"one field": SUITES[0].request, "browser": BROWSER}
"""The two heads that are asked with: the shortest that is allowed, and a browser's."""

PATIENCE_SECONDS = 120.0


def ask(server: Running, request: bytes, times: int) -> None:
    """Ask over one connection, one request after the other.

    :raises BenchError: the server closed it.
    """
    with socket.create_connection((HOST, server.port), timeout=60) as client:
        for _ in range(times):
            client.sendall(request)
            missing = server.answer_size
            while missing > 0:
                got = len(client.recv(missing))
                if not got:
                    raise BenchError(f"{server.name} closed the connection")
                missing -= got


def total(profile: Path) -> int:
    """Instructions that callgrind counted in all."""
    for line in profile.read_text(errors="replace").splitlines():
        if line.startswith("totals:"):
            return int(line.split()[1])
    raise BenchError(f"{profile} tells no totals")


def run_counted(server: Server, suite: Suite, request: bytes, times: int, profile: Path) -> int:
    """Instructions of one whole run of a server that answers ``times`` requests."""
    port = free_port()
    profile.unlink(missing_ok=True)
    command = ["valgrind", "--quiet", "--tool=callgrind", f"--callgrind-out-file={profile}"]
    command += server.command(suite, port)
    with serving(server.name, command, port, suite, PATIENCE_SECONDS) as running:
        ask(running, request, times)
    if not profile.exists():
        raise BenchError(f"{server.name} under valgrind did not end in time to write {profile}")
    return total(profile)


def count(server: Server, suite: Suite, head: str, times: int) -> float:
    """Instructions of one request."""
    stem = f"{server.name}.{suite.name}.{head}".replace(" ", "-")
    once, twice = (
        run_counted(server, suite, REQUESTS[head], n, OUT / f"callgrind.{stem}.{n}.out")
        for n in (times, 2 * times)
    )
    return (twice - once) / times


def main() -> None:
    """Count, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, prog="bench/instructions.py")
    names = [*(suite.name for suite in COUNTED_SUITES), *(server.name for server in COUNTED)]
    parser.add_argument(
        "--only", default=DEFAULT, help=f"comma list ({DEFAULT}) of: {', '.join(names)}"
    )
    parser.add_argument("--requests", type=int, default=2000, help="N; each server answers 3 N")
    arguments = parser.parse_args()
    # Python's hashes, and so the ways through its tables, are the same in every run.
    os.environ["PYTHONHASHSEED"] = "0"

    plan = choose(arguments.only, COUNTED, COUNTED_SUITES)
    install_system()
    for server in chosen_servers(plan):
        server.prepare()
    OUT.mkdir(exist_ok=True)
    counts: dict[str, dict[str, dict[str, float]]] = {}
    for suite, servers in plan:
        found = counts.setdefault(suite.name, {})
        for server in servers:
            found[server.name] = {}
            for head in REQUESTS:
                number = count(server, suite, head, arguments.requests)
                found[server.name][head] = number
                told = f"{suite.name:9} {server.name:17}{head:10}"
                print(f"{told}{number:10,.0f} instructions a request", flush=True)

    for name, found in counts.items():
        rows = [[row, *(f"{number:,.0f}" for number in by.values())] for row, by in found.items()]
        print(f"\n{name}: user-space instructions a request, by its head")
        print(aligned(("server", *REQUESTS), rows))
    as_json = {"requests": arguments.requests, "suites": counts}
    (OUT / "instructions.json").write_text(json.dumps(as_json, indent=1) + "\n")
    print("\nwritten: bench/out/instructions.json")


if __name__ == "__main__":
    try:
        main()
    except BenchError as error:
        sys.exit(f"bench: {error}")
