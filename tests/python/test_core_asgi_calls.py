"""Calls of an ASGI application in this process: as coroutines of their tasks, cancelled, closed,
thrown into, outlived by what they were given; and the workers that make them.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import weakref
from collections.abc import Callable, Generator
from functools import partial
from types import CoroutineType
from typing import Any

import pytest
from asgi_core_harness import (
    BODY,
    GET,
    POST,
    START,
    UPGRADE,
    Core,
    Receive,
    Scope,
    Send,
    run,
    turns,
)
from core_harness import PATIENCE, listen, settle
from test_core_asgi_await import AGAIN, DISCONNECT, LEFT, answer, ask

from freastal import _core
from freastal.loop import EventLoop

OVER = "the call of the application is over"


# --- the call as a coroutine ---


class Yields:
    """A coroutine that is no coroutine: what a bare iterator offers."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._count = 0

    def __await__(self) -> Yields:
        return self

    def __iter__(self) -> Yields:
        return self

    def __next__(self) -> None:
        self._count += 1
        if self._count > 3:
            self._send(START)
            self._send(BODY)
            raise StopIteration("ignored")


def generator_based(scope: Scope, receive: Receive, send: Send) -> Any:
    class Steps:
        def __await__(self) -> Generator[Any, Any, str]:
            yield
            yield from answer(send).__await__()
            return "ignored"

    return Steps()


async def returns_a_tuple(scope: Scope, receive: Receive, send: Send) -> Any:
    await asyncio.sleep(0)
    await answer(send)
    return 1, 2


@pytest.mark.parametrize(
    "app",
    [lambda scope, receive, send: Yields(send), generator_based, returns_a_tuple],
    ids=["iterator", "generator", "tuple"],
)
def test_other_awaitables(app: Any) -> None:
    async def main() -> None:
        async with Core(app) as core:
            assert (await core.ask()).endswith(b"body")
            assert not core.live().get("calls")

    run(main())


CANCELLED = "the ASGI application (http) was cancelled before its response was complete"
FAILED = "exception in the ASGI application (http)"


@pytest.mark.parametrize("kind", ["coroutine", "iterator"])
def test_a_call_is_cancelled(kind: str, caplog: pytest.LogCaptureFixture) -> None:
    """Also where its awaitable has no throw()."""
    tasks: list[Any] = []

    def app(scope: Scope, receive: Receive, send: Send) -> Any:
        tasks.append(asyncio.current_task())

        async def wait() -> None:
            await receive()

        class Waits:
            def __await__(self) -> Any:
                return iter(lambda: None, 5)

        return wait() if kind == "coroutine" else Waits()

    async def main() -> None:
        async with Core(app) as core:
            client = await core.connect(POST)
            while not tasks:
                await asyncio.sleep(0)
            await turns()
            assert core.worker.cancel() == 1
            assert (await client.rest()).startswith(b"HTTP/1.1 500 ")
            assert tasks[0].cancelled()
            assert core.worker.cancel() == 0
        assert core.worker.cancel() == 0

    run(main())
    assert [each.getMessage() for each in caplog.records] == [CANCELLED]


def test_a_call_that_swallows_its_cancelling(caplog: pytest.LogCaptureFixture) -> None:
    tasks: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        tasks.append(asyncio.current_task())
        try:
            await receive()
        except asyncio.CancelledError:
            await answer(send)

    async def main() -> None:
        async with Core(app) as core:
            client = await core.connect(POST)
            while not tasks:
                await asyncio.sleep(0)
            core.worker.cancel()
            assert (await client.rest()).endswith(b"body")
            await turns()
            assert tasks[0].done()
            assert not tasks[0].cancelled()

    run(main())
    assert caplog.records == []


def test_what_is_thrown_into_a_call(caplog: pytest.LogCaptureFixture) -> None:
    """By whoever holds its task's coroutine: the application can answer it, or fails by it."""
    tasks: list[Any] = []
    seen: list[Any] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        tasks.append(asyncio.current_task())
        try:
            await asyncio.get_running_loop().create_future()
        except KeyError as error:
            seen.append(error.args)
        await asyncio.get_running_loop().create_future()

    async def main() -> None:
        async with Core(app) as core:
            for end in ("throw", "close", "return"):
                client = await core.connect(GET)
                while not tasks:
                    await asyncio.sleep(0)
                task = tasks.pop()
                call = task.get_coro()
                assert call.__await__() is call
                assert call.cr_code is app.__code__
                assert call.cr_frame.f_code is app.__code__
                assert not call.cr_running
                assert call.__name__ == "app"
                assert call.__qualname__.endswith(".app")
                assert call.cr_await is not None
                call.throw(KeyError("thrown"))
                if end == "throw":
                    with pytest.raises(StopIteration):
                        call.throw(ValueError)
                elif end == "close":
                    assert call.close() is None
                else:
                    with pytest.raises(StopIteration):
                        call.throw(_core.ClientDisconnected)
                assert call.close() is None
                for use in (
                    partial(call.send, None),
                    partial(call.throw, OSError),
                    partial(next, call),
                ):
                    with pytest.raises(RuntimeError, match=OVER):
                        use()
                for name in ("cr_code", "cr_frame", "cr_await", "cr_running", "cr_origin"):
                    assert getattr(call, name) is None
                assert (await client.rest()).startswith(b"HTTP/1.1 500 ")
                task.cancel()
                await asyncio.wait([task])
                if not task.cancelled():
                    assert str(task.exception()) == OVER

    run(main())
    assert seen == [("thrown",)] * 3
    assert [each.getMessage() for each in caplog.records] == [FAILED]


