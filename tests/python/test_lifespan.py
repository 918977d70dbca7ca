"""The lifespan protocol: what applications send and receive, and what they do wrong."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from freastal.lifespan import Lifespan, LifespanError

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

FOREVER = 3600.0
COMPLETE = {"type": "lifespan.startup.complete"}
SHUT_DOWN = {"type": "lifespan.shutdown.complete"}


async def good(scope: Message, receive: Receive, send: Send) -> None:
    assert await receive() == {"type": "lifespan.startup"}
    scope["state"]["pool"] = "a pool"
    await send(COMPLETE)
    assert await receive() == {"type": "lifespan.shutdown"}
    scope["state"]["pool"] = "closed"
    await send(SHUT_DOWN)


def run(app: App, mode: str = "auto", timeout: float = FOREVER) -> Message | None:
    """Start up and shut down; gives the state."""

    async def main() -> Message | None:
        lifespan = Lifespan(app, mode)
        state = await lifespan.startup()
        await lifespan.shutdown(timeout)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return state

    return asyncio.run(main())


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG, "freastal")
    return caplog


@pytest.mark.parametrize("mode", ["auto", "on"])
def test_a_whole_life(mode: str, log: pytest.LogCaptureFixture) -> None:
    assert run(good, mode) == {"pool": "closed"}
    assert log.records == []


def test_the_scope() -> None:
    scopes = []

    async def app(scope: Message, receive: Receive, send: Send) -> None:
        scopes.append({**scope, "state": dict(scope["state"])})
        await good(scope, receive, send)

    run(app)
    asgi = {"version": "3.0", "spec_version": "2.0"}
    assert scopes == [{"type": "lifespan", "asgi": asgi, "state": {}}]


def test_off_calls_nothing() -> None:
    async def app(scope: Message, receive: Receive, send: Send) -> None:
        raise AssertionError

    assert run(app, "off") is None


class TestWithoutALifespan:
    """The application raises or returns before it answers."""

    async def raises(self, scope: Message, receive: Receive, send: Send) -> None:
        raise ValueError("only http")

    async def raises_later(self, scope: Message, receive: Receive, send: Send) -> None:
        await receive()
        raise ValueError("no database")

    async def returns(self, scope: Message, receive: Receive, send: Send) -> None:
        return

    async def exits(self, scope: Message, receive: Receive, send: Send) -> None:
        raise SystemExit(4)

    async def cancels(self, scope: Message, receive: Receive, send: Send) -> None:
        raise asyncio.CancelledError

    @pytest.mark.parametrize(
        ("name", "level"),
        [
            ("raises", "DEBUG"),
            ("returns", "DEBUG"),
            ("exits", "DEBUG"),
            ("cancels", "DEBUG"),
            ("raises_later", "WARNING"),
        ],
    )
    def test_auto_goes_on(self, name: str, level: str, log: pytest.LogCaptureFixture) -> None:
        assert run(getattr(self, name)) is None
        assert [record.levelname for record in log.records] == [level]

    @pytest.mark.parametrize(
        ("name", "how"),
        [
            ("raises", "failed with ValueError: only http"),
            ("raises_later", "failed with ValueError: no database"),
            ("exits", "failed with SystemExit: 4"),
            ("returns", "returned"),
        ],
    )
    def test_on_does_not(self, name: str, how: str) -> None:
        with pytest.raises(LifespanError) as error:
            run(getattr(self, name), "on")
        words = f"the application's lifespan {how} before it sent lifespan.startup.complete"
        assert str(error.value) == words
        if name != "returns":
            assert f"in {name}" in error.value.traceback_text
            assert "lifespan.py" not in error.value.traceback_text.replace(__file__, "")

    def test_what_is_called_at_all_may_fail(self) -> None:
        def app(scope: Message, receive: Receive, send: Send) -> Awaitable[None]:
            raise TypeError

        assert run(app) is None


class TestStartupFails:
    def fails(self, message: Message, mode: str = "auto") -> LifespanError:
        async def app(scope: Message, receive: Receive, send: Send) -> None:
            await receive()
            await send({"type": "lifespan.startup.failed", **message})
            raise RuntimeError("as Starlette does")

        with pytest.raises(LifespanError) as error:
            run(app, mode)
        return error.value

    @pytest.mark.parametrize("mode", ["auto", "on"])
    def test_with_a_message(self, mode: str, log: pytest.LogCaptureFixture) -> None:
        error = self.fails({"message": "no database"}, mode)
        assert str(error) == "the application failed to start: no database"
        assert error.traceback_text == ""
        assert log.records == []

    def test_without(self) -> None:
        assert str(self.fails({})) == "the application failed to start: no reason given"

    def test_with_a_traceback(self) -> None:
        error = self.fails({"message": "Traceback:\n  here\nOSError: no database\n"})
        assert str(error) == "the application failed to start: OSError: no database"
        assert error.traceback_text == "Traceback:\n  here\nOSError: no database\n"


class TestServing:
    def test_returning_early_is_allowed(self, log: pytest.LogCaptureFixture) -> None:
        async def app(scope: Message, receive: Receive, send: Send) -> None:
            scope["state"]["a"] = 1
            await send(COMPLETE)

        assert run(app) == {"a": 1}
        assert log.records == []

    def test_an_exception_is_logged(self, log: pytest.LogCaptureFixture) -> None:
        async def app(scope: Message, receive: Receive, send: Send) -> None:
            await send(COMPLETE)
            raise ValueError("meanwhile")

        assert run(app) == {}
        assert "the application's lifespan failed" in log.text
        assert "ValueError: meanwhile" in log.text

    def test_a_failure_that_it_tells_is_logged_once(self, log: pytest.LogCaptureFixture) -> None:
        async def app(scope: Message, receive: Receive, send: Send) -> None:
            await send(COMPLETE)
            await send({"type": "lifespan.shutdown.failed", "message": "a task of mine failed"})
            raise ValueError

        run(app)
        assert [record.getMessage() for record in log.records] == [
            "the application failed to shut down: a task of mine failed"
        ]


class TestShutdown:
    def test_a_failure_is_logged_once(self, log: pytest.LogCaptureFixture) -> None:
        async def app(scope: Message, receive: Receive, send: Send) -> None:
            await send(COMPLETE)
            await receive()
            await receive()
            await send({"type": "lifespan.shutdown.failed", "message": "one\ntwo"})
            raise ValueError

        run(app)
        assert [record.getMessage() for record in log.records] == [
            "the application failed to shut down: one\ntwo"
        ]

    def test_an_exception_is_logged(self, log: pytest.LogCaptureFixture) -> None:
        async def app(scope: Message, receive: Receive, send: Send) -> None:
            await send(COMPLETE)
            await receive()
            await receive()
            raise ValueError("at the end")

        run(app)
        assert "ValueError: at the end" in log.text

    def test_what_comes_after_the_answer_is_awaited(self) -> None:
        done = []

        async def app(scope: Message, receive: Receive, send: Send) -> None:
            await good(scope, receive, send)
            await asyncio.sleep(0.01)
            done.append(True)

        run(app)
        assert done == [True]

    def test_a_loop_that_never_ends(self, log: pytest.LogCaptureFixture) -> None:
        ended = []

        async def app(scope: Message, receive: Receive, send: Send) -> None:
            try:
                while True:
                    kind = (await receive())["type"]
                    await send({"type": kind + ".complete"})
            finally:
                ended.append(True)

        run(app)  # at once: it does not take the time-out
        assert ended == [True]
        assert log.records == []

    def test_receive_may_be_cancelled_and_called_again(self) -> None:
        begun: asyncio.Event
        told: list[bool] = []

        async def app(scope: Message, receive: Receive, send: Send) -> None:
            await receive()
            await send(COMPLETE)
            for _ in range(3):
                with pytest.raises(asyncio.TimeoutError):
                    await asyncio.wait_for(receive(), 0.001)
            begun.set()
            assert (await receive())["type"] == "lifespan.shutdown"
            await send(SHUT_DOWN)
            told.append(True)

        async def main() -> None:
            nonlocal begun
            begun = asyncio.Event()
            lifespan = Lifespan(app, "auto")
            await lifespan.startup()
            await begun.wait()
            await lifespan.shutdown(FOREVER)

        asyncio.run(main())
        assert told == [True]

    def test_out_of_time(self, log: pytest.LogCaptureFixture) -> None:
        ended = []

        async def app(scope: Message, receive: Receive, send: Send) -> None:
            await send(COMPLETE)
            try:
                await asyncio.sleep(FOREVER)
            finally:
                ended.append(True)

        run(app, timeout=0.01)
        assert ended == [True]
        assert "took longer than 0.01 s" in log.text


class TestWrongMessages:
    def wrong(self, kind: type[Exception], *messages: object) -> str:
        """What the last of these messages raises in the application."""
        found = []

        async def app(scope: Message, receive: Receive, send: Any) -> None:
            *before, last = messages
            for message in before:
                if message == SHUT_DOWN:
                    await receive()
                    await receive()
                await send(message)
            with pytest.raises(kind) as error:
                await send(last)
            found.append(str(error.value))

        run(app)
        (text,) = found
        return text

    @pytest.mark.parametrize("message", [None, "lifespan.startup.complete", {}, {"type": 1}])
    def test_no_message(self, message: object) -> None:
        assert self.wrong(TypeError, message) == (
            f"{message!r} was sent, expected a dict of type 'lifespan.startup.complete' or "
            "'lifespan.startup.failed'"
        )

    def test_of_another_protocol(self) -> None:
        assert self.wrong(RuntimeError, {"type": "http.response.start"}) == (
            "'http.response.start' was sent, expected 'lifespan.startup.complete' or "
            "'lifespan.startup.failed'"
        )

    def test_too_early(self) -> None:
        assert self.wrong(RuntimeError, COMPLETE, SHUT_DOWN) == (
            "'lifespan.shutdown.complete' was sent, expected 'lifespan.shutdown.failed'"
        )

    def test_twice(self) -> None:
        text = self.wrong(RuntimeError, COMPLETE, COMPLETE)
        assert text.startswith("'lifespan.startup.complete' was sent, expected ")
        assert self.wrong(RuntimeError, COMPLETE, SHUT_DOWN, SHUT_DOWN) == (
            "'lifespan.shutdown.complete' was sent, expected nothing now"
        )

    def test_words_of_another_type(self) -> None:
        message = {"type": "lifespan.startup.failed", "message": b"no"}
        assert self.wrong(TypeError, message) == (
            "the 'message' of 'lifespan.startup.failed' is b'no', expected a str"
        )


class TestCancellation:
    @pytest.mark.parametrize("how", ["cancel", "abort"])
    def test_of_the_startup_ends_the_application(self, how: str) -> None:
        ended = []

        async def app(scope: Message, receive: Receive, send: Send) -> None:
            await receive()
            try:
                await asyncio.sleep(FOREVER)
            finally:
                ended.append(True)

        async def main() -> None:
            lifespan = Lifespan(app, "auto")
            startup = asyncio.create_task(lifespan.startup())
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            startup.cancel() if how == "cancel" else lifespan.abort()
            with pytest.raises(asyncio.CancelledError):
                await startup

        asyncio.run(main())
        assert ended == [True]

    def test_by_the_end_of_the_loop_is_one_line(self, log: pytest.LogCaptureFixture) -> None:
        async def main() -> None:
            await Lifespan(good, "auto").startup()

        asyncio.run(main())
        assert [record.getMessage() for record in log.records] == [
            "the application's lifespan was cancelled"
        ]
