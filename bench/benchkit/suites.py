"""What is asked of the servers: one table, a row each."""

from __future__ import annotations

from dataclasses import dataclass

ITEM = (
    b'{"id":42,"name":"item 42","price":9.5,"tags":["new","blue"],'
    b'"maker":{"name":"freastal","country":"ie"}}'
)
"""What ``apps/items.py`` answers to :attr:`Suite.path`."""


@dataclass(frozen=True)
class Suite:
    """One load, and the application that it meets."""

    name: str
    kind: str  # wsgi, asgi, tls, websocket, fastapi: a server has the kinds that it can serve
    app: str  # module:name in apps/
    size: int  # bytes of body in each answer, or of each message
    path: str = "/"

    @property
    def unit(self) -> str:
        """What is counted."""
        return "message" if self.kind == "websocket" else "request"

    @property
    def request(self) -> bytes:
        """The shortest request that it is asked by."""
        return b"GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" % self.path.encode()


SUITES = (
    Suite("wsgi-500", "wsgi", "wsgi:app_500", 500),
    Suite("wsgi-12k", "wsgi", "wsgi:app_12k", 12288),
    Suite("asgi-500", "asgi", "asgi:app_500", 500),
    Suite("asgi-12k", "asgi", "asgi:app_12k", 12288),
    Suite("tls-500", "tls", "wsgi:app_500", 500),
    Suite("tls-12k", "tls", "wsgi:app_12k", 12288),
    Suite("websocket-64", "websocket", "asgi:echo", 64),
    Suite("fastapi", "fastapi", "items:app", len(ITEM), "/items/42"),
)

KINDS = tuple(dict.fromkeys(suite.kind for suite in SUITES))
