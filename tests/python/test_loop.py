"""``freastal.loop``: the event loop as host, and what another one sees of a guest."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import gc
import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import warnings
import weakref
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import uvloop
from core_harness import PATIENCE, listen, settle

from freastal import _core
from freastal.loop import EventLoop, Guest, attach, beats_of

Message = dict[str, Any]


@pytest.fixture
def loop() -> Iterator[EventLoop]:
    loop = EventLoop()
    yield loop
    if not loop.is_closed():
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


def wait_for(loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any]) -> Any:
    return loop.run_until_complete(asyncio.wait_for(coroutine, PATIENCE))


# --- what asyncio's users do ---


def test_timers_are_never_early(loop: EventLoop) -> None:
    async def main() -> None:
        for delay in (0, 0.0001, 0.001, 0.0123):
            began = loop.time()
            await asyncio.sleep(delay)
            assert loop.time() - began >= delay

    wait_for(loop, main())


def test_threads_wake_it(loop: EventLoop) -> None:
    future = loop.create_future()
    timer = threading.Timer(0.05, lambda: loop.call_soon_threadsafe(future.set_result, 5))
    timer.start()
    assert loop.run_until_complete(asyncio.wait_for(future, PATIENCE)) == 5
    timer.join()
    assert wait_for(loop, asyncio.to_thread(threading.get_ident)) != threading.get_ident()


def test_subprocess(loop: EventLoop) -> None:
    async def main() -> bytes:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-c",
            "print(input())",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        output, _ = await process.communicate(b"said\n")
        assert process.returncode == 0
        return output

    assert wait_for(loop, main()) == b"said\n"


def test_signal_handlers(loop: EventLoop) -> None:
    """asyncio's own come and go; after the last, others still end a wait."""
    seen: list[str] = []

    async def main() -> None:
        arrived = asyncio.Event()

        def on_signal() -> None:
            seen.append("asyncio's")
            arrived.set()

        def on_python_signal(*_: object) -> None:
            seen.append("Python's")
            loop.stop()

        loop.add_signal_handler(signal.SIGUSR1, on_signal)
        os.kill(os.getpid(), signal.SIGUSR1)
        await arrived.wait()
        assert loop.remove_signal_handler(signal.SIGUSR1)
        signal.signal(signal.SIGUSR1, on_python_signal)
        threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGUSR1)).start()

    before = signal.getsignal(signal.SIGUSR1)
    try:
        wait_for(loop, main())
        loop.run_forever()
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert seen == ["asyncio's", "Python's"]


def test_wakeup_descriptor_goes_on(loop: EventLoop) -> None:
    """Who listened for signals before gets their numbers, and has its place back afterwards."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.setblocking(False)
        before = signal.set_wakeup_fd(theirs.fileno())
        handler = signal.signal(signal.SIGUSR1, lambda *_: loop.stop())
        try:
            loop.call_later(0.01, os.kill, os.getpid(), signal.SIGUSR1)
            loop.run_forever()
        finally:
            signal.signal(signal.SIGUSR1, handler)
            assert signal.set_wakeup_fd(before) == theirs.fileno()
        ours.settimeout(PATIENCE)
        assert ours.recv(10) == bytes([signal.SIGUSR1])


@pytest.mark.parametrize(
    ("early", "moments", "moment"),
    [(True, 8, each) for each in range(8)] + [(False, 12, each) for each in range(12)],
)
def test_a_signal_between_two_steps_is_heard(
    loop: EventLoop, early: bool, moments: int, moment: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However it falls together with the change of who hears signals, when the loop begins or ends
    to run, or a handler is removed: asyncio's handler is called, once.
    """
    change = signal.set_wakeup_fd
    passed = 0
    heard: list[int] = []

    def pass_moment() -> None:
        nonlocal passed
        if passed == moment:
            signal.raise_signal(signal.SIGUSR1)
        passed += 1

    def change_between(fd: int, **words: bool) -> int:
        pass_moment()
        before = change(fd, **words)
        pass_moment()
        return before

    async def main() -> None:
        if not early:
            loop.add_signal_handler(signal.SIGUSR2, heard.append, 0)
        loop.remove_signal_handler(signal.SIGUSR2)

    loop.add_signal_handler(signal.SIGUSR1, heard.append, 1)
    if early:
        loop.add_signal_handler(signal.SIGUSR2, heard.append, 0)
    with monkeypatch.context() as patch:
        patch.setattr(signal, "set_wakeup_fd", change_between)
        wait_for(loop, main())
    assert passed == moments
    wait_for(loop, asyncio.sleep(0.01))
    assert heard == [1]
    assert loop.remove_signal_handler(signal.SIGUSR1)


