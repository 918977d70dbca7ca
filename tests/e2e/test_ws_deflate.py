"""permessage-deflate, RFC 7692."""

import zlib

import pytest

from .conftest import OpenSocket, Serve
from .harness import Server
from .rules import RULES
from .ws_client import BINARY, CONTINUATION, PING, TEXT, WebSocket, frame, handshake, switched

pytestmark = pytest.mark.matrix("loop")

TEXTS = ["", "Hello", "Hello", "é€🐍" * 1000, "a" * 100_000, "the quick brown fox " * 500]

OFFERS = [
    "permessage-deflate",
    "permessage-deflate; client_max_window_bits",
    "permessage-deflate; client_no_context_takeover",
    "permessage-deflate; server_no_context_takeover",
    "permessage-deflate; server_no_context_takeover; client_no_context_takeover",
    "permessage-deflate; client_max_window_bits=10",
    "permessage-deflate; server_max_window_bits=10",
    "permessage-deflate; server_max_window_bits=9; client_max_window_bits=9",
    'permessage-deflate; client_max_window_bits="12"',
    "x-unknown, permessage-deflate",
    "permessage-deflate; unknown=1, permessage-deflate; client_no_context_takeover",
]


def offered(extensions: str) -> list[tuple[str, str]]:
    """The header of an offer."""
    return [("Sec-WebSocket-Extensions", extensions)]


@pytest.mark.parametrize("offer", OFFERS)
def test_echo(asgi: Server, offer: str) -> None:
    """Compressed and not, in frames and fragments; what is negotiated is kept by both sides."""
    with switched(asgi.connect(), handshake("/echo", offered(offer))) as ws:
        assert ws.deflates
        extension = ws.answer.get("sec-websocket-extensions") or ""
        last = offer.rpartition(",")[2]
        for parameter in ("client_no_context_takeover", "server_no_context_takeover"):
            if parameter in last:
                assert parameter in extension
        if "server_max_window_bits" in last:
            assert "server_max_window_bits" in extension
        if "client_max_window_bits" not in last:
            assert "client_max_window_bits" not in extension
        for text in TEXTS * 2:
            ws.send(text, compress=True)
            assert ws.message() == text
            ws.send(text.encode())
            assert ws.message() == text.encode()
        coded = ws.compressed("fragments é".encode())
        ws.client.send(frame(TEXT, coded[:3], fin=False, rsv=4) + frame(PING))
        ws.client.send(frame(CONTINUATION, coded[3:4], fin=False) + frame(CONTINUATION, coded[4:]))
        assert ws.message() == "fragments é"
        assert ws.compressed_messages > 0


@pytest.mark.parametrize(
    "offer",
    [
        "permessage-deflate; server_max_window_bits=7",
        "permessage-deflate; server_max_window_bits=16",
        "permessage-deflate; server_max_window_bits",
        "permessage-deflate; client_max_window_bits=0",
        "permessage-deflate; client_no_context_takeover=1",
        "permessage-deflate; server_no_context_takeover; server_no_context_takeover",
        "permessage-deflate; unknown",
        "permessage-bzip2",
        "x-webkit-deflate-frame",
    ],
)
def test_offers_that_are_declined(asgi: Server, offer: str) -> None:
    """RFC 7692 section 7.1: an offer that is not valid is passed over; the rest works."""
    with switched(asgi.connect(), handshake("/echo", offered(offer))) as ws:
        assert not ws.deflates
        ws.send("plain")
        assert ws.message() == "plain"


def test_turned_off(serve: Serve) -> None:
    server = serve("asgi_probe:app", "--no-ws-per-message-deflate")
    with switched(server.connect(), handshake("/echo", offered(OFFERS[0]))) as ws:
        assert not ws.deflates
        ws.send("plain")
        assert ws.message() == "plain"


def bomb(size: int) -> bytes:
    """Zeros of that size, compressed."""
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    data = b"".join(deflater.compress(bytes(1 << 20)) for _ in range(size >> 20))
    return data + deflater.flush(zlib.Z_SYNC_FLUSH)[:-4]


@pytest.mark.parametrize("fragments", [1, 4])
def test_bomb(open_socket: OpenSocket, asgi: Server, fragments: int) -> None:
    """HTTP-RULES 22: 16 MiB counts behind the inflater too."""
    data = bomb(64 << 20)
    step = len(data) // fragments + 1
    pieces = [data[at : at + step] for at in range(0, len(data), step)]
    with open_socket("/echo", offered(OFFERS[0])) as ws:
        ws.client.send_as_far_as_taken(
            b"".join(
                frame(
                    CONTINUATION if number else BINARY,
                    piece,
                    rsv=0 if number else 4,
                    fin=number == len(pieces) - 1,
                )
                for number, piece in enumerate(pieces)
            )
        )
        ws.expect_failed(1009)
    asgi.await_log(RULES["ERR_WS_TOO_BIG"].text)


@pytest.mark.parametrize(
    ("data", "code", "rule"),
    [
        (frame(TEXT, b"\xff\xff\xff", rsv=4), 1007, "ERR_WS_DEFLATE"),
        (frame(CONTINUATION, b"", rsv=4), 1002, ""),
        (frame(PING, b"", rsv=4), 1002, "ERR_WS_RESERVED"),
        (frame(TEXT, zlib.compress(b"\xff\xfe" * 10, 9)[2:-4], rsv=4), 1007, "ERR_WS_UTF8"),
    ],
)
def test_broken_compression(
    open_socket: OpenSocket, asgi: Server, data: bytes, code: int, rule: str
) -> None:
    with open_socket("/echo", offered(OFFERS[0])) as ws:
        ws.client.send(data)
        got, _ = ws.expect_close()
        ws.client.expect_gone()
        assert got in (code, 1002) if rule == "ERR_WS_DEFLATE" else got == code
    if rule:
        asgi.await_log(RULES[rule].text)


def kept(ws: WebSocket, text: str) -> int:
    """The length of what the client's compressed message takes once the context knows it."""
    lengths = []
    for _ in range(2):
        ws.send(text, compress=True)
        got = ws.frame()
        lengths.append(len(got.payload))
        assert got.rsv == 4
        ws._inflated(got.payload)
    return lengths[1] - lengths[0]


def test_context_is_taken_over_or_not(open_socket: OpenSocket) -> None:
    """The second message is smaller exactly where the server keeps its window, of 4 KiB."""
    text = "".join(chr(0x4E00 + number * 37 % 20_000) for number in range(1000))
    with open_socket("/echo", offered(OFFERS[0])) as ws:
        assert kept(ws, text) < 0
    with open_socket("/echo", offered("permessage-deflate; server_no_context_takeover")) as ws:
        assert kept(ws, text) == 0


def test_window_outlasts_a_final_block(open_socket: OpenSocket) -> None:
    """RFC 7692 sections 7.2.3.4 and 7.2.3.2: the next message, or block, may refer to it."""
    final = b"\xf3\x48\xcd\xc9\xc9\x07\x00"
    with open_socket("/echo", offered(OFFERS[0])) as ws:
        for payload, text in (
            (final + b"\x00", "Hello"),
            (b"\xf2\x00\x11\x00\x00", "Hello"),
            (final + b"\xf3\x00\x11\x00\x00", "HelloHello"),
        ):
            ws.client.send(frame(TEXT, payload, rsv=4))
            assert ws.message() == text
