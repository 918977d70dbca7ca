"""``receive()`` and ``send()`` as asyncio's futures and coroutines, in tasks of C and of Python."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from typing import Any

import pytest
import uvloop
from test_server import start

from freastal.addresses import TcpAddress
from freastal.loop import EventLoop

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

PATIENCE = 30.0

LOOPS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "asyncio": asyncio.new_event_loop,
    "freastal": EventLoop,
    "uvloop": uvloop.new_event_loop,
}


def python_task(
    loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any
) -> asyncio.Future[Any]:
    """A task of asyncio's Python implementation, which asks of a future what the interface says."""
    make: Any = asyncio.tasks._PyTask  # type: ignore[attr-defined]
    made: asyncio.Future[Any] = make(coroutine, loop=loop, **options)
    return made


Run = Callable[[Coroutine[Any, Any, None]], None]


@pytest.fixture(params=[(name, kind) for name in LOOPS for kind in ("c", "python", "debug")])
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    """Runs a test's coroutine on a loop with tasks of a kind."""
    name, kind = request.param
    loop = LOOPS[name]()
    if kind == "python":
        loop.set_task_factory(python_task)
    loop.set_debug(kind == "debug")

    def run_one(main: Coroutine[Any, Any, None]) -> None:
        loop.run_until_complete(asyncio.wait_for(main, PATIENCE))

    yield run_one
    loop.close()


async def turns() -> None:
    """Everything that is ready runs."""
    for _ in range(5):
        await asyncio.sleep(0)


class App:
    """Runs `act` for a request and answers with what it gives."""

    def __init__(self, act: Callable[[Receive], Awaitable[bytes]]) -> None:
        self.act = act
        self.scopes: list[Message] = []
        self.ready = asyncio.Event()  # the client may send the body

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        self.scopes.append(scope)
        answer = await self.act(receive)
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": answer})


async def ask(app: App) -> bytes:
    """What it answers to a request whose body of 4 bytes is sent when it is ready for it."""
    running = await start(app, lifespan="off")
    address = running.server.addresses[0]
    assert isinstance(address, TcpAddress)
    reader, writer = await asyncio.open_connection(address.host, address.port)
    writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nConnection: close\r\n\r\n")
    await app.ready.wait()
    writer.write(b"body")
    answer = await reader.read()
    writer.close()
    await running.stop()
    head, _, body = answer.partition(b"\r\n\r\n")
    return body.split(b"\r\n")[1] if b"chunked" in head.lower() else body


def test_a_task_that_is_cancelled_takes_nothing_along(run: Run) -> None:
    async def act(receive: Receive) -> bytes:
        seen: list[Any] = []

        async def wait() -> None:
            try:
                await receive()
            except asyncio.CancelledError as error:
                seen.append(error.args)
                raise

        task = asyncio.ensure_future(wait())
        await turns()
        assert task.cancel("enough")
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()
        assert seen == [("enough",)]
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(receive(), 0.001)
        app.ready.set()
        return (await receive())["body"]  # type: ignore[no-any-return]

    async def main() -> None:
        assert await ask(app) == b"body"

    app = App(act)
    run(main())


def test_a_task_that_is_cancelled_once_it_is_woken(run: Run) -> None:
    async def act(receive: Receive) -> bytes:
        task = asyncio.ensure_future(receive())
        await turns()
        waiter = task._fut_waiter  # type: ignore[attr-defined]
        assert asyncio.isfuture(waiter)
        assert not waiter.done()
        app.ready.set()
        while not waiter.done():
            await asyncio.sleep(0)
        if not task.done():
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            return (await receive())["body"]  # type: ignore[no-any-return]
        return (await task)["body"]  # type: ignore[no-any-return]

    async def main() -> None:
        assert await ask(app) == b"body"

    app = App(act)
    run(main())


def test_two_that_wait(run: Run) -> None:
    async def act(receive: Receive) -> bytes:
        both = [asyncio.ensure_future(receive()) for _ in range(2)]
        await turns()
        app.ready.set()
        done, _ = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        answer = b"".join([(await task)["body"] for task in done])
        for task in both:
            task.cancel()
        await asyncio.gather(*both, return_exceptions=True)
        return answer

    async def main() -> None:
        assert await ask(app) == b"body"

    app = App(act)
    run(main())


def test_before_it_is_awaited_it_is_a_coroutine(run: Run) -> None:
    async def act(receive: Receive) -> bytes:
        awaitable: Any = receive()
        assert asyncio.iscoroutine(awaitable)
        assert inspect.isawaitable(awaitable)
        assert not asyncio.isfuture(awaitable)
        awaitable.close()
        with pytest.raises(RuntimeError, match="again"):
            await awaitable
        app.ready.set()
        return (await receive())["body"]  # type: ignore[no-any-return]

    async def main() -> None:
        assert await ask(app) == b"body"

    app = App(act)
    run(main())


def test_only_one_task_waits_for_it(run: Run) -> None:
    async def act(receive: Receive) -> bytes:
        awaitable: Any = receive()
        task = asyncio.ensure_future(awaitable)
        await turns()
        with pytest.raises(RuntimeError, match="only the task"):
            awaitable.add_done_callback(print)
        for wrong in (print, 1):
            with pytest.raises(TypeError, match="keyword"):
                awaitable.add_done_callback(wrong, name=1)
        with pytest.raises(TypeError, match="keyword"):
            awaitable.cancel(reason="none")
        assert not awaitable.cancelled()
        assert awaitable.get_loop() is asyncio.get_running_loop()
        app.ready.set()
        return (await task)["body"]  # type: ignore[no-any-return]

    async def main() -> None:
        assert await ask(app) == b"body"

    app = App(act)
    run(main())


def test_what_one_scope_is_given_no_other_has(run: Run) -> None:
    async def act(receive: Receive) -> bytes:
        scope = app.scopes[-1]
        assert "new0" not in scope
        assert "new" not in scope["extensions"]
        names = list(scope)
        for number in range(40):
            scope[f"new{number}"] = number
        assert list(scope) == [*names, *(f"new{number}" for number in range(40))]
        scope["extensions"]["new"] = {}
        del scope["headers"]
        app.ready.set()
        message = await receive()
        assert list(message) == ["type", "body", "more_body"]
        message.update(new=1, newer=2, newest=3)
        return message.pop("body")  # type: ignore[no-any-return]

    async def main() -> None:
        for _ in range(3):
            app.ready.clear()
            assert await ask(app) == b"body"

    app = App(act)
    run(main())
