"""Load with faults: clients that vanish, send garbage or dawdle, among clients that do it right.

No proper request may get a wrong answer, and at the end nothing may be left (which the fixture
checks). The mixture is random but the same in every run; its size is bounded, not its time.
"""

import random
import threading
import time
import zlib
from collections.abc import Callable

import pytest

from .client import Client, chunked, request
from .conftest import Serve
from .harness import Server

ROUNDS = 60
Act = Callable[[Server, random.Random], None]


def proper(server: Server, chance: random.Random) -> None:
    """Requests of every kind on one connection, pipelined, each answer checked."""
    with server.connect() as client:
        for _ in range(chance.randrange(1, 6)):
            data, expected = b"", []
            for _ in range(chance.randrange(1, 12)):
                body = chance.randbytes(chance.choice([0, 1, 10, 1000, 70_000]))
                kind = chance.randrange(4)
                if kind == 0:
                    data += request("POST", "/echo", body=body)
                elif kind == 1:
                    at = chance.randrange(len(body) + 1)
                    pieces = [piece for piece in (body[:at], body[at:]) if piece]
                    data += request("POST", "/echo", [("Transfer-Encoding", "chunked")])
                    data += chunked(pieces)
                elif kind == 2:
                    data += request("POST", "/measure", body=body)
                    body = b'{"length": %d, "crc": %d}' % (len(body), zlib.crc32(body))
                else:
                    data += request("GET", "/respond?kind=generator&piece=7&piece=100000")
                    body = bytes(range(7)) + (bytes(range(256)) * 391)[:100_000]
                expected.append(body)
            sender = threading.Thread(target=client.send, args=(data,))
            sender.start()
            for body in expected:
                answer = client.response()
                assert (answer.status, answer.body == body) == (200, True)
            sender.join()


def garbage(server: Server, chance: random.Random) -> None:
    """Bytes that are no request, or one that is spoiled in one place."""
    data = bytearray(request("POST", "/echo", [("X-A", "b")], b"body"))
    if chance.random() < 0.5:
        data = bytearray(chance.randbytes(chance.randrange(1, 2000)))
    else:
        data[chance.randrange(len(data))] = chance.randrange(256)
    with server.connect() as client:
        client.send_as_far_as_taken(bytes(data) + b"\r\n\r\n")
        client.half_close()
        client.expect_gone()


def vanish_inside_the_request(server: Server, chance: random.Random) -> None:
    data = request("POST", "/echo", body=b"x" * chance.choice([10, 100_000]))
    leave(server, chance, data[: chance.randrange(1, len(data))], read=False)


def vanish_inside_the_response(server: Server, chance: random.Random) -> None:
    target = chance.choice(["/stream?size=65536", "/respond?piece=3000000", "/"])
    leave(server, chance, request("GET", target) * chance.randrange(1, 5), read=True)


def leave(server: Server, chance: random.Random, data: bytes, *, read: bool) -> None:
    """Sends that, reads a bit of the answer or nothing, and goes, in one way or the other."""
    client = server.connect()
    client.send_as_far_as_taken(data)
    if read and chance.random() < 0.7:
        client.sock.recv(chance.choice([1, 100, 100_000]))
    chance.choice([Client.close, Client.reset])(client)


def dawdle(server: Server, chance: random.Random) -> None:
    """Leaves a request unfinished for a while, or an answer unread, and goes."""
    with server.connect() as client:
        if chance.random() < 0.5:
            client.send(request("GET", "/stream?size=65536"))
        else:
            client.send(request("POST", "/echo", [("Content-Length", "10")])[:-1])
        time.sleep(chance.random())
        client.reset()


ACTS: list[Act] = [proper, proper, garbage, vanish_inside_the_request, vanish_inside_the_response]


@pytest.mark.matrix("threads", "workers")
@pytest.mark.timeout(300)
def test_proper_clients_among_bad_ones(serve: Serve) -> None:
    server = serve("probe:plain")
    failures: list[BaseException] = []

    def act(seed: int) -> None:
        chance = random.Random(seed)
        try:
            for number in range(ROUNDS):
                (dawdle if number % 20 == 19 else chance.choice(ACTS))(server, chance)
        except BaseException as error:
            failures.append(error)

    actors = [threading.Thread(target=act, args=(seed,)) for seed in range(6)]
    for actor in actors:
        actor.start()
    for actor in actors:
        actor.join()
    for failure in failures:
        raise failure
    with server.connect() as client:
        assert client.exchange(request()).body == b"hello"
