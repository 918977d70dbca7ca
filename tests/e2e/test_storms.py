"""Many at once who mean it badly, or too many of those who mean it well."""

from __future__ import annotations

import json
import random
import resource
import select
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from .client import PATIENCE, Client, request
from .conftest import Serve, show_log
from .harness import Server, Shape, command, running

LORIS = Path(__file__).with_name("loris.py")

FEW_MIB = 8 << 20

WORKERS = pytest.mark.parametrize(
    ("app", "options"),
    [("probe:plain", []), ("probe:plain", ["--threads", "4"]), ("asgi_probe:app", [])],
    ids=["wsgi", "wsgi with threads", "asgi"],
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/status"),
    pytest.mark.timeout(300),
]


def measure(client: Client) -> Any:
    """What tests/apps/probe.py says of the worker behind that connection."""
    return json.loads(client.exchange(request("GET", "/process")).body)


@pytest.fixture
def many_descriptors() -> Iterator[int]:
    """Raises the soft limit of open files as far as it goes, for this process and its children."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


# --- out of descriptors ---

NO_DESCRIPTORS = "cannot accept connections: too many open files"


@contextmanager
def few_descriptors(
    shape: Shape, directory: Path, app: str, options: list[str]
) -> Iterator[Server]:
    """A server that may open 64 files."""
    line = command(shape, directory, app, options)
    limited = ["sh", "-c", 'ulimit -n 64; exec "$@"', "sh", *line]
    with running(shape, directory, app, line=limited) as server:
        yield server
        show_log(server)


def answered(clients: list[Client], least: int) -> list[Client]:
    """Those of them whose answer has begun, when there are so many."""
    deadline = time.monotonic() + PATIENCE
    while True:
        ready, _, _ = select.select([client.sock for client in clients], [], [], 0.1)
        if len(ready) >= least:
            return [client for client in clients if client.sock in ready]
        assert time.monotonic() < deadline, f"{len(ready)} of {least} were answered"


@WORKERS
def test_more_clients_than_descriptors(
    shape: Shape, room: Path, app: str, options: list[str]
) -> None:
    """Who is connected is served; the others wait, and are served when there is room."""
    with few_descriptors(shape, room / "0", app, options) as server:
        crowd(server)


def crowd(server: Server) -> None:
    """150 clients, and 100 more when these have gone; one line tells of it."""
    clients = [server.connect() for _ in range(150)]
    for client in clients:
        client.send(request())
    left, rounds = clients, 0
    while left:
        # As many as there is room for; at first 64 less what a process has open anyway.
        lucky = answered(left, min(len(left), 20))
        assert len(lucky) < 64
        for client in lucky:
            assert client.response().body == b"hello"
            assert client.exchange(request()).body == b"hello"  # and go on
            client.close()
        left = [client for client in left if client not in lucky]
        rounds += 1
    assert rounds > 2
    server.await_log(NO_DESCRIPTORS)
    for _ in range(100):
        with server.connect() as client:
            assert client.exchange(request()).body == b"hello"
    assert server.log.count(NO_DESCRIPTORS) == 1


# --- connects and resets ---

PARTS = {
    "before": b"",
    "inside the line": request()[:7],
    "inside the head": request()[:-2],
    "behind the head": request(),
    "inside a body": request("POST", "/echo", [("Content-Length", "10")]) + b"123",
    "inside the response": request("GET", "/stream?size=65536"),
}


def storm(server: Server, count: int, wave: int = 200) -> None:
    """So many connections that are reset, a wave of them open at once."""
    chance = random.Random(count)
    parts = list(PARTS.values())
    for _ in range(count // wave):
        clients = []
        for _ in range(wave):
            client = server.connect()
            client.send_as_far_as_taken(chance.choice(parts))
            clients.append(client)
        for client in clients:
            client.reset()


@WORKERS
def test_connects_and_resets(
    many_descriptors: int, serve: Serve, app: str, options: list[str]
) -> None:
    """10,000 of them leave neither descriptors nor memory behind, nor anybody unanswered."""
    server = serve(app, *options)
    server.tracebacks_expected = True  # of an application that takes no half a body
    storm(server, 2000)
    with server.connect() as observer:
        before = measure(observer)
        storm(server, 10_000)
        deadline = time.monotonic() + PATIENCE
        # Calls of the last ones may still be ending.
        while (after := measure(observer))["descriptors"] > before["descriptors"] or (
            after["objects"] - before["objects"] >= 200
        ):
            assert time.monotonic() < deadline, (before, after)
            time.sleep(0.1)
        assert after["rss"] - before["rss"] < FEW_MIB
        with server.connect() as client:
            assert client.exchange(request()).body == b"hello"


# --- slow-loris ---

SLOW = 2000


def latencies(server: Server, count: int) -> list[float]:
    """How long each of so many requests of one client took; every answer is right."""
    taken = []
    with server.connect() as client:
        for _ in range(count):
            begun = time.monotonic()
            assert client.exchange(request()).body == b"hello"
            taken.append(time.monotonic() - begun)
    return taken


def test_slow_loris_beside_a_normal_client(many_descriptors: int, serve: Serve) -> None:
    """2,000 heads that never end cost the others little, and end in 408."""
    if many_descriptors < SLOW + 500:
        pytest.skip(f"at most {many_descriptors} open files are allowed here")
    server = serve("probe:plain", "--timeout-headers", "8")
    latencies(server, 200)
    alone = statistics.median(latencies(server, 1000))
    assert isinstance(server.address, tuple)
    line = [sys.executable, LORIS, server.address[0], str(server.address[1]), str(SLOW), "1"]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as loris:
        assert loris.stdout is not None
        assert loris.stdout.readline() == "open\n"
        beside = statistics.median(latencies(server, 1000))
        assert not select.select([loris.stdout], [], [], 0)[0], "the slow ones have gone already"
        statuses = json.loads(loris.stdout.readline())
    assert statuses == {"408": SLOW}
    # A queue of 2,000 before each request would be a factor of a thousand.
    assert beside < 30 * alone
    with server.connect() as client:
        assert client.exchange(request()).body == b"hello"
