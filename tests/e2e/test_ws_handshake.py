"""The opening handshake of WebSocket: HTTP-RULES 22 and 23, RFC 6455 section 4."""

import json
from typing import Any

import pytest

from .asgi_script import refusals, script
from .client import request
from .conftest import OpenSocket
from .harness import Server
from .refusal import expect_refusal
from .rules import RULES
from .ws_client import KEY, TEXT, check_switch, close_frame, frame, handshake, switched

pytestmark = pytest.mark.matrix("loop")


@pytest.mark.matrix("transport", "loop")
def test_scope(asgi: Server) -> None:
    fields = [("Sec-WebSocket-Protocol", "chat, super"), ("Sec-WebSocket-Protocol", "third")]
    with switched(asgi.connect(), handshake("/scope?a=%20", fields)) as ws:
        scope = json.loads(ws.message())[1]
    if asgi.shape.transport != "unix":
        assert [kind for kind, _ in scope["client"][1]] == ["str", "int"]
        assert scope["server"][1] == [["str", "127.0.0.1"], ["int", asgi.address[1]]]
    else:
        assert scope["client"] == scope["server"] == ["NoneType", None]
    for name in ("client", "server"):
        del scope[name]
    names = [pair[1][0][1] for pair in scope.pop("headers")[1]]
    assert names[0] == "host"
    assert "sec-websocket-key" in names
    assert scope.pop("state")[1]["name"] == ["str", "of the lifespan"]
    assert (scope["extensions"][1].pop("tls", None) is not None) == (asgi.scheme == "https")
    assert scope == {
        "type": ["str", "websocket"],
        "asgi": ["dict", {"version": ["str", "3.0"], "spec_version": ["str", "2.5"]}],
        "http_version": ["str", "1.1"],
        "scheme": ["str", asgi.scheme.replace("http", "ws")],
        "path": ["str", "/scope"],
        "raw_path": ["bytes", "/scope"],
        "query_string": ["bytes", "a=%20"],
        "root_path": ["str", ""],
        "subprotocols": ["list", [["str", "chat"], ["str", "super"], ["str", "third"]]],
        "extensions": ["dict", {"websocket.http.response": ["dict", {}]}],
    }


def test_no_subprotocols(open_socket: OpenSocket) -> None:
    with open_socket("/scope") as ws:
        assert json.loads(ws.message())[1]["subprotocols"] == ["list", []]


def test_subprotocol_and_headers_of_the_application(open_socket: OpenSocket) -> None:
    fields = [("Sec-WebSocket-Protocol", "chat, super")]
    target = "/echo?subprotocol=super&header=X-A:b&header=Set-Cookie:c=d&header=Set-Cookie:e=f"
    with open_socket(target, fields) as ws:
        assert ws.answer.get("sec-websocket-protocol") == "super"
        assert ws.answer.get("x-a") == "b"
        assert ws.answer.all("set-cookie") == ["c=d", "e=f"]
        ws.send("still works")
        assert ws.message() == "still works"
    with open_socket("/echo", fields) as ws:
        assert ws.answer.get("sec-websocket-protocol") is None


@pytest.mark.parametrize(
    "fields",
    [
        [("Upgrade", "WebSocket"), ("Connection", "upgrade")],
        [("Connection", "keep-alive, Upgrade")],
        [("Connection", "keep-alive"), ("Connection", "Upgrade")],
        [("Sec-WebSocket-Extensions", "x-unknown; a=b")],
        [("Sec-WebSocket-Protocol", "\xe9\xff")],
        [("Origin", "http://elsewhere.example")],
    ],
)
def test_handshakes_as_clients_make_them(asgi: Server, fields: list[tuple[str, str]]) -> None:
    """HTTP-RULES 18: odd bytes in a header harm nobody."""
    with switched(asgi.connect(), handshake("/echo", fields)) as ws:
        assert not ws.deflates
        ws.send("x")
        assert ws.message() == "x"


