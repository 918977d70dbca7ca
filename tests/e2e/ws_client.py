"""A raw WebSocket client that believes nothing: it sends frames as a test says and checks every
frame of the server against RFC 6455 and RFC 7692 while it reads it."""

from __future__ import annotations

import base64
import hashlib
import os
import re
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from .client import Client, ProtocolError, Response, request

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10
GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
KEY = base64.b64encode(bytes(range(16))).decode()
DEFLATE = "permessage-deflate; client_max_window_bits"
TAIL = b"\0\0\xff\xff"

Headers = Iterable[tuple[str, str]]


def handshake(
    target: str = "/echo",
    headers: Headers = (),
    *,
    without: Iterable[str] = (),
    method: str = "GET",
    version: str = "HTTP/1.1",
    body: bytes | None = None,
) -> bytes:
    """A client's handshake, RFC 6455 section 4.1.

    :param headers: fields that replace ours of the same name, or come behind them.
    :param without: names of our fields that are left out.
    """
    fields = {
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Key": KEY,
        "Sec-WebSocket-Version": "13",
    }
    gone = {name.lower() for name, _ in headers} | {name.lower() for name in without}
    kept = [(name, value) for name, value in fields.items() if name.lower() not in gone]
    return request(method, target, [*kept, *headers], body, version=version)


def frame(
    opcode: int,
    payload: bytes = b"",
    *,
    fin: bool = True,
    rsv: int = 0,
    mask: bytes | None = b"\x12\x34\x56\x78",
    form: int | None = None,
) -> bytes:
    """The bytes of one frame, RFC 6455 section 5.2.

    :param mask: None for an unmasked one.
    :param form: 7, 16 or 64 bits of length where it is not to be the shortest.
    """
    length = len(payload)
    form = form or (7 if length < 126 else 16 if length < 1 << 16 else 64)
    masked = 0 if mask is None else 0x80
    head = bytes([fin << 7 | rsv << 4 | opcode])
    if form == 7:
        head += bytes([masked | length])
    elif form == 16:
        head += struct.pack("!BH", masked | 126, length)
    else:
        head += struct.pack("!BQ", masked | 127, length)
    if mask is None:
        return head + payload
    return head + mask + apply_mask(payload, mask)


