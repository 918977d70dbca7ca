"""Requests that tell tests/apps/asgi_probe.py message by message what to send."""

import json
from typing import Any
from urllib.parse import quote

from .harness import Server

START = {"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/x")]}


def body(data: Any = b"", more: bool = False) -> dict[str, Any]:
    """A message with a piece of a response's body."""
    return {"type": "http.response.body", "body": data, "more_body": more}


def script(*steps: object) -> str:
    """The target of a request for these steps, see `perform` in tests/apps/asgi_parts.py."""
    return "/script?steps=" + quote(json.dumps([repr(step) for step in steps]))


def refusals(server: Server) -> list[str]:
    """What `send` raised, once the script is over: `<index> <type>: <text>`."""
    server.await_event("performed")
    return [event for event in server.events if event[0].isdigit() and " received " not in event]
