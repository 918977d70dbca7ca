"""The ASGI gateway's WebSocket half in this process: each message that is wrong, each end."""

from __future__ import annotations

import asyncio
import logging
import re
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from asgi_core_harness import (
    BINARY,
    BODY,
    CLOSE,
    GET,
    START,
    TEXT,
    UPGRADE,
    Client,
    Core,
    Message,
    Receive,
    Scope,
    Send,
    close_frame,
    frame,
    run,
    turns,
)
from core_harness import settle

from freastal import _core

ACCEPT: Message = {"type": "websocket.accept"}
CLOSING: Message = {"type": "websocket.close"}
HELLO: Message = {"type": "websocket.send", "text": "hello"}
DENY: Message = {"type": "websocket.http.response.start", "status": 401}
DENIED: Message = {"type": "websocket.http.response.body", "body": b"body"}
CONNECT = {"type": "websocket.connect"}
COUNTED = b"a value that is counted"
LEFT = "the client has left: nothing can be sent any more"


class OwnError(Exception):
    """What the application's own objects raise here."""


def half() -> Iterator[Any]:
    yield b"x-half", b"1"
    raise OwnError("half")


def accept(**keys: Any) -> Message:
    return {**ACCEPT, **keys}


def close(**keys: Any) -> Message:
    return {**CLOSING, **keys}


def send_(**keys: Any) -> Message:
    return {"type": "websocket.send", **keys}


def disconnected(code: int, reason: str = "") -> Message:
    return {"type": "websocket.disconnect", "code": code, "reason": reason}


def unexpected(type_: str, expected: str) -> str:
    return f'unexpected ASGI message "{type_}": expected is {expected}'


BEGINNING = '"websocket.accept", "websocket.close" or "websocket.http.response.start"'
CODES = "allowed is 1000 to 1003, 1007 to 1014, 3000 to 4999"

Row = tuple[str, Any, type[BaseException], str]

BEFORE_THE_ACCEPT: list[Row] = [
    ("no dict", None, TypeError, "send() takes a dict, not NoneType"),
    ("empty", {}, KeyError, "'a message needs a \"type\"'"),
    ("type", {"type": 1.5}, TypeError, 'the "type" of a message must be str, not float'),
    *(
        (f"{each['type']} first", each, RuntimeError, unexpected(each["type"], BEGINNING))
        for each in (HELLO, START, {"type": "http.response.body"}, {"type": ""})
    ),
    (
        "response body first",
        DENIED,
        RuntimeError,
        unexpected(DENIED["type"], '"http.response.start"'),
    ),
    (
        "response without status",
        {"type": DENY["type"]},
        KeyError,
        '\'"http.response.start" needs a "status"\'',
    ),
    ("subprotocol", accept(subprotocol=b"a"), TypeError, '"subprotocol" must be str, not bytes'),
    *(
        (
            f"{name} among the headers",
            accept(headers=[(b"x-a", b"b"), (name.encode(), b"a")]),
            ValueError,
            f"the header {name.lower()} of websocket.accept is the server's",
        )
        for name in ("sec-websocket-protocol", "Sec-WebSocket-Extensions", "sec-websocket-accept")
    ),
    ("subprotocol é", accept(subprotocol="é"), UnicodeEncodeError, "ordinal not in range"),
    (
        "subprotocol CRLF",
        accept(subprotocol="a\r\nb: c"),
        ValueError,
        "a response header value contains CR, LF or NUL: sec-websocket-protocol",
    ),
    ("headers", accept(headers=5), TypeError, "headers must be an iterable of pairs of bytes"),
    ("headers half", accept(headers=half()), OwnError, "half"),
    ("header", accept(headers=[b"a"]), ValueError, "a header must be a pair of bytes"),
    (
        "header name",
        accept(headers=[(b"x", b"y")] * 30 + [(b"a b", b"c")]),
        ValueError,
        "a response header name is not a token: a b",
    ),
]

