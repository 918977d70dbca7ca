"""Applications that fail or break the specification: a sentence for its author, a log line, an
answer or a cut that shows, and the worker serves on."""

from typing import Any

import pytest

from .asgi_script import START, body, refusals, script
from .client import Client, CutError, request
from .harness import Server
from .rules import RULES

pytestmark = pytest.mark.matrix("loop")


@pytest.fixture
def faulty(asgi: Server) -> Server:
    """The server of tests/apps/asgi_probe.py, asked for what fails."""
    asgi.tracebacks_expected = True
    return asgi


def still_serves(server: Server) -> None:
    """The worker that met the fault answers the next one."""
    with server.connect() as client:
        assert client.exchange(request()).body == b"hello"


def expect_500(client: Client, data: bytes) -> None:
    """A whole answer with 500 that tells the client nothing of the application."""
    answer = client.exchange(data)
    assert answer.status == 500
    for secret in (b"Traceback", b"on purpose"):
        assert secret not in answer.body


def expect_cut(client: Client, data: bytes) -> None:
    """A response that has begun and visibly does not end."""
    client.send(data)
    try:
        answer = client.response(may_be_cut=True)
    except CutError:
        return
    assert (answer.status, answer.complete) == (200, False)


LINES = {"CancelledError": "(http) was cancelled before its response was complete"}
"""What the log says where it does not show the exception."""

FAILURES = [
    "ValueError",
    "MemoryError",
    "SystemExit",
    "KeyboardInterrupt",
    "GeneratorExit",
    "StopAsyncIteration",
    "CancelledError",
]


@pytest.mark.parametrize("name", FAILURES)
@pytest.mark.parametrize("at", ["before", "started", "later"])
def test_failures_before_the_head_is_sent(faulty: Server, at: str, name: str) -> None:
    """A head that waits for its body has not been sent."""
    with faulty.connect() as client:
        expect_500(client, request("GET", f"/fail?at={at}&name={name}"))
    faulty.await_log(LINES.get(name, "on purpose"))
    still_serves(faulty)


@pytest.mark.parametrize("length", ["", "&length=10"])
@pytest.mark.parametrize("name", FAILURES)
def test_failures_inside_the_body(faulty: Server, name: str, length: str) -> None:
    with faulty.connect() as client:
        expect_cut(client, request("GET", f"/fail?at=inside&name={name}{length}"))
    faulty.await_log(LINES.get(name, "on purpose"))
    still_serves(faulty)


@pytest.mark.parametrize("name", ["ValueError", "MemoryError"])
def test_failures_behind_the_response_are_logged(faulty: Server, name: str) -> None:
    with faulty.connect() as client:
        answer = client.exchange(request("GET", f"/fail?at=after&name={name}"))
        assert (answer.status, answer.body) == (200, b"piece")
    faulty.await_log("on purpose")
    still_serves(faulty)


@pytest.mark.parametrize("at", ["before", "started"])
def test_return_without_a_response(faulty: Server, at: str) -> None:
    with faulty.connect() as client:
        expect_500(client, request("GET", f"/quit?at={at}"))
    faulty.await_log("returned without")
    still_serves(faulty)


def test_return_inside_a_response(faulty: Server) -> None:
    with faulty.connect() as client:
        expect_cut(client, request("GET", "/quit?at=inside"))
    faulty.await_log("returned without")
    still_serves(faulty)


def test_traceback_names_the_place(faulty: Server) -> None:
    with faulty.connect() as client:
        expect_500(client, request("GET", "/fail?at=before&name=ValueError"))
    faulty.await_log("ValueError: on purpose")
    for part in ("in fail", "asgi_probe.py"):
        assert part in faulty.log


def head(**changes: Any) -> dict[str, Any]:
    """A response's start with these keys changed; None leaves one out."""
    message = {**START, **changes}
    return {key: value for key, value in message.items() if value is not None}


def field(*pair: Any) -> dict[str, Any]:
    """A response's start with one header."""
    return head(headers=[pair])


