"""A WSGI application that answers with wsgi.file_wrapper."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable
from typing import IO, Any
from urllib.parse import parse_qsl

from probe import DIRECTORY, Environ, StartResponse, note, pattern


class Noted(io.FileIO):
    """A real file that notes its close()."""

    def close(self) -> None:
        if not self.closed:
            note("close file")
        super().close()


class Reader:
    """Not a file: only read() and close()."""

    def __init__(self, data: bytes) -> None:
        self.stream = io.BytesIO(data)

    def read(self, size: int) -> bytes:
        return self.stream.read(size)

    def close(self) -> None:
        note("close file")


class Bare:
    """Not even a close()."""

    def __init__(self, data: bytes) -> None:
        self.read = io.BytesIO(data).read


class Failing(Reader):
    """Fails at its second read()."""

    def read(self, size: int) -> bytes:
        data = super().read(size)
        if self.stream.tell() > size:
            raise OSError("on purpose")
        return data


class Descriptorless(Reader):
    """Has a fileno() as io.BytesIO has one: it raises."""

    def fileno(self) -> int:
        raise io.UnsupportedOperation("fileno")


MAKERS: dict[str, Any] = {
    "memory": io.BytesIO,
    "reader": Reader,
    "bare": Bare,
    "failing": Failing,
    "nofile": Descriptorless,
}


def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """The query says: `kind`, `size` of the file, `offset`, `length`, `block`, `wrap`."""
    query = dict(parse_qsl(environ["QUERY_STRING"]))
    kind, size = query.get("kind", "file"), int(query.get("size", "100000"))
    stream: Any
    if kind in ("file", "buffered", "pipe"):
        path = DIRECTORY / f"file-{size}"
        if not path.exists():
            path.with_suffix(f".{os.getpid()}").write_bytes(pattern(size))
            path.with_suffix(f".{os.getpid()}").rename(path)
        stream = open_file(kind, str(path))
    else:
        stream = MAKERS[kind](pattern(size))
    if "offset" in query:
        stream.read(int(query["offset"]))
    headers = [("Content-Type", "application/octet-stream")]
    if "length" in query:
        headers.append(("Content-Length", query["length"]))
    start_response(query.get("status", "200 OK"), headers)
    block = [int(query["block"])] if "block" in query else []
    wrapped: Iterable[bytes] = environ["wsgi.file_wrapper"](stream, *block)
    if query.get("wrap") == "list":
        return list(wrapped)
    if query.get("wrap") == "generator":
        return (piece for piece in wrapped)
    return wrapped


def open_file(kind: str, path: str) -> IO[bytes] | Noted:
    """A file object of that kind over the file."""
    if kind == "file":
        return Noted(path)
    if kind == "buffered":
        return open(path, "rb")
    reading, writing = os.pipe()
    os.write(writing, pattern(1000))
    os.close(writing)
    return open(reading, "rb")
