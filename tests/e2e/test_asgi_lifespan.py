"""The lifespan protocol: the specification's version 2.0 and --lifespan."""

import signal
import time
from pathlib import Path

import pytest

from .client import request
from .conftest import Refused, Serve
from .harness import Server, Shape, launched

pytestmark = pytest.mark.matrix("workers")


def serves(server: Server) -> None:
    """Requests are answered, on several connections."""
    for _ in range(5):
        with server.connect() as client:
            assert client.exchange(request()).body == b"hello"


@pytest.mark.matrix("workers", "loop")
def test_scope_and_messages(serve: Serve) -> None:
    server = serve("asgi_lifespan:scope")
    serves(server)
    server.stop()
    scope = (
        "scope {'type': 'lifespan', 'asgi': {'version': '3.0', 'spec_version': '2.0'}, 'state': {}}"
    )
    told = [
        scope,
        "message {'type': 'lifespan.startup'}",
        "message {'type': 'lifespan.shutdown'}",
        "returned",
    ]
    assert sorted(server.events) == sorted(told * server.shape.workers)


def test_state_is_that_of_the_worker(serve: Serve) -> None:
    server = serve("asgi_probe:app")
    with server.connect() as client:
        assert b'"of the lifespan"' in client.exchange(request("GET", "/state")).body
    server.stop()
    started = [event for event in server.events if event.startswith("startup ")]
    ended = [event.replace("shutdown", "startup") for event in server.events[len(started) :]]
    assert len(started) == server.shape.workers
    assert sorted(started) == sorted(ended)


@pytest.mark.parametrize("mode", ["auto", "on", "off"])
def test_modes_where_there_is_a_lifespan(serve: Serve, mode: str) -> None:
    server = serve("asgi_lifespan:scope", "--lifespan", mode)
    serves(server)
    server.stop()
    assert server.events.count("returned") == (0 if mode == "off" else server.shape.workers)


@pytest.mark.parametrize("mode", ["auto", "off"])
@pytest.mark.parametrize("app", ["missing", "raising", "returning"])
def test_served_without_a_lifespan(serve: Serve, app: str, mode: str) -> None:
    server = serve(f"asgi_lifespan:{app}", "--lifespan", mode)
    server.tracebacks_expected = app == "raising"
    serves(server)


def test_failure_counts_also_with_auto(refused: Refused) -> None:
    """Who answers startup.failed has a lifespan, and it has failed."""
    assert "no database here" in refused("asgi_lifespan:failing")


@pytest.mark.parametrize(
    ("app", "words"),
    [
        ("failing", "no database here"),
        ("raising", "RuntimeError: no database here"),
        ("missing", "AssertionError"),
        ("returning", "lifespan.startup.complete"),
    ],
)
def test_with_on_nothing_is_served_without(refused: Refused, app: str, words: str) -> None:
    """Exit code 3 and the application's own words; it is not tried again and again."""
    log = refused(f"asgi_lifespan:{app}", "--lifespan", "on")
    assert words in log
    assert 1 <= log.count(words.partition(":")[2] or words) <= 8


def test_nothing_is_accepted_before_the_startup_is_complete(shape: Shape, room: Path) -> None:
    with launched(shape, room / "0", "asgi_lifespan:slow", ()) as server:
        server.await_event("starting", shape.workers)
        assert "http://" not in server.whole_log.replace("http://127.0.0.1:0", "")
        (server.directory / "start").touch()
        server.await_start()
        serves(server)
        (server.directory / "stop").touch()
        server.stop()


@pytest.mark.matrix("workers", "loop")
def test_stop_while_starting(shape: Shape, room: Path) -> None:
    with launched(shape, room / "0", "asgi_lifespan:slow", ()) as server:
        server.await_event("starting", shape.workers)
        server.signal(signal.SIGTERM)
        assert server.await_exit() == 0
        assert "stopping" not in server.events
        server.check_log()


@pytest.mark.matrix("workers", "loop")
def test_shutdown_is_awaited(shape: Shape, room: Path) -> None:
    with launched(shape, room / "0", "asgi_lifespan:slow", ()) as server:
        (server.directory / "start").touch()
        server.await_start()
        server.signal(signal.SIGTERM)
        server.await_event("stopping", shape.workers)
        assert server.process.poll() is None
        (server.directory / "stop").touch()
        server.stop()
        assert server.events.count("stopped") == shape.workers


def test_shutdown_is_bounded(shape: Shape, room: Path) -> None:
    arguments = ("--timeout-graceful-shutdown", "0.5")
    with launched(shape, room / "0", "asgi_lifespan:slow", arguments) as server:
        (server.directory / "start").touch()
        server.await_start()
        server.stop()
        assert "stopped" not in server.events
        assert "lifespan" in server.whole_log


@pytest.mark.parametrize("app", ["failing_late", "raising_late"])
def test_failure_at_the_end_is_logged(serve: Serve, app: str) -> None:
    server = serve(f"asgi_lifespan:{app}")
    server.tracebacks_expected = app == "raising_late"
    serves(server)
    server.stop()
    assert server.log.count("the pool leaks") >= server.shape.workers


def test_shutdown_comes_after_the_last_request(serve: Serve) -> None:
    server = serve("asgi_probe:app", "--timeout-graceful-shutdown", "600")
    with server.connect() as client:
        client.send(request("GET", "/wait?file=gate"))
        server.await_event("enter wait gate")
        server.signal(signal.SIGTERM)
        server.await_log("stopping")
        (server.directory / "gate").touch()
        assert client.response().body == b"done"
        client.expect_closed()
    server.stop()
    assert server.events[-1].startswith("shutdown ")
    assert "end wait" in server.events


@pytest.mark.matrix("workers", "loop")
def test_tasks_of_the_lifespan_work_all_the_while(serve: Serve) -> None:
    server = serve("asgi_lifespan:working")
    serves(server)
    time.sleep(0.1)
    server.stop()
    assert server.events.count("worked True") == server.shape.workers


def test_one_worker_that_fails_at_boot_ends_them_all(room: Path) -> None:
    with launched(Shape(workers=2), room / "0", "asgi_lifespan:half", ()) as server:
        assert server.await_exit() == 3
        assert "only one of us" in server.whole_log
