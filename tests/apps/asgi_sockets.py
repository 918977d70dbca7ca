"""The WebSocket side of asgi_probe.py: the path chooses what is done, the query says how."""

from __future__ import annotations

import ast
import asyncio
import json
from typing import Any

from asgi_parts import (
    EXCEPTIONS,
    Handler,
    Message,
    Query,
    Receive,
    Scope,
    Send,
    gate,
    perform,
    typed,
)
from probe import note, pattern


async def accept(receive: Receive, send: Send, query: Query) -> None:
    """Takes websocket.connect and accepts; `subprotocol=`, `header=Name: value`."""
    message = await receive()
    assert message == {"type": "websocket.connect"}, message
    answer: Message = {"type": "websocket.accept"}
    for key, value in query:
        if key == "subprotocol":
            answer["subprotocol"] = value
        elif key == "header":
            name, _, text = value.partition(":")
            answer.setdefault("headers", []).append((name.encode(), text.strip().encode()))
    await send(answer)


def note_end(message: Message) -> None:
    """Notes how the peer went."""
    assert message["type"] == "websocket.disconnect", message
    note(f"disconnect {message['code']} {message.get('reason')!r}")


async def messages(receive: Receive) -> Any:
    """The peer's messages, until it goes, which is noted."""
    while (message := await receive())["type"] == "websocket.receive":
        text, data = message.get("text"), message.get("bytes")
        assert (text is None) != (data is None), message
        yield data if text is None else text
    note_end(message)


async def say(send: Send, data: str | bytes) -> None:
    """Sends a text or binary message."""
    await send({"type": "websocket.send", "text" if isinstance(data, str) else "bytes": data})


async def echo(scope: Scope, receive: Receive, send: Send, query: Query) -> None:
    """Every message, as it came."""
    await accept(receive, send, query)
    async for data in messages(receive):
        await say(send, data)


async def lengths(scope: Scope, receive: Receive, send: Send, query: Query) -> None:
    """The length of every message."""
    await accept(receive, send, query)
    async for data in messages(receive):
        await say(send, f"{type(data).__name__} {len(data)}")


async def scope_dump(scope: Scope, receive: Receive, send: Send, query: Query) -> None:
    """The scope as JSON that shows types, in one message."""
    await accept(receive, send, query)
    await say(send, json.dumps(typed(scope)))
    async for _ in messages(receive):
        pass


async def asleep(scope: Scope, receive: Receive, send: Send, query: Query) -> None:
    """Receives nothing before the gate opens, then says how many messages and bytes came."""
    await accept(receive, send, query)
    note("asleep")
    await gate("wake")
    note("awake")
    count = total = 0
    async for data in messages(receive):
        count, total = count + 1, total + len(data)
        if data in ("", b""):
            await say(send, f"{count} {total}")


async def flood(scope: Scope, receive: Receive, send: Send, query: Query) -> None:
    """Sends `count` messages of `size` bytes, or without end; notes how it ended."""
    options = dict(query)
    size, count = int(options["size"]), int(options.get("count", "0"))
    await accept(receive, send, query)
    sent, data = 0, pattern(size)
    try:
        while not count or sent < count:
            await say(send, data)
            sent += 1
    except OSError:
        note("cut")
        note_end(await receive())
        return
    note("end flood")
    async for _ in messages(receive):
        pass


async def close(scope: Scope, receive: Receive, send: Send, query: Query) -> None:
    """Closes with `code` and `reason` after `messages` messages, then tries to send."""
    options = dict(query)
    await accept(receive, send, query)
    for _ in range(int(options.get("messages", "0"))):
        await receive()
    message: Message = {"type": "websocket.close"}
    if "code" in options:
        message["code"] = int(options["code"])
    if "reason" in options:
        message["reason"] = options["reason"]
    await send(message)
    note("closed")
    try:
        await say(send, "late")
        note("sent")
    except Exception as error:
        note(f"refused {type(error).__name__}: {error}")
    if "listen" in options:
        note_end(await receive())


