"""The HTTP server behind ``--metrics``: a few small answers out of the supervisor's own loop.

It has no thread and no process of its own, and never waits: sockets do not block, at most
:data:`MOST` connections are open, each has :data:`PATIENCE` from its first to its last moment, a
request's head :data:`LONGEST_HEAD`, a connection one request. Whatever goes wrong here ends one
connection and is a line in the log; nothing gets past :meth:`MetricsServer.look` and the callbacks.

    reading --- a whole head ---> writing --- all sent ---> lingering --- peer's end ---> closed
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import logging
import re
import selectors
import socket
import time
from collections.abc import Callable
from importlib import resources

from freastal import metrics
from freastal.metrics import Source

__all__ = ["MOST", "MetricsServer"]

MOST = 32
PATIENCE = 5.0
LONGEST_HEAD = 8192
PAUSE = 1.0
"""How long accepting rests when there is no descriptor for one more."""

REQUEST = re.compile(rb"([!-~]+) (/[!-~]*) HTTP/1\.[01]")

REASONS = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
}

PLAIN = "text/plain; charset=utf-8"

NO_SOURCES = "default-src 'none'"

logger = logging.getLogger("freastal")


class MetricsServer:
    """Answers about one server.

    :param sockets: that listen, and do not block; they stay their owner's.
    """

    def __init__(
        self,
        selector: selectors.BaseSelector,
        sockets: list[socket.socket],
        source: Source,
    ) -> None:
        self._selector = selector
        self._sockets = sockets
        self._source = source
        self._open: set[_Connection] = set()
        self._paused_until: float | None = None
        page, policy = _page()
        self._answers: dict[str, tuple[str, str, Callable[[], bytes]]] = {
            "/": ("text/html; charset=utf-8", policy, lambda: page),
            "/metrics": (metrics.CONTENT_TYPE, NO_SOURCES, self._text),
            "/status.json": ("application/json", NO_SOURCES, self._json),
        }
        self._listen()

    @property
    def next_at(self) -> float | None:
        """When :meth:`look` is due, by :func:`time.monotonic`; ``None``: not until something
        comes.
        """
        times = [each.ends_at for each in self._open]
        times += [] if self._paused_until is None else [self._paused_until]
        return min(times, default=None)

    def look(self, now: float) -> None:
        """End what has taken too long."""
        for each in [each for each in self._open if each.ends_at <= now]:
            self._close(each)
        if self._paused_until is not None and self._paused_until <= now:
            self._listen()

    def close(self) -> None:
        """End all; the listening sockets stay open."""
        self._rest(None)
        for each in list(self._open):
            self._close(each)

    def drop(self) -> None:
        """In a forked child: close its copies of the connections, and nothing of the parent's."""
        for each in self._open:
            each.socket.close()

    def _listen(self) -> None:
        self._paused_until = None
        for each in self._sockets:
            self._selector.register(each, selectors.EVENT_READ, lambda each=each: self._take(each))

    def _rest(self, until: float | None) -> None:
        if self._paused_until is None:
            for each in self._sockets:
                with contextlib.suppress(KeyError, ValueError):  # it was not registered
                    self._selector.unregister(each)
        self._paused_until = until

    def _take(self, listener: socket.socket) -> None:
        try:
            taken, _ = listener.accept()
        except (BlockingIOError, ConnectionError):
            return
        except OSError as error:
            logger.warning("--metrics: cannot accept: %s; again in %g s", error, PAUSE)
            self._rest(time.monotonic() + PAUSE)
            return
        if len(self._open) >= MOST:
            taken.close()
            return
        taken.setblocking(False)
        new = _Connection(taken)
        self._open.add(new)
        self._selector.register(taken, selectors.EVENT_READ, lambda: self._on_event(new))

    def _on_event(self, connection: _Connection) -> None:
        try:
            if connection.state == "reading":
                head = connection.read_head()
                if head is None:
                    return
                connection.answer(self._answer(head))
                self._selector.modify(
                    connection.socket, selectors.EVENT_WRITE, lambda: self._on_event(connection)
                )
            if connection.state == "writing" and connection.write():
                self._selector.modify(
                    connection.socket, selectors.EVENT_READ, lambda: self._on_event(connection)
                )
            elif connection.state == "lingering" and connection.is_over():
                self._close(connection)
        except OSError:
            self._close(connection)
        except Exception:
            logger.exception("--metrics: an answer failed")
            self._close(connection)

    def _close(self, connection: _Connection) -> None:
        if connection in self._open:
            self._open.remove(connection)
            with contextlib.suppress(KeyError, ValueError):
                self._selector.unregister(connection.socket)
            connection.socket.close()

    def _answer(self, head: bytes) -> bytes:
        match = REQUEST.fullmatch(head.split(b"\r\n", 1)[0])
        if len(head) > LONGEST_HEAD:
            return _response(431, PLAIN, b"the head is too long\n")
        if match is None:
            return _response(400, PLAIN, b"this is no request of HTTP/1.1\n")
        method, target = match[1].decode(), match[2].decode()
        found = self._answers.get(target.partition("?")[0])
        bare = method == "HEAD"
        if found is None:
            return _response(404, PLAIN, b"here are /, /metrics and /status.json\n", bare=bare)
        if method not in ("GET", "HEAD"):
            return _response(405, PLAIN, b"allowed are GET and HEAD\n", "Allow: GET, HEAD\r\n")
        kind, policy, make = found
        try:
            body = make()
        except Exception:
            logger.exception("--metrics: %s cannot be answered", target)
            return _response(500, PLAIN, b"the log says why\n", bare=bare)
        return _response(200, kind, body, policy=policy, bare=bare)

    def _text(self) -> bytes:
        return metrics.text(self._source).encode()

    def _json(self) -> bytes:
        return json.dumps(metrics.numbers(self._source)).encode()


