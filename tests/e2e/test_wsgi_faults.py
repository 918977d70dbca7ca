"""Applications that fail or break PEP 3333: one closed exchange and one log line, never a crash,
and never a response that looks complete and is not."""

import time
from urllib.parse import quote

import pytest

from .client import PATIENCE, Client, CutError, request
from .conftest import Share
from .harness import Server
from .rules import RULES


@pytest.fixture
def faulty(share: Share) -> Server:
    """A server of tests/apps/faults.py; tracebacks in its log are what is looked for."""
    server = share("faults:app")
    server.tracebacks_expected = True
    return server


def still_serves(server: Server) -> None:
    """The worker that met the fault answers the next one."""
    with server.connect() as client:
        assert client.exchange(request()).body == b"hello"


def expect_500(client: Client, data: bytes) -> None:
    """A whole answer with 500 that tells the client nothing of the application."""
    answer = client.exchange(data)
    assert answer.status == 500
    assert b"Traceback" not in answer.body
    assert b"on purpose" not in answer.body


def expect_cut(client: Client, data: bytes) -> None:
    """A response that has begun and visibly does not end."""
    answer_or_cut = None
    client.send(data)
    try:
        answer_or_cut = client.response(may_be_cut=True)
    except CutError:
        return
    assert (answer_or_cut.status, answer_or_cut.complete) == (200, False)


@pytest.mark.matrix("threads", "transport")
@pytest.mark.parametrize(
    "path",
    [
        "/raise-before",
        "/raise-after-start",
        "/raise-in-first-piece",
        "/raise-in-iter",
        "/raise-in-both",
        "/start-never",
        "/start-never-in-generator",
        "/start-never-and-empty",
        "/start-twice",
        "/SystemExit/before",
        "/KeyboardInterrupt/before",
        "/GeneratorExit/before",
        "/MemoryError/before",
        "/StopIteration/before",
    ],
)
def test_failures_before_the_head_is_sent(faulty: Server, path: str) -> None:
    with faulty.connect() as client:
        expect_500(client, request("GET", path))
    faulty.await_log("Traceback" if "never" not in path else "start_response")
    still_serves(faulty)


@pytest.mark.matrix("threads", "transport")
@pytest.mark.parametrize(
    "path",
    [
        "/raise-after-write",
        "/raise-after-piece",
        "/raise-after-piece-with-length",
        "/replace-after-head",
        "/replace-after-write",
        "/SystemExit/inside",
        "/KeyboardInterrupt/inside",
        "/GeneratorExit/inside",
        "/MemoryError/inside",
    ],
)
def test_failures_inside_the_body(faulty: Server, path: str) -> None:
    with faulty.connect() as client:
        expect_cut(client, request("GET", path))
    faulty.await_log("Traceback")
    faulty.await_log("on purpose")
    if "write" not in path:
        faulty.await_event("close pieces")
    assert "not raised again" not in faulty.events
    still_serves(faulty)


@pytest.mark.matrix("threads")
@pytest.mark.parametrize(
    "path",
    [
        "/raise-in-close",
        "/SystemExit/closing",
        "/KeyboardInterrupt/closing",
        "/MemoryError/closing",
    ],
)
def test_failures_in_close_are_logged(faulty: Server, path: str) -> None:
    """The body was complete; only the log tells."""
    with faulty.connect() as client:
        answer = client.exchange(request("GET", path))
        assert (answer.status, set(answer.body.split(b"piece"))) == (200, {b""})
    faulty.await_log("Traceback")
    faulty.await_log("on purpose")
    assert faulty.events.count("close pieces") == 1
    still_serves(faulty)


def test_failure_behind_a_complete_body_is_logged(faulty: Server) -> None:
    with faulty.connect() as client:
        client.send(request("GET", "/raise-after-all"))
        assert client.response(may_be_cut=True).status == 200
    faulty.await_log("on purpose")
    faulty.await_event("close pieces")
    still_serves(faulty)


def test_both_failures_are_logged(faulty: Server) -> None:
    """One of the body and one of close()."""
    with faulty.connect() as client:
        expect_500(client, request("GET", "/raise-in-both"))
    faulty.await_log("in the body")
    faulty.await_log("on purpose")
    assert faulty.events == ["close pieces"]


def test_close_is_called_where_iter_fails(faulty: Server) -> None:
    with faulty.connect() as client:
        expect_500(client, request("GET", "/raise-in-iter"))
    faulty.await_event("close bad")


def test_traceback_names_the_place(faulty: Server) -> None:
    with faulty.connect() as client:
        expect_500(client, request("GET", "/raise-before"))
    faulty.await_log("on purpose")
    for part in ("in boom", "in raise_before", "BoomError: on purpose", "faults.py"):
        assert part in faulty.log


