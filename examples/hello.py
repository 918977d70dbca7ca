"""The smallest application: ``freastal hello:app`` in this directory, or ``python hello.py``."""

from collections.abc import Callable, Iterable
from typing import Any

import freastal


def app(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Greet whoever asks."""
    name = environ["PATH_INFO"].strip("/") or "world"
    body = f"Hello, {name}!\n".encode("latin-1")  # as WSGI holds bytes in text: PEP 3333
    headers = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))]
    start_response("200 OK", headers)
    return [body]


if __name__ == "__main__":
    freastal.serve(app)