CTRL_C = """
import asyncio, os, signal, sys, threading
from freastal.loop import EventLoop

signal.signal(signal.SIGINT, signal.default_int_handler)

async def main():
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
    try:
        await asyncio.sleep(100)
    finally:
        print("ended", flush=True)

try:
    if sys.version_info >= (3, 11):
        with asyncio.Runner(loop_factory=EventLoop) as runner:
            runner.run(main())
    else:
        loop = EventLoop()
        task = loop.create_task(main())
        try:
            loop.run_until_complete(task)
        finally:
            task.cancel()
            try:
                loop.run_until_complete(task)
            except asyncio.CancelledError:
                loop.close()
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


def test_ctrl_c_while_it_waits(tmp_path: Path) -> None:
    command = [sys.executable, "-c", CTRL_C]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE)
    assert (done.stdout, done.stderr) == ("ended\ninterrupted\n", "")


def test_a_watched_descriptor_is_closed(loop: EventLoop) -> None:
    """As under epoll: it is silent, its number can be used again, and the loop goes on."""
    seen: list[bytes] = []

    def take(sock: socket.socket) -> None:
        seen.append(sock.recv(1))

    async def main() -> None:
        for _ in range(3):
            ours, theirs = socket.socketpair()
            number = ours.fileno()
            loop.add_reader(number, seen.append, b"closed")
            ours.close()
            theirs.close()
            again, other = socket.socketpair()
            other.send(b"x")
            assert number in (again.fileno(), other.fileno())
            await asyncio.sleep(0.01)
            loop.remove_reader(number)
            loop.add_reader(again, take, again)
            await asyncio.sleep(0.01)
            loop.remove_reader(again)
            again.close()
            other.close()

    wait_for(loop, main())
    assert seen == [b"x"] * 3


def test_streams_with_many_connections(loop: EventLoop) -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            writer.write(line)
            await writer.drain()
        writer.close()

    async def talk(address: tuple[str, int]) -> None:
        reader, writer = await asyncio.open_connection(*address)
        for number in range(20):
            writer.write(b"%d\n" % number)
            assert await reader.readline() == b"%d\n" % number
        writer.close()
        await writer.wait_closed()

    async def main() -> None:
        server = await asyncio.start_server(handle, "127.0.0.1", 0)
        address = server.sockets[0].getsockname()
        await asyncio.gather(*(talk(address) for _ in range(50)))
        server.close()

    wait_for(loop, main())


@pytest.mark.skipif(sys.version_info < (3, 11), reason="of CPython 3.11")
def test_timeout_and_task_group(loop: EventLoop) -> None:
    newer: Any = asyncio

    async def main() -> list[str]:
        seen = []
        try:
            async with newer.timeout(0.01):
                await asyncio.sleep(PATIENCE)
        except TimeoutError:
            seen.append("time")
        try:
            async with newer.TaskGroup() as group:
                group.create_task(asyncio.sleep(PATIENCE))
                raise ValueError("of the group")
        except Exception as error:
            seen.append(type(error).__name__)
        return seen

    assert wait_for(loop, main()) == ["time", "ExceptionGroup"]


def test_anyio(loop: EventLoop) -> None:
    anyio = pytest.importorskip("anyio")

    async def main() -> list[str]:
        seen: list[str] = []

        async def child(name: str) -> None:
            await anyio.sleep(0.001)
            seen.append(name)

        with anyio.move_on_after(0.01):
            await anyio.sleep(PATIENCE)
        async with anyio.create_task_group() as group:
            group.start_soon(child, "child")
        seen.append(await anyio.to_thread.run_sync(lambda: "thread"))
        return seen

    assert wait_for(loop, main()) == ["child", "thread"]


def test_in_a_thread() -> None:
    """Signals are the main thread's; all else is as there."""
    results: list[Any] = []

    def run() -> None:
        loop = EventLoop()
        results.append(wait_for(loop, asyncio.sleep(0.001, "slept")))
        loop.close()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(PATIENCE)
    assert results == ["slept"]