WRONG = {
    # what is sent: words that must stand in what is raised
    "body-first": (body(b"x"), "http.response.start"),
    "unknown-type": ({"type": "http.response.nothing"}, "http.response.start"),
    "other-protocol": ({"type": "websocket.accept"}, "http.response"),
    "lifespan": ({"type": "lifespan.startup.complete"}, "http.response"),
    "empty-type": ({"type": ""}, "http.response"),
    "no-type": ({}, "type"),
    "number-type": ({"type": 5}, "type"),
    "bytes-type": ({"type": b"http.response.start"}, "type"),
    "trailers-first": ({"type": "http.response.trailers", "headers": []}, "http.response.start"),
    "no-status": (head(status=None), "status"),
    "text-status": (head(status="200"), "status"),
    "float-status": (head(status=200.0), "status"),
    "status-99": (head(status=99), "status"),
    "status-101": (head(status=101), "status"),
    "status-1000": (head(status=1000), "status"),
    "status-huge": (head(status=1 << 80), "status"),
    "number-headers": (head(headers=7), "header"),
    "header-text": (head(headers=["content-type: text/plain"]), "header"),
    "header-none": (head(headers=[None]), "header"),
    "header-single": (field(b"x-a"), "header"),
    "header-triple": (field(b"x-a", b"b", b"c"), "header"),
    "name-text": (field("x-a", b"b"), "bytes"),
    "value-text": (field(b"x-a", "b"), "bytes"),
    "value-number": (field(b"content-length", 5), "bytes"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_messages_raise_and_the_response_is_still_to_be_made(
    faulty: Server, name: str
) -> None:
    message, words = WRONG[name]
    with faulty.connect() as client:
        answer = client.exchange(request("GET", script((message,), START, body(b"fine"))))
        assert (answer.status, answer.body) == (200, b"fine")
    [event] = refusals(faulty)
    assert event.startswith("0 ")
    assert words in event
    assert "OSError" not in event


WRONG_BODIES = {
    "start-twice": (START, "http.response.body"),
    "text": (body("text"), "bytes"),
    "number": (body(7), "bytes"),
    "unknown-type": ({"type": "http.response.nothing"}, "http.response.body"),
    "trailers-unannounced": ({"type": "http.response.trailers", "headers": []}, "http.response"),
}


@pytest.mark.parametrize("begun", [False, True], ids=["started", "inside"])
@pytest.mark.parametrize("name", WRONG_BODIES)
def test_wrong_messages_behind_the_start(faulty: Server, name: str, begun: bool) -> None:
    message, words = WRONG_BODIES[name]
    first = (START, body(b"", True)) if begun else (START,)
    with faulty.connect() as client:
        answer = client.exchange(request("GET", script(first, message, body(b"fine"))))
        assert (answer.status, answer.body) == (200, b"fine")
    [event] = refusals(faulty)
    assert event.startswith("1 ")
    assert words in event


@pytest.mark.parametrize("message", [START, body(b"x"), body(b"", True)])
def test_messages_behind_a_complete_response_raise(faulty: Server, message: Any) -> None:
    with faulty.connect() as client:
        answer = client.exchange(request("GET", script(START, body(b"fine"), message)))
        assert answer.body == b"fine"
        [event] = refusals(faulty)
        assert event.startswith("2 ")
        assert message["type"] in event
        assert client.exchange(request()).body == b"hello"


@pytest.mark.parametrize("kind", [None, "text", [1], 5])
def test_message_that_is_no_dict(faulty: Server, kind: Any) -> None:
    with faulty.connect() as client:
        answer = client.exchange(request("GET", script((kind,), START, body(b"fine"))))
        assert answer.body == b"fine"
    [event] = refusals(faulty)
    assert event.startswith("0 TypeError")
    assert "dict" in event


BAD_FIELDS = [
    (b"x-a", b"secret\r\nset-cookie: evil=1", "ERR_RESPONSE_VALUE"),
    (b"x-a", b"secret\n", "ERR_RESPONSE_VALUE"),
    (b"x-a", b"secret\0", "ERR_RESPONSE_VALUE"),
    (b"x-a\r\nevil", b"secret", "ERR_RESPONSE_NAME"),
    (b"x a", b"secret", "ERR_RESPONSE_NAME"),
    (b"", b"secret", "ERR_RESPONSE_NAME"),
    (b"content-length", b"five", "ERR_RESPONSE_LENGTH"),
    (b"content-length", b"-5", "ERR_RESPONSE_LENGTH"),
]


@pytest.mark.parametrize(("name", "value", "rule"), BAD_FIELDS)
def test_bad_headers_are_refused(faulty: Server, name: bytes, value: bytes, rule: str) -> None:
    """HTTP-RULES 16: the rule is told to the application or the log, the value to nobody."""
    with faulty.connect() as client:
        expect_500(client, request("GET", script(head(headers=[(name, value)]), body(b"x"))))
    faulty.await_event("performed")
    told = faulty.log + "".join(faulty.events)
    assert RULES[rule].text in told
    assert value.decode("latin-1") not in told
    assert "secret" not in told
    still_serves(faulty)


def test_body_longer_than_its_length(faulty: Server) -> None:
    """HTTP-RULES 17: what exceeds the length is never sent."""
    start = head(headers=[(b"content-length", b"4")])
    with faulty.connect() as client:
        client.send(request("GET", script(start, body(b"four and more"))))
        answer = client.response(may_be_cut=True)
        assert answer.status == 500 or answer.body == b"four"[: len(answer.body)]
    faulty.await_event("performed")
    assert RULES["ERR_RESPONSE_LONG"].text in faulty.log + "".join(faulty.events)
    still_serves(faulty)


@pytest.mark.parametrize("pieces", [(body(b"on"),), (body(b"o", True), body(b"n"))])
def test_body_shorter_than_its_length(faulty: Server, pieces: tuple[Any, ...]) -> None:
    """HTTP-RULES 17: it must not look complete."""
    start = head(headers=[(b"content-length", b"4")])
    with faulty.connect() as client:
        client.send(request("GET", script(start, pieces)))
        try:
            answer = client.response(may_be_cut=True)
            assert answer.status == 500 or not answer.complete
        except CutError:
            pass
    faulty.await_event("performed")
    assert RULES["ERR_RESPONSE_SHORT"].text in faulty.log + "".join(faulty.events)
    still_serves(faulty)


def test_receive_on_and_on(faulty: Server) -> None:
    """Behind the last http.request there is only http.disconnect, again and again."""
    with faulty.connect() as client:
        target = script(None, START, body(b"fine"), None, None, None)
        assert client.exchange(request("GET", target)).body == b"fine"
        faulty.await_event("performed")
        assert [event for event in faulty.events if "received" in event][1:] == [
            f"{index} received {{'type': 'http.disconnect'}}" for index in (3, 4, 5)
        ]