def test_a_call_is_closed_before_its_first_step(caplog: pytest.LogCaptureFixture) -> None:
    """By a task factory that does not begin it, or throws into it."""
    made: list[Any] = []
    how: list[str] = []

    def factory(loop: Any, coroutine: Any, **kwargs: Any) -> Any:
        if not isinstance(coroutine, CoroutineType):
            made.append(coroutine)
            if how[0] == "raise":
                raise OSError("no more tasks")
            if how[0] == "close":
                coroutine.close()
            if how[0] == "throw":
                with pytest.raises(StopIteration):
                    coroutine.throw(OSError("thrown"))
            if how[0] in ("close", "throw"):
                with pytest.raises(RuntimeError, match=OVER):
                    coroutine.send(None)
                return asyncio.Task(asyncio.sleep(0), loop=loop)
        return asyncio.Task(coroutine, loop=loop, **kwargs)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await answer(send)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        loop.set_task_factory(factory)
        async with Core(app) as core:
            for name in ("raise", "close", "throw"):
                how[:] = [name]
                assert (await core.ask()).startswith(b"HTTP/1.1 500 ")
                assert not core.live().get("calls")
            how[:] = ["no"]
            assert (await core.ask()).endswith(b"body")

    run(main())
    lines = [each.getMessage() for each in caplog.records]
    assert lines == ["cannot begin a task for the application", FAILED]


def test_a_call_that_is_running() -> None:
    """It is neither resumed nor closed from inside itself."""

    async def act(receive: Receive, send: Any) -> None:
        task: Any = asyncio.current_task()
        call = task.get_coro()
        for _ in range(2):
            assert call.cr_running
            for use in (
                call.close,
                partial(call.send, None),
                partial(next, call),
                partial(call.throw, OSError),
            ):
                with pytest.raises(ValueError, match="the call of the application is running"):
                    use()
            await asyncio.sleep(0)

    assert ask(act) == []


def test_an_application_that_closes_its_worker() -> None:
    """While it is called, and while its __await__ is: nothing is kept of what it returns."""
    cores: list[Core] = []
    gone: list[Any] = []

    class Awaitable:
        def __init__(self, close: Callable[[], None] | None) -> None:
            self.close = close
            self.cycle = self
            gone.append(weakref.ref(self))

        def __await__(self) -> Any:
            if self.close:
                self.close()
            return iter(self)

        def __iter__(self) -> Any:
            return self

        def __next__(self) -> None:
            raise AssertionError("it runs on")

    def app(scope: Scope, receive: Receive, send: Send) -> Any:
        close = cores[0].worker.close
        if scope["path"] == "/called":
            close()
            return Awaitable(None)
        return Awaitable(close)

    async def main() -> None:
        loop = asyncio.get_running_loop()
        # Steps come between turns: inside of one a worker cannot be closed.
        loop.set_task_factory(lambda loop, coro, **words: asyncio.Task(coro, loop=loop, **words))
        for path in (b"/called", b"/awaited"):
            async with Core(app) as core:
                cores[:] = [core]
                await core.ask(GET.replace(b"/", path, 1))

    run(main())
    cores.clear()
    settle()
    assert [each() for each in gone] == [None, None]


# --- what is kept beyond its time ---