@pytest.mark.parametrize(
    ("fields", "changes", "rule"),
    [
        ([("Sec-WebSocket-Version", "12")], {}, "ERR_WS_VERSION"),
        ([("Sec-WebSocket-Version", "8, 13")], {}, "ERR_WS_VERSION"),
        ([("Sec-WebSocket-Version", "")], {}, "ERR_WS_VERSION"),
        ([], {"without": ["Sec-WebSocket-Version"]}, "ERR_WS_VERSION"),
        ([("Sec-WebSocket-Key", "short")], {}, "ERR_WS_KEY"),
        ([("Sec-WebSocket-Key", "")], {}, "ERR_WS_KEY"),
        ([("Sec-WebSocket-Key", KEY[:-2])], {}, "ERR_WS_KEY"),
        ([("Sec-WebSocket-Key", "!" + KEY[1:])], {}, "ERR_WS_KEY"),
        ([("Sec-WebSocket-Key", KEY + "A")], {}, "ERR_WS_KEY"),
        ([("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAAAA")], {}, "ERR_WS_KEY"),
        ([("Sec-WebSocket-Key", KEY), ("Sec-WebSocket-Key", KEY)], {}, "ERR_WS_KEY"),
        ([], {"without": ["Sec-WebSocket-Key"]}, "ERR_WS_KEY"),
        ([("Sec-WebSocket-Extensions", "permessage-deflate;")], {}, "ERR_WS_EXTENSIONS"),
        ([("Sec-WebSocket-Extensions", 'x; y="z')], {}, "ERR_WS_EXTENSIONS"),
        ([("Sec-WebSocket-Extensions", 'x; y="z z"')], {}, "ERR_WS_EXTENSIONS"),
        ([], {"method": "POST"}, "ERR_WS_METHOD"),
        ([], {"method": "HEAD"}, "ERR_WS_METHOD"),
        ([], {"body": b"body"}, "ERR_WS_BODY"),
        ([("Transfer-Encoding", "chunked")], {"body": b"0\r\n\r\n"}, "ERR_WS_BODY"),
    ],
)
def test_broken_handshakes(asgi: Server, fields: Any, changes: Any, rule: str) -> None:
    """The rule's status and one log line; the application is not called."""
    with asgi.connect() as client:
        client.send(handshake("/scope", fields, **changes))
        answer = client.response(changes.get("method", "GET"))
        assert answer.status == RULES[rule].status, answer
        if rule == "ERR_WS_VERSION":  # RFC 6455 section 4.4
            assert answer.get("sec-websocket-version") == "13"
    asgi.await_log(RULES[rule].text)
    assert asgi.log.count(RULES[rule].text) == 1


@pytest.mark.parametrize(
    ("fields", "changes"),
    [
        ([], {"without": ["Upgrade"]}),
        ([("Connection", "keep-alive")], {}),
        ([("Upgrade", "h2c")], {}),
        ([("Upgrade", "websockets")], {}),
    ],
)
def test_requests_that_ask_for_no_websocket(asgi: Server, fields: Any, changes: Any) -> None:
    """RFC 9110 section 7.8: an Upgrade that is not understood or not for us is passed over."""
    with asgi.connect() as client:
        answer = client.exchange(handshake("/scope", fields, **changes))
        assert json.loads(answer.body)[1]["type"] == ["str", "http"]
        assert client.exchange(request()).body == b"hello"


def test_upgrade_in_http10_is_passed_over(asgi: Server) -> None:
    with asgi.connect() as client:
        answer = client.exchange(handshake("/scope", version="HTTP/1.0"))
        assert json.loads(answer.body)[1]["type"] == ["str", "http"]


def test_broken_head_is_refused_as_ever(asgi: Server) -> None:
    """The rules of HTTP hold for handshakes too."""
    with asgi.connect() as client:
        client.send(handshake("/echo", [("Host", "a"), ("Host", "b")]))
        expect_refusal(asgi, client, "ERR_HOST_REPEATED")


def test_handshake_behind_other_requests(asgi: Server) -> None:
    """On a connection that has been used, and pipelined behind a request."""
    client = asgi.connect()
    assert client.exchange(request()).body == b"hello"
    client.send(request() + handshake("/echo"))
    assert client.response().body == b"hello"
    with switched(client, b"") as ws:
        ws.send("x")
        assert ws.message() == "x"


@pytest.mark.parametrize("target", ["/echo", "/late"])
def test_frames_behind_the_handshake_in_one_segment(serve: Any, target: str) -> None:
    """HTTP-RULES 23: they are no request, and not lost."""
    server = serve("asgi_probe:app")
    data = frame(TEXT, b"first") + frame(TEXT, b"second")
    client = server.connect()
    client.send(handshake(target) + data)
    if target == "/late":
        server.await_event("waiting")
        client.expect_silence()
        (server.directory / "wake").touch()
    with switched(client, b"") as ws:
        assert [ws.message(), ws.message()] == ["first", "second"]


def test_request_behind_a_handshake_that_is_rejected(asgi: Server) -> None:
    """HTTP-RULES 23: it is another request only once the first is answered, or dropped."""
    client = asgi.connect()
    client.send(handshake("/reject") + request())
    assert client.response().status == 403
    if client.at_end():
        client.close()
        return
    with client:
        assert client.response().body == b"hello"


def test_handshake_byte_by_byte(asgi: Server) -> None:
    client = asgi.connect()
    client.send_each(handshake("/echo") + frame(TEXT, b"slow") + close_frame())
    with switched(client, b"") as ws:
        assert ws.message() == "slow"
        assert ws.expect_close() == (1000, b"")


@pytest.mark.matrix("transport", "loop")
def test_reject(asgi: Server) -> None:
    """websocket.close before the accept: 403, and 1006 for the application."""
    with asgi.connect() as client:
        answer = client.exchange(handshake("/reject"))
        assert answer.status == 403
        assert b"not today" not in answer.body
    asgi.await_event("disconnect 1006 ''")