def test_debug_mode(loop: EventLoop, caplog: pytest.LogCaptureFixture) -> None:
    loop.set_debug(True)
    loop.slow_callback_duration = 0.001

    async def main() -> None:
        time.sleep(0.01)

    wait_for(loop, main())
    assert "took 0.0" in caplog.text
    with pytest.raises(RuntimeError, match="Non-thread-safe operation"):
        wait_for(loop, asyncio.to_thread(loop.call_soon, print))


# --- its life ---


def test_one_after_another_leaves_nothing() -> None:
    EventLoop().close()  # libuv's first loop opens descriptors that stay
    settle()
    before = os.listdir("/proc/self/fd")
    for _ in range(20):
        loop = EventLoop()
        wait_for(loop, asyncio.sleep(0))
        loop.close()
        loop.close()
    assert os.listdir("/proc/self/fd") == before


def test_closed() -> None:
    loop = EventLoop()
    loop.close()
    with pytest.raises(RuntimeError, match="closed"):
        loop.run_forever()
    with pytest.raises(RuntimeError, match="closed"):
        loop.call_soon(print)
    with pytest.raises(RuntimeError, match="released"):
        loop.turn(0)


def test_garbage() -> None:
    loop = EventLoop()
    wait_for(loop, asyncio.sleep(0))
    loop.close()
    gone = weakref.ref(loop)
    del loop
    gc.collect()
    assert gone() is None
    beats = _core.Loop()
    beats.on_stir(beats.backend_fd)  # a cycle
    del beats
    settle()


def test_running_twice(loop: EventLoop) -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match="running"):
            loop.close()
        # Last, for CPython 3.13.0 then takes the loop for one that does not run.
        with pytest.raises(RuntimeError, match="already running"):
            loop.run_forever()

    wait_for(loop, main())


def test_the_child_of_a_fork(loop: EventLoop) -> None:
    """It ends without taking anything from the parent's loop."""

    async def main() -> int:
        child = os.fork()
        if child == 0:
            code = 1
            with contextlib.suppress(BaseException):
                loop.remove_signal_handler(signal.SIGUSR1)
                beats = _core.Loop()
                beats.turn(0)
                with pytest.raises(RuntimeError, match="parent"):
                    loop.watch(0)
                code = 0
            os._exit(code)
        _, status = await asyncio.to_thread(os.waitpid, child, 0)
        return os.waitstatus_to_exitcode(status)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # CPython 3.12 warns of threads beside a fork
        assert wait_for(loop, main()) == 0
    assert wait_for(loop, asyncio.sleep(0.001, "slept")) == "slept"


# --- _core.Loop itself ---


def test_a_turn_ends_for_each_reason() -> None:
    beats = _core.Loop()
    readable, writable = os.pipe()
    beats.watch(readable)
    assert beats.turn(0) is False
    assert beats.turn(-1) is False
    began = time.monotonic()
    assert beats.turn(0.02) is False
    assert time.monotonic() - began >= 0.02
    os.write(writable, b"x")
    assert beats.turn(None) is True
    assert beats.turn(0) is True  # until it is read
    os.read(readable, 1)
    assert beats.turn(0) is False
    os.write(writable, b"x")
    beats.unwatch()
    assert beats.turn(0) is False
    beats.watch(readable)
    assert beats.turn(None) is True
    beats.release()
    os.close(readable)
    os.close(writable)


