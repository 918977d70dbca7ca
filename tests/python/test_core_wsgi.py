"""The WSGI gateway under applications whose every object may fail.

Each failure must end in an answer or a cut connection and in one record of the log; what is
asserted of counters stands in :func:`core_harness.serving`.
"""

from __future__ import annotations

import contextvars
import gzip
import http.client
import io
import logging
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from core_harness import PATIENCE, TEXT, App, Environ, Serving, StartResponse, serving

THREADS = pytest.mark.parametrize("threads", [1, 3])


class PlannedError(Exception):
    """What fails on purpose."""


def boom(*_: object) -> Any:
    raise PlannedError("on purpose")


@pytest.fixture(autouse=True)
def no_unraisable(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Nothing may be left to sys.unraisablehook."""
    seen: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda what: seen.append(what.exc_value))
    yield
    assert seen == []


def records(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [each for each in caplog.records if each.name == "freastal.error"]


def exception_of(record: logging.LogRecord) -> type[BaseException] | None:
    assert record.exc_info is not None
    return record.exc_info[0]


def await_records(caplog: pytest.LogCaptureFixture, count: int) -> list[logging.LogRecord]:
    """Waits until so many records are there; close() comes behind the response."""
    deadline = time.monotonic() + PATIENCE
    while len(records(caplog)) < count and time.monotonic() < deadline:
        time.sleep(0.005)
    return records(caplog)


def returning(make: Callable[[], object], headers: Any = TEXT) -> App:
    """An application that starts well and returns what `make` gives."""

    def app(environ: Environ, start_response: StartResponse) -> Any:
        start_response("200 OK", headers)
        return make()

    return app


class Failing:
    """An iterable of one piece with methods that fail as told."""

    def __init__(self, *failing: str, pieces: int = 1) -> None:
        self.failing = failing
        self.left = pieces
        self.closed = 0

    def __iter__(self) -> Failing:
        if "iter" in self.failing:
            boom()
        return self

    def __next__(self) -> bytes:
        if "next" in self.failing:
            boom()
        if self.left == 0:
            if "end" in self.failing:
                boom()
            raise StopIteration
        self.left -= 1
        return b"piece"

    def __len__(self) -> int:
        if "len" in self.failing:
            boom()
        if "len type" in self.failing:
            raise TypeError("no length")
        return self.left

    def close(self) -> None:
        self.closed += 1
        if "close" in self.failing:
            boom()


@THREADS
@pytest.mark.parametrize("where", ["iter", "next", "len"])
def test_iterables_that_fail_before_the_head(
    where: str, threads: int, caplog: pytest.LogCaptureFixture
) -> None:
    result = Failing(where)
    with serving(returning(lambda: result), threads=threads) as server:
        assert server.ask("/path?secret=1").status == 500
    (record,) = records(caplog)
    assert exception_of(record) is PlannedError
    assert "GET /path" in record.getMessage()
    assert "secret" not in record.getMessage()
    assert result.closed == 1


@THREADS
def test_len_that_is_not_supported_is_no_failure(threads: int) -> None:
    with serving(returning(lambda: Failing("len type")), threads=threads) as server:
        answer = server.ask()
    assert (answer.status, answer.body) == (200, b"piece")
    assert "Content-Length" not in answer.headers


@THREADS
def test_one_item_says_how_long_the_body_is(threads: int) -> None:
    with serving(returning(Failing), threads=threads) as server:
        answer = server.ask()
    assert (answer.headers["Content-Length"], answer.body) == ("5", b"piece")


@THREADS
@pytest.mark.parametrize("pieces", [1, 2])
def test_iterables_that_fail_at_their_end_are_cut(
    pieces: int, threads: int, caplog: pytest.LogCaptureFixture
) -> None:
    result = Failing("end", "len type", pieces=pieces)
    with serving(returning(lambda: result), threads=threads) as server:
        with pytest.raises((http.client.IncompleteRead, ConnectionError)):
            server.ask()
        await_records(caplog, 1)
    (record,) = records(caplog)
    assert exception_of(record) is PlannedError
    assert result.closed == 1


@THREADS
def test_close_that_fails_is_logged(threads: int, caplog: pytest.LogCaptureFixture) -> None:
    result = Failing("close")
    with serving(returning(lambda: result), threads=threads) as server:
        assert server.ask().body == b"piece"
        (record,) = await_records(caplog, 1)
    assert "close()" in record.getMessage()
    assert result.closed == 1


@THREADS
def test_attribute_close_that_fails(threads: int, caplog: pytest.LogCaptureFixture) -> None:
    class Hidden:
        def __iter__(self) -> Iterator[bytes]:
            return iter([b"piece"])

        @property
        def close(self) -> Any:
            return boom()

    with serving(returning(Hidden), threads=threads) as server:
        assert server.ask().body == b"piece"
        (record,) = await_records(caplog, 1)
    assert exception_of(record) is PlannedError


@THREADS
@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt, GeneratorExit, MemoryError])
def test_exceptions_that_end_programs_do_not_end_the_server(
    kind: type[BaseException], threads: int, caplog: pytest.LogCaptureFixture
) -> None:
    def app(environ: Environ, start_response: StartResponse) -> Any:
        if environ["PATH_INFO"] == "/fail":
            raise kind("on purpose")
        start_response("200 OK", TEXT)
        return [b"fine"]

    with serving(app, threads=threads) as server:
        assert server.ask("/fail").status == 500
        assert server.ask("/").body == b"fine"
    (record,) = records(caplog)
    assert exception_of(record) is kind


@THREADS
@pytest.mark.parametrize(
    ("status", "headers", "error", "word"),
    [
        (b"200 OK", TEXT, TypeError, "status"),
        ("", TEXT, ValueError, "status"),
        ("2OO OK", TEXT, ValueError, "status"),
        ("200OK", TEXT, ValueError, "status"),
        ("\u0662\u0660\u0660 OK", TEXT, ValueError, "latin-1"),
        ("99 x", TEXT, ValueError, "status"),
        ("199 x", TEXT, ValueError, "status"),
        ("600 x", TEXT, ValueError, "status"),
        ("200 OK", None, TypeError, "headers"),
        ("200 OK", {}, TypeError, "headers"),
        ("200 OK", iter(TEXT), TypeError, "headers"),
        ("200 OK", [None], TypeError, "header"),
        ("200 OK", ["ab"], TypeError, "tuple"),
        ("200 OK", [()], ValueError, "0 items"),
        ("200 OK", [("a", "b", "c")], ValueError, "3 items"),
        ("200 OK", [(b"a", "b")], TypeError, "name"),
        ("200 OK", [("a", b"b")], TypeError, "'a'"),
        ("200 OK", [("Content-Length", 5)], TypeError, "'Content-Length'"),
        ("200 OK", [("a", "\u0100")], ValueError, "'a'"),
        ("200 OK", [("\u0100", "a")], ValueError, "latin-1"),
        ("200 OK", [*TEXT * 30, ("a", None)], TypeError, "'a'"),
    ],
)
def test_wrong_arguments_of_start_response_raise_in_the_application(
    status: Any, headers: Any, error: type[Exception], word: str, threads: int
) -> None:
    caught: list[BaseException] = []

    def app(environ: Environ, start_response: StartResponse) -> Any:
        try:
            start_response(status, headers)
        except BaseException as raised:
            caught.append(raised)
        start_response("200 OK", TEXT)
        return [b"recovered"]

    with serving(app, threads=threads) as server:
        assert server.ask().body == b"recovered"
    (raised,) = caught
    assert type(raised) is error
    assert word in str(raised)


def test_calls_of_start_response_and_write() -> None:
    outcomes: list[str] = []

    def attempt(call: Callable[..., object], *args: object, **kwargs: object) -> None:
        try:
            call(*args, **kwargs)
            outcomes.append("done")
        except Exception as error:
            outcomes.append(type(error).__name__)

    def app(environ: Environ, start_response: StartResponse) -> Any:
        attempt(start_response)
        attempt(start_response, "200 OK")
        attempt(start_response, "200 OK", TEXT, None, None)
        attempt(start_response, "200 OK", TEXT, other=None)
        attempt(start_response, status="200 OK", headers=TEXT)
        attempt(start_response, "200 OK", TEXT, "not a tuple")
        attempt(start_response, "200 OK", TEXT, (None, None))
        write = start_response("200 OK", TEXT, exc_info=None)
        attempt(start_response, "200 OK", TEXT)
        attempt(write)
        attempt(write, "text")
        attempt(write, bytearray(b"x"))
        attempt(write, b"a", b"b")
        attempt(write, data=b"a")
        attempt(write, b"")
        attempt(write, b"piece")
        return []

    with serving(app) as server:
        assert server.ask().body == b"piece"
    assert outcomes == ["TypeError"] * 7 + ["RuntimeError"] + ["TypeError"] * 5 + ["done"] * 2


def test_texts_with_code_of_their_own_run_none_of_it(caplog: pytest.LogCaptureFixture) -> None:
    """A str's subclass is copied, so that no __del__ runs inside the server."""

    class Harmless(str):
        def __str__(self) -> str:
            return boom()  # type: ignore[no-any-return]

        def __len__(self) -> int:
            return boom()  # type: ignore[no-any-return]

        def __getitem__(self, index: object) -> str:
            return boom()  # type: ignore[no-any-return]

    headers = [(Harmless("X-A"), Harmless("value"))]
    app = returning(lambda: [b"piece"], headers)
    with serving(app) as server:
        assert server.ask().headers["X-A"] == "value"
    assert records(caplog) == []


def test_bytes_of_a_subclass() -> None:
    class Piece(bytes):
        def __len__(self) -> int:
            return boom()  # type: ignore[no-any-return]

    with serving(returning(lambda: [Piece(b"a"), Piece(b"bc")])) as server:
        assert server.ask().body == b"abc"
    with serving(returning(lambda: iter([Piece(b"a"), Piece(b""), Piece(b"bc")]))) as server:
        assert server.ask().body == b"abc"


@THREADS
def test_many_and_large_headers(threads: int) -> None:
    headers = [(f"X-{number}", "v" * 1000) for number in range(90)]
    with serving(returning(lambda: [b"x"], headers), threads=threads) as server:
        answer = server.ask()
    assert [answer.headers[name] for name, _ in headers] == [value for _, value in headers]


def test_headers_changed_after_the_call_do_not_matter() -> None:
    def app(environ: Environ, start_response: StartResponse) -> Any:
        headers = [("X-A", "1"), ("X-B", "2")]
        start_response("200 OK", headers)
        headers.clear()
        return [b"x"]

    with serving(app) as server:
        answer = server.ask()
    assert (answer.headers["X-A"], answer.headers["X-B"]) == ("1", "2")


@pytest.mark.parametrize("headers", [[], (), (("X-A", "1"),), [["X-A", "1"]]])
def test_other_sequences_of_headers(headers: Any) -> None:
    with serving(returning(lambda: [b"x"], headers)) as server:
        answer = server.ask()
    assert answer.body == b"x"
    assert answer.headers.get("X-A") == ("1" if headers else None)


@THREADS
@pytest.mark.parametrize(
    "name", ["Content-Length", "content-length", "Content-LENGTH"], ids=["1", "2", "3"]
)
def test_bad_header_is_blamed_by_its_name(
    name: str, threads: int, caplog: pytest.LogCaptureFixture
) -> None:
    app = returning(lambda: [b"x"], [("X-Good", "a"), ("X-Bad", "secret\r\n")])
    with serving(app, threads=threads) as server:
        assert server.ask().status == 500
    (record,) = records(caplog)
    assert "X-Bad" in record.getMessage()
    assert "secret" not in record.getMessage()
    caplog.clear()
    app = returning(lambda: [b"x"], [(name, "five")])
    with serving(app, threads=threads) as server:
        assert server.ask().status == 500
    (record,) = records(caplog)
    assert "Content-Length" in record.getMessage()


@THREADS
@pytest.mark.parametrize("length", [4, 6])
@pytest.mark.parametrize("make", [lambda: [b"pie", b"ce"], lambda: iter([b"pie", b"ce"])])
def test_body_against_its_content_length(
    length: int, make: Any, threads: int, caplog: pytest.LogCaptureFixture
) -> None:
    app = returning(make, [("Content-Length", str(length))])
    with serving(app, threads=threads) as server:
        if length < 5:
            assert server.ask().body == b"piec"
        else:
            with pytest.raises((http.client.IncompleteRead, ConnectionError)):
                server.ask()
        (record,) = await_records(caplog, 1)
    assert ("longer" if length < 5 else "shorter") in record.getMessage()


@THREADS
def test_empty_pieces_do_not_send_the_head(threads: int) -> None:
    def app(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        yield b""
        start_response("200 OK", TEXT)
        yield b""
        start_response("201 Created", TEXT, (PlannedError, PlannedError(), None))
        yield b"piece"
        yield b""

    with serving(app, threads=threads) as server:
        answer = server.ask()
    assert (answer.status, answer.body) == (201, b"piece")


@THREADS
def test_endless_empty_pieces_do_not_stop_the_others(threads: int) -> None:
    finish = threading.Event()

    def app(environ: Environ, start_response: StartResponse) -> Iterator[bytes]:
        start_response("200 OK", TEXT)
        if environ["PATH_INFO"] == "/endless":
            while not finish.is_set():
                yield b""
        yield b"piece"

    with serving(app, threads=threads) as server, server.connect() as endless:
        endless.sendall(b"GET /endless HTTP/1.0\r\n\r\n")
        for _ in range(5):
            assert server.ask().body == b"piece"
        finish.set()
        data = b""
        while piece := endless.recv(1000):
            data += piece
        assert data.endswith(b"\r\n\r\npiece")


@THREADS
def test_stop_ends_endless_empty_pieces(threads: int) -> None:
    called, closed = threading.Event(), threading.Event()

    class Endless:
        def __iter__(self) -> Endless:
            return self

        def __next__(self) -> bytes:
            called.set()
            return b""

        def close(self) -> None:
            closed.set()

    with serving(returning(Endless), threads=threads) as server, server.connect() as client:
        client.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert called.wait(PATIENCE)
        server.worker.stop(0)
        assert closed.wait(PATIENCE)


@THREADS
def test_writer_learns_that_its_client_is_gone(
    threads: int, caplog: pytest.LogCaptureFixture
) -> None:
    """In a thread; with one thread what is written waits, and the bytes are dropped."""
    outcome: list[object] = []
    ended = threading.Event()

    def app(environ: Environ, start_response: StartResponse) -> Any:
        write = start_response("200 OK", TEXT)
        try:
            for _ in range(300):
                write(b"x" * 65536)
            outcome.append("done")
        except BaseException as error:
            outcome.append(type(error))
            raise
        finally:
            ended.set()
        return []

    with serving(app, threads=threads) as server:
        with server.connect() as client:
            client.sendall(b"GET / HTTP/1.0\r\n\r\n")
            client.recv(1000)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        assert ended.wait(PATIENCE)
    assert outcome == ["done" if threads == 1 else BrokenPipeError]
    assert records(caplog) == []


@THREADS
@pytest.mark.parametrize("pieces", [1, 20, 200])
def test_write_of_much(pieces: int, threads: int) -> None:
    """Beyond a bound it lies in a file; order and bytes stay."""
    data = [bytes([number]) * 65536 for number in range(pieces)]

    def app(environ: Environ, start_response: StartResponse) -> Any:
        write = start_response("200 OK", TEXT)
        for piece in data:
            write(piece)
        return [b"the", b"rest"]

    with serving(app, threads=threads) as server:
        assert server.ask().body == b"".join(data) + b"therest"


def test_write_from_another_thread_is_refused_by_the_pool() -> None:
    outcome: list[object] = []

    def app(environ: Environ, start_response: StartResponse) -> Any:
        write = start_response("200 OK", TEXT)

        def other() -> None:
            try:
                write(b"x")
            except RuntimeError as error:
                outcome.append(error)

        thread = threading.Thread(target=other)
        thread.start()
        thread.join()
        return [b"piece"]

    with serving(app, threads=2) as server:
        assert server.ask().body == b"piece"
    assert len(outcome) == 1


def test_streams_take_turns_in_contexts_of_their_own() -> None:
    """What Flask's request is: each response that is being iterated over finds its own."""
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="")
    names = ["a", "b", "c"]
    gates = {name: threading.Event() for name in names}

    def app(environ: Environ, start_response: StartResponse) -> Any:
        name = environ["PATH_INFO"][1:]
        assert variable.get() == ""
        variable.set(name)
        start_response("200 OK", TEXT)

        def generate() -> Iterator[bytes]:
            yield variable.get().encode()
            while not gates[name].is_set():
                yield b""
            yield variable.get().encode()

        return generate()

    with serving(app) as server:
        clients = {name: server.connect() for name in names}
        for name, client in clients.items():
            client.sendall(f"GET /{name} HTTP/1.0\r\n\r\n".encode())
        for name in reversed(names):
            gates[name].set()
            data = b""
            while piece := clients[name].recv(1000):
                data += piece
            clients[name].close()
            assert data.endswith(f"\r\n\r\n{name * 2}".encode())


@THREADS
def test_gathered_bodies_of_clients_that_go(threads: int) -> None:
    def app(environ: Environ, start_response: StartResponse) -> Any:
        pytest.fail("called without its body")

    with serving(app, threads=threads) as server:
        for size in (1, 1000, 70_000, 200_000):
            with server.connect() as client:
                head = f"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: {size + 1}\r\n\r\n"
                client.sendall(head.encode() + b"x" * size)


def test_file_wrapper_as_a_type(tmp_path: Path) -> None:
    seen: dict[str, Any] = {}

    def app(environ: Environ, start_response: StartResponse) -> list[bytes]:
        seen.update(environ)
        start_response("200 OK", TEXT)
        return []

    with serving(app) as server:
        server.ask()
    wrapper = seen["wsgi.file_wrapper"]
    stream = io.BytesIO(b"12345")
    wrapped = wrapper(stream, 2)
    assert (wrapped.filelike, wrapped.blksize) == (stream, 2)
    assert list(wrapped) == [b"12", b"34", b"5"]
    wrapped.close()
    assert stream.closed
    assert list(wrapper(filelike=io.BytesIO(b"x" * 8193))) == [b"x" * 8192, b"x"]
    wrapper(object()).close()
    for bad in ((), (stream, 0), (stream, -1), (stream, "1"), (stream, 1, 1)):
        with pytest.raises((TypeError, ValueError)):
            wrapper(*bad)
    for failing in (object(), iter([])):
        with pytest.raises(AttributeError):
            next(iter(wrapper(failing)))


@THREADS
def test_files_whose_descriptor_holds_other_bytes(tmp_path: Path, threads: int) -> None:
    """gzip's fileno() leads to what is compressed; sendfile would send that."""
    (tmp_path / "plain").write_bytes(b"plain " * 1000)
    with gzip.open(tmp_path / "packed", "wb") as stream:
        stream.write(b"packed " * 1000)

    def written() -> Any:
        stream = open(tmp_path / "new", "w+b")  # noqa: SIM115
        stream.write(b"not flushed yet")
        stream.seek(4)
        return stream

    def standing_at_6(**options: Any) -> Any:
        stream = open(tmp_path / "plain", "rb", **options)  # noqa: SIM115
        stream.seek(6)
        return stream

    def buffered() -> Any:
        return io.BufferedReader(packed())  # type: ignore[arg-type,unused-ignore]

    packed = partial(gzip.open, tmp_path / "packed")
    streams: dict[str, Callable[[], Any]] = {
        "gzip": packed,
        "buffered": buffered,
        "proc": partial(open, "/proc/self/cmdline", "rb"),
        "plain": standing_at_6,
        "raw": partial(standing_at_6, buffering=0),
        "written": written,
    }

    def app(environ: Environ, start_response: StartResponse) -> Any:
        start_response("200 OK", TEXT)
        stream = streams[environ["PATH_INFO"][1:]]()
        return environ["wsgi.file_wrapper"](stream)

    with serving(app, threads=threads) as server:
        assert server.ask("/gzip").body == b"packed " * 1000
        assert server.ask("/buffered").body == b"packed " * 1000
        assert server.ask("/plain").body == server.ask("/raw").body == b"plain " * 999
        assert server.ask("/written").body == b"flushed yet"
        assert server.ask("/proc").body == Path("/proc/self/cmdline").read_bytes()


@THREADS
def test_errors_are_logged_by_lines(threads: int, caplog: pytest.LogCaptureFixture) -> None:
    def app(environ: Environ, start_response: StartResponse) -> Any:
        errors = environ["wsgi.errors"]
        print("one", "two", file=errors)
        errors.write("a\nb\n")
        errors.write("no end")
        errors.flush()
        errors.flush()
        errors.writelines(["x", "y\n", "z"])
        for wrong in (b"bytes", None, 1):
            with pytest.raises(TypeError):
                errors.write(wrong)
        with pytest.raises(TypeError):
            errors.writelines(["fine\n", b"not"])
        with pytest.raises(TypeError):
            errors.writelines(None)
        errors.write("100%s {} \u20ac\n")
        errors.write("left")
        start_response("200 OK", TEXT)
        return [b""]

    with serving(app, threads=threads) as server:
        server.ask()
    assert [each.getMessage() for each in records(caplog)] == [
        "one two",
        "a\nb",
        "no end",
        "xy",
        "zfine",
        "100%s {} \u20ac",
        "left",
    ]


@THREADS
def test_logging_that_fails_does_not_fail_the_request(
    threads: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[object] = []

    class Bad(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            boom()

    handler = Bad()
    logger = logging.getLogger("freastal.error")
    logger.addHandler(handler)
    try:
        with serving(lambda environ, start_response: boom(), threads=threads) as server:
            monkeypatch.setattr(sys, "unraisablehook", lambda what: told.append(what.exc_type))
            assert server.ask().status == 500
    finally:
        logger.removeHandler(handler)
    assert told == [PlannedError]


def test_environ_of_http10_without_fields() -> None:
    seen: list[Environ] = []

    def app(environ: Environ, start_response: StartResponse) -> list[bytes]:
        seen.append(environ)
        start_response("200 OK", TEXT)
        return []

    with serving(app) as server:
        for _ in range(3):
            with server.connect() as client:
                client.sendall(b"GET /a%41?b HTTP/1.0\r\n\r\n")
                while client.recv(1000):
                    pass
    for environ in seen:
        assert not [key for key in environ if key.startswith("HTTP_")]
        assert environ["SERVER_PROTOCOL"] == "HTTP/1.0"
        assert (environ["PATH_INFO"], environ["QUERY_STRING"]) == ("/aA", "b")


def test_environs_of_repeated_fields_differ_where_requests_do() -> None:
    """Templates are kept for fields that come again; nothing of one request reaches another."""
    seen: list[Environ] = []

    def app(environ: Environ, start_response: StartResponse) -> list[bytes]:
        seen.append(dict(environ))
        environ.clear()
        start_response("200 OK", TEXT)
        return []

    blocks = [
        b"Host: a\r\nX-A: 1\r\nAccept: */*\r\nCookie: a=1\r\nCookie: b=2\r\n",
        b"Host: a\r\nX-A: 2\r\nAccept: */*\r\n",
        b"Host: a\r\nX-A: 1\r\nContent-Length: 0\r\n",
    ]
    targets = [b"/", b"/x?q=1", b"/x", b"http://other/x?q=1", b"*"]

    def ask(server: Serving, block: bytes, target: bytes, version: bytes) -> None:
        method = b"OPTIONS" if target == b"*" else b"GET"
        with server.connect() as client:
            line = method + b" " + target + b" HTTP/" + version + b"\r\n"
            client.sendall(line + block + b"Connection: close\r\n\r\n")
            while client.recv(1000):
                pass

    def key(environ: Environ) -> dict[str, Any]:
        return {
            name: value
            for name, value in environ.items()
            if not name.startswith("wsgi.") and name != "REMOTE_PORT"
        }

    expected: dict[tuple[bytes, bytes, bytes], dict[str, Any]] = {}
    with serving(app) as server:
        for turn in range(4):
            for block in blocks:
                for target in targets:
                    for version in (b"1.0", b"1.1"):
                        ask(server, block, target, version)
                        environ = key(seen[-1])
                        case = block, target, version
                        assert expected.setdefault(case, environ) == environ, turn
    assert len({repr(sorted(each.items())) for each in expected.values()}) == len(expected)


def test_chunked_body_has_its_length(caplog: pytest.LogCaptureFixture) -> None:
    """RFC 3875 section 4.1.2; Django sees no body without it."""

    def app(environ: Environ, start_response: StartResponse) -> list[bytes]:
        start_response("200 OK", TEXT)
        return [environ["CONTENT_LENGTH"].encode(), environ["wsgi.input"].read()]

    with serving(app) as server:
        head = {"Transfer-Encoding": "chunked"}
        answer = server.ask("/", "POST", iter([b"abc", b"de"]), head, in_chunks=True)
    assert answer.body == b"5abcde"


def test_input_takes_sizes_of_every_kind() -> None:
    results: list[object] = []

    class Index:
        def __index__(self) -> int:
            return 3

    def app(environ: Environ, start_response: StartResponse) -> list[bytes]:
        stream = environ["wsgi.input"]
        for method in (stream.read, stream.readline, stream.readlines):
            for wrong in ("1", 1.5, b"1", (1,)):
                with pytest.raises(TypeError):
                    method(wrong)
            with pytest.raises(TypeError):
                method(1, 2)
            with pytest.raises(TypeError):
                method(size=1)
        results.extend([stream.read(0), stream.read(Index()), stream.readline(None)])
        results.extend([stream.read(2**70), stream.read(-(2**70)), stream.read(None)])
        start_response("200 OK", TEXT)
        return []

    with serving(app) as server:
        server.ask("/", "POST", b"1234\n567")
    assert results == [b"", b"123", b"4\n", b"567", b"", b""]


@pytest.mark.parametrize("size", [10, 200_000])
def test_input_read_by_threads_at_once_breaks_nothing(size: int) -> None:
    """A mistake of an application; it may get bytes in any order, and no more than there are."""
    total: list[int] = []

    def app(environ: Environ, start_response: StartResponse) -> list[bytes]:
        stream = environ["wsgi.input"]
        counts: list[int] = []

        def read() -> None:
            count = 0
            while data := stream.read(40_000):
                count += len(data)
            counts.append(count)

        threads = [threading.Thread(target=read) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        total.append(sum(counts))
        start_response("200 OK", TEXT)
        return []

    with serving(app) as server:
        server.ask("/", "POST", b"x" * size)
    assert total == [size]
