"""The applications that every WSGI server of the bench runs: as little Python as there can be.

Each call makes its list of headers anew, since a server may change the list that it is given.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

BODY_500 = b"x" * 500
BODY_12K = b"x" * 12288


def app_500(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    """Answer 500 bytes."""
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "500")])
    return [BODY_500]


def app_12k(environ: WSGIEnvironment, start_response: StartResponse) -> list[bytes]:
    """Answer 12 KiB."""
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "12288")])
    return [BODY_12K]