class _Connection:
    def __init__(self, taken: socket.socket) -> None:
        self.socket = taken
        self.state = "reading"
        self.ends_at = time.monotonic() + PATIENCE
        self._bytes = b""

    def read_head(self) -> bytes | None:
        """The head when it is whole, or as much of it as is too much.

        :raises OSError: the peer has gone.
        """
        try:
            data = self.socket.recv(LONGEST_HEAD)
        except BlockingIOError:
            return None
        if not data:
            raise ConnectionError("no request")
        self._bytes += data
        head, end, _ = self._bytes.partition(b"\r\n\r\n")
        return head if end or len(self._bytes) > LONGEST_HEAD else None

    def answer(self, response: bytes) -> None:
        self.state, self._bytes = "writing", response

    def write(self) -> bool:
        """Whether all has been written: then the peer's end is waited for, so that what it may
        still send does not reset what it has not read.
        """
        try:
            self._bytes = self._bytes[self.socket.send(self._bytes) :]
        except BlockingIOError:
            return False
        if self._bytes:
            return False
        self.socket.shutdown(socket.SHUT_WR)
        self.state = "lingering"
        return True

    def is_over(self) -> bool:
        try:
            return not self.socket.recv(65536)
        except BlockingIOError:
            return False


def _response(
    status: int,
    kind: str,
    body: bytes,
    fields: str = "",
    *,
    policy: str = NO_SOURCES,
    bare: bool = False,
) -> bytes:
    head = (
        f"HTTP/1.1 {status} {REASONS[status]}\r\n"
        f"Content-Type: {kind}\r\n"
        f"Content-Length: {len(body)}\r\n"
        f"Content-Security-Policy: {policy}\r\n"
        "X-Content-Type-Options: nosniff\r\n"
        "Referrer-Policy: no-referrer\r\n"
        "Cache-Control: no-store\r\n"
        f"{fields}Connection: close\r\n\r\n"
    )
    return head.encode() + (b"" if bare else body)


def _page() -> tuple[bytes, str]:
    """The status page, and the policy that allows its own style and script and nothing else."""
    page = resources.files("freastal").joinpath("status.html").read_bytes()
    allowed = [NO_SOURCES, "connect-src 'self'", "img-src data:", "base-uri 'none'"]
    allowed += ["form-action 'none'", "frame-ancestors 'none'"]
    for tag, directive in ((b"style", "style-src"), (b"script", "script-src")):
        inside = re.findall(rb"<%s>(.*?)</%s>" % (tag, tag), page, re.DOTALL)
        digests = (base64.b64encode(hashlib.sha256(each).digest()).decode() for each in inside)
        allowed.append(" ".join([directive, *(f"'sha256-{digest}'" for digest in digests)]))
    return page, "; ".join(allowed)
