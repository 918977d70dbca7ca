"""A headless Chromium, driven by the DevTools protocol: what the tests of pages need of it."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import websocket

PATIENCE = 60.0

COMMANDS = ("chromium", "google-chrome", "chromium-browser")

TROUBLE = ("Runtime.exceptionThrown", "Log.entryAdded", "Runtime.consoleAPICalled")


class Page:
    """An empty page, and what it has complained of and asked for since."""

    def __init__(self, url: str) -> None:
        self._socket = websocket.create_connection(url, PATIENCE, suppress_origin=True)
        self._number = 0
        self.trouble: list[dict[str, Any]] = []
        self.requests: list[str] = []
        for domain in ("Runtime", "Log", "Page", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command, and its result."""
        self._number += 1
        what = {"id": self._number, "method": method, "params": parameters}
        self._socket.send(json.dumps(what))
        while True:
            message = json.loads(self._socket.recv())
            if message.get("id") == self._number:
                assert "error" not in message, message
                return dict(message["result"])
            self._on_event(message)

    def _on_event(self, message: dict[str, Any]) -> None:
        if message["method"] in TROUBLE:
            self.trouble.append(message)
        elif message["method"] == "Network.requestWillBeSent":
            self.requests.append(message["params"]["request"]["url"])

    def show(self, *, dark: bool, width: int, height: int = 900) -> None:
        """In which window it is."""
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.call("Emulation.setEmulatedMedia", features=[scheme])
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=False,
        )  # fmt: skip

    def open(self, url: str) -> None:
        """Go there, and wait until all of it is."""
        self.call("Page.navigate", url=url)
        there = f"location.href === {json.dumps(url)} && document.readyState === 'complete'"
        end = time.monotonic() + PATIENCE
        while not self.evaluate(there):
            assert time.monotonic() < end, f"{url} never came"
            time.sleep(0.01)

    def evaluate(self, expression: str) -> Any:
        """The value of an expression of JavaScript."""
        found = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def screenshot(self, path: Path) -> bytes:
        """All of it, into a file."""
        width, height = self.evaluate("[innerWidth, document.documentElement.scrollHeight]")
        clip = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        found = self.call("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        data = base64.b64decode(found["data"])
        path.write_bytes(data)
        return data

    def hosts(self) -> set[str]:
        """Whom it has asked."""
        asked = {urllib.parse.urlsplit(each) for each in self.requests}
        return {each.netloc for each in asked if each.scheme != "data"}


def installed() -> str | None:
    """Its command."""
    return next((found for each in COMMANDS if (found := shutil.which(each))), None)


@contextmanager
def browsing(directory: Path) -> Iterator[Page]:
    """Run it for a while, with a profile of its own."""
    command = installed()
    assert command
    process = subprocess.Popen(
        [
            *(command, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run"),
            *("--disable-background-networking", "--remote-debugging-port=0"),
            *(f"--user-data-dir={directory / 'profile'}", "about:blank"),
        ],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr
        found = next(m for line in process.stderr if (m := re.search(r"ws://([\d.:]+)/", line)))
        with urllib.request.urlopen(f"http://{found[1]}/json", timeout=PATIENCE) as answer:
            tabs = json.load(answer)
        page = next(each for each in tabs if each["type"] == "page")
        yield Page(page["webSocketDebuggerUrl"])
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE)
