"""The ASGI gateway's HTTP half in this process: each message that is wrong, and what it says.

A wrong message raises in the application and changes nothing: the right one may come behind it.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from asgi_core_harness import (
    BODY,
    CHUNKED,
    GET,
    MORE,
    START,
    Core,
    Message,
    Receive,
    Scope,
    Send,
    run,
)

TRAILERS: Message = {"type": "http.response.trailers", "headers": [(b"x-sum", b"5")]}
HINT: Message = {"type": "http.response.early_hint", "links": [b"</a>; rel=preload"]}


class OwnError(Exception):
    """What the application's own objects raise here."""


class Fails:
    """Whatever is asked of it, it fails."""

    def __bool__(self) -> bool:
        raise OwnError("bool")

    def __iter__(self) -> Iterator[Any]:
        raise OwnError("iter")

    def __repr__(self) -> str:
        raise OwnError("repr")

    def __fspath__(self) -> str:
        raise OwnError("fspath")

    def fileno(self) -> int:
        raise OwnError("fileno")


def half() -> Iterator[Any]:
    """Headers that end with an exception."""
    yield b"x-half", b"1"
    raise OwnError("half")


class Wrong(NamedTuple):
    """A message that is refused behind `before`; `after` it the response goes on."""

    name: str
    before: list[Message]
    message: Any
    error: type[BaseException]
    sentence: str
    after: list[Message]


def start(**keys: Any) -> Message:
    return {**START, **keys}


def body(**keys: Any) -> Message:
    return {"type": "http.response.body", **keys}


def pathsend(**keys: Any) -> Message:
    return {"type": "http.response.pathsend", **keys}


def zerocopysend(**keys: Any) -> Message:
    return {"type": "http.response.zerocopysend", **keys}


def trailers(**keys: Any) -> Message:
    return {"type": "http.response.trailers", **keys}


def hint(**keys: Any) -> Message:
    return {"type": "http.response.early_hint", **keys}


def unexpected(type_: str, expected: str) -> str:
    return f'unexpected ASGI message "{type_}": expected is {expected}'


PAIR = "a header must be a pair of bytes"
WHOLE = [START, BODY]
PROMISED = [CHUNKED, BODY]
NOT_PATHS = "expected str, bytes or os.PathLike object, not int"

