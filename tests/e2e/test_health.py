"""--health-path: whether the server serves, told without the application."""

import signal

import pytest

from .client import request
from .conftest import Serve
from .harness import await_true

ON = ("--health-path", "/healthz")
LONG = ("--timeout-graceful-shutdown", "600")


@pytest.mark.matrix("transport", "threads")
@pytest.mark.parametrize("app", ["probe:plain", "asgi_probe:app"])
def test_while_serving(serve: Serve, app: str) -> None:
    server = serve(app, *ON, "--access-log")
    with server.connect() as client:
        for target in ("/healthz", "/healthz?verbose"):
            answer = client.exchange(request("GET", target))
            assert (answer.status, answer.body) == (200, b"ok\n")
            assert (answer.get("content-type") or "").startswith("text/plain")
            assert answer.get("cache-control") == "no-store"
        answer = client.exchange(request("HEAD", "/healthz"), "HEAD")
        assert (answer.status, answer.get("content-length")) == (200, "3")
        assert client.exchange(request("GET", "/")).body == b"hello"
    await_true(lambda: "\n" in server.access_log, "the access log")
    assert server.access_log.count("\n") == 1  # the last
    assert '"GET / HTTP/1.1"' in server.access_log


@pytest.mark.parametrize("method", ["POST", "PUT", "OPTIONS", "DELETE"])
def test_other_methods(serve: Serve, method: str) -> None:
    server = serve("probe:plain", *ON)
    with server.connect() as client:
        body = None if method == "OPTIONS" else b"x" * 1000
        answer = client.exchange(request(method, "/healthz", body=body))
        assert (answer.status, answer.get("allow")) == (405, "GET, HEAD")
        assert client.exchange(request("GET", "/healthz")).status == 200


def test_other_paths_are_the_applications(serve: Serve) -> None:
    server = serve("probe:plain", *ON)
    with server.connect() as client:
        for target in ("/healthz/", "/Healthz", "//healthz", "/%68ealthz"):
            assert client.exchange(request("GET", target)).body != b"ok\n"


def test_off_unless_asked_for(serve: Serve) -> None:
    server = serve("probe:plain")
    with server.connect() as client:
        assert client.exchange(request("GET", "/healthz")).body != b"ok\n"


def test_it_does_not_wait_for_threads_of_the_application(serve: Serve) -> None:
    """Two threads, and two responses that nobody reads to their end."""
    server = serve("probe:plain", *ON, "--threads", "2")
    with server.connect() as one, server.connect() as two, server.connect() as client:
        for busy in (one, two):
            busy.send(request("GET", "/stream?size=65536&count=4000"))
            busy.await_bytes(b"\r\n\r\n")
        assert client.exchange(request("GET", "/healthz")).body == b"ok\n"
        one.reset()
        two.reset()


def test_while_stopping(serve: Serve) -> None:
    """A request that had come before the stop, behind one that is in flight, is still answered."""
    server = serve("asgi_probe:app", *ON, *LONG)
    body = b"x" * 300_000
    with server.connect() as client, server.connect() as idle:
        assert idle.exchange(request("GET", "/healthz")).status == 200
        head = request("POST", "/echo", [("Content-Length", str(len(body)))])
        with server.connect() as queued:
            client.send(head + body[:9])
            assert queued.exchange(request("GET", "/healthz")).status == 200
            queued.send(request("GET", "/healthz")[:-2])
            server.signal(signal.SIGTERM)
            idle.expect_closed()
            queued.send(b"\r\n")
            answer = queued.response()
            assert (answer.status, answer.body) == (503, b"stopping\n")
            assert "close" in answer.tokens
            queued.expect_closed()
        client.send(body[9:])
        assert client.response().body == body
    assert server.await_exit() == 0