@pytest.mark.matrix("threads")
@pytest.mark.parametrize("path", ["/replace-before-head", "/replace-before-first-piece"])
def test_exc_info_replaces_a_head_that_is_not_sent(faulty: Server, path: str) -> None:
    with faulty.connect() as client:
        answer = client.exchange(request("GET", path))
        assert (answer.status, answer.reason, answer.body) == (503, "Sorry", b"sorry")
        assert answer.get("x-first") is None
        assert client.exchange(request()).body == b"hello"


def test_exc_info_at_the_first_call(faulty: Server) -> None:
    with faulty.connect() as client:
        assert client.exchange(request("GET", "/exc-info-at-first-call")).status == 503
        assert client.exchange(request("GET", "/exc-info-none")).body == b"fine"


def test_second_start_response_fails_and_the_first_stands(faulty: Server) -> None:
    with faulty.connect() as client:
        answer = client.exchange(request("GET", "/start-twice-caught"))
        assert (answer.status, answer.body) == (200, b"piece")
    assert len(faulty.events) == 1
    assert faulty.events[0].startswith("refused ")


WRONG = {
    "status-bytes": "status",
    "status-int": "status",
    "status-none": "status",
    "headers-none": "header",
    "headers-dict": "header",
    "header-text": "header",
    "header-triple": "header",
    "header-none": "header",
    "name-bytes": "header",
    "value-bytes": "header",
    "value-int": "header",
    "value-wide": "header",
    "name-wide": "header",
    "status-wide": "status",
    "length-text": "Content-Length",
    "length-minus": "Content-Length",
    "length-empty": "Content-Length",
    "length-twice": "Content-Length",
    "body-none": "iter",
    "body-int": "iter",
    "piece-text": "bytes",
    "piece-none": "bytes",
    "piece-int": "bytes",
}


@pytest.mark.matrix("threads")
def test_wrong_types_are_answered_with_500_and_named(faulty: Server) -> None:
    for path, word in WRONG.items():
        faulty.begin()
        with faulty.connect() as client:
            expect_500(client, request("GET", f"/wrong/{path}"))
        faulty.await_log(word)
    still_serves(faulty)


def test_text_as_a_body_is_refused(faulty: Server) -> None:
    """A str is iterable, piece by piece of the wrong type."""
    with faulty.connect() as client:
        expect_500(client, request("GET", "/wrong/body-text"))
    with faulty.connect() as client:
        client.send(request("GET", "/text-in-write"))
        assert client.response(may_be_cut=True).status == 500
    with faulty.connect() as client:
        client.send(request("GET", "/wrong/second-piece"))
        answer = client.response(may_be_cut=True)
        assert answer.status == 500 or not answer.complete
    still_serves(faulty)


def header(name: str, value: str) -> bytes:
    """A request for a response with that header, which the request's own head does not show."""
    body = f"{quote(name, encoding='latin-1')}\n{quote(value, encoding='latin-1')}"
    return request("POST", "/header", body=body.encode())


def status_line(status: str) -> bytes:
    """A request for a response with that status."""
    return request("POST", "/status", body=quote(status, encoding="latin-1").encode())


@pytest.mark.parametrize(
    ("name", "value", "rule"),
    [
        ("X-A", "secret\r\nSet-Cookie: evil=1", "ERR_RESPONSE_VALUE"),
        ("X-A", "secret\nSet-Cookie: evil=1", "ERR_RESPONSE_VALUE"),
        ("X-A", "secret\rSet-Cookie: evil=1", "ERR_RESPONSE_VALUE"),
        ("X-A", "secret\0", "ERR_RESPONSE_VALUE"),
        ("X-A", "secret\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", "ERR_RESPONSE_VALUE"),
        ("X-A\r\nEvil", "secret", "ERR_RESPONSE_NAME"),
        ("X A", "secret", "ERR_RESPONSE_NAME"),
        ("X-A:", "secret", "ERR_RESPONSE_NAME"),
        ("", "secret", "ERR_RESPONSE_NAME"),
        ("X-A\0", "secret", "ERR_RESPONSE_NAME"),
    ],
)
def test_bad_headers_are_refused(faulty: Server, name: str, value: str, rule: str) -> None:
    """HTTP-RULES 16: 500, the rule in the log, the value not in it."""
    with faulty.connect() as client:
        expect_500(client, header(name, value))
    faulty.await_log(RULES[rule].text)
    assert "secret" not in faulty.log
    assert "evil" not in faulty.log
    still_serves(faulty)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Transfer-Encoding", "chunked"),
        ("transfer-encoding", "gzip"),
        ("Connection", "keep-alive"),
        ("Keep-Alive", "timeout=5"),
        ("Upgrade", "websocket"),
        ("Trailer", "X-A"),
        ("Proxy-Authenticate", "Basic"),
    ],
)
def test_what_belongs_to_the_server_is_left_to_it(faulty: Server, name: str, value: str) -> None:
    """PEP 3333 "Other HTTP Features": an application's hop-by-hop header never reaches the
    client, so it cannot contradict the server's framing."""
    with faulty.connect() as client:
        answer = client.exchange(header(name, value))
        if name.lower() == "transfer-encoding" and answer.framing == "chunked":
            assert answer.all(name) == ["chunked"]
        else:
            assert answer.all(name) == []
        if answer.status == 200:
            assert answer.body == b"piece"
    still_serves(faulty)


