"""An asyncio program that serves TLS and takes new certificates when it is told: by SIGHUP.

Arguments: the file of certificate and key; and, where another thread takes them, a word.
SIGTERM ends it.
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


def say(text: str) -> None:
    """A line of the log."""
    print(text, file=sys.stderr, flush=True)


async def main(certfile: str, *elsewhere: str) -> None:
    """Serves until SIGTERM."""
    server = freastal.Server(app, port=0, certfile=certfile, lifespan="off")
    loop = asyncio.get_running_loop()

    def renew() -> None:
        try:
            server.reload_certificates()
        except (ValueError, RuntimeError) as error:
            say(f"{type(error).__name__}: {error}")
        else:
            loop.call_soon_threadsafe(say, "taken")

    def stop() -> None:
        server.should_exit = True

    renew()  # too early: nothing is served yet
    if elsewhere:
        loop.add_signal_handler(signal.SIGHUP, loop.run_in_executor, None, renew)
    else:
        loop.add_signal_handler(signal.SIGHUP, renew)
    loop.add_signal_handler(signal.SIGTERM, stop)
    serving = loop.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    say(server.addresses[0].url(secure=True))
    await serving
    renew()  # too late


asyncio.run(main(*sys.argv[1:]))