def test_wrong_arguments() -> None:
    beats = _core.Loop()
    for call in (beats.turn, beats.watch, beats.forward_signals):
        with pytest.raises(TypeError):
            call("x")  # type: ignore[arg-type]
    with pytest.raises((OSError, ValueError)):
        beats.watch(10**9)
    for fd in (-2, 2**31):
        with pytest.raises(ValueError, match="allowed is a descriptor, or -1 for none"):
            beats.forward_signals(fd)
    with open("/dev/null") as file, pytest.raises(OSError, match="cannot be watched"):
        beats.watch(file.fileno())


# --- tasks of requests ---


class Site:
    """A worker of one ASGI application upon an event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, app: Any) -> None:
        self.guest: Guest | None = None
        beats = beats_of(loop)
        if beats is None:
            self.guest = attach(loop)
            beats = self.guest.beats
        self.stopped = loop.create_future()
        self.listener = listen()
        self.worker = _core.Worker(
            app,
            [self.listener.fileno()],
            interface="asgi",
            loop=beats,
            tasks=loop,
            stopped=lambda: self.stopped.set_result(None),
        )

    async def ask(self, path: str = "/") -> tuple[int, bytes]:
        """One request, from a thread."""

        host, port = self.listener.getsockname()

        def get() -> tuple[int, bytes]:
            connection = http.client.HTTPConnection(host, port, timeout=PATIENCE)
            try:
                connection.request("GET", path)
                response = connection.getresponse()
                return response.status, response.read()
            finally:
                connection.close()

        return await asyncio.to_thread(get)

    async def close(self) -> None:
        self.worker.stop(5)
        await asyncio.wait_for(self.stopped, PATIENCE)
        self.worker.close()
        if self.guest is not None:
            self.guest.detach()
        self.listener.close()
        assert {name: n for name, n in self.worker.counters()["live"].items() if n} == {}


HOSTS: dict[str, Callable[[], asyncio.AbstractEventLoop]] = {
    "ours": EventLoop,
    "asyncio": asyncio.SelectorEventLoop,
    "uvloop": uvloop.new_event_loop,
}


@pytest.fixture(params=HOSTS)
def host(request: pytest.FixtureRequest) -> Iterator[asyncio.AbstractEventLoop]:
    host = HOSTS[request.param]()
    yield host
    host.run_until_complete(host.shutdown_default_executor())
    host.close()


async def answer(send: Any, body: bytes) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


def serve(loop: asyncio.AbstractEventLoop, app: Any, *paths: str) -> list[tuple[int, bytes]]:
    """The answers to one request after another."""

    async def main() -> list[tuple[int, bytes]]:
        site = Site(loop, app)
        try:
            return [await site.ask(path) for path in paths]
        finally:
            await site.close()

    answers: list[tuple[int, bytes]] = wait_for(loop, main())
    return answers


VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("VARIABLE", default="unset")


def test_each_request_has_a_task_and_a_context(host: asyncio.AbstractEventLoop) -> None:
    tasks = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        tasks.append(asyncio.current_task())
        assert asyncio.get_running_loop() is host
        assert VARIABLE.get() == "unset"
        VARIABLE.set(scope["path"])
        if scope["path"] == "/waits":
            await asyncio.sleep(0.001)
        await asyncio.wait_for(asyncio.sleep(0), 1)
        assert asyncio.current_task() is tasks[-1]
        await answer(send, VARIABLE.get().encode())

    found = serve(host, app, "/at-once", "/waits")
    assert found == [(200, b"/at-once"), (200, b"/waits")]
    assert len(set(tasks)) == 2


def test_the_first_step_runs_at_once() -> None:
    """Before anything that was scheduled earlier comes to run."""
    loop = EventLoop()
    order: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if order:
            order.append("request")
        else:
            loop.call_soon(order.append, "scheduled")
            order.append("first")
        await answer(send, b"")

    async def main() -> None:
        site = Site(loop, app)
        client = socket.create_connection(site.listener.getsockname(), PATIENCE)
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 2)
        while len(order) < 3:
            await asyncio.sleep(0.001)
        client.close()
        await site.close()

    wait_for(loop, main())
    assert order == ["first", "request", "scheduled"]
    loop.close()


def test_an_application_reaches_for_the_loop(host: asyncio.AbstractEventLoop) -> None:
    """It cannot turn the loop that turns it, and nothing breaks when it tries."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        beats = beats_of(host)
        texts = []
        if beats is not None:
            for call in (partial(beats.turn, 0), beats.release):
                try:
                    call()
                except RuntimeError as error:
                    texts.append(str(error))
        coroutine = asyncio.sleep(0)
        try:
            host.run_until_complete(coroutine)
        except RuntimeError as error:
            texts.append(str(error))
        coroutine.close()
        await answer(send, "; ".join(texts).encode())

    [(status, body)] = serve(host, app, "/")
    assert status == 200
    assert b"already running" in body
    assert isinstance(host, EventLoop) == (b"being turned" in body)


