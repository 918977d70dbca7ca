"""References and memory stay where they are, however many requests come.

Each scenario is asked for until all caches are full, then counted, asked for much more, and
counted again. The worker runs in this process, so the counts are of the very objects it was given.
"""

from __future__ import annotations

import gc
import io
import itertools
import logging
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from core_harness import PATIENCE, Environ, Serving, StartResponse, serving, settle

BODY = b"a body that is counted"
BIG = b"z" * 100_000
STATUS = "200 It is counted"
NAME = "X-Counted"
VALUE = "a value that is counted"
HEADERS = [(NAME, VALUE)]
COUNTED = (BODY, BIG, STATUS, NAME, VALUE, HEADERS, HEADERS[0])
SINGLETONS = {"none": None, "true": True, "empty text": "", "empty bytes": b""}


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: counted\r\nX-Any: thing\r\n\r\n".encode()


def post(path: str, body: bytes) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: counted\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def whole(environ: Environ, start_response: StartResponse) -> Any:
    start_response(STATUS, HEADERS)
    return [BODY]


def several(environ: Environ, start_response: StartResponse) -> Any:
    start_response(STATUS, HEADERS * 20)
    return (BODY, b"", BODY)


def generated(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
    start_response(STATUS, HEADERS)
    yield BODY
    yield BIG
    yield BODY


def written(environ: Environ, start_response: StartResponse) -> Any:
    write = start_response(STATUS, HEADERS)
    write(BODY)
    write(BIG)
    return iter([BODY])


def read(environ: Environ, start_response: StartResponse) -> Any:
    stream = environ["wsgi.input"]
    pieces = [stream.read(3), stream.readline(), *stream.readlines(10), stream.read()]
    start_response(STATUS, HEADERS)
    return [b"".join(pieces)]


def wrapped(environ: Environ, start_response: StartResponse) -> Any:
    start_response(STATUS, HEADERS)
    return environ["wsgi.file_wrapper"](io.BytesIO(BODY))


def sent_file(environ: Environ, start_response: StartResponse) -> Any:
    start_response(STATUS, HEADERS)
    return environ["wsgi.file_wrapper"](open(__file__, "rb"))


def raises(environ: Environ, start_response: StartResponse) -> Any:
    start_response(STATUS, HEADERS)
    raise ValueError(VALUE)


def replaced(environ: Environ, start_response: StartResponse) -> Any:
    start_response(STATUS, HEADERS)
    try:
        raise ValueError(VALUE)
    except ValueError:
        start_response(STATUS, HEADERS, sys.exc_info())
    return [BODY]


def refused_head(environ: Environ, start_response: StartResponse) -> Any:
    for status, headers in ((STATUS, [(NAME, 5)]), (5, HEADERS), (STATUS, [*HEADERS, (NAME,)])):
        try:
            start_response(status, headers)
        except (TypeError, ValueError):
            continue
    start_response(STATUS, [*HEADERS, (NAME, "bad\r\n")])
    return [BODY]


def wrong_piece(environ: Environ, start_response: StartResponse) -> Any:
    start_response(STATUS, HEADERS)
    return [BODY, VALUE]


def complains(environ: Environ, start_response: StartResponse) -> Any:
    environ["wsgi.errors"].write(VALUE + "\nand more")
    start_response(STATUS, HEADERS)
    return [BODY]


class Kept:
    """Keeps what it is called with until its next call."""

    def __init__(self) -> None:
        self.last: Any = None

    def __call__(self, environ: Environ, start_response: StartResponse) -> Any:
        environ["self"] = environ
        self.last = (environ, start_response, start_response(STATUS, HEADERS))
        return [BODY]


SCENARIOS: dict[str, tuple[Callable[[], Any], bytes, int]] = {
    "whole": (lambda: whole, get("/"), 5000),
    "several": (lambda: several, get("/"), 2000),
    "generated": (lambda: generated, get("/"), 2000),
    "written": (lambda: written, get("/"), 1000),
    "short body": (lambda: read, post("/", b"line\nline\nline"), 3000),
    "long body": (lambda: read, post("/", b"line\n" * 20_000), 300),
    "wrapped": (lambda: wrapped, get("/"), 2000),
    "file": (lambda: sent_file, get("/"), 2000),
    "raises": (lambda: raises, get("/"), 1000),
    "replaced": (lambda: replaced, get("/"), 2000),
    "refused head": (lambda: refused_head, get("/"), 1000),
    "wrong piece": (lambda: wrong_piece, get("/"), 1000),
    "complains": (lambda: complains, get("/"), 1000),
    "kept": (Kept, get("/"), 2000),
}


def drop(record: logging.LogRecord) -> bool:
    """A filter: the record has been made; what pytest would keep of it is no leak of ours."""
    return not record.getMessage()


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    """Records are made and dropped."""
    logger = logging.getLogger("freastal.error")
    logger.addFilter(drop)
    yield
    logger.removeFilter(drop)


def counts(
    server: Serving,
    app: Any,
    counted: tuple[Any, ...] = COUNTED,
    patience: float = PATIENCE,
) -> dict[str, int]:
    """References to what every request uses, and how much Python has allocated.

    Taken when the server holds nothing: what has been sent is let go up to 250 ms later.
    """
    deadline = time.monotonic() + patience
    while any(server.worker.counters()["live"].values()) and time.monotonic() < deadline:
        time.sleep(0.01)
    settle()
    found = {f"counted {index}": sys.getrefcount(each) for index, each in enumerate(counted)}
    if sys.version_info < (3, 12):  # immortal afterwards
        found |= {name: sys.getrefcount(each) for name, each in SINGLETONS.items()}
    found["application"] = sys.getrefcount(app)
    found["objects"] = len(gc.get_objects())
    found["blocks"] = sys.getallocatedblocks()
    return found


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("name", SCENARIOS)
def test_counts_are_steady(name: str, threads: int) -> None:
    make, request, times = SCENARIOS[name]
    app = make()
    with serving(app, threads=threads) as server:
        size = server.size_of_answer(request)
        server.ask_many(request, 500 if times >= 1000 else 50, size)
        before = counts(server, app)
        server.ask_many(request, times, size)
        after = counts(server, app)
    grown = {key: after[key] - before[key] for key in after}
    # The interpreter's own caches may grow a little, but not with every request.
    assert {key: value for key, value in grown.items() if value > times // 4} == {}


def requests_that_differ(count: int) -> Iterator[bytes]:
    for number in range(count):
        yield (
            f"GET /path/{number}?query={number} HTTP/1.1\r\nHost: host-{number}\r\n"
            f"User-Agent: agent {number}\r\nX-Name-{number}: value {number}\r\n"
            f"X-Long: {'v' * 200}{number}\r\n\r\n"
        ).encode()


def send_all(server: Serving, requests: Iterator[bytes], size: int) -> None:
    with server.connect() as client:
        while batch := list(itertools.islice(requests, 50)):
            client.sendall(b"".join(batch))
            left = size * len(batch)
            while left:
                left -= len(client.recv(left))


def test_caches_are_bounded() -> None:
    """Paths, names and values that never come again take no more memory for each."""
    with serving(whole) as server:
        size = server.size_of_answer(get("/"))
        send_all(server, requests_that_differ(5000), size)
        before = counts(server, whole)
        send_all(server, requests_that_differ(10_000), size)
        after = counts(server, whole)
    assert after["blocks"] - before["blocks"] < 1000


PEERS = 600
"""Addresses kept of peers, and Python's own caches, fill up before."""


def endless(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
    start_response(STATUS, HEADERS)
    while True:
        yield BIG


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("app", [whole, endless], ids=["answered", "aborted"])
def test_connections_leave_nothing(app: Any, threads: int) -> None:
    with serving(app, threads=threads) as server:

        def connect_often() -> None:
            for _ in range(PEERS):
                with server.connect() as client:
                    client.sendall(get("/"))
                    client.recv(10)

        connect_often()
        before = counts(server, app)
        connect_often()
        after = counts(server, app)
    grown = {key: after[key] - before[key] for key in after}
    assert {key: value for key, value in grown.items() if value > PEERS // 2} == {}
