"""A bare ASGI application that the end-to-end tests look through at the server.

The path chooses what is done and the query says how. What a client cannot see (the application was
told of a disconnect, `send` has raised) is noted as a line of the file `events`, see probe.py.
WebSockets are answered by asgi_sockets.py.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import io
import itertools
import json
import os
import resource
import socket
import sys
import threading
import zlib
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import parse_qsl

import asgi_sockets
from asgi_parts import (
    EXCEPTIONS,
    Handler,
    Query,
    Receive,
    Scope,
    Send,
    gate,
    perform,
    typed,
)
from probe import note, pattern

NUMBER: contextvars.ContextVar[int] = contextvars.ContextVar("number")
NUMBERS = itertools.count()
TEXT = [(b"content-type", b"text/plain")]


async def start(send: Send, status: int = 200, headers: Any = TEXT, **more: Any) -> None:
    """Sends a response's head."""
    await send({"type": "http.response.start", "status": status, "headers": headers, **more})


async def body(send: Send, data: Any = b"", more: bool = False) -> None:
    """Sends a piece of a response's body."""
    await send({"type": "http.response.body", "body": data, "more_body": more})


async def answer_json(send: Send, value: object) -> None:
    """One JSON document with its length."""
    data = json.dumps(value).encode()
    length = str(len(data)).encode()
    await start(send, headers=[(b"content-type", b"application/json"), (b"content-length", length)])
    await body(send, data)


async def hello(scope: Scope, receive: Receive, send: Send, query: Query) -> None:
    """A short text without a Content-Length of its own."""
    await start(send)
    await body(send, b"hello")


async def scope_dump(scope: Scope, receive: Receive, send: Send, query: Query) -> None:
    """The scope as JSON that shows types."""
    await answer_json(send, typed(scope))


async def echo(scope: Scope, receive: Receive, send: Send, query: Query) -> None:
    """The request's body, each piece as it comes."""
    await start(send, headers=[(b"content-type", b"application/octet-stream")])
    while True:
        message = await receive()
        assert message["type"] == "http.request", message
        await body(send, message.get("body", b""), message.get("more_body", False))
        if not message.get("more_body", False):
            return


async def read(receive: Receive) -> list[bytes]:
    """The pieces of the request's body."""
    pieces = []
    while True:
        message = await receive()
        assert message["type"] == "http.request", message
        pieces.append(message.get("body", b""))
        if not message.get("more_body", False):
            return pieces


async def echo_whole(scope: Scope, receive: Receive, send: Send, query: Query) -> None:
    """The request's body at once, with its length."""
    data = b"".join(await read(receive))
    await start(send, headers=[(b"content-length", b"%d" % len(data))])
    await body(send, data)


async def measure(scope: Scope, receive: Receive, send: Send, query: Query) -> None:
    """Length, checksum and messages of the request's body; `file=` waits for a gate first."""
    options = dict(query)
    length = crc = messages = largest = 0
    if "file" in options:
        note("enter measure")
        await gate(options["file"])
    while True:
        message = await receive()
        assert message["type"] == "http.request", message
        piece = message.get("body", b"")
        length, crc, messages = length + len(piece), zlib.crc32(piece, crc), messages + 1
        largest = max(largest, len(piece))
        if not message.get("more_body", False):
            break
    value = {"length": length, "crc": crc, "messages": messages, "largest": largest}
    await answer_json(send, value)


async def receives(scope: Scope, receive: Receive, send: Send, query: Query) -> None:
    """What the first messages of a request are, as JSON that shows types."""
    await answer_json(send, [typed(await receive()) for _ in range(int(dict(query)["count"]))])


