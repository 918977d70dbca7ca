"""Puts load on a server by wrk or ``echo_load.c``, and refuses counts that hide errors."""

from __future__ import annotations

import json
import resource
import subprocess
from dataclasses import dataclass

from benchkit import BENCH, BenchError
from benchkit.environments import ECHO_LOAD_PROGRAM
from benchkit.running import HOST, Running, pinned

REPORT = BENCH / "benchkit" / "wrk_report.lua"


@dataclass(frozen=True)
class Load:
    """What one run did."""

    requests: int  # or messages
    seconds: float
    processor: float  # seconds that the load itself used


def _children_processor() -> float:
    """Seconds of processor time of all children that this process has waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _command(server: Running, seconds: int, connections: int) -> list[str]:
    if server.suite.kind == "websocket":
        numbers = (server.port, connections, seconds, server.suite.size)
        return [str(ECHO_LOAD_PROGRAM), *map(str, numbers)]
    command = ["wrk", "--threads", "1"]
    command += ["--connections", str(connections), "--duration", f"{seconds}s"]
    command += ["--script", str(REPORT)]
    scheme = "https" if server.suite.kind == "tls" else "http"
    return [*command, f"{scheme}://{HOST}:{server.port}{server.suite.path}"]


def put_load(server: Running, seconds: int, connections: int, core: int) -> Load:
    """Ask ``server`` over kept-alive connections as fast as one core can.

    :raises BenchError: the load failed, an answer was wrong or lost, or answers were not as long as
        the one that was checked.
    """
    command = _command(server, seconds, connections)
    before = _children_processor()
    done = subprocess.run(pinned(core, command), check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise BenchError(f"{command[0]} failed on {server.name}:\n{done.stderr}{done.stdout}")
    counted = json.loads(done.stdout.splitlines()[-1])
    errors = {name: count for name, count in counted["errors"].items() if count}
    if errors or not counted["requests"]:
        raise BenchError(f"{server.name}: {counted['requests']} answers, errors {errors}")
    # wrk counts bytes as they come, so up to one answer a connection is not yet a request.
    size = counted["bytes"] / counted["requests"]
    slack = 0.01 * server.answer_size + connections * server.answer_size / counted["requests"]
    if abs(size - server.answer_size) > slack:
        raise BenchError(f"{server.name} sent {size:.0f} bytes an answer, not {server.answer_size}")
    used = _children_processor() - before
    return Load(counted["requests"], counted["microseconds"] / 1e6, used)