def test_application_may_ask_for_the_end_of_the_connection(faulty: Server) -> None:
    """Not by the letter of PEP 3333, but applications do it, and it harms nobody."""
    with faulty.connect() as client:
        answer = client.exchange(header("Connection", "close"))
        assert (answer.status, answer.body, answer.tokens) == (200, b"piece", {"close"})
        client.expect_closed()


@pytest.mark.parametrize(
    ("status", "rule"),
    [
        ("", "ERR_RESPONSE_STATUS"),
        ("OK", "ERR_RESPONSE_STATUS"),
        ("20 OK", "ERR_RESPONSE_STATUS"),
        ("2000 OK", "ERR_RESPONSE_STATUS"),
        ("-20 OK", "ERR_RESPONSE_STATUS"),
        ("100 Continue", "ERR_RESPONSE_STATUS"),
        ("101 Switching Protocols", "ERR_RESPONSE_STATUS"),
        ("199 x", "ERR_RESPONSE_STATUS"),
        ("600 x", "ERR_RESPONSE_STATUS"),
        ("200 OK\r\nX: y", "ERR_RESPONSE_REASON"),
        ("200 OK\nX: y", "ERR_RESPONSE_REASON"),
        ("200 O\0K", "ERR_RESPONSE_REASON"),
    ],
)
def test_bad_statuses_are_refused(faulty: Server, status: str, rule: str) -> None:
    with faulty.connect() as client:
        expect_500(client, status_line(status))
    faulty.await_log(RULES[rule].text)
    still_serves(faulty)


@pytest.mark.matrix("threads")
def test_application_may_spoil_and_keep_its_environ(faulty: Server) -> None:
    with faulty.connect() as client:
        for _ in range(3):
            answer = client.exchange(request("POST", "/change-environ", body=b"0123456789"))
            assert answer.body == b"changed 23456"
        assert client.exchange(request("GET", "/use-kept")).status == 200
        assert client.exchange(request()).body == b"hello"


@pytest.mark.matrix("threads")
def test_objects_of_a_request_that_is_over_are_harmless(faulty: Server) -> None:
    """Nothing of what they are asked to do reaches another request's client."""
    with faulty.connect() as first, faulty.connect() as second:
        assert first.exchange(request("GET", "/keep-write")).body == b"kept"
        assert second.exchange(request("POST", "/keep-write", body=b"x")).body == b"kept"
        answer = first.exchange(request("GET", "/use-kept-write"))
        assert answer.status == 200
        assert answer.body.split()[0] != b"done"  # write must not pretend
        for client in (first, second):
            client.expect_silence()
            assert client.exchange(request()).body == b"hello"


@pytest.mark.matrix("threads")
def test_application_that_writes_on_to_nobody_keeps_nothing(faulty: Server) -> None:
    with faulty.connect() as client:
        before = client.exchange(request("GET", "/references")).body
        with faulty.connect() as leaving:
            leaving.send(request("GET", "/write-on"))
            leaving.await_bytes(b"\r\n\r\n")
            leaving.reset()
        deadline = time.monotonic() + PATIENCE
        while (after := client.exchange(request("GET", "/references")).body) != before:
            assert time.monotonic() < deadline, f"{before!r} references were {after!r}"
            time.sleep(0.05)


@pytest.mark.matrix("threads")
def test_written_bytes_count_beside_the_only_piece(faulty: Server) -> None:
    """PEP 3333 "Handling the Content-Length Header": nothing may be lost for its sake."""
    with faulty.connect() as client:
        answer = client.exchange(request("GET", "/write-before-only-piece"))
        assert answer.body == b"first second"


@pytest.mark.matrix("workers")
def test_worker_that_dies_is_replaced(faulty: Server) -> None:
    faulty.checks_counters = False  # the dead worker cannot report
    with faulty.connect() as client:
        client.send(request("GET", "/die"))
        assert client.expect_gone() == b""
    still_serves(faulty)
    faulty.await_log("9")
    for _ in range(10):
        still_serves(faulty)
