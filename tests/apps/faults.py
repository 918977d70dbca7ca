"""A WSGI application that breaks PEP 3333, one way for each path, to see what the server does."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any
from urllib.parse import unquote

from probe import Environ, Pieces, StartResponse, note

TEXT = [("Content-Type", "text/plain")]
App = Callable[[Environ, StartResponse], Any]


class BoomError(Exception):
    """What the faults raise; its text is looked for in the log."""


def boom() -> None:
    """Raises, from a frame whose name the traceback shows."""
    raise BoomError("on purpose")


def raise_before(environ: Environ, start_response: StartResponse) -> Any:
    boom()


def raise_after_start(environ: Environ, start_response: StartResponse) -> Any:
    start_response("200 OK", TEXT)
    boom()


def raise_after_write(environ: Environ, start_response: StartResponse) -> Any:
    start_response("200 OK", TEXT)(b"piece")
    boom()


def raise_in_first_piece(environ: Environ, start_response: StartResponse) -> Any:
    start_response("200 OK", TEXT)

    def generate() -> Iterator[bytes]:
        boom()
        yield b"never"

    return Pieces(generate())


def raise_after_piece(environ: Environ, start_response: StartResponse) -> Any:
    start_response("200 OK", TEXT)

    def generate() -> Iterator[bytes]:
        yield b"piece"
        boom()

    return Pieces(generate())


def raise_after_piece_with_length(environ: Environ, start_response: StartResponse) -> Any:
    start_response("200 OK", [*TEXT, ("Content-Length", "10")])

    def generate() -> Iterator[bytes]:
        yield b"piece"
        boom()

    return Pieces(generate())


def raise_after_all(environ: Environ, start_response: StartResponse) -> Any:
    """The body is complete by its length; what fails comes behind it."""
    start_response("200 OK", [*TEXT, ("Content-Length", "5")])

    def generate() -> Iterator[bytes]:
        yield b"piece"
        boom()

    return Pieces(generate())


def raise_in_iter(environ: Environ, start_response: StartResponse) -> Any:
    start_response("200 OK", TEXT)

    class Bad:
        def __iter__(self) -> Any:
            boom()

        def close(self) -> None:
            note("close bad")

    return Bad()


def raise_in_close(environ: Environ, start_response: StartResponse) -> Any:
    start_response("200 OK", TEXT)

    class Bad(Pieces):
        def close(self) -> None:
            super().close()
            boom()

    return Bad([b"piece", b"piece"])


def raise_in_both(environ: Environ, start_response: StartResponse) -> Any:
    start_response("200 OK", TEXT)

    class Bad(Pieces):
        def __next__(self) -> bytes:
            raise BoomError("in the body")

        def close(self) -> None:
            super().close()
            boom()

    return Bad([])


def interrupt(kind: type[BaseException]) -> dict[str, App]:
    """The three places where such an exception can leave the application."""

    def before(environ: Environ, start_response: StartResponse) -> Any:
        raise kind("on purpose")

    def inside(environ: Environ, start_response: StartResponse) -> Any:
        start_response("200 OK", TEXT)

        def generate() -> Iterator[bytes]:
            yield b"piece"
            raise kind("on purpose")

        return Pieces(generate())

    def closing(environ: Environ, start_response: StartResponse) -> Any:
        start_response("200 OK", TEXT)

        class Bad(Pieces):
            def close(self) -> None:
                super().close()
                raise kind("on purpose")

        return Bad([b"piece"])

    name = kind.__name__
    return {f"/{name}/before": before, f"/{name}/inside": inside, f"/{name}/closing": closing}


def start_never(environ: Environ, start_response: StartResponse) -> Any:
    return [b"piece"]


def start_never_in_generator(environ: Environ, start_response: StartResponse) -> Any:
    return Pieces([b"piece"])


def start_never_and_empty(environ: Environ, start_response: StartResponse) -> Any:
    return []


def start_twice(environ: Environ, start_response: StartResponse) -> Any:
    start_response("200 OK", TEXT)
    start_response("201 Created", TEXT)
    return [b"piece"]


def start_twice_caught(environ: Environ, start_response: StartResponse) -> Any:
    """The second call fails; the first one's head stands."""
    start_response("200 OK", TEXT)
    try:
        start_response("201 Created", TEXT)
    except BaseException as error:
        note(f"refused {type(error).__name__}")
    return [b"piece"]