async def respond(scope: Scope, receive: Receive, send: Send, query: Query) -> None:
    """A response put together as the query says.

    `status`, `header=Name: value` (repeatable), `piece=<size>` (repeatable, a message each),
    `length=<number>` for a Content-Length, `end=` for an empty last message, `bare=` for messages
    that leave out what is optional.
    """
    options = dict(query)
    headers = [] if "bare" in options else list(TEXT)
    headers += [
        (name.encode(), value.strip().encode())
        for name, _, value in (value.partition(":") for key, value in query if key == "header")
    ]
    if "length" in options:
        headers.append((b"content-length", options["length"].encode()))
    status = int(options.get("status", "200"))
    if "bare" in options:
        await send({"type": "http.response.start", "status": status})
        await send({"type": "http.response.body"})
        return
    await start(send, status, headers)
    pieces = [pattern(int(value)) for key, value in query if key == "piece"]
    for number, piece in enumerate(pieces, 1):
        await body(send, piece, number < len(pieces) or "end" in options)
    if "end" in options or not pieces:
        await body(send)


class Subclass(bytes):
    """Bytes of a type of its own."""


async def respond_as(scope: Scope, receive: Receive, send: Send, query: Query) -> None:
    """A body of two pieces that are no plain bytes; the first is changed once it is sent."""
    options = dict(query)
    size = int(options["size"])
    store = bytearray(b"a" * size)
    kinds = {"bytearray": store, "memoryview": memoryview(store), "subclass": Subclass(store)}
    await start(send)
    await body(send, kinds[options["kind"]], True)
    store[:] = b"b" * size
    await body(send, store)


async def stream(scope: Scope, receive: Receive, send: Send, query: Query) -> None:
    """Pieces of `size` bytes, `count` of them or without end; notes how it ended."""
    options = dict(query)
    size, count = int(options.get("size", "65536")), int(options.get("count", "0"))
    piece, sent = pattern(size), 0
    headers = list(TEXT)
    if count and "chunked" not in options:
        headers.append((b"content-length", b"%d" % (size * count)))
    try:
        await start(send, headers=headers)
        note("enter stream")
        while not count or sent < count:
            await body(send, piece, True)
            sent += 1
        await body(send)
        note("end stream")
    except OSError:
        note("stream cut")


async def drip(scope: Scope, receive: Receive, send: Send, query: Query) -> None:
    """Pieces that each wait for a gate: `0`, `1`, …"""
    await start(send)
    for number in range(int(dict(query)["count"])):
        await gate(str(number))
        await body(send, b"piece %d\n" % number, True)
        note(f"sent {number}")
    await body(send)


async def zerocopy(scope: Scope, receive: Receive, send: Send, query: Query) -> None:
    """Sends the file named, by http.response.zerocopysend; where that raises, `fine`.

    `offset`, `count`: of the message; `seek`: where the file stands before; `times`: messages;
    `between`: a text behind each; `kind`: what stands in the file's place.
    """
    options = dict(query)
    numbers = {
        name: int(options[name]) if options[name].lstrip("-").isdigit() else options[name]
        for name in ("offset", "count")
        if name in options
    }
    times = int(options.get("times", "1"))
    kind = options.get("kind")
    with open(options["file"] or os.devnull, "rb", buffering=0) as file:
        file.seek(int(options.get("seek", "0")))
        await start(send)
        message = {"type": "http.response.zerocopysend", **numbers, "file": file}
        if kind == "closed":
            file.close()
        elif kind:
            message["file"] = io.BytesIO(b"data") if kind == "bytesio" else None
        for number in range(1, times + 1):
            more = number < times or "between" in options
            try:
                await send({**message, "more_body": more})
            except Exception as error:
                note(f"refused {type(error).__name__}: {error}")
                await body(send, b"fine")
                return
            if "between" in options:
                await body(send, options["between"].encode(), number < times)


async def hint(scope: Scope, receive: Receive, send: Send, query: Query) -> None:
    """A hint, and the response when a gate opens."""
    await send({"type": "http.response.early_hint", "links": [b"</a>; rel=preload"]})
    await gate(dict(query)["file"])
    await start(send)
    await body(send, b"done")