def apply_mask(payload: bytes, mask: bytes) -> bytes:
    """The payload, masked or unmasked: RFC 6455 section 5.3."""
    if mask == bytes(4) or not payload:
        return payload
    stream = (mask * (len(payload) // 4 + 1))[: len(payload)]
    number = int.from_bytes(payload, "big") ^ int.from_bytes(stream, "big")
    return number.to_bytes(len(payload), "big")


def close_frame(code: int | None = 1000, reason: bytes = b"") -> bytes:
    """A Close frame; without a code an empty one."""
    return frame(CLOSE, b"" if code is None else struct.pack("!H", code) + reason)


@dataclass(frozen=True)
class Frame:
    """One frame of the server."""

    fin: bool
    rsv: int
    opcode: int
    payload: bytes


class WebSocket:
    """An open WebSocket. Used as a context, it closes at the end where the test has not."""

    def __init__(self, client: Client, answer: Response) -> None:
        self.client = client
        self.answer = answer
        self.closed = False
        self.pongs: list[bytes] = []
        self.pings: list[bytes] = []
        self.answers_pings = True
        self.compressed_messages = 0
        self._deflate: dict[str, int] | None = None
        if extension := answer.get("sec-websocket-extensions"):
            self._deflate = negotiated(extension)
        self._inflater: Any = None
        self._deflater: Any = None

    def __enter__(self) -> WebSocket:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None and not self.closed:
                self.close()
        finally:
            self.client.sock.close()

    # sending

    def send(self, data: str | bytes, *, compress: bool = False) -> None:
        """One message in one frame."""
        self.client.send(self.coded(data, compress=compress))

    def coded(self, data: str | bytes, *, compress: bool = False) -> bytes:
        """The frame of one message."""
        opcode = TEXT if isinstance(data, str) else BINARY
        payload = data.encode() if isinstance(data, str) else data
        if compress:
            return frame(opcode, self.compressed(payload), rsv=4)
        return frame(opcode, payload)

    def compressed(self, payload: bytes) -> bytes:
        """A message's payload compressed, RFC 7692 section 7.2.1."""
        assert self._deflate is not None, "no permessage-deflate was negotiated"
        if self._deflater is None or "client_no_context_takeover" in self._deflate:
            bits = self._deflate.get("client_max_window_bits", 15)
            self._deflater = zlib.compressobj(9, zlib.DEFLATED, -max(bits, 9))
        data = self._deflater.compress(payload) + self._deflater.flush(zlib.Z_SYNC_FLUSH)
        return data.removesuffix(TAIL)

    def close(self, code: int | None = 1000, reason: bytes = b"") -> None:
        """The closing handshake from our side: the server echoes the code and ends."""
        self.client.send(close_frame(code, reason))
        answer = self.expect_close()
        assert answer[0] == (1005 if code is None else code), answer

    # receiving

    @property
    def deflates(self) -> bool:
        """True where permessage-deflate was negotiated."""
        return self._deflate is not None

    def frame(self) -> Frame:
        """The next frame as it came, with the rules of section 5 checked."""
        first, second = self.client._exactly(2)
        fin, rsv, opcode = bool(first & 0x80), first >> 4 & 7, first & 15
        length = second & 0x7F
        if second & 0x80:
            raise ProtocolError("a masked frame of a server")
        if opcode not in (CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG):
            raise ProtocolError(f"opcode {opcode}")
        if rsv not in (0, 4) or (rsv and (opcode not in (TEXT, BINARY) or not self.deflates)):
            raise ProtocolError(f"reserved bits {rsv} with opcode {opcode}")
        if opcode >= CLOSE and (not fin or length > 125):
            raise ProtocolError("a control frame in fragments or longer than 125 bytes")
        if length == 126:
            (length,) = struct.unpack("!H", self.client._exactly(2))
            if length < 126:
                raise ProtocolError("a length that is not in its shortest form")
        elif length == 127:
            (length,) = struct.unpack("!Q", self.client._exactly(8))
            if length < 1 << 16 or length >> 63:
                raise ProtocolError("a length that is not in its shortest form")
        return Frame(fin, rsv, opcode, self.client._exactly(length))

    def message(self) -> str | bytes:
        """The next message; pings are answered, pings and pongs kept aside.

        :raises ProtocolError: a Close comes instead.
        """
        first = self._data_frame()
        if first.opcode == CLOSE:
            raise ProtocolError(f"closed where a message was due: {first.payload!r}")
        if first.opcode == CONTINUATION:
            raise ProtocolError("a continuation of nothing")
        payload, last = first.payload, first
        while not last.fin:
            last = self._data_frame()
            if last.opcode != CONTINUATION or last.rsv:
                raise ProtocolError(f"a message inside a message: {last}")
            payload += last.payload
        if first.rsv:
            payload = self._inflated(payload)
        return payload.decode() if first.opcode == TEXT else payload

    def expect_close(self) -> tuple[int, bytes]:
        """The server closes: a Close frame, then the end of the connection.

        :returns: the code, 1005 where the frame had none, and the reason.
        """
        end = self._data_frame()
        if end.opcode != CLOSE:
            raise ProtocolError(f"a message where the end was due: {end}")
        self.closed = True
        code, reason = 1005, b""
        if end.payload:
            (code,) = struct.unpack("!H", end.payload[:2])
            reason = end.payload[2:]
            reason.decode()
        return code, reason

    def expect_close_and_answer(self) -> tuple[int, bytes]:
        """The server begins the closing handshake; we complete it, and it ends the connection."""
        code, reason = self.expect_close()
        self.client.send(close_frame(None if code == 1005 else code))
        self.client.expect_closed()
        return code, reason

    def expect_failed(self, code: int) -> None:
        """The server fails the connection with that code, RFC 6455 section 7.1.7."""
        assert self.expect_close()[0] == code
        self.client.expect_gone()

    def expect_pong(self, payload: bytes) -> None:
        """The next frame is a pong with that payload."""
        pong = self.frame()
        assert (pong.opcode, pong.payload) == (PONG, payload)

    def _data_frame(self) -> Frame:
        while True:
            got = self.frame()
            if got.opcode == PING:
                self.pings.append(got.payload)
                if self.answers_pings:
                    self.client.send(frame(PONG, got.payload))
            elif got.opcode == PONG:
                self.pongs.append(got.payload)
            else:
                return got

    def _inflated(self, payload: bytes) -> bytes:
        assert self._deflate is not None
        self.compressed_messages += 1
        if self._inflater is None or "server_no_context_takeover" in self._deflate:
            bits = self._deflate.get("server_max_window_bits", 15)
            self._inflater = zlib.decompressobj(-max(bits, 9))
        data: bytes = self._inflater.decompress(payload + TAIL)
        if self._inflater.unconsumed_tail or self._inflater.unused_data:
            raise ProtocolError("bytes behind a compressed message")
        return data


def negotiated(extension: str) -> dict[str, int]:
    """The parameters of an accepted permessage-deflate, RFC 7692 section 7.1."""
    name, *parameters = [part.strip() for part in extension.split(";")]
    if name != "permessage-deflate":
        raise ProtocolError(f"an extension that nobody offered: {extension}")
    found: dict[str, int] = {}
    for parameter in parameters:
        match = re.fullmatch(r"((?:server|client)_\w+)(?:=(\d+))?", parameter)
        if match is None or match[1] in found:
            raise ProtocolError(f"a parameter that is wrong or stands twice: {extension}")
        found[match[1]] = int(match[2] or 0)
        if match[1].endswith("max_window_bits") and not 8 <= found[match[1]] <= 15:
            raise ProtocolError(f"a window that is none: {extension}")
    return found


def check_switch(answer: Response, key: str = KEY) -> None:
    """The server has accepted the handshake: RFC 6455 section 4.2.2."""
    assert answer.status == 101, answer
    assert (answer.get("upgrade") or "").lower() == "websocket"
    assert answer.tokens == {"upgrade"}
    digest = hashlib.sha1(key.encode() + GUID).digest()
    assert answer.get("sec-websocket-accept") == base64.b64encode(digest).decode()


def switched(client: Client, data: bytes) -> WebSocket:
    """The WebSocket that this handshake opens on a new connection."""
    client.send(data)
    answer = client.response(upgrade=True)
    check_switch(answer)
    return WebSocket(client, answer)


def random_mask() -> bytes:
    """A mask as real clients use."""
    return os.urandom(4)
