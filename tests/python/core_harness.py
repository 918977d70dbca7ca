"""A ``_core.Worker`` in a thread of the test's own process, behind a real socket.

So a test holds the very objects that the server is given, and can count references to them.
"""

from __future__ import annotations

import gc
import http.client
import socket
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

from freastal import _core

Environ = dict[str, Any]
StartResponse = Callable[..., Callable[[bytes], object]]
App = Callable[[Environ, StartResponse], Any]

PATIENCE = 30.0
"""Seconds after which something that should come is taken not to come."""

TEXT = [("Content-Type", "text/plain")]


class Answer(NamedTuple):
    """A response as the client saw it."""

    status: int
    headers: http.client.HTTPMessage
    body: bytes


class Serving:
    """A running worker and where it listens."""

    def __init__(self, worker: _core.Worker, listener: socket.socket) -> None:
        self.worker = worker
        self.address: tuple[str, int] = listener.getsockname()

    def connect(self) -> socket.socket:
        """A new connection."""
        return socket.create_connection(self.address, PATIENCE)

    def ask(
        self,
        path: str = "/",
        method: str = "GET",
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        *,
        in_chunks: bool = False,
    ) -> Answer:
        """One request on a connection of its own.

        :raises http.client.HTTPException: the response was cut.
        """
        connection = http.client.HTTPConnection(*self.address, timeout=PATIENCE)
        try:
            connection.request(method, path, body, dict(headers or {}), encode_chunked=in_chunks)
            response = connection.getresponse()
            return Answer(response.status, response.headers, response.read())
        finally:
            connection.close()

    def ask_many(self, request: bytes, count: int, answer_size: int) -> None:
        """Pipelines that request so often; each answer, head included, has that many bytes."""
        with self.connect() as client:
            for _ in range(0, count, 50):
                client.sendall(request * 50)
                left = answer_size * 50
                while left:
                    got = len(client.recv(min(left, 1 << 20)))
                    assert got, "the server closed the connection"
                    left -= got

    def size_of_answer(self, request: bytes) -> int:
        """How many bytes answer that request, for :meth:`ask_many`."""
        marked = request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)
        with self.connect() as client:
            client.sendall(marked)
            data = b""
            while piece := client.recv(1 << 20):
                data += piece
        return len(data) - len(b"Connection: close\r\n")


def listen() -> socket.socket:
    """A listening socket on a free port, as the worker wants it."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    listener.setblocking(False)
    return listener


@contextmanager
def serving(app: App, **options: Any) -> Iterator[Serving]:
    """A worker that serves the application while the context lasts.

    At the end it is stopped, and every C object of its must be gone.
    """
    with listen() as listener:
        worker = _core.Worker(app, [listener.fileno()], **options)
        failures: list[BaseException] = []

        def run() -> None:
            try:
                worker.run()
            except BaseException as failure:
                failures.append(failure)

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield Serving(worker, listener)
        finally:
            worker.stop(5)
            thread.join(PATIENCE)
        assert not thread.is_alive()
        assert failures == []
        live = {name: count for name, count in worker.counters()["live"].items() if count}
        assert live == {}


def settle() -> None:
    """Collect what is garbage."""
    for _ in range(3):
        gc.collect()
