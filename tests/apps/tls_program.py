"""An asyncio program that serves TLS and takes new certificates when it is told: by SIGHUP.

Arguments: the file of certificate and key. SIGTERM ends it.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import freastal


async def app(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[Any]],
    send: Callable[[Any], Awaitable[None]],
) -> None:
    """A short text."""
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"hello"})


async def main(certfile: str) -> None:
    """Serves until SIGTERM."""
    server = freastal.Server(app, port=0, certfile=certfile, lifespan="off")
    loop = asyncio.get_running_loop()

    def renew() -> None:
        try:
            server.reload_certificates()
        except (ValueError, RuntimeError) as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
        else:
            print("taken", file=sys.stderr, flush=True)

    def stop() -> None:
        server.should_exit = True

    renew()  # too early: nothing is served yet
    loop.add_signal_handler(signal.SIGHUP, renew)
    loop.add_signal_handler(signal.SIGTERM, stop)
    serving = loop.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    print(server.addresses[0].url(secure=True), file=sys.stderr, flush=True)
    await serving
    renew()  # too late


asyncio.run(main(sys.argv[1]))
