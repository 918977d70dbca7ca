"""Messages and frames: RFC 6455 sections 5 to 7."""

import struct

import pytest

from .client import Client
from .conftest import OpenSocket, Serve
from .harness import Server
from .rules import RULES
from .ws_client import (
    BINARY,
    CLOSE,
    CONTINUATION,
    PING,
    PONG,
    TEXT,
    close_frame,
    frame,
    handshake,
    random_mask,
    switched,
)

pytestmark = pytest.mark.matrix("loop")

TEXTS = ["", "a", "é€🐍", "x" * 125, "x" * 126, "é" * 40_000, "y" * 65_535, "z" * 65_536]


@pytest.mark.matrix("transport", "loop")
def test_echo(asgi: Server) -> None:
    with switched(asgi.connect(), handshake()) as ws:
        for text in TEXTS:
            ws.send(text)
            assert ws.message() == text
            ws.send(text.encode())
            assert ws.message() == text.encode()
        large = bytes(range(256)) * 12_000
        ws.client.send(frame(BINARY, large, mask=random_mask()))
        assert ws.message() == large


def test_masks(open_socket: OpenSocket) -> None:
    """Every length around the width of a vector, at every place in memory that comes."""
    payload = bytes(range(200))
    with open_socket() as ws:
        for length in range(len(payload)):
            for mask in (b"\0\0\0\0", b"\xff\xff\xff\xff", b"\1\2\3\4"):
                ws.client.send(frame(BINARY, payload[:length], mask=mask))
        for length in range(len(payload)):
            for _ in range(3):
                assert ws.message() == payload[:length]


def test_many_messages_in_one_segment(open_socket: OpenSocket) -> None:
    with open_socket() as ws:
        texts = [f"message {number}" for number in range(1000)]
        ws.client.send(b"".join(frame(TEXT, text.encode()) for text in texts))
        assert [ws.message() for _ in texts] == texts


def test_frames_byte_by_byte(open_socket: OpenSocket) -> None:
    with open_socket() as ws:
        ws.client.send_each(frame(TEXT, "é€".encode()) + frame(BINARY, bytes(130)))
        assert [ws.message(), ws.message()] == ["é€", bytes(130)]


@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_fragments(open_socket: OpenSocket, opcode: int) -> None:
    """Of any size, empty ones too, inside a character, with control frames between them."""
    data = "é€🐍 fragments".encode() * 50
    with open_socket() as ws:
        for size in (1, 2, 3, 7, 100):
            pieces = [data[at : at + size] for at in range(0, len(data), size)]
            frames = [frame(opcode, b"", fin=False)]
            frames += [frame(CONTINUATION, piece, fin=False) for piece in pieces]
            frames.insert(2, frame(PING, b"between"))
            ws.client.send(b"".join(frames) + frame(CONTINUATION))
            got = ws.message()
            assert (got if isinstance(got, bytes) else got.encode()) == data
        assert ws.pongs == [b"between"] * 5


def test_subclasses_and_views_are_sent(asgi: Server) -> None:
    for literal, expected in (("{'bytes': b'x', 'text': None}", b"x"), ("{'text': 'x'}", "x")):
        with switched(
            asgi.connect(), handshake(f"/whole?message={literal}".replace(" ", "%20"))
        ) as ws:
            assert ws.message() == expected


def test_pings_are_answered_while_the_application_sleeps(serve: Serve) -> None:
    server = serve("asgi_probe:app")
    with switched(server.connect(), handshake("/asleep")) as ws:
        server.await_event("asleep")
        for payload in (b"", b"ping", bytes(125)):
            ws.client.send(frame(PING, payload))
            ws.expect_pong(payload)
        ws.client.send(frame(PONG, b"unasked"))  # RFC 6455 section 5.5.3: allowed
        ws.client.send(frame(PING, b"last"))
        ws.expect_pong(b"last")
        assert "awake" not in server.events
        (server.directory / "wake").touch()
        ws.send("")
        assert ws.message() == "1 0"


