"""Everything that a peer can make grow has a limit, a status and a log line: HTTP-RULES 21."""

import socket

import pytest

from .client import chunked, request
from .conftest import Serve
from .harness import Server
from .refusal import expect_refusal


def line_of(length: int) -> bytes:
    """A request whose request line has that many bytes without CRLF."""
    return request("GET", "/?" + "x" * (length - len("GET /? HTTP/1.1")))


def head_of(length: int) -> bytes:
    """A request whose head has that many bytes, the last CRLF CRLF among them."""
    short = len(request("GET", "/", [("X", "")]))
    return request("GET", "/", [("X", "x" * (length - short))])


def fields_of(count: int) -> bytes:
    """A request with that many fields."""
    return request("GET", "/", [(f"X-{number}", "") for number in range(count - 1)])


@pytest.mark.parametrize(
    ("option", "value", "good", "bad", "name"),
    [
        ("line", 200, line_of(200), line_of(201), "ERR_LINE_TOO_LONG"),
        ("head", 1000, head_of(1000), head_of(1001), "ERR_HEAD_TOO_LONG"),
        ("fields", 10, fields_of(10), fields_of(11), "ERR_TOO_MANY_FIELDS"),
        ("fields", 1, fields_of(1), fields_of(2), "ERR_TOO_MANY_FIELDS"),
    ],
)
@pytest.mark.parametrize("slowly", [False, True], ids=["whole", "bytewise"])
def test_limits_of_the_head(
    serve: Serve, option: str, value: int, good: bytes, bad: bytes, name: str, slowly: bool
) -> None:
    server = serve("probe:checked", f"--limit-request-{option}", str(value))
    for before in (0, 1):
        with server.connect() as client:
            for _ in range(before):
                assert client.exchange(request()).body == b"hello"
            (client.send_each if slowly else client.send)(good)
            assert client.response().body == b"hello"
            if slowly:  # the answer may come before the last bytes are sent
                for at in range(len(bad)):
                    client.send_as_far_as_taken(bad[at : at + 1])
            else:
                client.send(bad)
            expect_refusal(server, client, name)


@pytest.mark.parametrize(
    ("good", "bad", "name"),
    [
        (line_of(8192), line_of(8193), "ERR_LINE_TOO_LONG"),
        (head_of(65536), head_of(65537), "ERR_HEAD_TOO_LONG"),
        (fields_of(100), fields_of(101), "ERR_TOO_MANY_FIELDS"),
    ],
)
def test_defaults_of_the_head(server: Server, good: bytes, bad: bytes, name: str) -> None:
    with server.connect() as client:
        assert client.exchange(good).body == b"hello"
        client.send(bad)
        expect_refusal(server, client, name)


