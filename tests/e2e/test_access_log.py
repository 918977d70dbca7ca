"""The access log over sockets: one line a response, whatever the client wrote."""

import re

import pytest

from .client import request
from .conftest import Serve
from .harness import Server, await_true

LINE = re.compile(
    r'(?P<client>\S*) - - \[[^\]]+\] "(?P<request>[^"]*)" (?P<status>\d{3}) (?P<bytes>\d+|-) '
    r'"(?P<referer>[^"]*)" "(?P<agent>[^"]*)"'
)


def lines(server: Server, count: int) -> list[re.Match[str]]:
    """The lines of the log, which are that many."""
    await_true(lambda: server.access_log.count("\n") >= count, "the access log")
    matches = [LINE.match(line) for line in server.access_log.splitlines()]
    found = [match for match in matches if match is not None]
    assert len(found) == len(matches) == count, server.access_log
    return found


@pytest.mark.matrix("threads", "transport", "workers")
def test_a_line_for_each_response(serve: Serve) -> None:
    server = serve("probe:checked", "--access-log")
    with server.connect() as client:
        fields = [("User-Agent", "agent/1"), ("Referer", "http://here/")]
        client.exchange(request("GET", "/?q=1", fields))
        client.exchange(request("POST", "/respond?status=404+Not+Found&piece=10", body=b"x"))
        client.exchange(request("HEAD", "/respond?length=1000&piece=1000"), "HEAD")
    first, second, third = lines(server, 3)
    assert (first["request"], first["status"]) == ("GET /?q=1 HTTP/1.1", "200")
    assert (first["bytes"], first["referer"], first["agent"]) == ("5", "http://here/", "agent/1")
    assert (second["status"], second["bytes"]) == ("404", "10")
    assert third["request"].startswith("HEAD ")
    if server.shape.transport != "unix":
        assert first["client"] == "127.0.0.1"


def test_what_the_client_wrote_is_escaped(serve: Serve) -> None:
    """CVE-2020-7694: no line of the client's making, no escape sequence for a terminal."""
    server = serve("probe:checked", "--access-log")
    with server.connect() as client:
        fields = [("User-Agent", 'a" 200 1\t\\x\xe9\xff'), ("Referer", "\x9b31m")]
        assert client.exchange(request("GET", "/%1b[31m%0a%22", fields)).status == 200
    assert len(lines(server, 1)) == 1
    raw = (server.directory / "stdout").read_bytes()
    assert re.fullmatch(rb"[ -~]+\n", raw)


def test_nothing_is_logged_unless_asked_for(serve: Serve) -> None:
    server = serve()
    with server.connect() as client:
        assert client.exchange(request()).status == 200
    server.stop()
    assert server.access_log == ""


def test_many_lines(serve: Serve) -> None:
    server = serve("probe:checked", "--access-log")
    with server.connect() as client:
        for _ in range(20):
            client.send(request("GET", "/" + "x" * 1000) * 100)
            for _ in range(100):
                client.response()
    lines(server, 2000)


@pytest.mark.matrix("threads")
def test_a_line_for_a_response_that_was_cut(serve: Serve) -> None:
    server = serve("probe:checked", "--access-log")
    with server.connect() as client:
        client.send(request("GET", "/stream"))
        client.await_bytes(b"\r\n\r\n")
        client.reset()
    (line,) = lines(server, 1)
    assert (line["request"], line["status"]) == ("GET /stream HTTP/1.1", "200")