BROKEN = {
    "unmasked": (frame(TEXT, b"x", mask=None), 1002, "ERR_WS_UNMASKED"),
    "unmasked-ping": (frame(PING, b"", mask=None), 1002, "ERR_WS_UNMASKED"),
    "reserved-1": (frame(TEXT, b"x", rsv=4), 1002, "ERR_WS_RESERVED"),
    "reserved-2": (frame(TEXT, b"x", rsv=2), 1002, "ERR_WS_RESERVED"),
    "reserved-3": (frame(BINARY, b"x", rsv=1), 1002, "ERR_WS_RESERVED"),
    "opcode-3": (frame(3, b"x"), 1002, "ERR_WS_OPCODE"),
    "opcode-11": (frame(11), 1002, "ERR_WS_OPCODE"),
    "long-form-16": (frame(TEXT, b"x", form=16), 1002, "ERR_WS_LENGTH"),
    "long-form-64": (frame(TEXT, b"x" * 200, form=64), 1002, "ERR_WS_LENGTH"),
    "ping-fragment": (frame(PING, b"x", fin=False), 1002, "ERR_WS_CONTROL"),
    "ping-126": (frame(PING, bytes(126)), 1002, "ERR_WS_CONTROL"),
    "close-126": (frame(CLOSE, struct.pack("!H", 1000) + b"x" * 124), 1002, "ERR_WS_CONTROL"),
    "continuation": (frame(CONTINUATION, b"x"), 1002, "ERR_WS_CONTINUATION"),
    "inside": (frame(TEXT, b"x", fin=False) + frame(TEXT, b"y"), 1002, "ERR_WS_CONTINUATION"),
    "close-1-byte": (frame(CLOSE, b"\3"), 1002, "ERR_WS_CLOSE"),
    "close-0": (close_frame(0), 1002, "ERR_WS_CLOSE"),
    "close-999": (close_frame(999), 1002, "ERR_WS_CLOSE"),
    "close-1005": (close_frame(1005), 1002, "ERR_WS_CLOSE"),
    "close-1006": (close_frame(1006), 1002, "ERR_WS_CLOSE"),
    "close-1015": (close_frame(1015), 1002, "ERR_WS_CLOSE"),
    "close-5000": (close_frame(5000), 1002, "ERR_WS_CLOSE"),
    "close-utf8": (close_frame(1000, b"\xff"), 1007, "ERR_WS_UTF8"),
    "utf8": (frame(TEXT, b"caf\xe9"), 1007, "ERR_WS_UTF8"),
    "utf8-surrogate": (frame(TEXT, b"\xed\xa0\x80"), 1007, "ERR_WS_UTF8"),
    "utf8-overlong": (frame(TEXT, b"\xc0\xaf"), 1007, "ERR_WS_UTF8"),
    "utf8-beyond": (frame(TEXT, b"\xf4\x90\x80\x80"), 1007, "ERR_WS_UTF8"),
    "utf8-cut": (frame(TEXT, b"x\xe2\x82"), 1007, "ERR_WS_UTF8"),
    "utf8-fragments": (
        frame(TEXT, b"\xe2", fin=False) + frame(CONTINUATION, b"\x28\xa1"),
        1007,
        "ERR_WS_UTF8",
    ),
    # said as soon as it can be known, not when the message is whole
    "utf8-early": (frame(TEXT, b"\xff", fin=False), 1007, "ERR_WS_UTF8"),
    "too-big": (
        b"\x82\xff" + struct.pack("!Q", (16 << 20) + 1) + bytes(4),
        1009,
        "ERR_WS_TOO_BIG",
    ),
    "huge": (b"\x82\xff" + struct.pack("!Q", (1 << 63) - 1) + bytes(4), 1009, "ERR_WS_TOO_BIG"),
    "negative": (b"\x82\xff" + struct.pack("!Q", 1 << 63) + bytes(4), 1002, "ERR_WS_LENGTH"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_frames(asgi: Server, name: str) -> None:
    """The code of RFC 6455 section 7.4.1, one log line, an end; what came before is delivered."""
    data, code, rule = BROKEN[name]
    with switched(asgi.connect(), handshake("/lengths")) as ws:
        ws.send("before")
        assert ws.message() == "str 6"
        ws.client.send(data)
        ws.expect_failed(code)
    asgi.await_log(RULES[rule].text)
    assert asgi.log.count(RULES[rule].text) == 1
    assert asgi.await_event_of("disconnect").startswith(f"disconnect {code} ")


CODES = [1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 4999]


@pytest.mark.parametrize("code", CODES)
def test_close_of_the_client(asgi: Server, code: int) -> None:
    with switched(asgi.connect(), handshake("/echo")) as ws:
        ws.close(code, "räson".encode())
        ws.client.expect_closed()
    asgi.await_event(f"disconnect {code} 'räson'")


def test_close_without_a_code(asgi: Server) -> None:
    with switched(asgi.connect(), handshake("/echo")) as ws:
        ws.close(None)
        ws.client.expect_closed()
    asgi.await_event("disconnect 1005 ''")


@pytest.mark.parametrize("way", [Client.close, Client.reset], ids=["fin", "rst"])
def test_client_that_vanishes(asgi: Server, way: object) -> None:
    ws = switched(asgi.connect(), handshake("/echo"))
    ws.send("x")
    assert ws.message() == "x"
    way(ws.client)  # type: ignore[operator]
    asgi.await_event("disconnect 1006 ''")


@pytest.mark.parametrize(
    ("query", "code", "reason"),
    [
        ("?", 1000, b""),
        ("?code=1000", 1000, b""),
        ("?code=1001&reason=bye", 1001, b"bye"),
        ("?code=3000&reason=%C3%A9", 3000, "é".encode()),
        ("?code=4999&messages=1", 4999, b""),
        ("?code=1011&reason=" + "x" * 123, 1011, b"x" * 123),
    ],
)
def test_close_of_the_application(asgi: Server, query: str, code: int, reason: bytes) -> None:
    with switched(asgi.connect(), handshake("/close" + query)) as ws:
        if "messages" in query:
            ws.send("x")
        assert ws.expect_close_and_answer() == (code, reason)
    asgi.await_event("closed")
    asgi.await_event_of("refused ")
    assert "sent" not in asgi.events


def test_close_that_the_client_does_not_answer(asgi: Server) -> None:
    """It is told that it is over all the same when it goes."""
    ws = switched(asgi.connect(), handshake("/close?code=4000&listen="))
    assert ws.expect_close() == (4000, b"")
    ws.client.reset()
    asgi.await_event("closed")
    asgi.await_event_of("disconnect ")


def test_frames_behind_a_close_are_nothing(asgi: Server) -> None:
    """RFC 6455 section 5.5.1."""
    with switched(asgi.connect(), handshake("/echo")) as ws:
        ws.client.send(close_frame() + frame(TEXT, b"late") + b"garbage")
        assert ws.expect_close() == (1000, b"")
        ws.client.expect_gone()
    asgi.await_event("disconnect 1000 ''")


@pytest.mark.parametrize("way", [Client.close, Client.reset], ids=["fin", "rst"])
def test_send_to_a_client_that_vanished(asgi: Server, way: object) -> None:
    ws = switched(asgi.connect(), handshake("/send-after-end"))
    way(ws.client)  # type: ignore[operator]
    asgi.await_event("refused True", 2)
    asgi.await_event("disconnect 1006 ''", 2)
    assert "sent" not in asgi.events


def test_send_that_waits_is_woken(asgi: Server) -> None:
    """The client goes while the application waits for it to read."""
    ws = switched(asgi.connect(), handshake("/flood?size=100000"))
    ws.client.sock.recv(1)
    ws.client.reset()
    asgi.await_event("cut")
    asgi.await_event("disconnect 1006 ''")


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("?at=accepted", 1000),
        ("?at=later", 1000),
        ("?at=accepted&raise=ValueError", 1011),
        ("?at=later&raise=ValueError", 1011),
        ("?at=later&raise=SystemExit", 1011),
        ("?at=later&raise=KeyboardInterrupt", 1011),
        ("?at=later&raise=CancelledError", 1011),
    ],
)
def test_application_that_ends(asgi: Server, query: str, code: int) -> None:
    """Without a close of its own: 1000 where it returned, 1011 where it failed."""
    asgi.tracebacks_expected = True
    with switched(asgi.connect(), handshake("/quit" + query)) as ws:
        if "later" in query:
            assert ws.message() == "soon"
        got, reason = ws.expect_close_and_answer()
        assert got == code
        assert b"on purpose" not in reason
    if "Error" in query and "Cancelled" not in query:
        asgi.await_log("on purpose")
    with switched(asgi.connect(), handshake("/echo")) as ws:
        ws.send("x")
        assert ws.message() == "x"


def test_sending_and_receiving_in_two_tasks(open_socket: OpenSocket) -> None:
    with open_socket("/duplex") as ws:
        for number in range(200):
            ws.send(f"{number}")
        assert [ws.message() for _ in range(200)] == [f"{number}" for number in range(200)]


def test_flood_to_a_client_that_reads(open_socket: OpenSocket) -> None:
    with open_socket("/flood?size=10000&count=2000") as ws:
        for _ in range(2000):
            assert len(ws.message()) == 10_000
