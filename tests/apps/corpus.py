"""A WSGI application for requests of every kind: reads the body, notes the call, says what came."""

from __future__ import annotations

from collections.abc import Iterable

from probe import Environ, StartResponse, note


def app(environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    """Answers with the body; the client learns from X-Method whether one follows."""
    body = environ["wsgi.input"].read()
    note("called")
    headers = [
        ("Content-Type", "application/octet-stream"),
        ("Content-Length", str(len(body))),
        ("X-Method", environ["REQUEST_METHOD"]),
        ("X-Target", environ["RAW_URI"]),
    ]
    start_response("200 OK", headers)
    return [body]