async def wait(scope: Scope, receive: Receive, send: Send, query: Query) -> None:
    """Answers when the file named by the query exists; `piece=1` sends a piece before it waits."""
    options = dict(query)
    note(f"enter wait {options['file']}")
    if "piece" in options:
        await start(send)
        await body(send, b"before ", True)
    await gate(options["file"])
    if "piece" not in options:
        await start(send)
    await body(send, b"done")
    note("end wait")


async def disconnect(scope: Scope, receive: Receive, send: Send, query: Query) -> None:
    """Waits for http.disconnect and tries to send after it.

    `read=` reads the body first, `start=` and `piece=` begin a response, `end=` completes it.
    """
    options = dict(query)
    if "read" in options:
        await read(receive)
    if options.keys() & {"start", "piece", "end"}:
        await start(send)
    if "piece" in options:
        await body(send, b"piece", True)
    if "end" in options:
        await body(send, b"all")
    note("waiting")
    while (message := await receive())["type"] == "http.request":
        note(f"more {len(message['body'])} {message['more_body']}")
    note(f"got {message}")
    note(f"again {await receive()}")
    if "end" not in options:
        for _ in range(2):
            try:
                if "start" in options or "piece" in options:
                    await body(send, b"late")
                else:
                    await start(send)
                note("sent")
            except Exception as error:
                note(f"refused {isinstance(error, OSError)}")
    note("over")


async def no_cancel(scope: Scope, receive: Receive, send: Send, query: Query) -> None:
    """Goes on working after its client has left."""
    try:
        note("working")
        await gate("gone")
        await asyncio.sleep(0.05)
        note("worked")
    except asyncio.CancelledError:
        note("cancelled")
        raise


async def script(scope: Scope, receive: Receive, send: Send, query: Query) -> None:
    """Does what the request says, step by step: see `perform`."""
    await perform(json.loads(dict(query)["steps"]), receive, send)


async def context(scope: Scope, receive: Receive, send: Send, query: Query) -> None:
    """What the context and the task of a request are, before and after something was awaited."""
    number = next(NUMBERS)
    inherited = NUMBER.get(-1)
    NUMBER.set(number)
    task = asyncio.current_task()
    kept = []
    for seconds in (None, 0, 0.001):
        if seconds is not None:
            await asyncio.sleep(seconds)
        await start(send) if seconds is None else await body(send, b"", True)
        kept.append((NUMBER.get(-1) == number, asyncio.current_task() is task))
    child = await asyncio.create_task(child_number())
    value = {
        "inherited": inherited,
        "kept": all(all(pair) for pair in kept),
        "child": child == number,
        "task": type(task).__name__,
        "name": task.get_name() if task else "",
        "number": number,
        "loop": asyncio.get_running_loop().is_running(),
    }
    await body(send, json.dumps(value).encode())


async def child_number() -> int:
    """The number that a task's child inherits."""
    await asyncio.sleep(0)
    return NUMBER.get(-1)


async def background(scope: Scope, receive: Receive, send: Send, query: Query) -> None:
    """Works on after its response; the work of the query's name waits for a gate."""
    name = dict(query)["file"]
    await start(send)
    await body(send, b"accepted")
    note(f"begin {name}")
    await gate(name)
    note(f"end {name}")