OPEN: list[Row] = [
    *(
        (
            f"{each['type']} in the open",
            each,
            RuntimeError,
            unexpected(each["type"], '"websocket.send" or "websocket.close"'),
        )
        for each in (ACCEPT, DENY, START, {"type": "websocket.sen"})
    ),
    ("nothing", send_(), ValueError, '"websocket.send" needs "text" or "bytes"'),
    ("None", send_(text=None, bytes=None), ValueError, '"websocket.send" needs "text" or "bytes"'),
    ("text bytes", send_(text=b"a"), TypeError, '"text" must be str, not bytes'),
    ("text surrogate", send_(text="a\ud800"), UnicodeEncodeError, "surrogates not allowed"),
    ("bytes str", send_(bytes="a"), TypeError, '"bytes" must be bytes, not str'),
    ("bytes int", send_(bytes=5), TypeError, '"bytes" must be bytes, not int'),
    ("code str", close(code="1000"), TypeError, '"code" must be int, not str'),
    *(
        (f"code {bad}", close(code=bad), ValueError, f'"code" is {bad}: allowed is 0 to 65535')
        for bad in (-1, 65536, 2**64)
    ),
    *(
        (f"code {bad}", close(code=bad), ValueError, f'"code" is {bad}: {CODES}')
        for bad in (0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 65535)
    ),
    ("reason bytes", close(reason=b"a"), TypeError, '"reason" must be str, not bytes'),
    (
        "reason long",
        close(reason="é" * 62),
        ValueError,
        '"reason" has 124 bytes of UTF-8: allowed are 123',
    ),
    ("reason surrogate", close(reason="\udfff"), UnicodeEncodeError, "surrogates not allowed"),
]


