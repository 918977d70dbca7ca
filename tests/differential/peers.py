"""Asks other HTTP/1 parsers, and ours, what they make of the bytes of a connection.

Ours is asked through the program wire_probe.c; llhttp comes as the package httptools;
picohttpparser's phr_parse_request is exported by libh2o (Debian: libh2o0.13).
"""

from __future__ import annotations

import ctypes
import ctypes.util
import json
import struct
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httptools

FIELDS_MAX = 100


@dataclass
class Request:
    """One request as a parser saw it; all text is latin-1."""

    method: str
    target: str
    minor: int
    fields: list[tuple[str, str]]
    body: str = ""


@dataclass
class Answer:
    """What a parser made of a connection's bytes: whole requests, then how it ended.

    `error` is the parser's own word for what is wrong, empty where nothing is; `more` is true
    where the bytes end inside a request.
    """

    requests: list[Request] = field(default_factory=list)
    error: str = ""
    more: bool = False


def _answer_of(told: dict[str, Any]) -> Answer:
    requests = [
        Request(
            method=request["method"],
            target=request["target"],
            minor=request["minor"],
            fields=[(name, value) for name, value in request["fields"]],
            body=request["body"],
        )
        for request in told["list"]
    ]
    return Answer(requests, told["error"], told["more"])


def ask_ours(program: Path, inputs: Iterable[bytes]) -> list[tuple[Answer, Answer]]:
    """What src/wire makes of each input: of its first head alone, and of all its requests."""
    framed = b"".join(struct.pack(">I", len(data)) + data for data in inputs)
    done = subprocess.run([program], input=framed, capture_output=True, check=True)
    told = [json.loads(line) for line in done.stdout.splitlines()]
    return [(_answer_of(one["head"]), _answer_of(one["requests"])) for one in told]


def build_ours(directory: Path) -> Path:
    """Builds wire_probe with the C compiler of the machine.

    With the scalar parser only: that the others give the same answers is what the unit tests and
    the fuzzer of the parsers show.
    """
    here = Path(__file__).resolve().parent
    source = here.parent.parent / "src"
    program = directory / "wire_probe"
    wire = ("authority", "chunk", "head", "head_dispatch_generic", "head_line", "head_scalar")
    files = [source / "wire" / f"{name}.c" for name in (*wire, "header_id", "http_rules")]
    files += [source / "base" / "err.c", source / "base" / "ip_text.c", here / "wire_probe.c"]
    flags = ["-std=gnu11", "-O1", f"-I{source}", "-o", str(program)]
    subprocess.run(["cc", *flags, *map(str, files)], check=True)
    return program


class _Listener:
    """Collects what llhttp calls out."""

    def __init__(self) -> None:
        self.parser = httptools.HttpRequestParser(self)
        self.whole: list[Request] = []
        self.open = False
        self.in_head = False
        self.request = Request("", "", 0, [])

    def on_message_begin(self) -> None:
        self.open = True
        self.in_head = True
        self.request = Request("", "", 0, [])

    def on_url(self, url: bytes) -> None:
        self.request.target += url.decode("latin-1")

    def on_header(self, name: bytes, value: bytes | None) -> None:
        if self.in_head:  # else it is a trailer
            text = (value or b"").decode("latin-1")
            self.request.fields.append((name.decode("latin-1"), text))

    def on_headers_complete(self) -> None:
        self.in_head = False
        self.request.method = self.parser.get_method().decode("latin-1")
        version = self.parser.get_http_version()
        self.request.minor = {"1.0": 0, "1.1": 1}.get(version, -1)

    def on_body(self, body: bytes) -> None:
        self.request.body += body.decode("latin-1")

    def on_message_complete(self) -> None:
        self.whole.append(self.request)
        self.open = False


def ask_llhttp(data: bytes) -> Answer:
    """The answer of llhttp. `error` is "upgrade" where it stopped at one."""
    listener = _Listener()
    error = ""
    try:
        listener.parser.feed_data(data)
    except httptools.HttpParserUpgrade:
        error = "upgrade"
    except httptools.HttpParserError as exception:
        error = str(exception) or type(exception).__name__
    return Answer(listener.whole, error, more=listener.open and not error)


class _PhrField(ctypes.Structure):
    _fields_ = [
        ("name", ctypes.c_void_p),
        ("name_len", ctypes.c_size_t),
        ("value", ctypes.c_void_p),
        ("value_len", ctypes.c_size_t),
    ]


def load_phr() -> ctypes.CDLL | None:
    """libh2o, None where the machine has none."""
    path = ctypes.util.find_library("h2o")
    return ctypes.CDLL(path) if path else None


def ask_phr(library: ctypes.CDLL, data: bytes) -> Answer:
    """The answer of picohttpparser to the first head."""
    fields = (_PhrField * FIELDS_MAX)()
    count = ctypes.c_size_t(FIELDS_MAX)
    method, target = ctypes.c_void_p(), ctypes.c_void_p()
    method_len, target_len = ctypes.c_size_t(), ctypes.c_size_t()
    minor = ctypes.c_int()
    buffer = ctypes.create_string_buffer(data, len(data) + 1)
    used = library.phr_parse_request(
        buffer,
        ctypes.c_size_t(len(data)),
        ctypes.byref(method),
        ctypes.byref(method_len),
        ctypes.byref(target),
        ctypes.byref(target_len),
        ctypes.byref(minor),
        fields,
        ctypes.byref(count),
        ctypes.c_size_t(0),
    )
    if used < 0:
        return Answer(error="refused" if used == -1 else "", more=used == -2)

    def text(at: int | None, length: int) -> str:
        return ctypes.string_at(at, length).decode("latin-1") if at else ""

    request = Request(
        method=text(method.value, method_len.value),
        target=text(target.value, target_len.value),
        minor=minor.value,
        fields=[
            (text(row.name, row.name_len), text(row.value, row.value_len))
            for row in fields[: count.value]
        ],
    )
    return Answer([request])