@pytest.mark.parametrize("end", ["answered", "failed", "vanished"])
def test_used_after_the_end(end: str) -> None:
    """scope, receive and send, kept and used when all is over, and when the worker is gone."""
    kept: list[Any] = []

    async def app(scope: Scope, receive: Any, send: Any) -> None:
        asleep = receive()
        kept[:] = [scope, receive, send, receive(), asleep]
        task = asyncio.ensure_future(asleep)
        kept.append(task)
        if end == "answered":
            await answer(send)
        elif end == "vanished":
            await task
        else:
            raise ValueError

    async def use() -> None:
        scope, receive, send, fresh, _, task = kept[:6]
        assert await task == DISCONNECT
        if len(kept) == 6:
            kept.append(await fresh)
        with pytest.raises(RuntimeError, match=AGAIN):
            await fresh
        assert kept[6] == DISCONNECT
        for _ in range(2):
            assert await receive() == DISCONNECT
            for message in (START, BODY, {}, {"type": 5}):
                with pytest.raises(_core.ClientDisconnected, match=LEFT):
                    send(message)
            with pytest.raises(TypeError, match="takes a dict"):
                send(5)
            wait = receive()
            assert wait.__await__() is wait
            assert not wait.cancel()
            with pytest.raises(RuntimeError, match=OVER):
                wait.get_loop()
        assert scope["path"] == "/"
        scope["more"] = 1
        assert scope["headers"][0] == (b"host", b"a")

    async def main() -> None:
        async with Core(app) as core:
            client = await core.connect(POST)
            while len(kept) < 6:
                await asyncio.sleep(0)
            if end == "vanished":
                client.vanish()
            while core.live().get("calls"):
                await asyncio.sleep(0.001)
            await use()
            await client.rest()
        await use()
        core.__dict__.clear()
        gc.collect()
        await use()

    run(main())
    assert isinstance(kept.pop(0), dict)
    kept.clear()


def test_a_worker_goes_while_calls_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their coroutines are closed, their tasks end when they are woken."""
    closed: list[str] = []
    tasks: list[Any] = []
    unraisable: list[Any] = []
    monkeypatch.setattr("sys.unraisablehook", lambda what: unraisable.append(what.exc_value))

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        tasks.append(asyncio.current_task())
        try:
            if scope["type"] == "websocket":
                await receive()
                await send({"type": "websocket.accept"})
                await receive()
            await receive()
        except GeneratorExit:
            closed.append(scope["type"])
            if scope["path"] == "/stubborn":
                with pytest.raises(_core.ClientDisconnected):
                    await send(START)
                assert await receive() == DISCONNECT
                await asyncio.sleep(0)  # what none may do that is closed
            raise

    async def main() -> None:
        async with Core(app) as core:
            for request in (POST, UPGRADE, POST.replace(b"/", b"/stubborn", 1)):
                await core.connect(request)
            while len(tasks) < 3:
                await asyncio.sleep(0)
            await turns(20)
            core.worker.close()
            assert sorted(closed) == ["http", "http", "websocket"]
            done, _ = await asyncio.wait(tasks, timeout=PATIENCE)
            assert len(done) == 3
            assert {str(task.exception()) for task in tasks} == {OVER}

    run(main())
    assert [str(each) for each in unraisable] == ["coroutine ignored GeneratorExit"]


def test_garbage() -> None:
    """A worker that is forgotten with calls that wait takes everything along."""
    gone: list[Any] = []

    class Local:
        pass

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        local = Local()
        gone.append(weakref.ref(local))
        scope["self"] = scope
        await receive()
        await receive()
        assert local

    async def main() -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, EventLoop)
        with listen() as listener:
            address = listener.getsockname()
            worker: Any = _core.Worker(
                app, [listener.fileno()], interface="asgi", loop=loop, tasks=loop
            )
        _, writer = await asyncio.open_connection(*address)
        writer.write(POST)
        while not gone:
            await asyncio.sleep(0)
        await turns(20)
        del worker
        settle()
        await turns(20)
        settle()
        writer.close()

    run(main())
    settle()
    assert [each() for each in gone] == [None]


# --- making a worker ---


@pytest.mark.parametrize(
    ("words", "error", "sentence"),
    [
        ({"tasks": None}, TypeError, "interface 'asgi' needs loop and tasks"),
        ({"loop": None}, TypeError, "interface 'asgi' needs loop and tasks"),
        ({"loop": 5}, TypeError, "loop is 5: allowed is an object of type freastal._core.Loop"),
        ({"tasks": object()}, AttributeError, "get_task_factory"),
        ({"state": []}, TypeError, "state is []: allowed is an object of type dict"),
        ({"root_path": b"/"}, TypeError, "root_path is b'/': allowed is an object of type str"),
        ({"root_path": "\ud800"}, UnicodeEncodeError, "surrogates"),
        ({"stopped": 5}, TypeError, "stopped is 5: allowed is a callable"),
        ({"wakeup_fd": 0}, TypeError, "wakeup_fd is for a worker with a loop of its own"),
        ({"interface": "fcgi"}, ValueError, "interface is 'fcgi': there is no such gateway"),
        ({"ws_max_size": -1}, ValueError, "ws_max_size"),
    ],
)
def test_wrong_arguments(words: Any, error: type[Exception], sentence: str) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        given = {"interface": "asgi", "loop": loop, "tasks": loop, **words}
        with listen() as listener, pytest.raises(error) as raised:
            _core.Worker(answer, [listener.fileno()], **given)
        assert sentence in str(raised.value)

    references = sys.getrefcount(answer)
    run(main())
    settle()
    assert sys.getrefcount(answer) == references