BEFORE_THE_START: list[tuple[str, Any, type[BaseException], str]] = [
    # any message
    ("no dict", [("type", "http.response.start")], TypeError, "send() takes a dict, not list"),
    ("None", None, TypeError, "send() takes a dict, not NoneType"),
    ("empty", {}, KeyError, "'a message needs a \"type\"'"),
    ("no type", {"status": 200}, KeyError, "'a message needs a \"type\"'"),
    ("type", {"type": 5}, TypeError, 'the "type" of a message must be str, not int'),
    ("bytes", {"type": b"x"}, TypeError, 'the "type" of a message must be str, not bytes'),
    ("surrogate", {"type": "\ud800"}, UnicodeEncodeError, "surrogates not allowed"),
    (
        "another type",
        {"type": "websocket.send"},
        RuntimeError,
        unexpected("websocket.send", 'a message of "http.response.*"'),
    ),
    (
        "long type",
        {"type": "x" * 1000},
        RuntimeError,
        unexpected("x" * 200, 'a message of "http.response.*"'),
    ),
    *(
        (
            f"{each['type']} first",
            each,
            RuntimeError,
            unexpected(each["type"], '"http.response.start"'),
        )
        for each in (BODY, TRAILERS, pathsend(), zerocopysend(), {"type": "http.response.x"})
    ),
    # http.response.start
    (
        "no status",
        {"type": "http.response.start"},
        KeyError,
        '\'"http.response.start" needs a "status"\'',
    ),
    (
        "status None",
        start(status=None),
        KeyError,
        '\'"http.response.start" needs a "status"\'',
    ),
    ("status str", start(status="200"), TypeError, '"status" must be int, not str'),
    ("status float", start(status=200.0), TypeError, '"status" must be int, not float'),
    *(
        (
            f"status {bad}",
            start(status=bad),
            ValueError,
            f'"status" is {bad}: allowed is 200 to 999',
        )
        for bad in (True, 0, -200, 103, 199, 1000, 2**31, 2**64, -(2**64))
    ),
    ("trailers", start(trailers=Fails()), OwnError, "bool"),
    ("headers int", start(headers=5), TypeError, "headers must be an iterable of pairs of bytes"),
    ("headers fail", start(headers=Fails()), OwnError, "iter"),
    ("headers half", start(headers=half()), OwnError, "half"),
    ("header int", start(headers=[5]), TypeError, PAIR),
    ("header fails", start(headers=[Fails()]), OwnError, "iter"),
    ("header of one", start(headers=[(b"a",)]), ValueError, PAIR + ", [name, value], not (b'a',)"),
    ("header of three", start(headers=[(b"a", b"b", b"c")]), ValueError, PAIR),
    ("header bytes", start(headers=[b"ab"]), TypeError, "must be bytes, not int and int"),
    (
        "name str",
        start(headers=[("a", b"b")]),
        TypeError,
        "a header's name and value must be bytes, not str and bytes",
    ),
    (
        "value None",
        start(headers=[(b"a", None)]),
        TypeError,
        "a header's name and value must be bytes, not bytes and NoneType",
    ),
    (
        "value bytearray",
        start(headers=[(b"x", b"y")] * 30 + [(b"a", bytearray(b"b"))]),
        TypeError,
        "not bytes and bytearray",
    ),
    # http.response.early_hint
    ("no links", hint(), KeyError, '\'"http.response.early_hint" needs "links"\''),
    ("links int", hint(links=5), TypeError, '"links" must be an iterable of bytes'),
    ("links fail", hint(links=Fails()), OwnError, "iter"),
    ("links half", hint(links=half()), OwnError, "half"),
    ("link str", hint(links=[b"</a>", "</b>"]), TypeError, "a link must be bytes, not str"),
    (
        "link CRLF",
        hint(links=[b"</a>", b"</b>\r\nx: y"]),
        ValueError,
        "a response header value contains CR, LF or NUL: link",
    ),
]

STARTED: list[tuple[str, Any, type[BaseException], str]] = [
    *(
        (
            f"{each['type']} started",
            each,
            RuntimeError,
            unexpected(each["type"], '"http.response.body"'),
        )
        for each in (START, TRAILERS, HINT, {"type": "http.response."})
    ),
    ("body str", body(body="text"), TypeError, '"body" must be bytes, not str'),
    ("body list", body(body=[b"a"]), TypeError, '"body" must be bytes, not list'),
    ("more_body", body(body=b"", more_body=Fails()), OwnError, "bool"),
    # http.response.pathsend
    ("no path", pathsend(), KeyError, '\'"http.response.pathsend" needs a "path"\''),
    ("path int", pathsend(path=5), TypeError, NOT_PATHS),
    ("path fails", pathsend(path=Fails()), OwnError, "fspath"),
    ("path NUL", pathsend(path="/a\0b"), ValueError, "embedded null byte"),
    ("path missing", pathsend(path="/no/such"), FileNotFoundError, "No such file or directory"),
    ("path directory", pathsend(path="/"), ValueError, "only regular files can be sent"),
    ("path device", pathsend(path="/dev/null"), ValueError, "only regular files can be sent"),
    # http.response.zerocopysend
    ("no file", zerocopysend(), KeyError, '\'"http.response.zerocopysend" needs a "file"\''),
    ("file str", zerocopysend(file="x"), TypeError, "argument must be an int"),
    ("file fails", zerocopysend(file=Fails()), OwnError, "fileno"),
    ("file negative", zerocopysend(file=-1), ValueError, "file descriptor cannot be a negative"),
    ("file closed", zerocopysend(file=10**6), OSError, "Bad file descriptor"),
    ("offset str", zerocopysend(file=0, offset="0"), TypeError, '"offset" must be int, not str'),
    (
        "offset negative",
        zerocopysend(file=0, offset=-1),
        ValueError,
        f'"offset" is -1: allowed is 0 to {2**63 - 1}',
    ),
    ("count float", zerocopysend(file=0, count=1.0), TypeError, '"count" must be int, not float'),
    (
        "count large",
        zerocopysend(file=0, count=2**63),
        ValueError,
        f'"count" is {2**63}: allowed is 0 to {2**63 - 1}',
    ),
    ("file more", zerocopysend(file=0, more_body=Fails()), OwnError, "bool"),
]

