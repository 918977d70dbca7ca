"""A raw HTTP/1 client that believes nothing: it sends bytes and reads responses strictly.

It is not for convenience. Every response is checked against RFC 9110 and RFC 9112 while it is
read: line ends, field syntax, one framing and no other, exactly the bytes that the framing
promises. Bytes that belong to no response are an error.
"""

from __future__ import annotations

import re
import select
import socket
import struct
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any

from .tls_socket import TlsSocket

PATIENCE = 20.0
"""Seconds that a test waits for something that must come; never part of what is asserted."""

_TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9]) ([\t \x21-\x7e\x80-\xff]*)\Z")
_FIELD_VALUE = re.compile(rb"[\t \x21-\x7e\x80-\xff]*\Z")
_DATE = re.compile(
    r"(Mon|Tue|Wed|Thu|Fri|Sat|Sun), [0-3]\d "
    r"(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) \d{4} [0-2]\d:[0-5]\d:[0-6]\d GMT\Z"
)

Headers = Iterable[tuple[str, str]]
Socket = socket.socket | TlsSocket


class ProtocolError(AssertionError):
    """The server sent something that HTTP/1.1 forbids."""


class CutError(Exception):
    """The connection ended, or was reset, inside a response or before one."""


@dataclass
class Response:
    """One response as it stood on the wire; `interim` holds the 1xx statuses before it."""

    minor: int
    status: int
    reason: str
    headers: list[tuple[str, str]]
    interim: list[int] = field(default_factory=list)
    hints: list[list[tuple[str, str]]] = field(default_factory=list)
    """The fields of each interim response."""
    body: bytes = b""
    framing: str = "none"
    """How the body's end was known: none, length, chunked or close."""
    complete: bool = True
    """False where the connection ended before the framing was fulfilled."""
    pieces: list[int] = field(default_factory=list)
    """The sizes of the chunks of a chunked body."""
    trailers: list[tuple[str, str]] = field(default_factory=list)
    """The fields behind a chunked body."""

    def all(self, name: str) -> list[str]:
        """Every value of that field, in order."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def get(self, name: str) -> str | None:
        """The value of a field that must not stand there twice."""
        values = self.all(name)
        if len(values) > 1:
            raise ProtocolError(f"{name} stands there {len(values)} times: {values}")
        return values[0] if values else None

    @property
    def tokens(self) -> set[str]:
        """The tokens of Connection, in lower case."""
        return {
            token.strip().lower()
            for value in self.all("connection")
            for token in value.split(",")
            if token.strip()
        }


def request(
    method: str = "GET",
    target: str = "/",
    headers: Headers = (),
    body: bytes | None = None,
    *,
    version: str = "HTTP/1.1",
    host: str | None = "test.example",
) -> bytes:
    """The bytes of a request; a body brings its Content-Length unless the framing is given."""
    lines = [f"{method} {target} {version}"]
    names = {name.lower() for name, _ in headers}
    if host is not None and "host" not in names:
        lines.append(f"Host: {host}")
    lines += [f"{name}: {value}" for name, value in headers]
    if body is not None and not names & {"content-length", "transfer-encoding"}:
        lines.append(f"Content-Length: {len(body)}")
    head = "\r\n".join(lines) + "\r\n\r\n"
    return head.encode("latin-1") + (body or b"")


def chunked(pieces: Iterable[bytes], trailers: bytes = b"") -> bytes:
    """A chunked body of these pieces, with its last chunk."""
    coded = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces)
    return coded + b"0\r\n" + trailers + b"\r\n"


def readable(sock: Socket, seconds: float) -> bool:
    """Whether there is something to read, or an end, within that time."""
    if isinstance(sock, TlsSocket):
        return sock.readable(seconds)
    return bool(select.select([sock], [], [], seconds)[0])


class Client:
    """One connection. Used as a context, it also checks that nothing was left to read."""

    def __init__(self, sock: Socket) -> None:
        self.sock: Any = sock
        self.sock.settimeout(PATIENCE)
        self.buffer = bytearray()
        self.ended = False
        self.takes_trailers = False
        """Set by a test that expects them."""

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None and self.sock.fileno() != -1:
                self._take_what_is_there()
                if self.buffer:
                    raise ProtocolError(f"bytes that belong to no response: {self.buffer[:200]!r}")
        finally:
            self.sock.close()

    # what the client does

    def send(self, data: bytes) -> None:
        """Sends all of it."""
        self.sock.sendall(data)

    def send_each(self, data: bytes) -> None:
        """Sends byte by byte, each in a segment of its own as far as the kernel allows."""
        for at in range(len(data)):
            self.sock.sendall(data[at : at + 1])

    def send_as_far_as_taken(self, data: bytes) -> None:
        """Sends until the server stops the connection, which it may."""
        try:
            self.sock.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            self.ended = True

    def half_close(self) -> None:
        """Says that nothing more will be sent (a FIN), and goes on reading."""
        self.sock.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Closes as a polite client does."""
        self.sock.close()

    def reset(self) -> None:
        """Vanishes: a RST on TCP, pending bytes thrown away."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        (self.sock.abort if isinstance(self.sock, TlsSocket) else self.sock.close)()

    def exchange(self, data: bytes, method: str = "GET") -> Response:
        """Sends one request and reads its response."""
        self.send(data)
        return self.response(method)

    # what the client expects

    def response(
        self, method: str | None = "GET", *, may_be_cut: bool = False, upgrade: bool = False
    ) -> Response:
        """Reads exactly one final response to a request of that method.

        :param method: None where the application says it in the field X-Method.
        :param upgrade: the request asked for another protocol, so that 101 is final.
        :raises ProtocolError: it breaks HTTP/1.1.
        :raises CutError: the connection ended inside it; with `may_be_cut` only if inside its head.
        """
        interim: list[Response] = []
        while True:
            answer = self._head()
            if answer.status >= 200:
                break
            if answer.all("content-length") or answer.all("transfer-encoding"):
                raise ProtocolError(f"{answer.status} with framing: {answer.headers}")
            if answer.status == 101:
                if not upgrade:
                    raise ProtocolError(f"101 that nobody asked for: {answer.headers}")
                return answer
            interim.append(answer)
        answer.interim = [info.status for info in interim]
        answer.hints = [info.headers for info in interim]
        self._check_final_head(answer)
        try:
            self._body(answer, method or answer.get("x-method") or "GET")
        except CutError:
            answer.complete = False
            self.buffer.clear()
            if not may_be_cut:
                raise
        return answer

    def await_bytes(self, data: bytes) -> None:
        """Waits until these bytes have come, and leaves them to be read."""
        while data not in self.buffer:
            self._more()

    def expect_closed(self) -> None:
        """The server ends the connection properly, and sends nothing before that."""
        try:
            while self._fill():
                pass
        except ConnectionResetError as error:
            raise ProtocolError("reset where a proper end was due") from error
        except TimeoutError as error:
            raise ProtocolError("the connection stays open") from error
        if self.buffer:
            raise ProtocolError(f"bytes where the end was due: {bytes(self.buffer[:200])!r}")

    def expect_gone(self) -> bytes:
        """The server ends the connection, by FIN or RST; returns the bytes that came before."""
        try:
            while self._fill():
                pass
        except ConnectionResetError:
            pass
        except TimeoutError as error:
            raise ProtocolError("the connection stays open") from error
        rest = bytes(self.buffer)
        self.buffer.clear()
        return rest

    def answered(self) -> bool:
        """True where one whole response comes and then the end, false where a reset comes."""
        with self:
            try:
                self.response()
            except CutError:
                if self.buffer:
                    raise
                return False
            self.expect_closed()
        return True

    def expect_silence(self, seconds: float = 0.3) -> None:
        """Nothing comes and nothing ends for that long."""
        if self.buffer:
            raise ProtocolError(f"bytes where none were due: {bytes(self.buffer[:200])!r}")
        if readable(self.sock, seconds):
            raise ProtocolError(f"woken where silence was due: {self.sock.recv(200)!r}")

    # reading

    def at_end(self) -> bool:
        """True at the connection's proper end, false as soon as there is something to read."""
        return not self.buffer and not self._fill()

    def _fill(self) -> bool:
        data = self.sock.recv(1 << 16)
        self.buffer += data
        self.ended = self.ended or not data
        return bool(data)

    def _take_what_is_there(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while readable(self.sock, 0) and time.monotonic() < deadline:
            try:
                if not self._fill():
                    return
            except ConnectionResetError:
                return

    def _more(self) -> None:
        try:
            if not self._fill():
                raise CutError("end of the connection inside a response")
        except ConnectionResetError as error:
            raise CutError("reset inside a response") from error

    def _line(self) -> bytes:
        while (end := self.buffer.find(b"\n")) < 0:
            self._more()
        line = bytes(self.buffer[: end + 1])
        del self.buffer[: end + 1]
        if not line.endswith(b"\r\n") or b"\r" in line[:-2]:
            raise ProtocolError(f"a line that does not end in exactly CRLF: {line!r}")
        return line[:-2]

    def _exactly(self, count: int) -> bytes:
        while len(self.buffer) < count:
            self._more()
        data = bytes(self.buffer[:count])
        del self.buffer[:count]
        return data

    def _fields(self) -> list[tuple[str, str]]:
        fields = []
        while line := self._line():
            name, colon, value = line.partition(b":")
            if not colon or not _TOKEN.match(name) or not _FIELD_VALUE.match(value):
                raise ProtocolError(f"not a field line: {line!r}")
            fields.append((name.decode("ascii"), value.strip(b" \t").decode("latin-1")))
        return fields

    def _head(self) -> Response:
        line = self._line()
        match = _STATUS_LINE.match(line)
        if match is None:
            raise ProtocolError(f"not a status line: {line!r}")
        minor, status, reason = match.groups()
        return Response(int(minor), int(status), reason.decode("latin-1"), self._fields())

    def _check_final_head(self, answer: Response) -> None:
        date = answer.get("date")
        if date is None or not _DATE.match(date):
            raise ProtocolError(f"Date is missing or wrong: {date!r}")
        lengths = answer.all("content-length")
        codings = answer.all("transfer-encoding")
        if len(lengths) + len(codings) > 1:
            raise ProtocolError(f"more than one framing: {lengths} {codings}")
        if lengths and not re.fullmatch(r"[0-9]+", lengths[0]):
            raise ProtocolError(f"Content-Length: {lengths[0]!r}")
        if codings and codings[0] != "chunked":
            raise ProtocolError(f"Transfer-Encoding: {codings[0]!r}")
        # RFC 9110 section 8.6, RFC 9112 section 6.1
        if answer.status == 204 and (lengths or codings):
            raise ProtocolError(f"204 with framing: {answer.headers}")
        if answer.status == 304 and codings:
            raise ProtocolError(f"304 with Transfer-Encoding: {answer.headers}")

    def _body(self, answer: Response, method: str) -> None:
        # RFC 9112 section 6.3
        if method == "HEAD" or answer.status in (204, 304):
            return
        length = answer.get("content-length")
        if answer.get("transfer-encoding"):
            answer.framing = "chunked"
            self._chunked_body(answer)
        elif length is not None:
            answer.framing = "length"
            self._length_body(answer, int(length))
        else:
            answer.framing = "close"
            if "close" not in answer.tokens:
                raise ProtocolError(f"a body without an end: {answer.headers}")
            self._close_body(answer)

    def _length_body(self, answer: Response, length: int) -> None:
        try:
            answer.body = self._exactly(length)
        except CutError:
            answer.body = bytes(self.buffer)
            self.buffer.clear()
            raise

    def _chunked_body(self, answer: Response) -> None:
        while True:
            line = self._line()
            if not re.fullmatch(rb"[0-9a-fA-F]{1,16}", line):
                raise ProtocolError(f"not a chunk size: {line!r}")
            size = int(line, 16)
            if size == 0:
                break
            answer.pieces.append(size)
            answer.body += self._exactly(size)
            if self._exactly(2) != b"\r\n":
                raise ProtocolError("chunk data is not followed by CRLF")
        answer.trailers = self._fields()
        if answer.trailers and not self.takes_trailers:
            raise ProtocolError(f"trailers that nobody asked for: {answer.trailers}")

    def _close_body(self, answer: Response) -> None:
        try:
            while self._fill():
                pass
        except ConnectionResetError as error:
            raise CutError("reset inside a body that the end of the connection ends") from error
        finally:
            answer.body = bytes(self.buffer)
            self.buffer.clear()
