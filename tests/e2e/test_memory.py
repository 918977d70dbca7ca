"""What a worker keeps: nothing of large bodies, and nothing of requests that are over."""

import json
import resource
import sys
import zlib
from collections.abc import Iterator
from typing import Any

import pytest

from .client import Client, Response, chunked, request
from .conftest import Serve
from .harness import Server

GIB = 1 << 30
FEW_MIB = 8 << 20
FEW_REFERENCES = 500
"""Caches come and go; one reference a request would be ten thousand at the least."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc/self/status"),
    pytest.mark.timeout(300),
]


def measure(client: Client) -> Any:
    """What tests/apps/probe.py says of the worker behind that connection."""
    return json.loads(client.exchange(request("GET", "/process")).body)


def skim(client: Client, size: int) -> int:
    """Reads a response of that size without keeping it; returns its body's checksum."""
    client.send(request("GET", f"/stream?size=65536&count={size >> 16}"))
    client.await_bytes(b"\r\n\r\n")
    head, _, rest = bytes(client.buffer).partition(b"\r\n\r\n")
    assert b"content-length: %d\r\n" % size in head.lower() + b"\r\n"
    client.buffer.clear()
    crc, left = zlib.crc32(rest), size - len(rest)
    room = memoryview(bytearray(1 << 20))
    while left:
        count = client.sock.recv_into(room, min(left, len(room)))
        assert count, "cut"
        crc = zlib.crc32(room[:count], crc)
        left -= count
    return crc


@pytest.mark.matrix("threads")
def test_download_of_one_gibibyte(server: Server) -> None:
    piece, crc = bytes(range(256)) * 256, 0
    for _ in range(GIB >> 16):
        crc = zlib.crc32(piece, crc)
    with server.connect() as client:
        skim(client, 64 << 20)
        before = measure(client)
        assert skim(client, GIB) == crc
        after = measure(client)
    assert after["peak"] - before["peak"] < FEW_MIB


@pytest.mark.matrix("threads")
@pytest.mark.parametrize("in_chunks", [False, True], ids=["length", "chunked"])
def test_upload_of_one_gibibyte(server: Server, in_chunks: bool) -> None:
    block = bytes(range(256)) * 4096
    coded = b"%x\r\n%s\r\n" % (len(block), block) if in_chunks else block
    framing = ("Transfer-Encoding", "chunked") if in_chunks else ("Content-Length", str(GIB))

    def upload(client: Client, size: int, fields: list[tuple[str, str]]) -> Response:
        client.send(request("POST", "/measure", fields))
        for _ in range(size // len(block)):
            client.send(coded)
        client.send(chunked([]) if in_chunks else b"")
        return client.response()

    crc = 0
    for _ in range(GIB // len(block)):
        crc = zlib.crc32(block, crc)
    with server.connect() as client:
        small = 4 << 20
        warm = framing if in_chunks else ("Content-Length", str(small))
        assert upload(client, small, [warm]).status == 200
        before = measure(client)
        answer = upload(client, GIB, [framing])
        assert json.loads(answer.body) == {"length": GIB, "crc": crc}
        after = measure(client)
    assert after["peak"] - before["peak"] < FEW_MIB


@pytest.fixture
def many_descriptors() -> Iterator[int]:
    """Raises the soft limit of open files as far as it goes, for this process and its children."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield hard
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


IDLE = {"tcp": 1024, "unix": 1024, "tls": 16 * 1024}
"""Bytes; libssl keeps some 10 KiB for each connection (bench/idle.py)."""


def test_idle_connections_cost_little(many_descriptors: int, serve: Serve) -> None:
    """User memory of the worker for each connection that waits for its next request."""
    count = 10_000
    if many_descriptors < count + 500:
        pytest.skip(f"at most {many_descriptors} open files are allowed here")
    server = serve("probe:plain", "--timeout-keep-alive", "0")
    clients = []

    def open_idle(number: int) -> None:
        for _ in range(number):
            client = server.connect()
            assert client.exchange(request()).body == b"hello"
            clients.append(client)

    with server.connect() as observer:
        open_idle(500)
        before = measure(observer)
        open_idle(count)
        after = measure(observer)
    for client in clients:
        client.reset()  # a proper end would leave as many ports waiting
    assert after["descriptors"] - before["descriptors"] == count
    assert (after["rss"] - before["rss"]) / count < IDLE[server.shape.transport]


def many(client: Client, data: bytes, count: int, method: str = "GET") -> None:
    """That many requests, pipelined in batches."""
    batch = 100
    for _ in range(count // batch):
        client.send(data * batch)
        for _ in range(batch):
            assert client.response(method).status == 200


@pytest.mark.matrix("threads")
def test_nothing_is_left_of_100000_requests(serve: Serve) -> None:
    """Reference counts, objects, blocks of memory and descriptors stand where they stood."""
    server = serve("probe:plain")
    fields = [("Cookie", "a=1"), ("User-Agent", "agent"), ("X-Odd-Name", "v"), ("X-Odd-Name", "w")]
    kinds = [
        (request("GET", "/", fields), 60_000),
        (request("POST", "/echo", fields, b"body"), 20_000),
        (request("GET", "/respond?kind=generator&piece=10&piece=20", fields), 10_000),
        (request("GET", "/respond?kind=write&piece=10&length=10", fields), 10_000),
    ]
    with server.connect() as client:
        for data, _ in kinds:
            many(client, data, 1000)
        measure(client)
        before = measure(client)
        for data, count in kinds:
            many(client, data, count)
        after = measure(client)
    assert sum(count for _, count in kinds) == 100_000
    grown = {
        name: count - before["references"][name]
        for name, count in after["references"].items()
        if abs(count - before["references"][name]) > FEW_REFERENCES
    }
    assert not grown
    assert after["objects"] - before["objects"] < 200
    assert after["blocks"] - before["blocks"] < 2000
    assert after["descriptors"] == before["descriptors"]
    assert after["rss"] - before["rss"] < FEW_MIB


@pytest.mark.matrix("threads")
def test_nothing_is_left_of_connections_and_failures(serve: Serve) -> None:
    """The ways out that are not the usual one: refusals, resets, exceptions, unread bodies."""
    server = serve("probe:plain")
    bad = [
        b"GET / HTTP/1.1\r\n\r\n",
        b"\0\r\n\r\n",
        request("POST", "/echo", [("Content-Length", "10")]) + b"123",
        request("POST", "/echo", [("Transfer-Encoding", "chunked")]) + b"5\r\nabc",
        request("GET", "/stream?size=100000"),
        request("POST", "/", body=b"x" * 100_000),
        request("GET", "/input?read=no-number"),
    ]
    server.tracebacks_expected = True

    def vanish(times: int) -> None:
        for _ in range(times):
            for data in bad:
                client = server.connect()
                client.send_as_far_as_taken(data)
                client.reset()

    vanish(50)
    with server.connect() as client:
        measure(client)
        before = measure(client)
        vanish(300)
        assert client.exchange(request()).body == b"hello"
        after = measure(client)
    assert after["objects"] - before["objects"] < 200
    assert after["blocks"] - before["blocks"] < 2000
    assert after["descriptors"] <= before["descriptors"] + 5
    assert after["rss"] - before["rss"] < FEW_MIB