@pytest.mark.parametrize(
    ("endless", "name"),
    [
        (b"G" * 20_000, "ERR_METHOD"),
        (b"GET /" + b"x" * 20_000, "ERR_LINE_TOO_LONG"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX" + b"x" * 100_000, "ERR_HEAD_TOO_LONG"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 100_000, "ERR_HEAD_TOO_LONG"),
        (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 200, "ERR_TOO_MANY_FIELDS"),
    ],
)
def test_a_head_without_end_is_refused_before_its_end(
    server: Server, endless: bytes, name: str
) -> None:
    with server.connect() as client:
        client.send_as_far_as_taken(endless)
        expect_refusal(server, client, name)


def test_body_over_the_limit_is_refused_before_it_is_read(serve: Serve) -> None:
    server = serve("probe:checked", "--limit-request-body", "1000")
    with server.connect() as client:
        assert len(client.exchange(request("POST", "/echo", body=b"x" * 1000)).body) == 1000
        client.send(request("POST", "/echo", [("Content-Length", "1001")]))
        expect_refusal(server, client, "ERR_BODY_TOO_LARGE")


@pytest.mark.parametrize("sizes", [[1001], [600, 401], [1000, 1], [1] * 1001])
def test_chunked_body_over_the_limit_is_refused_while_it_comes(
    serve: Serve, sizes: list[int]
) -> None:
    server = serve("probe:checked", "--limit-request-body", "1000")
    coding = [("Transfer-Encoding", "chunked")]
    with server.connect() as client:
        full = chunked([b"x" * 600, b"x" * 400])
        assert len(client.exchange(request("POST", "/echo", coding) + full).body) == 1000
        # without its end: the refusal may not wait for it
        body = chunked([b"x" * size for size in sizes]).removesuffix(b"0\r\n\r\n")
        client.send(request("POST", "/stream?size=1&count=1", coding) + body)
        expect_refusal(server, client, "ERR_BODY_TOO_LARGE")
    assert server.events == []


def test_body_has_no_limit_unless_one_is_set(server: Server) -> None:
    body = b"x" * (20 << 20)
    with server.connect() as client:
        answer = client.exchange(request("POST", "/measure", body=body))
        assert b'"length": 20971520' in answer.body


@pytest.mark.parametrize("digits", [18, 19, 20, 40])
def test_length_that_no_machine_holds(server: Server, digits: int) -> None:
    with server.connect() as client:
        client.send(request("POST", "/stream", [("Content-Length", "9" * digits)]) + b"x")
        if digits > 18:
            expect_refusal(server, client, "ERR_CONTENT_LENGTH")
        else:
            client.expect_silence()
            client.reset()
    assert server.events == []


def test_chunk_lines_may_not_outweigh_the_body(server: Server) -> None:
    """CVE-2023-39326: one byte of body behind a long extension, again and again."""
    piece = b"1;" + b"x" * 1000 + b"\r\n1\r\n"
    with server.connect() as client:
        client.send(request("POST", "/stream", [("Transfer-Encoding", "chunked")]))
        for _ in range(1000):
            client.send_as_far_as_taken(piece)
        expect_refusal(server, client, "ERR_CHUNK_OVERHEAD")


def test_small_honest_chunks_are_not_too_much(server: Server) -> None:
    """A body in chunks of one byte is odd, but some clients do that."""
    body = b"0123456789" * 300
    coding = [("Transfer-Encoding", "chunked")]
    pieces = [body[at : at + 1] for at in range(len(body))]
    with server.connect() as client:
        assert client.exchange(request("POST", "/echo", coding) + chunked(pieces)).body == body


def test_trailers_have_a_limit(server: Server) -> None:
    coding = [("Transfer-Encoding", "chunked")]
    with server.connect() as client:
        client.send(request("POST", "/stream", coding) + b"1\r\nx\r\n0\r\n")
        client.send_as_far_as_taken(b"X-Trailer: x\r\n" * 20_000)
        expect_refusal(server, client, "ERR_TRAILER_TOO_LONG")
    assert server.events == []


@pytest.mark.matrix("transport")
def test_limit_of_connections_pauses_accepting(serve: Serve) -> None:
    """Connections beyond it wait in the kernel and are served when there is room."""
    server = serve("probe:checked", "--limit-connections", "2")
    if server.scheme == "https":
        pytest.skip("a client of TLS cannot send before it has been accepted")
    with server.connect() as first, server.connect() as second:
        for client in (first, second):
            assert client.exchange(request()).body == b"hello"
        waiting = [server.connect() for _ in range(3)]
        for client in waiting:
            client.send(request("GET", "/", [("Connection", "close")]))
        waiting[0].expect_silence()
        for client in (first, second):
            assert client.exchange(request()).body == b"hello"
        first.close()
        for client in waiting:
            with client:
                assert client.response().body == b"hello"
                client.expect_closed()
        assert second.exchange(request()).body == b"hello"


def test_limit_of_connections_counts_them_down_however_they_end(serve: Serve) -> None:
    server = serve("probe:checked", "--limit-connections", "2")
    for way in ("close", "reset", "garbage", "half"):
        for _ in range(5):
            client = server.connect()
            if way == "reset":
                client.reset()
            elif way == "garbage":
                client.send(b"\0\r\n\r\n")
                client.expect_gone()
            elif way == "half":
                client.half_close()
                client.expect_closed()
            client.close()
    with server.connect() as first, server.connect() as second:
        assert first.exchange(request()).body == b"hello"
        assert second.exchange(request()).body == b"hello"


def test_many_connections_at_once(server: Server) -> None:
    clients = [server.connect() for _ in range(400)]
    for client in clients:
        client.send(request())
    for client in clients:
        assert client.response().body == b"hello"
    for client in reversed(clients):
        assert client.exchange(request()).body == b"hello"
    for client in clients:
        client.close()


def test_urgent_data_does_not_confuse(server: Server) -> None:
    if server.scheme == "https":
        pytest.skip("a byte that is in no record is not TLS")
    with server.connect() as client:
        client.sock.send(b"!", socket.MSG_OOB)
        assert client.exchange(request()).body == b"hello"
