"""Responses: what is sent with what, how the body is framed, and in which order answers come."""

import json
import socket
import threading

import pytest

from .client import Client, request
from .conftest import Serve
from .harness import Server

pytestmark = pytest.mark.matrix("loop")


def one_read(client: Client, data: bytes) -> bytes:
    """What has come by the first sign of an answer."""
    client.send(data)
    client.sock.recv(1 << 16, socket.MSG_PEEK)
    return client.sock.recv(1 << 16)


@pytest.mark.parametrize("target", ["/", "/respond?piece=3000", "/respond?piece=3000&length=3000"])
def test_answer_in_one_piece_is_one_write(asgi: Server, target: str) -> None:
    with asgi.connect() as client:
        for _ in range(20):
            head, _, body = one_read(client, request("GET", target)).partition(b"\r\n\r\n")
            assert b"content-length: %d" % len(body) in head.lower()
            assert len(body) in (5, 3000)


@pytest.mark.parametrize("version", ["HTTP/1.0", "HTTP/1.1"])
def test_streaming_sends_each_message_at_once(serve: Serve, version: str) -> None:
    server = serve("asgi_probe:app")
    with server.connect() as client:
        client.send(request("GET", "/drip?count=3", version=version))
        client.expect_silence(0.1)
        for number in range(3):
            (server.directory / str(number)).touch()
            client.await_bytes(b"piece %d\n" % number)
            server.await_event(f"sent {number}")
            assert f"sent {number + 1}" not in server.events
        answer = client.response()
        assert answer.body == b"piece 0\npiece 1\npiece 2\n"
        assert answer.framing == ("chunked" if version == "HTTP/1.1" else "close")


FRAMINGS = [
    # target, framing, length of the body
    ("/respond?piece=7&length=7", "length", 7),
    ("/respond?piece=7", "length", 7),
    ("/respond?bare=", "length", 0),
    ("/respond?length=0", "length", 0),
    ("/respond?", "length", 0),
    ("/respond?piece=3&piece=4&length=7", "length", 7),
    ("/respond?piece=3&piece=4", "chunked", 7),
    ("/respond?piece=3&piece=0&piece=4", "chunked", 7),
    ("/respond?piece=7&end=", "chunked", 7),
    ("/respond?piece=100000&piece=1", "chunked", 100_001),
]


@pytest.mark.matrix("transport", "loop")
def test_framing(asgi: Server) -> None:
    """RFC 9112 section 6; an empty piece never ends a chunked body."""
    with asgi.connect() as client:
        for target, framing, length in FRAMINGS:
            answer = client.exchange(request("GET", target))
            assert (answer.framing, len(answer.body)) == (framing, length), target
            assert 0 not in answer.pieces
    for target, framing, length in FRAMINGS:
        with asgi.connect() as client:
            client.send(request("GET", target, version="HTTP/1.0"))
            answer = client.response()
            expected = "close" if framing == "chunked" else framing
            assert (answer.framing, len(answer.body)) == (expected, length), target
            client.expect_closed()


def test_head(asgi: Server) -> None:
    """RFC 9110 section 9.3.2: no body, and the framing that GET would have where it is known."""
    with asgi.connect() as client:
        for target, _, length in FRAMINGS:
            answer = client.exchange(request("HEAD", target), "HEAD")
            assert answer.status == 200
            assert answer.get("content-length") in (str(length), None), target
            assert client.exchange(request()).body == b"hello"
        assert client.exchange(request("HEAD", "/respond?piece=7&length=7"), "HEAD").all(
            "content-length"
        ) == ["7"]


@pytest.mark.parametrize("status", [204, 304])
@pytest.mark.parametrize("rest", ["", "&piece=7", "&piece=7&end=", "&piece=7&length=7", "&bare="])
def test_statuses_without_a_body(asgi: Server, status: int, rest: str) -> None:
    with asgi.connect() as client:
        answer = client.exchange(request("GET", f"/respond?status={status}{rest}"))
        assert (answer.status, answer.body) == (status, b"")
        assert client.exchange(request()).body == b"hello"


@pytest.mark.parametrize("status", [200, 201, 206, 299, 302, 404, 418, 451, 500, 503, 599])
def test_statuses(asgi: Server, status: int) -> None:
    with asgi.connect() as client:
        answer = client.exchange(request("GET", f"/respond?status={status}&piece=3"))
        assert (answer.status, len(answer.body)) == (status, 3)


def test_headers_are_sent_as_they_are(asgi: Server) -> None:
    """Names that stand twice stay twice; Date and Server may be the application's own."""
    fields = ["X-A:one", "x-a:two", "Set-Cookie:a=1", "Set-Cookie:b=2", "Server:mine"]
    date = "Date:Sun, 06 Nov 1994 08:49:37 GMT"
    target = "/respond?piece=1" + "".join(f"&header={field}" for field in [*fields, date])
    with asgi.connect() as client:
        answer = client.exchange(request("GET", target.replace(" ", "%20")))
        assert answer.all("x-a") == ["one", "two"]
        assert answer.all("set-cookie") == ["a=1", "b=2"]
        assert answer.all("server") == ["mine"]
        assert answer.all("date") == ["Sun, 06 Nov 1994 08:49:37 GMT"]