async def send_after_end(scope: Scope, receive: Receive, send: Send, query: Query) -> None:
    """Sends when the peer has gone."""
    await accept(receive, send, query)
    async for _ in messages(receive):
        pass
    for _ in range(2):
        try:
            await say(send, "late")
            note("sent")
        except Exception as error:
            note(f"refused {isinstance(error, OSError)}")
    note_end(await receive())


async def reject(scope: Scope, receive: Receive, send: Send, query: Query) -> None:
    """Refuses by websocket.close."""
    assert (await receive())["type"] == "websocket.connect"
    await send({"type": "websocket.close", "code": 4000, "reason": "not today"})
    note_end(await receive())


async def reject_whole(scope: Scope, receive: Receive, send: Send, query: Query) -> None:
    """Refuses by a response of its own, in `pieces` messages."""
    options = dict(query)
    pieces = int(options.get("pieces", "1"))
    assert (await receive())["type"] == "websocket.connect"
    headers = [(b"content-type", b"text/plain"), (b"x-why", b"because")]
    if "length" in options:
        headers.append((b"content-length", options["length"].encode()))
    await send({"type": "websocket.http.response.start", "status": 401, "headers": headers})
    for number in range(1, pieces + 1):
        more = number < pieces
        message = {"type": "websocket.http.response.body", "body": b"piece ", "more_body": more}
        await send(message)
    note("rejected")


async def wait(scope: Scope, receive: Receive, send: Send, query: Query) -> None:
    """Does not answer the handshake before the peer has gone."""
    assert (await receive())["type"] == "websocket.connect"
    note("waiting")
    note_end(await receive())


async def late(scope: Scope, receive: Receive, send: Send, query: Query) -> None:
    """Accepts when a gate opens, then echoes."""
    note("waiting")
    await gate("wake")
    await echo(scope, receive, send, query)


async def quit_early(scope: Scope, receive: Receive, send: Send, query: Query) -> None:
    """Returns, or raises what `raise` names: `at` is before, accepted or later."""
    options = dict(query)
    if options["at"] != "before":
        await accept(receive, send, query)
    if options["at"] == "later":
        await say(send, "soon")
        await asyncio.sleep(0.001)
    if "raise" in options:
        raise EXCEPTIONS[options["raise"]]("on purpose")


async def script(scope: Scope, receive: Receive, send: Send, query: Query) -> None:
    """Does what the request says, step by step: see asgi_parts.perform."""
    await perform(json.loads(dict(query)["steps"]), receive, send)


async def duplex(scope: Scope, receive: Receive, send: Send, query: Query) -> None:
    """Sends from one task what another receives."""
    await accept(receive, send, query)
    queue: asyncio.Queue[str | bytes | None] = asyncio.Queue()

    async def talk() -> None:
        while (data := await queue.get()) is not None:
            await say(send, data)

    talker = asyncio.create_task(talk())
    async for data in messages(receive):
        queue.put_nowait(data)
    queue.put_nowait(None)
    await talker


async def whole(scope: Scope, receive: Receive, send: Send, query: Query) -> None:
    """Sends the one message that the query holds as a Python literal."""
    await accept(receive, send, query)
    await send({"type": "websocket.send", **ast.literal_eval(dict(query)["message"])})
    async for _ in messages(receive):
        pass


ROUTES: dict[str, Handler] = {
    "/echo": echo,
    "/lengths": lengths,
    "/scope": scope_dump,
    "/asleep": asleep,
    "/flood": flood,
    "/close": close,
    "/send-after-end": send_after_end,
    "/reject": reject,
    "/reject-whole": reject_whole,
    "/wait": wait,
    "/late": late,
    "/quit": quit_early,
    "/script": script,
    "/duplex": duplex,
    "/whole": whole,
}


async def handle(scope: Scope, receive: Receive, send: Send, query: Query) -> None:
    """The application; a path that is no route is the scope's."""
    await ROUTES.get(scope["path"], scope_dump)(scope, receive, send, query)