def replace_before_head(environ: Environ, start_response: StartResponse) -> Any:
    """PEP 3333 "Error Handling": nothing is sent yet, so the second head replaces the first."""
    start_response("200 OK", [*TEXT, ("X-First", "1")])
    try:
        boom()
    except BoomError:
        start_response("503 Sorry", [*TEXT, ("X-Second", "2")], sys.exc_info())
    return [b"sorry"]


def replace_before_first_piece(environ: Environ, start_response: StartResponse) -> Any:
    start_response("200 OK", [*TEXT, ("Content-Length", "1000")])

    def generate() -> Iterator[bytes]:
        yield b""
        try:
            boom()
        except BoomError:
            start_response("503 Sorry", TEXT, sys.exc_info())
        yield b"sorry"

    return Pieces(generate())


def replace_after_head(environ: Environ, start_response: StartResponse) -> Any:
    """The head is sent: start_response must raise what exc_info holds."""
    start_response("200 OK", TEXT)

    def generate() -> Iterator[bytes]:
        yield b"piece"
        try:
            boom()
        except BoomError:
            note("caught")
            start_response("503 Sorry", TEXT, sys.exc_info())
            note("not raised again")
        yield b"never"

    return Pieces(generate())


def replace_after_write(environ: Environ, start_response: StartResponse) -> Any:
    start_response("200 OK", TEXT)(b"piece")
    try:
        boom()
    except BoomError:
        start_response("503 Sorry", TEXT, sys.exc_info())
        note("not raised again")
    return []


def exc_info_at_first_call(environ: Environ, start_response: StartResponse) -> Any:
    try:
        boom()
    except BoomError:
        start_response("503 Sorry", TEXT, exc_info=sys.exc_info())
    return [b"sorry"]


def exc_info_none(environ: Environ, start_response: StartResponse) -> Any:
    start_response("200 OK", TEXT, None)
    return [b"fine"]


def starts_with(status: Any, headers: Any, body: Any = b"piece") -> App:
    """An application that passes these to start_response and returns that body."""

    def app(environ: Environ, start_response: StartResponse) -> Any:
        start_response(status, headers)
        return [body] if isinstance(body, bytes) else body

    return app


def header(environ: Environ, start_response: StartResponse) -> Any:
    """Sends the header whose name and value are the lines of the request's body, percent-coded."""
    name, value = environ["wsgi.input"].read().decode().split("\n")
    start_response("200 OK", [*TEXT, (unquote(name, "latin-1"), unquote(value, "latin-1"))])
    return [b"piece"]


def status(environ: Environ, start_response: StartResponse) -> Any:
    """Sends the status that is the request's body, percent-coded."""
    start_response(unquote(environ["wsgi.input"].read().decode(), "latin-1"), TEXT)
    return [b"piece"]


def returns(value: object) -> App:
    """An application that returns that after a proper start."""

    def app(environ: Environ, start_response: StartResponse) -> Any:
        start_response("200 OK", TEXT)
        return value

    return app


def text_in_write(environ: Environ, start_response: StartResponse) -> Any:
    write: Any = start_response("200 OK", TEXT)
    write("text")
    return []


def outcome(attempt: Callable[[], object]) -> str:
    """How a call ends, in one word."""
    try:
        attempt()
    except Exception as error:
        return type(error).__name__
    return "done"


def change_environ(environ: Environ, start_response: StartResponse) -> Any:
    """The application may do to its environ what it likes, and keep it."""
    stream = environ["wsgi.input"]
    stream.read(2)
    start_response("200 OK", TEXT)
    KEPT.append((environ, start_response))
    environ.clear()
    environ["PATH_INFO"] = 7
    environ["self"] = environ
    return [b"changed ", stream.read(5)]


def use_kept(environ: Environ, start_response: StartResponse) -> Any:
    """Uses what belonged to a request that is over: refused or harmless, and never a crash."""
    results = [outcome(partial(start, "200 OK", TEXT)) for _, start in KEPT]
    for kept, _ in KEPT:
        kept.clear()
    KEPT.clear()
    start_response("200 OK", TEXT)
    return [" ".join(results).encode()]


def keep_write(environ: Environ, start_response: StartResponse) -> Any:
    write = start_response("200 OK", TEXT)
    KEPT_WRITES.append((write, environ["wsgi.input"], environ["wsgi.errors"]))
    return [b"kept"]


def use_kept_write(environ: Environ, start_response: StartResponse) -> Any:
    results = []
    for write, stream, errors in KEPT_WRITES:
        attempts = (partial(write, b"late"), stream.read, partial(errors.write, "late\n"))
        results += [outcome(attempt) for attempt in attempts]
    KEPT_WRITES.clear()
    start_response("200 OK", TEXT)
    return [" ".join(results).encode()]