@pytest.mark.parametrize("kind", ["bytearray", "memoryview", "subclass"])
@pytest.mark.parametrize("size", [10, 100_000])
def test_body_may_be_any_bytes(asgi: Server, kind: str, size: int) -> None:
    """Frameworks hand on what they get; what is changed after `send` was sent as it was."""
    with asgi.connect() as client:
        for _ in range(5):
            answer = client.exchange(request("GET", f"/respond-as?kind={kind}&size={size}"))
            assert answer.body == b"a" * size + b"b" * size


def test_application_may_ask_for_the_end_of_the_connection(asgi: Server) -> None:
    with asgi.connect() as client:
        answer = client.exchange(request("GET", "/respond?piece=3&header=Connection:close"))
        assert answer.tokens == {"close"}
        client.expect_closed()


@pytest.mark.parametrize("field", ["Transfer-Encoding:chunked", "Upgrade:x", "Keep-Alive:t"])
def test_what_belongs_to_the_server_is_left_to_it(asgi: Server, field: str) -> None:
    """RFC 9110 section 7.6.1: the application cannot contradict the server's framing."""
    with asgi.connect() as client:
        answer = client.exchange(request("GET", f"/respond?piece=3&header={field}"))
        assert (answer.status, len(answer.body)) == (200, 3)
        assert not answer.all(field.partition(":")[0]) or answer.framing == "chunked"
        assert client.exchange(request()).body == b"hello"


@pytest.mark.matrix("transport", "loop")
def test_pipelining(asgi: Server) -> None:
    """Answers come in the order of the requests, whatever each of them waits for."""
    targets = ["/", "/habits?name=executor", "/respond?piece=3&piece=4", "/context", "/state"]
    wanted = [targets[number % len(targets)] for number in range(60)]
    with asgi.connect() as client:
        client.send(b"".join(request("GET", target) for target in wanted))
        for target in wanted:
            answer = client.response()
            assert answer.status == 200
            if target == "/":
                assert answer.body == b"hello"
            elif "piece" in target:
                assert len(answer.body) == 7
            else:
                json.loads(answer.body)


def test_next_request_does_not_wait_for_what_is_done_after_a_response(serve: Serve) -> None:
    server = serve("asgi_probe:app")
    with server.connect() as client:
        for number in range(3):
            answer = client.exchange(request("GET", f"/background?file=job-{number}"))
            assert answer.body == b"accepted"
            server.await_event(f"begin job-{number}")
        assert client.exchange(request()).body == b"hello"
        assert not [event for event in server.events if event.startswith("end ")]
        for number in (2, 0, 1):
            (server.directory / f"job-{number}").touch()
            server.await_event(f"end job-{number}")


def test_work_after_a_response_survives_its_client(serve: Serve) -> None:
    server = serve("asgi_probe:app")
    with server.connect() as client:
        assert client.exchange(request("GET", "/background?file=job")).body == b"accepted"
        client.reset()
    with server.connect() as client:
        assert client.exchange(request()).body == b"hello"
    (server.directory / "job").touch()
    server.await_event("end job")


def test_many_at_once(asgi: Server) -> None:
    """Requests on many connections wait beside each other."""
    clients = [asgi.connect() for _ in range(50)]
    for number, client in enumerate(clients):
        client.send(request("GET", f"/wait?file=together&number={number}"))
    asgi.await_event("enter wait together", len(clients))
    (asgi.directory / "together").touch()
    for client in clients:
        with client:
            assert client.response().body == b"done"


def test_slow_reader_holds_only_itself_up(asgi: Server) -> None:
    """`send` waits while its client does not read; others are served; then all of it comes."""
    with asgi.connect() as slow:
        slow.send(request("GET", "/stream?size=65536&count=500"))
        asgi.await_event("enter stream")
        with asgi.connect() as quick:
            for _ in range(50):
                assert quick.exchange(request()).body == b"hello"
        assert "end stream" not in asgi.events
        answer = slow.response()
        assert len(answer.body) == 500 << 16
        asgi.await_event("end stream")


def test_one_send_of_many_bytes(asgi: Server) -> None:
    size = 20_000_000
    with asgi.connect() as client:
        client.send(request("GET", f"/respond?piece={size}"))
        answer = client.response()
        assert (len(answer.body), answer.body[-1]) == (size, (size - 1) % 256)


def test_requests_from_threads(asgi: Server) -> None:
    """Several clients at once, each on a connection of its own."""
    failures: list[BaseException] = []

    def ask() -> None:
        try:
            with asgi.connect() as client:
                for _ in range(50):
                    answer = client.exchange(request("POST", "/echo-whole", body=b"x" * 5000))
                    assert answer.body == b"x" * 5000
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