async def process(scope: Scope, receive: Receive, send: Send, query: Query) -> None:
    """What the worker is made of just now."""
    gc.collect()
    with open("/proc/self/status") as status:
        memory = dict(line.split(":", 1) for line in status)
    names = [name for name, _ in scope["headers"]]
    value = {
        "pid": os.getpid(),
        "tasks": len(asyncio.all_tasks()),
        "descriptors": len(os.listdir("/proc/self/fd")),
        "rss": int(memory["VmRSS"].split()[0]) * 1024,
        "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
        "blocks": sys.getallocatedblocks(),
        "objects": len(gc.get_objects()),
        "references": {
            "application": sys.getrefcount(app),
            "dict": sys.getrefcount(dict),
            "list": sys.getrefcount(list),
            "tuple": sys.getrefcount(tuple),
            "none": sys.getrefcount(None),
            "true": sys.getrefcount(True),
            "empty": sys.getrefcount(""),
            "empty bytes": sys.getrefcount(b""),
            "extensions": sys.getrefcount(scope["extensions"]),
            "version": sys.getrefcount(scope["asgi"]),
            "type of receive": sys.getrefcount(type(receive)),
            "type of send": sys.getrefcount(type(send)),
            "context variable": sys.getrefcount(NUMBER),
            **{f"key {key}": sys.getrefcount(key) for key in scope},
            **{f"name {name.decode()}": sys.getrefcount(name) for name in names},
        },
    }
    await answer_json(send, value)


async def habits(scope: Scope, receive: Receive, send: Send, query: Query) -> None:
    """Runs one of the things that applications do with asyncio, and gives its result."""
    await answer_json(send, await HABITS[dict(query)["name"]]())


async def in_executor() -> object:
    loop = asyncio.get_running_loop()
    threads = await asyncio.gather(
        *(loop.run_in_executor(None, threading.get_ident) for _ in range(5))
    )
    return threading.get_ident() not in threads


async def in_subprocess() -> object:
    echo = "import sys; sys.stdout.write(sys.stdin.read().upper()); sys.exit(3)"
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", echo),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    out, _ = await child.communicate(b"child")
    return [out.decode(), child.returncode]