@pytest.fixture(autouse=True)
def errors(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """What the server has logged."""
    caplog.set_level(logging.INFO)
    return lambda: [each.getMessage() for each in caplog.records if each.levelno > logging.INFO]


@pytest.mark.parametrize("row", BEFORE_THE_ACCEPT + OPEN, ids=lambda row: row[0])
def test_wrong_message(row: Row, errors: Callable[[], list[str]]) -> None:
    """It raises, and changes nothing."""
    raised: list[BaseException] = []
    is_open = row in OPEN

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if is_open:
            await send(ACCEPT)
        try:
            await send(row[1])
        except Exception as error:
            raised.append(error)
        if not is_open:
            await send(accept(subprotocol="a", headers=[(b"x-b", b"c")]))
        await send(HELLO)
        await send(close(code=3000, reason="enough"))

    async def main() -> None:
        async with Core(app) as core:
            client = await core.connect(UPGRADE)
            head = await client.head()
            assert head.startswith(b"HTTP/1.1 101 ")
            assert (b"\r\nsec-websocket-protocol: a\r\nx-b: c\r\n" in head) == (not is_open)
            assert await client.frame() == (TEXT, b"hello")
            assert await client.frame() == (CLOSE, (3000).to_bytes(2, "big") + b"enough")
            client.write(close_frame(3000))
            assert await client.rest() == b""

    run(main())
    assert [type(error) for error in raised] == [row[2]]
    assert row[3] in str(raised[0])
    assert errors() == []


def test_a_response_in_place_of_the_handshake(errors: Callable[[], list[str]]) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(DENY)
        for wrong in (ACCEPT, CLOSING, HELLO):
            with pytest.raises(RuntimeError) as raised:
                await send(wrong)
            expected = '"websocket.http.response.body"'
            assert str(raised.value) == unexpected(wrong["type"], expected)
        with pytest.raises(RuntimeError, match="unexpected"):
            await send(DENY)
        with pytest.raises(TypeError, match='"body" must be bytes, not str'):
            await send({**DENIED, "body": "body"})
        await send({**DENIED, "more_body": True})
        await send(DENIED)
        for wrong in (DENIED, DENY):
            with pytest.raises(RuntimeError, match="nothing: the response is complete"):
                await send(wrong)
        assert await receive() == CONNECT
        for _ in range(2):
            assert await receive() == disconnected(1006)
            with pytest.raises((RuntimeError, _core.ClientDisconnected)):
                await send(ACCEPT)

    async def main() -> None:
        async with Core(app) as core:
            answer = await core.ask(UPGRADE.replace(b"Connection: ", b"Connection: close, "))
            assert answer.startswith(b"HTTP/1.1 401 ")
            assert answer.count(b"body") == 2

    run(main())
    assert errors() == []


REFUSED = [
    ("version", b"Version: 13", b"Version: 12", 426, "Sec-WebSocket-Version is not 13"),
    ("key", b"dGhl", b"dGh", 400, "Sec-WebSocket-Key is not one value of 16 bytes in base64"),
    ("method", b"GET", b"PUT", 400, "a WebSocket handshake whose method is not GET"),
]


@pytest.mark.parametrize(("old", "new", "status", "line"), [row[1:] for row in REFUSED])
def test_handshake_that_breaks_a_rule(
    old: bytes, new: bytes, status: int, line: str, errors: Callable[[], list[str]]
) -> None:
    """It is answered in place of the application, which is not called."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise AssertionError("called")

    async def main() -> None:
        async with Core(app) as core:
            client = await core.connect(UPGRADE.replace(old, new, 1))
            head = await client.head()
            assert head.startswith(b"HTTP/1.1 %d " % status)
            assert (b"\r\nSec-WebSocket-Version: 13\r\n" in head) == (status == 426)

    run(main())
    [found] = errors()
    assert re.fullmatch(
        rf"refused a WebSocket of 127\.0\.0\.1:\d+ with {status}: {re.escape(line)}", found
    )


# --- ends ---


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    assert await receive() == CONNECT
    await send(ACCEPT)
    while (message := await receive())["type"] == "websocket.receive":
        await send({**message, "type": "websocket.send"})


async def returns(scope: Scope, receive: Receive, send: Send) -> None:
    await send(ACCEPT)


async def fails(scope: Scope, receive: Receive, send: Send) -> None:
    await send(ACCEPT)
    raise OwnError


async def is_cancelled(scope: Scope, receive: Receive, send: Send) -> None:
    await send(ACCEPT)
    raise asyncio.CancelledError


async def rejects(scope: Scope, receive: Receive, send: Send) -> None:
    await send(CLOSING)
    with pytest.raises(_core.ClientDisconnected, match=LEFT):
        await send(CLOSING)
    with pytest.raises(RuntimeError, match="unexpected"):
        await send(ACCEPT)
    assert await receive() == CONNECT
    assert await receive() == disconnected(1006)


async def fails_early(scope: Scope, receive: Receive, send: Send) -> None:
    raise OwnError


async def does_nothing(scope: Scope, receive: Receive, send: Send) -> None:
    assert await receive() == CONNECT


async def starts_a_response(scope: Scope, receive: Receive, send: Send) -> None:
    await send(DENY)


FAILED = "exception in the ASGI application (websocket)"
RETURNED = "the ASGI application returned without "

ENDS: list[tuple[Any, int, list[str]]] = [
    (returns, 1000, []),
    (fails, 1011, [FAILED]),
    (is_cancelled, 1011, []),
    (rejects, 403, []),
    (fails_early, 500, [FAILED]),
    (does_nothing, 500, [RETURNED + "starting a response"]),
    (starts_a_response, 500, [RETURNED + "completing its response"]),
]


@pytest.mark.parametrize(("app", "code", "lines"), ENDS, ids=[each[0].__name__ for each in ENDS])
def test_the_application_ends(
    app: Any, code: int, lines: list[str], errors: Callable[[], list[str]]
) -> None:
    async def main() -> None:
        async with Core(app) as core:
            for _ in range(2):
                client = await core.connect(UPGRADE)
                head = await client.head()
                if code < 1000:
                    assert head.startswith(b"HTTP/1.1 %d " % code)
                else:
                    assert head.startswith(b"HTTP/1.1 101 ")
                    assert await client.frame() == (CLOSE, code.to_bytes(2, "big"))
                    client.write(close_frame(code))
                    assert await client.rest() == b""
                    client.vanish()
            while core.live().get("websockets"):
                await asyncio.sleep(0.001)

    run(main())
    assert errors() == lines * 2


def vanish(client: Client) -> None:
    client.vanish()


PEERS: dict[str, tuple[Callable[[Client], None], Message]] = {
    "close": (lambda client: client.write(close_frame(3001, b"why")), disconnected(3001, "why")),
    "no code": (lambda client: client.write(frame(CLOSE, b"")), disconnected(1005)),
    "vanishes": (vanish, disconnected(1006)),
    "breaks a rule": (lambda client: client.write(b"\xff\xff"), disconnected(1002)),
    "no UTF-8": (lambda client: client.write(frame(TEXT, b"\xff")), disconnected(1007)),
    "too big": (lambda client: client.write(frame(TEXT, b"a" * 101)), disconnected(1009)),
}


@pytest.mark.parametrize("waits", [True, False], ids=["while waited for", "meanwhile"])
@pytest.mark.parametrize("name", PEERS)
def test_the_peer_ends(name: str, waits: bool) -> None:
    """The application is told once it asks, and can do nothing more; closing is no error."""
    act, expected = PEERS[name]
    state: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert await receive() == CONNECT
        await send(ACCEPT)
        state.append("open")
        if not waits:
            while "gone" not in state:
                await asyncio.sleep(0.001)
        for _ in range(2):
            message = await receive()
            assert {**message, "reason": expected["reason"]} == expected
            if name in ("close", "no code", "vanishes"):
                assert message == expected
        with pytest.raises(_core.ClientDisconnected, match=LEFT):
            await send(HELLO)
        await send(CLOSING)
        await send(close(code="not read"))
        with pytest.raises(RuntimeError, match="unexpected"):
            await send(ACCEPT)
        state.append("told")

    async def main() -> None:
        async with Core(app, ws_max_size=100) as core:
            client = await core.upgrade()
            while not state:
                await asyncio.sleep(0)
            await turns(20)
            act(client)
            await turns(50)
            state.append("gone")
            while core.live().get("calls"):
                await asyncio.sleep(0.001)

    run(main())
    assert "told" in state


def test_closed_by_the_application_first() -> None:
    """It hears of its own code, or the peer's; and what came before."""
    seen: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(ACCEPT)
        await send(close(code=4000))
        for message in (HELLO, CLOSING):
            with pytest.raises(_core.ClientDisconnected, match=LEFT):
                await send(message)
        while (message := await receive())["type"] != "websocket.disconnect":
            seen.append(message)
        seen.append(message)

    async def main() -> None:
        async with Core(app) as core:
            for answer in (close_frame(4000), close_frame(4001)):
                client = await core.upgrade()
                assert await client.frame() == (CLOSE, (4000).to_bytes(2, "big"))
                client.write(answer)
                assert await client.rest() == b""

    run(main())
    assert [each["code"] for each in seen if "code" in each] == [4000, 4001]
    assert [each for each in seen if "code" not in each] == [CONNECT] * 2


def test_the_peer_vanishes_before_the_accept() -> None:
    state: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert await receive() == CONNECT
        state.append("called")
        state.append(await receive())
        for message in (ACCEPT, HELLO, DENY):
            with pytest.raises((RuntimeError, _core.ClientDisconnected)):
                await send(message)
        await send(CLOSING)
        state.append("told")

    async def main() -> None:
        async with Core(app) as core:
            client = await core.connect(UPGRADE)
            while not state:
                await asyncio.sleep(0)
            await turns(20)
            client.vanish()
            while core.live():
                await asyncio.sleep(0.001)

    run(main())
    assert state == ["called", disconnected(1006), "told"]


# --- many at once ---


def test_messages_for_several_receivers() -> None:
    """Each message goes to one of those who wait; the end to all."""
    seen: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert await receive() == CONNECT
        await send(ACCEPT)
        seen.extend(await asyncio.gather(*(receive() for _ in range(5))))

    async def main() -> None:
        async with Core(app) as core:
            client = await core.upgrade()
            for number in range(3):
                client.write(frame(TEXT, b"%d" % number))
                await turns(20)
            client.write(close_frame(1000))
            while core.live().get("calls"):
                await asyncio.sleep(0.001)

    run(main())
    assert sorted(each["text"] for each in seen if "text" in each) == ["0", "1", "2"]
    assert [each for each in seen if "text" not in each] == [disconnected(1000)] * 2


def test_a_receiver_is_cancelled() -> None:
    """The message that comes then is for the next."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert await receive() == CONNECT
        await send(ACCEPT)
        for _ in range(3):
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(receive(), 0)
            task = asyncio.ensure_future(receive())
            await asyncio.sleep(0)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        await send(HELLO)
        message = await receive()
        await send({**message, "type": "websocket.send"})

    async def main() -> None:
        async with Core(app) as core:
            client = await core.upgrade()
            assert await client.frame() == (TEXT, b"hello")
            client.write(frame(BINARY, b"for the next"))
            assert await client.frame() == (BINARY, b"for the next")

    run(main())


@pytest.mark.parametrize("end", ["cancelled", "read", "vanished"])
def test_a_send_that_waits(end: str) -> None:
    """Where the peer does not read, send() waits; it ends with the waiting."""
    state: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def flood() -> None:
            while "read" not in state:
                await send(send_(bytes=b"z" * 300_000))

        await send(ACCEPT)
        task = asyncio.ensure_future(flood())
        await turns(100)
        assert not task.done()
        state.append("congested")
        if end == "cancelled":
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await send(HELLO)
        elif end == "read":
            await task
            await send(HELLO)
        else:
            with pytest.raises(_core.ClientDisconnected, match=LEFT):
                await task

    async def main() -> None:
        async with Core(app, ws_per_message_deflate=False) as core:
            client = await core.upgrade()
            while not state:
                await asyncio.sleep(0)
            state.append("read")
            if end == "vanished":
                client.vanish()
            else:
                while (got := await client.frame()) != (TEXT, b"hello"):
                    assert got == (BINARY, b"z" * 300_000)
                assert (await client.frame())[0] == CLOSE
                client.write(close_frame(1000))
            while core.live().get("calls"):
                await asyncio.sleep(0.001)

    run(main())


def test_the_worker_is_closed_while_the_accept_is_read() -> None:
    cores: list[Core] = []
    refused: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        def headers() -> Iterator[Any]:
            yield b"x-a", COUNTED
            with pytest.raises(RuntimeError, match="while it reads another message"):
                send(CLOSING)
            cores[-1].worker.close()
            yield b"x-b", COUNTED

        await asyncio.sleep(0)
        for message in (accept(headers=headers()), HELLO, CLOSING):
            with pytest.raises(_core.ClientDisconnected, match=LEFT):
                await send(message)
            refused.append(message)
        assert (await receive())["type"] == "websocket.disconnect"

    async def main() -> None:
        async with Core(app) as core:
            cores.append(core)
            client = await core.connect(UPGRADE)
            assert await client.rest() == b""

    references = sys.getrefcount(COUNTED)
    run(main())
    cores.clear()
    settle()
    assert len(refused) == 3
    assert sys.getrefcount(COUNTED) == references


@pytest.mark.parametrize("end", ["answered", "vanished", "failed", "worker"])
def test_used_after_the_end(end: str, errors: Callable[[], list[str]]) -> None:
    """scope, receive and send, kept and used when all is over, and when the worker is gone."""
    kept: list[Any] = []

    async def app(scope: Scope, receive: Any, send: Any) -> None:
        await receive()
        await send(ACCEPT)
        kept[:] = [scope, receive, send, receive(), asyncio.ensure_future(receive())]
        if end == "failed":
            await asyncio.sleep(0)
            raise OwnError
        if end == "worker":
            await asyncio.get_running_loop().create_future()
        assert (await receive())["type"] == "websocket.disconnect"

    async def use() -> None:
        scope, receive, send, fresh, task = kept[:5]
        assert (await task)["type"] == "websocket.disconnect"
        if len(kept) == 5:
            kept.append(await fresh)
        assert kept[5]["type"] == "websocket.disconnect"
        for _ in range(2):
            assert (await receive())["type"] == "websocket.disconnect"
            for message in (ACCEPT, HELLO, CLOSING, START, {}):
                with pytest.raises(_core.ClientDisconnected, match=LEFT):
                    send(message)
        assert scope["type"] == "websocket"

    async def main() -> None:
        async with Core(app) as core:
            client = await core.upgrade()
            while not kept:
                await asyncio.sleep(0)
            await turns(5)
            if end == "answered":
                client.write(close_frame(1000))
            elif end == "vanished":
                client.vanish()
            elif end == "worker":
                core.worker.close()
            while core.live().get("calls"):
                await asyncio.sleep(0.001)
            await use()
        core.__dict__.clear()
        settle()
        await use()

    run(main())
    assert [each for each in errors() if "Task" not in each] == [FAILED] * (end == "failed")


def test_both_halves_in_one_application() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            await echo(scope, receive, send)
        else:
            await send(START)
            await send(BODY)

    async def main() -> None:
        async with Core(app) as core:
            client = await core.upgrade()
            assert (await core.ask(GET)).endswith(b"body")
            for opcode, payload in ((TEXT, "é".encode()), (BINARY, b"\0\xff"), (TEXT, b"")):
                client.write(frame(opcode, payload))
                assert await client.frame() == (opcode, payload)
            client.write(close_frame(1000))
            assert (await client.frame())[0] == CLOSE

    run(main())