@pytest.mark.parametrize(
    ("query", "framing"),
    [("", "length"), ("?pieces=3", "chunked"), ("?length=12&pieces=2", "length")],
)
def test_reject_with_a_whole_response(asgi: Server, query: str, framing: str) -> None:
    with asgi.connect() as client:
        answer = client.exchange(handshake("/reject-whole" + query))
        pieces = 3 if "3" in query else 2 if "2" in query else 1
        assert (answer.status, answer.body) == (401, b"piece " * pieces)
        assert (answer.get("x-why"), answer.framing) == ("because", framing)
    asgi.await_event("rejected")


@pytest.mark.parametrize("rest", ["", "&raise=ValueError", "&raise=SystemExit"])
def test_application_ends_before_it_accepts(asgi: Server, rest: str) -> None:
    asgi.tracebacks_expected = True
    with asgi.connect() as client:
        answer = client.exchange(handshake("/quit?at=before" + rest))
        assert answer.status in (403, 500)
        if rest:
            assert answer.status == 500
            asgi.await_log("on purpose")
    with asgi.connect() as client:
        assert client.exchange(request()).body == b"hello"


ACCEPT = {"type": "websocket.accept"}
WRONG = {
    "send-first": ({"type": "websocket.send", "text": "x"}, "websocket.accept"),
    "http": ({"type": "http.response.start", "status": 200, "headers": []}, "websocket.accept"),
    "unknown": ({"type": "websocket.nothing"}, "websocket.accept"),
    "no-type": ({}, "type"),
    "body-first": ({"type": "websocket.http.response.body"}, "websocket"),
    "subprotocol-bytes": ({**ACCEPT, "subprotocol": b"chat"}, "str"),
    "subprotocol-injection": ({**ACCEPT, "subprotocol": "a\r\nevil: 1"}, ""),
    "headers-text": ({**ACCEPT, "headers": [("x-a", "b")]}, "bytes"),
    "headers-number": ({**ACCEPT, "headers": 7}, "header"),
    "header-injection": ({**ACCEPT, "headers": [(b"x-a", b"b\r\nevil: 1")]}, ""),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_messages_before_the_accept(asgi: Server, name: str) -> None:
    """They raise, nothing is sent, and the handshake can still be accepted."""
    message, words = WRONG[name]
    close = {"type": "websocket.close"}
    client = asgi.connect()
    client.send(handshake(script(None, (message,), ACCEPT, close)))
    answer = client.response(upgrade=True)
    check_switch(answer)
    assert not answer.all("evil")
    client.close()
    [event] = refusals(asgi)
    assert event.startswith("1 ")
    assert words in event
    assert "OSError" not in event


WRONG_LATER = {
    "accept-twice": (ACCEPT, "websocket.send"),
    "http": ({"type": "http.response.body"}, "websocket.send"),
    "response": ({"type": "websocket.http.response.start", "status": 200}, "websocket.send"),
    "empty": ({"type": "websocket.send"}, "text"),
    "both-none": ({"type": "websocket.send", "text": None, "bytes": None}, "text"),
    "text-bytes": ({"type": "websocket.send", "text": b"x"}, "str"),
    "text-number": ({"type": "websocket.send", "text": 5}, "str"),
    "text-surrogate": ({"type": "websocket.send", "text": "\ud800"}, ""),
    "bytes-text": ({"type": "websocket.send", "bytes": "x"}, "bytes"),
    "code-text": ({"type": "websocket.close", "code": "1000"}, "code"),
    "code-0": ({"type": "websocket.close", "code": 0}, "code"),
    "code-1005": ({"type": "websocket.close", "code": 1005}, "code"),
    "code-huge": ({"type": "websocket.close", "code": 1 << 70}, "code"),
    "reason-bytes": ({"type": "websocket.close", "reason": b"x"}, "reason"),
    "reason-long": ({"type": "websocket.close", "reason": "x" * 124}, "reason"),
}


@pytest.mark.parametrize("name", WRONG_LATER)
def test_wrong_messages_behind_the_accept(asgi: Server, name: str) -> None:
    message, words = WRONG_LATER[name]
    fine = {"type": "websocket.send", "text": "fine"}
    with switched(asgi.connect(), handshake(script(None, ACCEPT, (message,), fine))) as ws:
        assert ws.message() == "fine"
        ws.expect_close_and_answer()
    [event] = refusals(asgi)
    assert event.startswith("2 ")
    assert words in event
    assert "OSError" not in event


def test_client_that_leaves_before_the_accept(asgi: Server) -> None:
    client = asgi.connect()
    client.send(handshake("/wait"))
    asgi.await_event("waiting")
    client.reset()
    asgi.await_event("disconnect 1006 ''")
