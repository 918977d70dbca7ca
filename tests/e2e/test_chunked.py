"""The chunked coding of requests over sockets: RFC 9112 section 7.1."""

import random
import zlib

import pytest

from .client import chunked, request
from .conftest import Serve
from .harness import Server
from .refusal import expect_refusal

CHUNKED = [("Transfer-Encoding", "chunked")]
HEAD = request("POST", "/echo", CHUNKED)


@pytest.mark.matrix
def test_pieces_of_every_size(server: Server) -> None:
    pieces = [b"a" * size for size in (1, 2, 15, 16, 17, 255, 256, 4095, 4096, 65535, 65536, 70000)]
    with server.connect() as client:
        for _ in range(2):
            assert client.exchange(HEAD + chunked(pieces)).body == b"".join(pieces)
        assert client.exchange(request()).body == b"hello"


@pytest.mark.parametrize(
    ("coded", "body"),
    [
        (b"0\r\n\r\n", b""),
        (b"000\r\n\r\n", b""),
        (b"5\r\nhello\r\n0\r\n\r\n", b"hello"),
        (b"00000005\r\nhello\r\n00\r\n\r\n", b"hello"),
        (b"A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n", b"01234567890123456789"),
        (b"5;name=value\r\nhello\r\n0;x\r\n\r\n", b"hello"),
        (b'5;name="quoted; \\" text"\r\nhello\r\n0\r\n\r\n', b"hello"),
        (b"5\r\nhello\r\n0\r\nX-Sum: 1\r\nX-Other:\r\n\r\n", b"hello"),
        (b"5\r\n\r\n\r\n\r\r\n0\r\n\r\n", b"\r\n\r\n\r"),
    ],
)
def test_forms(server: Server, coded: bytes, body: bytes) -> None:
    with server.connect() as client:
        assert client.exchange(HEAD + coded).body == body
        client.send_each(HEAD + coded)
        assert client.response().body == body
        assert client.exchange(request()).body == b"hello"


@pytest.mark.parametrize(
    ("coded", "name"),
    [
        (b"\r\n", "ERR_CHUNK_SIZE"),
        (b"g\r\n", "ERR_CHUNK_SIZE"),
        (b"-1\r\n", "ERR_CHUNK_SIZE"),
        (b"+1\r\nx\r\n", "ERR_CHUNK_SIZE"),
        (b"0x1\r\nx\r\n", "ERR_CHUNK_SIZE"),
        (b"1_0\r\n", "ERR_CHUNK_SIZE"),
        (b" 1\r\nx\r\n", "ERR_CHUNK_SIZE"),
        (b"00000000000000001\r\nx\r\n", "ERR_CHUNK_SIZE"),
        (b"1\nx\r\n", "ERR_LINE_END"),
        (b"1\rx\r\n", "ERR_LINE_END"),
        (b"1;a\nb\r\nx\r\n", None),
        (b"1;a\x00b\r\nx\r\n", "ERR_CHUNK_EXTENSION"),
        (b"1\r\nxy\r\n", "ERR_CHUNK_END"),
        (b"1\r\nx\n0\r\n\r\n", "ERR_CHUNK_END"),
        (b"1\r\nx0\r\n\r\n", "ERR_CHUNK_END"),
        (b"0\r\nContent-Length: 5\r\n\r\n", "ERR_TRAILER_NAME"),
        (b"0\r\nTransfer-Encoding: chunked\r\n\r\n", "ERR_TRAILER_NAME"),
        (b"0\r\nHost: evil\r\n\r\n", "ERR_TRAILER_NAME"),
        (b"0\r\nAuthorization: evil\r\n\r\n", "ERR_TRAILER_NAME"),
        (b"0\r\nbad name: x\r\n\r\n", None),
        (b"0\r\nX: a\x01b\r\n\r\n", "ERR_FIELD_VALUE"),
        (b"0\r\n\n", None),
    ],
)
@pytest.mark.parametrize("slowly", [False, True], ids=["whole", "bytewise"])
def test_broken_forms(server: Server, coded: bytes, name: str | None, slowly: bool) -> None:
    """Each ends in one answer; the application is never called; what follows is not served."""
    head = request("POST", "/stream?size=1&count=1", CHUNKED)
    with server.connect() as client:
        client.send(head)
        data = coded + request("GET", "/stream?size=1&count=1")
        if slowly:
            for at in range(len(data)):
                client.send_as_far_as_taken(data[at : at + 1])
        else:
            client.send(data)
        if name is None:  # more than one rule is broken
            answer = client.response()
            assert (answer.status, "close" in answer.tokens) == (400, True)
            client.expect_closed()
        else:
            expect_refusal(server, client, name)
    assert server.events == []


@pytest.mark.parametrize("cut", [b"", b"5", b"5\r\nhel", b"5\r\nhello", b"5\r\nhello\r\n0\r\n"])
def test_end_of_the_connection_is_never_the_end_of_the_body(server: Server, cut: bytes) -> None:
    with server.connect() as client:
        client.send(request("POST", "/stream?size=1&count=1", CHUNKED) + cut)
        client.half_close()
        rest = client.expect_gone()
        assert rest == b"" or rest.startswith(b"HTTP/1.1 400 ")
    assert server.events == []


def test_trailers_do_not_become_headers(serve: Serve) -> None:
    server = serve()
    with server.connect() as client:
        head = request("POST", "/environ", [*CHUNKED, ("Trailer", "X-Late")])
        answer = client.exchange(head + chunked([b"x"], b"X-Late: evil\r\nX-Other: evil\r\n"))
        assert b"evil" not in answer.body


def test_random_pieces_in_random_segments(server: Server) -> None:
    chance = random.Random(1)
    with server.connect() as client:
        for _ in range(30):
            pieces = [chance.randbytes(chance.randrange(1, 3000)) for _ in range(30)]
            body = b"".join(pieces)
            data = request("POST", "/measure", CHUNKED) + chunked(pieces)
            while data:
                at = chance.randrange(1, 20_000)
                client.send(data[:at])
                data = data[at:]
            expected = b'{"length": %d, "crc": %d}' % (len(body), zlib.crc32(body))
            assert client.response().body == expected