def test_a_finalizer_that_schedules(loop: EventLoop) -> None:
    """What it asks for runs, and so do the requests."""
    seen: list[str] = []

    class Cycle:
        def __init__(self) -> None:
            self.cycle = self

        def __del__(self) -> None:
            loop.call_soon(seen.append, "finalized", context=contextvars.copy_context())

    async def app(scope: Any, receive: Any, send: Any) -> None:
        for _ in range(30):
            Cycle()
        await answer(send, b"")

    threshold = gc.get_threshold()
    gc.set_threshold(20)  # sooner or later while a task is made
    try:
        found = serve(loop, app, *["/"] * 50)
    finally:
        gc.set_threshold(*threshold)
    assert found == [(200, b"")] * 50
    gc.collect()
    wait_for(loop, asyncio.sleep(0))
    assert len(seen) == 50 * 30


def test_a_task_factory_makes_the_tasks(host: asyncio.AbstractEventLoop) -> None:
    made: list[Any] = []

    def factory(loop: Any, coroutine: Any, **kwargs: Any) -> Any:
        task: asyncio.Task[Any] = asyncio.Task(coroutine, loop=loop, **kwargs)
        made.append(task)
        return task

    current: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        current.append(asyncio.current_task())
        await answer(send, b"")

    host.set_task_factory(factory)
    assert serve(host, app, "/", "/") == [(200, b"")] * 2
    assert len(current) == 2
    assert all(task in made for task in current)


def test_stop_in_a_request() -> None:
    """An application that stops the loop is obeyed, though the loop only serves requests."""
    loop = EventLoop()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answer(send, b"last")
        loop.stop()

    site = Site(loop, app)
    answers: list[Any] = []

    def ask() -> None:
        with socket.create_connection(site.listener.getsockname(), PATIENCE) as client:
            client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            answers.append(client.recv(100))

    thread = threading.Thread(target=ask)
    thread.start()
    loop.run_forever()
    thread.join(PATIENCE)
    assert answers[0].startswith(b"HTTP/1.1 200 ")
    wait_for(loop, site.close())
    loop.close()


def test_a_worker_holds_its_loop() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answer(send, b"")

    loop = EventLoop()
    site = Site(loop, app)
    with pytest.raises(RuntimeError, match="Worker is still on the loop"):
        loop.release()
    site.worker.close()
    site.worker.close()
    site.listener.close()
    loop.close()


def test_a_worker_that_is_forgotten() -> None:
    """Freed while its loop runs, it closes what it serves and leaves the loop to others."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await answer(send, b"")

    loop = EventLoop()

    async def main() -> None:
        forgotten, other = Site(loop, app), Site(loop, app)
        assert await forgotten.ask() == (200, b"")
        forgotten.listener.close()
        gone = weakref.ref(forgotten)
        del forgotten
        while gone():  # the thread that asked lets go when it likes
            await asyncio.sleep(0.001)
            gc.collect()
        assert await other.ask() == (200, b"")
        await other.close()

    wait_for(loop, main())
    loop.close()