async def by_streams() -> object:
    """A server of asyncio's and a client of it, on the loop that serves this request."""

    async def shout(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write((await reader.readline()).upper())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(shout, "127.0.0.1", 0)
    async with server:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        writer.write(b"stream\n")
        line = await reader.readline()
        writer.close()
        await writer.wait_closed()
    return line.decode()


async def by_reader() -> object:
    """add_reader and add_writer; a descriptor that is closed while it is watched harms nobody."""
    loop = asyncio.get_running_loop()
    left, right = socket.socketpair()
    left.setblocking(False)
    readable, writable = loop.create_future(), loop.create_future()
    loop.add_reader(left, lambda: readable.done() or readable.set_result(left.recv(10)))
    loop.add_writer(left, lambda: writable.done() or writable.set_result("writable"))
    right.sendall(b"watched")
    result = [(await readable).decode(), await writable]
    loop.remove_writer(left)
    loop.remove_reader(left)
    left.close()
    right.close()
    return result


async def in_time() -> object:
    """Time-outs that strike and ones that do not."""
    results = []
    for seconds in (0.01, 20):
        try:
            await asyncio.wait_for(asyncio.sleep(0.05), seconds)
            results.append("done")
        except asyncio.TimeoutError:
            results.append("timed out")
    return results


async def by_threadsafe() -> object:
    """A thread wakes the loop."""
    loop, future = asyncio.get_running_loop(), asyncio.get_running_loop().create_future()
    thread = threading.Thread(
        target=lambda: loop.call_soon_threadsafe(future.set_result, "from a thread")
    )
    thread.start()
    result = await future
    thread.join()
    return result


async def by_tasks() -> object:
    """Many tasks that wait for each other; one fails and takes nobody with it."""
    queue: asyncio.Queue[int] = asyncio.Queue(3)

    async def produce() -> None:
        for number in range(100):
            await queue.put(number)

    async def fail() -> None:
        await asyncio.sleep(0)
        raise ValueError("on purpose")

    producer = asyncio.create_task(produce())
    total = sum([await queue.get() for _ in range(100)])
    failure = (await asyncio.gather(fail(), producer, return_exceptions=True))[0]
    sleeper = asyncio.create_task(asyncio.sleep(60))
    await asyncio.sleep(0)
    sleeper.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await sleeper
    return [total, repr(failure), sleeper.cancelled()]


async def by_generator() -> object:
    """An asynchronous generator that is left half-way is closed."""
    closed = []

    async def count() -> Any:
        try:
            for number in itertools.count():
                yield number
                await asyncio.sleep(0)
        finally:
            closed.append(True)

    async with contextlib.aclosing(count()) as numbers:
        async for number in numbers:
            if number == 3:
                break
    return closed


async def fail(scope: Scope, receive: Receive, send: Send, query: Query) -> None:
    """Raises the exception that the query names, at the point it names."""
    options = dict(query)
    at, error = options["at"], EXCEPTIONS[options["name"]]("on purpose")
    if at == "before":
        raise error
    headers = TEXT
    if "length" in options:
        headers = [*TEXT, (b"content-length", options["length"].encode())]
    await start(send, headers=headers)
    if at == "started":
        raise error
    if at == "later":
        await asyncio.sleep(0.001)
        raise error
    await body(send, b"piece", at == "inside")
    raise error


async def quit_early(scope: Scope, receive: Receive, send: Send, query: Query) -> None:
    """Returns without a whole response: `at` is before, started or inside."""
    at = dict(query)["at"]
    if at != "before":
        await start(send)
    if at == "inside":
        await body(send, b"piece", True)


async def state(scope: Scope, receive: Receive, send: Send, query: Query) -> None:
    """The lifespan's state as this request sees it, and then its own change of it."""
    seen = scope["state"]
    value = {key: list(item) if isinstance(item, list) else item for key, item in seen.items()}
    seen["own"] = "of one request"
    seen.setdefault("shared", []).append(1)
    await answer_json(send, value)


async def spoil(scope: Scope, receive: Receive, send: Send, query: Query) -> None:
    """The scope as this request sees it, and then its own changes of it."""
    value = {key: typed(item) for key, item in scope.items()}
    scope["asgi"].update(version="9", own="of one request")
    scope["extensions"].clear()
    scope["headers"].append((b"x-own", b"of one request"))
    for number in range(20):
        scope[f"own-{number}"] = number
    del scope["method"], scope["path"]
    await answer_json(send, value)


HABITS: dict[str, Callable[[], Awaitable[object]]] = {
    "executor": in_executor,
    "subprocess": in_subprocess,
    "streams": by_streams,
    "reader": by_reader,
    "time": in_time,
    "threadsafe": by_threadsafe,
    "tasks": by_tasks,
    "generator": by_generator,
}

ROUTES: dict[str, Handler] = {
    "/": hello,
    "/scope": scope_dump,
    "/echo": echo,
    "/echo-whole": echo_whole,
    "/measure": measure,
    "/receives": receives,
    "/respond": respond,
    "/respond-as": respond_as,
    "/stream": stream,
    "/drip": drip,
    "/zerocopy": zerocopy,
    "/hint": hint,
    "/wait": wait,
    "/disconnect": disconnect,
    "/no-cancel": no_cancel,
    "/script": script,
    "/context": context,
    "/background": background,
    "/process": process,
    "/habits": habits,
    "/fail": fail,
    "/quit": quit_early,
    "/state": state,
    "/spoil": spoil,
}


async def lifespan(scope: Scope, receive: Receive, send: Send) -> None:
    """Notes the start and the end, and leaves a state for the requests."""
    assert (await receive())["type"] == "lifespan.startup"
    scope["state"].update(name="of the lifespan", shared=[])
    note(f"startup {os.getpid()}")
    await send({"type": "lifespan.startup.complete"})
    assert (await receive())["type"] == "lifespan.shutdown"
    note(f"shutdown {os.getpid()}")
    await send({"type": "lifespan.shutdown.complete"})


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """The application; a path that is no route dumps the scope."""
    if scope["type"] == "lifespan":
        await lifespan(scope, receive, send)
        return
    query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    if scope["type"] == "websocket":
        await asgi_sockets.handle(scope, receive, send, query)
        return
    await ROUTES.get(scope["path"], scope_dump)(scope, receive, send, query)
