"""A well-behaved WSGI application that the end-to-end tests look through at the server.

`plain` is the application, `checked` the same behind wsgiref's validator. The path chooses what
is done and the query says how. What a client cannot see (close() was called, the application was
entered) is noted as a line of the file `events` in the directory PROBE_DIRECTORY.
"""

from __future__ import annotations

import gc
import json
import os
import resource
import sys
import threading
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl
from wsgiref.validate import validator

Environ = dict[str, Any]
StartResponse = Callable[..., Callable[[bytes], object]]
Query = list[tuple[str, str]]
Handler = Callable[[Environ, StartResponse, Query], Iterable[bytes]]

DIRECTORY = Path(os.environ.get("PROBE_DIRECTORY", "."))
PATTERN = bytes(range(256)) * 256
PATIENCE = 30.0


def note(event: str) -> None:
    """Adds a line to the events; whole even where several processes write."""
    with open(DIRECTORY / "events", "ab", buffering=0) as events:
        events.write(event.encode() + b"\n")


def pattern(size: int) -> bytes:
    """That many bytes of which every run tells where it stands."""
    return (PATTERN * (size // len(PATTERN) + 1))[:size]


class Pieces:
    """An iterator that notes its end and its close()."""

    def __init__(self, pieces: Iterable[bytes], name: str = "pieces") -> None:
        self.iterator = iter(pieces)
        self.name = name

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            return next(self.iterator)
        except StopIteration:
            note(f"end {self.name}")
            raise

    def close(self) -> None:
        note(f"close {self.name}")


def answer_json(start_response: StartResponse, value: object) -> list[bytes]:
    """One JSON document with its length."""
    body = json.dumps(value).encode()
    headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
    start_response("200 OK", headers)
    return [body]


def hello(environ: Environ, start_response: StartResponse, query: Query) -> Iterable[bytes]:
    """A short text without a Content-Length of its own."""
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]


def environ_dump(environ: Environ, start_response: StartResponse, query: Query) -> Iterable[bytes]:
    """The environ as JSON; what is no plain value by its type's name."""
    plain = (str, int, bool, tuple)
    return answer_json(
        start_response,
        {
            key: value if isinstance(value, plain) else type(value).__name__
            for key, value in environ.items()
        },
    )


def echo(environ: Environ, start_response: StartResponse, query: Query) -> Iterable[bytes]:
    """The request's body."""
    stream = environ["wsgi.input"]
    body = b"".join(iter(lambda: stream.read(1 << 16), b""))
    headers = [("Content-Type", "application/octet-stream"), ("Content-Length", str(len(body)))]
    start_response("200 OK", headers)
    return [body]


def measure(environ: Environ, start_response: StartResponse, query: Query) -> Iterable[bytes]:
    """Length and checksum of the request's body, read in small pieces."""
    length = crc = 0
    stream = environ["wsgi.input"]
    while data := stream.read(1 << 16):
        length += len(data)
        crc = zlib.crc32(data, crc)
    return answer_json(start_response, {"length": length, "crc": crc})


def read_input(environ: Environ, start_response: StartResponse, query: Query) -> Iterable[bytes]:
    """Calls methods of wsgi.input as the query says (`read=5&readline=&iterate=`), in order."""
    stream = environ["wsgi.input"]
    results: list[object] = []
    for method, size in query:
        if method == "iterate":
            results.append([line.decode("latin-1") for line in stream])
            continue
        result = getattr(stream, method)(*([int(size)] if size else []))
        if isinstance(result, list):
            results.append([line.decode("latin-1") for line in result])
        else:
            results.append(result.decode("latin-1"))
    return answer_json(start_response, results)


def respond(environ: Environ, start_response: StartResponse, query: Query) -> Iterable[bytes]:
    """A response put together as the query says.

    `status`, `header=Name: value` (repeatable), `piece=<size>` (repeatable), `length=<number>`
    for a Content-Length, `type=` empty for no Content-Type, and `kind`: list, tuple, generator,
    late (start_response from inside the generator), iterator, write (the callable, for every
    piece), both (the callable for the first).
    """
    options = dict(query)
    kind = options.get("kind", "list")
    headers = [("Content-Type", options.get("type", "text/plain"))]
    if not headers[0][1]:
        headers.clear()
    headers += [
        (name, value.strip())
        for name, _, value in (value.partition(":") for key, value in query if key == "header")
    ]
    if "length" in options:
        headers.append(("Content-Length", options["length"]))
    status = options.get("status", "200 OK")
    pieces = [pattern(int(value)) for key, value in query if key == "piece"]

    def generate(late: bool) -> Iterator[bytes]:
        if late:
            start_response(status, headers)
        try:
            yield from pieces
        finally:
            note("end generator")

    if kind == "late":
        return generate(True)
    write = start_response(status, headers)
    if kind == "generator":
        return generate(False)
    if kind == "iterator":
        return Pieces(pieces)
    if kind == "tuple":
        return tuple(pieces)
    if kind == "write":
        for piece in pieces:
            write(piece)
        return []
    if kind == "both":
        write(pieces[0])
        return Pieces(pieces[1:])
    return pieces


def stream(environ: Environ, start_response: StartResponse, query: Query) -> Iterable[bytes]:
    """Pieces of `size` bytes, `count` of them or without end; notes entry, end and close()."""
    options = dict(query)
    size, count = int(options.get("size", "65536")), int(options.get("count", "0"))
    piece = pattern(size)
    headers = [("Content-Type", "application/octet-stream")]
    if "count" in options:
        headers.append(("Content-Length", str(size * count)))
    start_response("200 OK", headers)
    note("enter stream")

    def generate() -> Iterator[bytes]:
        sent = 0
        while not count or sent < count:
            yield piece
            sent += 1

    return Pieces(generate(), "stream")


def wait(environ: Environ, start_response: StartResponse, query: Query) -> Iterable[bytes]:
    """Answers when the file named by the query exists; `piece=1` sends a piece before it waits."""
    options = dict(query)
    gate = DIRECTORY / options["file"]
    note(f"enter wait {gate.name}")

    def opened() -> None:
        deadline = time.monotonic() + PATIENCE
        while not gate.exists() and time.monotonic() < deadline:
            time.sleep(0.005)

    if "piece" not in options:
        opened()
    start_response("200 OK", [("Content-Type", "text/plain")])

    def generate() -> Iterator[bytes]:
        if "piece" in options:
            yield b"before "
            opened()
        yield b"done"

    return Pieces(generate(), "wait")


def spool(environ: Environ, start_response: StartResponse, query: Query) -> Iterable[bytes]:
    """Which temporary files stand behind the request's body while it is read."""
    length = 0
    while data := environ["wsgi.input"].read(1 << 16):
        length += len(data)
    named = os.listdir(DIRECTORY / "tmp")
    unlinked = []
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            target = os.readlink(f"/proc/self/fd/{descriptor}")
        except OSError:  # the descriptor that listed the directory
            continue
        if target.endswith(" (deleted)"):
            unlinked.append(target)
    return answer_json(start_response, {"length": length, "named": named, "unlinked": unlinked})


def process(environ: Environ, start_response: StartResponse, query: Query) -> Iterable[bytes]:
    """What the worker is made of just now."""
    gc.collect()
    with open("/proc/self/status") as status:
        memory = dict(line.split(":", 1) for line in status)
    return answer_json(
        start_response,
        {
            "pid": os.getpid(),
            "thread": threading.get_ident(),
            "descriptors": len(os.listdir("/proc/self/fd")),
            "rss": int(memory["VmRSS"].split()[0]) * 1024,
            "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            "blocks": sys.getallocatedblocks(),
            "objects": len(gc.get_objects()),
            "references": {
                "application": sys.getrefcount(plain),
                "dict": sys.getrefcount(dict),
                "list": sys.getrefcount(list),
                "tuple": sys.getrefcount(tuple),
                "none": sys.getrefcount(None),
                "true": sys.getrefcount(True),
                "empty": sys.getrefcount(""),
                "empty bytes": sys.getrefcount(b""),
                **{
                    f"key {key}": sys.getrefcount(key)
                    for key in environ
                    if key.startswith(("wsgi.", "SERVER_", "REQUEST_"))
                },
                **{
                    f"type of {key}": sys.getrefcount(type(environ[key]))
                    for key in ("wsgi.input", "wsgi.errors")
                },
                "type of start_response": sys.getrefcount(type(start_response)),
            },
        },
    )


def complain(environ: Environ, start_response: StartResponse, query: Query) -> Iterable[bytes]:
    """Writes the query's texts to wsgi.errors."""
    errors = environ["wsgi.errors"]
    for method, text in query:
        if method == "write":
            errors.write(text + "\n")
        else:
            errors.writelines([text, "\n"])
    errors.flush()
    return hello(environ, start_response, query)


ROUTES: dict[str, Handler] = {
    "/": hello,
    "/environ": environ_dump,
    "/echo": echo,
    "/measure": measure,
    "/input": read_input,
    "/respond": respond,
    "/stream": stream,
    "/wait": wait,
    "/spool": spool,
    "/process": process,
    "/complain": complain,
}


def plain(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """The application; a path that is no route dumps the environ."""
    handler = ROUTES.get(environ["PATH_INFO"], environ_dump)
    query = parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True)
    return handler(environ, start_response, query)


checked = validator(plain)