def write_on(environ: Environ, start_response: StartResponse) -> Any:
    """Does not believe write() when it says that the client has gone."""
    write = start_response("200 OK", TEXT)
    for _ in range(20):
        with suppress(OSError):
            write(LARGE)
    return []


def references(environ: Environ, start_response: StartResponse) -> Any:
    """How often the piece of write_on is held."""
    start_response("200 OK", TEXT)
    return [b"%d" % sys.getrefcount(LARGE)]


def write_before_only_piece(environ: Environ, start_response: StartResponse) -> Any:
    """The only item of an iterable with a len(), and write() while it is made."""
    write = start_response("200 OK", TEXT)

    class Only:
        left = 1

        def __len__(self) -> int:
            return 1

        def __iter__(self) -> Any:
            return self

        def __next__(self) -> bytes:
            if not self.left:
                raise StopIteration
            self.left = 0
            write(b"first ")
            return b"second"

    return Only()


def die(environ: Environ, start_response: StartResponse) -> Any:
    """The worker ends without a word, as by a crash in some extension module."""
    os._exit(9)


LARGE = bytes(1 << 20)
KEPT: list[tuple[Environ, StartResponse]] = []
KEPT_WRITES: list[tuple[Any, Any, Any]] = []

ROUTES: dict[str, App] = {
    f"/{function.__name__.replace('_', '-')}": function
    for function in (
        raise_before,
        raise_after_start,
        raise_after_write,
        raise_in_first_piece,
        raise_after_piece,
        raise_after_piece_with_length,
        raise_after_all,
        raise_in_iter,
        raise_in_close,
        raise_in_both,
        start_never,
        start_never_in_generator,
        start_never_and_empty,
        start_twice,
        start_twice_caught,
        replace_before_head,
        replace_before_first_piece,
        replace_after_head,
        replace_after_write,
        exc_info_at_first_call,
        exc_info_none,
        header,
        status,
        text_in_write,
        change_environ,
        use_kept,
        keep_write,
        use_kept_write,
        write_on,
        references,
        write_before_only_piece,
        die,
    )
}
for exception in (SystemExit, KeyboardInterrupt, GeneratorExit, MemoryError, StopIteration):
    ROUTES |= interrupt(exception)

ROUTES |= {
    "/wrong/status-bytes": starts_with(b"200 OK", TEXT),
    "/wrong/status-int": starts_with(200, TEXT),
    "/wrong/status-none": starts_with(None, TEXT),
    "/wrong/headers-none": starts_with("200 OK", None),
    "/wrong/headers-dict": starts_with("200 OK", {"Content-Type": "text/plain"}),
    "/wrong/header-text": starts_with("200 OK", ["Content-Type: text/plain"]),
    "/wrong/header-triple": starts_with("200 OK", [("a", "b", "c")]),
    "/wrong/header-none": starts_with("200 OK", [None]),
    "/wrong/name-bytes": starts_with("200 OK", [(b"Content-Type", "text/plain")]),
    "/wrong/value-bytes": starts_with("200 OK", [("Content-Type", b"text/plain")]),
    "/wrong/value-int": starts_with("200 OK", [("Content-Length", 5)]),
    "/wrong/value-wide": starts_with("200 OK", [("X-Wide", "\u20ac")]),
    "/wrong/name-wide": starts_with("200 OK", [("X-\u20ac", "x")]),
    "/wrong/status-wide": starts_with("200 \u20ac", TEXT),
    "/wrong/length-text": starts_with("200 OK", [("Content-Length", "five")]),
    "/wrong/length-minus": starts_with("200 OK", [("Content-Length", "-5")]),
    "/wrong/length-empty": starts_with("200 OK", [("Content-Length", "")]),
    "/wrong/length-twice": starts_with(
        "200 OK", [("Content-Length", "5"), ("Content-Length", "6")]
    ),
    "/wrong/body-none": returns(None),
    "/wrong/body-int": returns(7),
    "/wrong/body-text": returns("piece"),
    "/wrong/piece-text": returns(["piece"]),
    "/wrong/piece-none": returns([None]),
    "/wrong/piece-int": returns(iter([1])),
    "/wrong/second-piece": returns([b"piece", "text"]),
}


def app(environ: Environ, start_response: StartResponse) -> Any:
    """The application."""
    handler = ROUTES.get(environ["PATH_INFO"])
    if handler is None:
        start_response("200 OK", TEXT)
        return [b"hello"]
    return handler(environ, start_response)