IN_TRAILERS: list[tuple[str, Any, type[BaseException], str]] = [
    *(
        (
            f"{each['type']} in trailers",
            each,
            RuntimeError,
            unexpected(each["type"], '"http.response.trailers"'),
        )
        for each in (START, BODY, HINT, pathsend(), zerocopysend())
    ),
    ("trailers int", trailers(headers=5), TypeError, "headers must be an iterable"),
    ("trailers half", trailers(headers=half()), OwnError, "half"),
    ("more_trailers", trailers(more_trailers=Fails()), OwnError, "bool"),
    (
        "trailer CRLF",
        trailers(headers=[(b"x-sum", b"a\r\nb")]),
        ValueError,
        "a response header value contains CR, LF or NUL: x-sum",
    ),
    (
        "trailer not allowed",
        trailers(headers=[(b"content-length", b"5")]),
        ValueError,
        "a trailer field that is not allowed there",
    ),
]

DONE: list[tuple[str, Any, type[BaseException], str]] = [
    (
        f"{each['type']} behind the end",
        each,
        RuntimeError,
        unexpected(each["type"], "nothing: the response is complete"),
    )
    for each in (START, BODY, MORE, TRAILERS, HINT, pathsend(path="/"), zerocopysend(file=0))
]

REFUSED_HEADS: list[tuple[str, bytes, bytes, str]] = [
    ("name", b"x y", b"z", "a response header name is not a token: x y"),
    ("empty name", b"", b"z", "a response header name is not a token: "),
    ("long name", b"\r" * 500, b"z", "a response header name is not a token: " + r"\x0d" * 31),
    ("value", b"x", b"a\r\nb", "a response header value contains CR, LF or NUL: x"),
    ("length", b"content-length", b"4x", "the response Content-Length is not one decimal number"),
]

WRONG = [
    Wrong(name, before, message, error, sentence, after)
    for before, rows, after in (
        ([], BEFORE_THE_START, WHOLE),
        ([START], STARTED, [BODY]),
        (PROMISED, IN_TRAILERS, [TRAILERS]),
        (WHOLE, DONE, []),
    )
    for name, message, error, sentence in rows
] + [
    Wrong(f"head: {name}", [start(headers=[(key, value)])], BODY, ValueError, sentence, WHOLE)
    for name, key, value, sentence in REFUSED_HEADS
]


