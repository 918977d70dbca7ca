"""What ``receive`` and ``send`` of the ASGI gateway give, in this process: who awaits it how often,
from where, and for how long.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from asgi_core_harness import (
    BODY,
    GET,
    MORE,
    POST,
    START,
    Core,
    Message,
    Receive,
    Scope,
    Send,
    run,
    turns,
)
from core_harness import settle

from freastal import _core

AGAIN = r"cannot await the same receive\(\) or send\(\) again"
ALREADY = r"this receive\(\) or send\(\) is being awaited already"
OVER = "the call of the application is over"
LEFT = "the client has left: nothing can be sent any more"
DISCONNECT = {"type": "http.disconnect"}

BIG: Message = {**MORE, "body": b"z" * 300_000}


async def answer(send: Send) -> None:
    await send(START)
    await send(BODY)


Act = Callable[[Any, Any], Any]


def ask(act: Act, *, after: int = 20) -> list[str]:
    """One request with a body of 4 bytes, whose application acts and then answers.

    :param after: turns of the loop from the call to the body.
    :returns: what was logged as a warning or worse.
    """
    logged: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: logged.append(record.getMessage())  # type: ignore[method-assign]
    done: list[bool] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await act(receive, send)
        done.append(True)
        await answer(send)

    async def main() -> None:
        async with Core(app) as core:
            client = await core.connect(POST)
            while not core.live().get("calls"):
                await asyncio.sleep(0)
            await turns(after)
            client.write(b"body")
            assert (await client.rest()).endswith(b"body")
            assert not core.live().get("calls")

    loggers = [logging.getLogger(name) for name in ("freastal.error", "asyncio")]
    for logger in loggers:
        logger.addHandler(handler)
    try:
        run(main())
        settle()
    finally:
        for logger in loggers:
            logger.removeHandler(handler)
    assert done
    return logged


# --- the awaitables ---


def test_receive_is_awaited_twice() -> None:
    async def act(receive: Receive, send: Send) -> None:
        awaitable = receive()
        assert (await awaitable)["body"] == b"body"
        for _ in range(2):
            with pytest.raises(RuntimeError, match=AGAIN):
                await awaitable

    assert ask(act) == []


def test_receive_that_another_awaits() -> None:
    """Who comes second is refused; who came first gets what it waits for."""

    async def act(receive: Receive, send: Send) -> None:
        async def one(awaitable: Any) -> Any:
            return await awaitable

        awaitable = receive()
        first = asyncio.ensure_future(one(awaitable))
        await turns()
        with pytest.raises(RuntimeError, match=ALREADY):
            await one(awaitable)
        second = asyncio.ensure_future(one(awaitable))
        with pytest.raises(RuntimeError, match=ALREADY):
            await second
        assert not first.done()
        assert (await first)["body"] == b"body"

    assert ask(act) == []


def test_receive_that_is_not_awaited() -> None:
    async def act(receive: Receive, send: Send) -> None:
        for _ in range(100):
            receive()
        kept = [receive() for _ in range(3)]
        assert (await kept[1])["body"] == b"body"
        assert kept[0] is not kept[1]

    assert ask(act) == []


def test_send_is_carried_out_before_it_is_awaited() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        send(START)
        send(BODY)
        with pytest.raises(RuntimeError, match="complete"):
            send(BODY)

    async def main() -> None:
        async with Core(app) as core:
            assert (await core.ask()).endswith(b"\r\n\r\nbody")

    run(main())


def test_the_protocol_of_a_send_that_is_complete() -> None:
    async def act(receive: Receive, send: Any) -> None:
        hint = {"type": "http.response.early_hint", "links": []}
        done = send(hint)
        assert send(hint) is done
        assert done.__await__() is done
        assert inspect.isawaitable(done)
        assert asyncio.iscoroutine(done)
        resumes: list[Any] = [partial(done.send, None), partial(done.send, 5), partial(next, done)]
        for resume in resumes:
            with pytest.raises(StopIteration) as stopped:
                resume()
            assert stopped.value.value is None
        thrown(done)
        assert done.close() is None
        assert await asyncio.ensure_future(done) is None
        assert await asyncio.wait_for(done, 5) is None

    assert ask(act) == []


def thrown(awaitable: Any) -> None:
    """Whatever is thrown into it comes out."""
    good: list[tuple[Any, str]] = [
        ((KeyError("a"),), "'a'"),
        ((KeyError,), ""),
        ((KeyError, "b"), "'b'"),
        ((KeyError, KeyError("c"), None), "'c'"),
    ]
    for args, expected in good:
        with pytest.raises(KeyError) as raised:
            awaitable.throw(*args)
        assert str(raised.value) == expected
    bad: list[Any] = [(), (5,), (int,)]
    for args in bad:
        with pytest.raises(TypeError, match=r"throw\(\) takes an exception"):
            awaitable.throw(*args)


def test_the_protocol_of_a_receive() -> None:
    async def act(receive: Any, send: Any) -> None:
        for spoil in (thrown, lambda each: each.close()):
            spoilt = receive()
            assert spoilt.__await__() is spoilt
            spoil(spoilt)
            for resume in (lambda each: each.send(None), next):
                with pytest.raises(RuntimeError, match=AGAIN):
                    resume(spoilt)
            spoilt.close()
            assert spoilt.done()
        asleep = receive()
        assert asleep.done()
        assert asleep._asyncio_future_blocking is None
        assert asleep.send(None) is asleep
        assert not asleep.done()
        assert asleep._asyncio_future_blocking is True
        with pytest.raises(RuntimeError, match=ALREADY):
            asleep.send(None)
        thrown(asleep)
        other = receive()
        assert next(other) is other
        other.close()
        assert other._asyncio_future_blocking is None
        assert other.result() is None
        assert not other.cancel()
        with pytest.raises(RuntimeError, match="only the task that awaits it may wait for it"):
            other.add_done_callback(print)
        for wrong in ((), (print, print)):
            with pytest.raises(RuntimeError, match="only the task"):
                receive().add_done_callback(*wrong)
        assert (await receive())["body"] == b"body"
        ready = receive()
        with pytest.raises(AttributeError):
            ready.gi_frame  # noqa: B018

    assert ask(act) == []


def test_what_is_cancelled_by_hand() -> None:
    async def act(receive: Any, send: Any) -> None:
        told: list[Any] = []
        waits = [receive() for _ in range(3)]
        words: list[dict[str, Any]] = [{}, {"msg": "why"}, {"msg": None}]
        for wait, each in zip(waits, words, strict=True):
            assert wait.send(None) is wait
            wait.add_done_callback(told.append)
            assert wait.cancel(**each)
            assert not wait.cancel()
            assert wait.done()
            assert wait.cancelled()
        await turns()
        assert told == waits
        for wait, args in zip(waits, [(), ("why",), ()], strict=True):
            for resume in (wait.result, lambda wait=wait: wait.send(None)):
                with pytest.raises(asyncio.CancelledError) as raised:
                    resume()
                assert raised.value.args == args
            assert not wait.cancelled()
        with pytest.raises(TypeError, match="takes no keyword arguments but"):
            waits[0].cancel(message="x")

    assert ask(act) == []


def test_a_coroutine_that_is_closed_while_it_waits() -> None:
    async def act(receive: Receive, send: Send) -> None:
        async def wait() -> None:
            await receive()

        waiting: Any = wait()
        assert waiting.send(None) is waiting.cr_await
        waiting.close()
        assert (await receive())["body"] == b"body"

    assert ask(act) == []


@pytest.mark.parametrize("count", [2, 20])
def test_several_receive_at_once(count: int) -> None:
    """One gets the body; the others wait, and are told of the end."""
    told: list[Message] = []

    async def act(receive: Receive, send: Send) -> None:
        tasks = [asyncio.ensure_future(receive()) for _ in range(count)]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        await turns()
        first = [task.result() for task in tasks if task.done()]
        assert first == [{"type": "http.request", "body": b"body", "more_body": False}]
        for task in tasks:
            task.add_done_callback(lambda task: told.append(task.result()))

    assert ask(act) == []
    assert [each for each in told if each == DISCONNECT] == [DISCONNECT] * (count - 1)


def test_a_task_is_cancelled_while_it_receives() -> None:
    async def act(receive: Receive, send: Send) -> None:
        for _ in range(3):
            task = asyncio.ensure_future(receive())
            await turns()
            task.cancel("enough")
            with pytest.raises(asyncio.CancelledError):
                await task
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(receive(), 0)
        assert (await receive())["body"] == b"body"

    assert ask(act, after=500) == []


def test_cancelled_while_it_sends() -> None:
    """What a send() that waits has put out stays so; the next goes on behind it."""
    state: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        async def flood() -> None:
            while True:
                await send(BIG)

        await send(START)
        task = asyncio.ensure_future(flood())
        for _ in range(100):
            await asyncio.sleep(0)
        state.append("congested")
        assert not task.done()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await send({**BODY, "body": b"end"})
        assert await receive() == DISCONNECT

    async def main() -> None:
        async with Core(app) as core:
            client = await core.connect(GET)
            while not state:
                await asyncio.sleep(0)
            answer = await client.rest()
            assert answer.endswith(b"\r\n3\r\nend\r\n0\r\n\r\n")
            assert answer.count(b"\r\n493e0\r\n") > 1

    run(main())


def test_the_client_vanishes_while_it_sends() -> None:
    raised: list[str] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        try:
            while True:
                await send(BIG)
        except _core.ClientDisconnected as error:
            raised.append(str(error))
        for message in (START, MORE, BODY):
            with pytest.raises((RuntimeError, _core.ClientDisconnected)):
                await send(message)
        for _ in range(2):
            assert await receive() == {"type": "http.request", "body": b"", "more_body": False}
            break
        for _ in range(2):
            assert await receive() == DISCONNECT
        raise _core.ClientDisconnected

    async def main() -> None:
        async with Core(app) as core:
            client = await core.connect(GET)
            await client.head()
            client.vanish()
            while core.live():
                await asyncio.sleep(0.001)

    run(main())
    assert raised == [LEFT]


@pytest.mark.parametrize("when", ["before the body", "behind the body"])
def test_the_client_vanishes_while_it_is_waited_for(when: str) -> None:
    seen: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append({})
        while (message := await receive()) != DISCONNECT:
            seen.append(message)
        with pytest.raises(_core.ClientDisconnected, match=LEFT):
            await send(START)

    async def main() -> None:
        async with Core(app) as core:
            client = await core.connect(POST if when == "before the body" else POST + b"body")
            while not seen:
                await asyncio.sleep(0)
            await turns(20)
            client.vanish()
            while core.live():
                await asyncio.sleep(0.001)

    run(main())
    assert len(seen) == (1 if when == "before the body" else 2)