@pytest.fixture(autouse=True)
def errors(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """What the server has logged."""
    caplog.set_level(logging.INFO)
    return lambda: [each.getMessage() for each in caplog.records if each.levelno > logging.INFO]


def status_of(answer: bytes) -> int:
    found = re.match(rb"HTTP/1\.1 (\d{3}) ", answer)
    assert found, answer
    return int(found[1])


@pytest.mark.parametrize("row", WRONG, ids=lambda row: row.name)
def test_wrong_message(row: Wrong, errors: Callable[[], list[str]]) -> None:
    raised: list[BaseException] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in row.before:
            await send(message)
        try:
            await send(row.message)
        except BaseException as error:
            raised.append(error)
        for message in row.after:
            await send(message)

    async def main() -> None:
        async with Core(app) as core:
            answer = await core.ask()
        assert status_of(answer) == 200
        assert b"body" in answer
        assert (b"0\r\nx-sum: 5\r\n\r\n" in answer) == (row.before == PROMISED)

    run(main())
    assert [type(error) for error in raised] == [row.error]
    assert row.sentence in str(raised[0])
    assert errors() == []


def send_all(*messages: Message) -> Any:
    """An application that sends these."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages:
            await send(message)

    return app


async def raises(scope: Scope, receive: Receive, send: Send) -> None:
    raise OwnError("from the application")


async def raises_behind_the_start(scope: Scope, receive: Receive, send: Send) -> None:
    await send(START)
    raise OwnError("from the application")


async def raises_in_the_body(scope: Scope, receive: Receive, send: Send) -> None:
    await send(START)
    await send(MORE)
    raise OwnError("from the application")


async def exits(scope: Scope, receive: Receive, send: Send) -> None:
    raise SystemExit(5)


def raises_at_once(scope: Scope, receive: Receive, send: Send) -> None:
    raise OwnError("from the application")


def gives_none(scope: Scope, receive: Receive, send: Send) -> None:
    return None


class NoIterator:
    """Its __await__ gives what is none."""

    def __await__(self) -> Any:
        return 5


class FailingAwait:
    """Its __await__ fails."""

    def __await__(self) -> Any:
        raise OwnError("from the application")


FAILED = "exception in the ASGI application (http)"
RETURNED = "the ASGI application returned without "

ENDS: list[tuple[str, Any, int, str]] = [
    ("raises", raises, 500, FAILED),
    ("raises at once", raises_at_once, 500, FAILED),
    ("exits", exits, 500, FAILED),
    ("raises behind the start", raises_behind_the_start, 500, FAILED),
    ("raises in the body", raises_in_the_body, 200, FAILED),
    ("None", gives_none, 500, FAILED),
    ("no iterator", lambda *_: NoIterator(), 500, FAILED),
    ("failing await", lambda *_: FailingAwait(), 500, FAILED),
    ("wrong signature", lambda scope: None, 500, FAILED),
    ("nothing", send_all(), 500, RETURNED + "starting a response"),
    ("only a hint", send_all(HINT), 103, RETURNED + "starting a response"),
    ("only a start", send_all(START), 500, RETURNED + "completing its response"),
    ("half a body", send_all(START, MORE), 200, RETURNED + "completing its response"),
    (
        "no trailers",
        send_all(CHUNKED, BODY),
        200,
        RETURNED + "sending the trailers that it promised",
    ),
    (
        "half of the trailers",
        send_all(CHUNKED, BODY, trailers(more_trailers=True)),
        200,
        RETURNED + "sending the trailers that it promised",
    ),
]


@pytest.mark.parametrize(
    ("app", "status", "line"), [row[1:] for row in ENDS], ids=[e[0] for e in ENDS]
)
def test_incomplete_response(
    app: Any, status: int, line: str, errors: Callable[[], list[str]]
) -> None:
    """It becomes a 500, or its end is missing; one line is logged, and the next is served."""

    async def main() -> None:
        async with Core(app) as core:
            for _ in range(2):
                answer = await core.ask()
                assert status_of(answer) == status
                assert not answer.endswith(b"0\r\n\r\n")
                assert (b" 500 Internal Server Error\r\n" in answer) == (status != 200)

    run(main())
    assert errors() == [line] * 2


LENGTH = start(headers=[(b"content-length", b"4")])

MISFITS: list[tuple[str, list[Message], str, bytes]] = [
    ("long at once", [LENGTH, body(body=b"12345")], "longer than", b"\r\n\r\n1234"),
    ("long later", [LENGTH, {**MORE, "body": b"123"}, body(body=b"45")], "longer", b"\r\n\r\n1234"),
    ("long, not last", [LENGTH, {**MORE, "body": b"12345"}], "longer", b"\r\n\r\n1234"),
    ("short", [LENGTH, body(body=b"123")], "shorter than", b"\r\n\r\n123"),
    ("short, later", [LENGTH, {**MORE, "body": b"12"}, body()], "shorter than", b"\r\n\r\n12"),
    (
        "short, before trailers",
        [{**LENGTH, "trailers": True}, body(body=b"12"), TRAILERS],
        "shorter than",
        b"\r\n\r\n12",
    ),
]


@pytest.mark.parametrize(
    ("messages", "sentence", "end"), [row[1:] for row in MISFITS], ids=[row[0] for row in MISFITS]
)
def test_body_that_is_not_what_its_length_says(
    messages: list[Message], sentence: str, end: bytes
) -> None:
    raised: list[BaseException] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        for message in messages[:-1]:
            await send(message)
        for message in (messages[-1], BODY):
            try:
                await send(message)
            except Exception as error:
                raised.append(error)

    async def main() -> None:
        async with Core(app) as core:
            assert (await core.ask()).endswith(end)

    run(main())
    assert re.match(f"the response body is {sentence}", str(raised[0]))
    assert str(raised[1]) == unexpected(BODY["type"], "nothing: the response is complete")
    assert [type(error) for error in raised[:2]] == [RuntimeError] * 2


def test_wrong_arguments(errors: Callable[[], list[str]]) -> None:
    async def app(scope: Scope, receive: Any, send: Any) -> None:
        to_send: list[Any] = [
            partial(send),
            partial(send, START, START),
            partial(send, m=START),
            partial(send, START, message=START),
        ]
        for call in to_send:
            with pytest.raises(TypeError, match=r"send\(\) takes one argument, the message"):
                call()
        for call in (partial(receive, 1), partial(receive, message=1)):
            with pytest.raises(TypeError, match=r"receive\(\) takes no arguments"):
                call()
        for each in (receive, send):
            with pytest.raises(TypeError, match="cannot create"):
                type(each)()
        await send(message=START)
        await send(BODY)

    async def main() -> None:
        async with Core(app) as core:
            assert status_of(await core.ask()) == 200

    run(main())
    assert errors() == []


@pytest.mark.parametrize(
    "request_line", [b"HEAD / HTTP/1.1", b"GET /204 HTTP/1.1", b"GET /304 HTTP/1.1"]
)
def test_response_without_a_body(request_line: bytes, errors: Callable[[], list[str]]) -> None:
    """What is sent is dropped, and what is wrong raises still."""
    seen: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        status = int(scope["path"][1:] or 200)
        await send({**CHUNKED, "status": status})
        await send(MORE)
        for wrong in (START, HINT, body(more_body=Fails()), pathsend(path="/")):
            with pytest.raises((RuntimeError, OwnError)) as raised:
                await send(wrong)
            seen.append(str(raised.value))
        await send(MORE)
        await send(BODY)
        await send(trailers(more_trailers=True))
        await send(TRAILERS)
        with pytest.raises(RuntimeError, match="nothing: the response is complete"):
            await send(TRAILERS)
        assert await receive() == {"type": "http.disconnect"}

    async def main() -> None:
        request = GET.replace(b"GET / HTTP/1.1", request_line)
        async with Core(app) as core:
            answer = await core.ask(request)
            assert answer.endswith(b"\r\n\r\n")
            assert b"more" not in answer

    run(main())
    wanted = '"http.response.body"'
    assert seen == [
        unexpected(START["type"], wanted),
        unexpected(HINT["type"], wanted),
        "bool",
        unexpected("http.response.pathsend", wanted),
    ]
    assert errors() == []


def test_files(tmp_path: Path, errors: Callable[[], list[str]]) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    empty = tmp_path / "empty"
    empty.write_bytes(b"")
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        for bad in (fifo, tmp_path):
            with pytest.raises(ValueError, match="only regular files can be sent"):
                await send(pathsend(path=bad))
        readable, writable = os.pipe()
        with pytest.raises(ValueError, match="only regular files can be sent"):
            await send(zerocopysend(file=readable))
        os.close(readable)
        os.close(writable)
        with open(path, "rb", buffering=0) as file:
            for keys, left in (
                ({"count": 11}, 10),
                ({"offset": 4, "count": 7}, 6),
                ({"offset": 99, "count": 1}, 0),
            ):
                with pytest.raises(ValueError, match='"count" is ') as raised:
                    await send(zerocopysend(file=file, **keys))
                assert str(raised.value).endswith(f": the file has {left} bytes from there on")
            await send(zerocopysend(file=file, count=2, more_body=True))
            assert file.tell() == 2
            with pytest.raises(RuntimeError, match="pathsend"):
                await send(pathsend(path=path))
            await send(zerocopysend(file=file, offset=99, more_body=True))
            await send(zerocopysend(file=file, offset=5, count=1, more_body=True))
            await send(zerocopysend(file=file.fileno(), more_body=True))
        with open(empty, "rb") as file:
            await send(zerocopysend(file=file))

    async def main() -> None:
        async with Core(app) as core:
            request = GET.replace(b"HTTP/1.1", b"HTTP/1.0")
            assert (await core.ask(request)).endswith(b"\r\n\r\n01" + b"5" + b"23456789")

    run(main())
    assert errors() == []
