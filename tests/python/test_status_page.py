"""The status page in a real browser: its figures are what was done, and it says when it has none.

Leaves screenshots in the test's directory (``--basetemp``), for people to look at.
"""

from __future__ import annotations

import http.client
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from chromium import Page, browsing, installed
from harness import PATIENCE, Server, freastal, wait_until
from metrics_client import metrics_port

APP = """
import time
from pathlib import Path

def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/raise":
        raise ValueError("as planned")
    if path == "/wait":
        Path("waiting").touch()
        while not Path("go").exists():
            time.sleep(0.01)
    if path == "/slow":
        time.sleep(0.02)
    start_response("404 Not Found" if path == "/gone" else "200 OK", [("Content-Length", "2")])
    return [b"ok"]
"""

NAME = "shop & <b>sons</b>"
"""Shown as it is."""

pytestmark = pytest.mark.skipif(installed() is None, reason="there is no Chromium here")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    options = ("-w", "2", "--metrics", "127.0.0.1:0", "--proc-name", NAME)
    with freastal(tmp_path, *options, app=APP) as running:
        yield running


class Load(threading.Thread):
    """Asks until it is told to stop; counts."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self._port = port
        self._over = threading.Event()
        self.counts = {"2xx": 0, "4xx": 0, "5xx": 0}

    def run(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE)
        number = 0
        while not self._over.wait(0.002):
            number += 1
            path = {7: "/gone", 11: "/slow"}.get(number % 13, "/")
            path = "/raise" if number % 101 == 0 else path
            connection.request("GET", path)
            with connection.getresponse() as response:
                self.counts[f"{response.status // 100}xx"] += 1
                response.read()
        connection.close()

    def stop(self) -> int:
        self._over.set()
        self.join()
        return sum(self.counts.values())


def texts(page: Page, selector: str) -> list[str]:
    quoted = selector.replace("'", "\\'")
    found = page.evaluate(
        f"Array.from(document.querySelectorAll('{quoted}'), (each) => each.textContent)"
    )
    assert isinstance(found, list)
    return found


def pairs(page: Page, name: str) -> dict[str, str]:
    return dict(zip(texts(page, f"#{name} dt"), texts(page, f"#{name} dd"), strict=True))


def number(text: str) -> float:
    return float(re.sub(r"[^\d.]", "", text))


@pytest.mark.parametrize("look", ["light", "dark", "narrow"])
def test_it_shows_what_was_done(server: Server, tmp_path: Path, look: str) -> None:
    port = metrics_port(server)
    load = Load(server.ports[0])
    with browsing(tmp_path) as page:
        page.show(dark=look == "dark", width=390 if look == "narrow" else 1280)
        page.open(f"http://127.0.0.1:{port}/")
        wait_until(lambda: page.evaluate("points.length") >= 1, "a second without requests")
        load.start()
        wait_until(lambda: page.evaluate("points.length") >= 12, "a dozen seconds")
        tiles = pairs(page, "tiles")
        page.screenshot(tmp_path / f"status-{look}.png")
        done = load.stop()
        wait_until(lambda: number(pairs(page, "totals")["requests"]) == done, "all requests")
        totals = pairs(page, "totals")
        assert number(totals["… of them 4xx"]) == load.counts["4xx"]
        assert number(totals["… of them 5xx"]) == load.counts["5xx"]
        check_rates(page, done)
        check_workers(page, server, done)
        assert number(tiles["Requests"]) > 0
        assert re.fullmatch(r"[\d.]+(µs|ms)", tiles["Half answered within"])
        assert number(tiles["99 % answered within"]) >= 10  # ms: one of thirteen sleeps 20 ms
        assert texts(page, "#state") == ["live"]
        assert texts(page, "h1") == [NAME]
        check_window(page, dark=look == "dark")
        assert page.trouble == []
        assert page.hosts() == {f"127.0.0.1:{port}"}


def check_rates(page: Page, done: int) -> None:
    """The rates of all seconds are, together, the requests that were made while it looked."""
    counts = page.evaluate("points.map((p) => p.span * (p.ok + p.moved + p.client + p.server))")
    assert max(counts) > 10
    assert sum(counts) == pytest.approx(done)


def check_workers(page: Page, server: Server, done: int) -> None:
    rows = [
        page.evaluate(
            f"Array.from(document.querySelectorAll('#workers tr')[{i}].cells, (c) => c.textContent)"
        )
        for i in range(2)
    ]
    assert [row[0] for row in rows] == ["1", "2"]
    assert [row[2] for row in rows] == ["serving", "serving"]
    assert sum(number(row[4]) for row in rows) == done
    assert all("MiB" in row[8] for row in rows)
    assert str(server.pid) in texts(page, "#about")[0]


def check_window(page: Page, *, dark: bool) -> None:
    """It fits, is in the wanted colours, and every picture says in words what it shows."""
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (max(map(int, re.findall(r"\d+", colour))) < 60) == dark
    tree = page.call("Accessibility.getFullAXTree")["nodes"]
    names = [name_of(node) for node in tree if node["role"]["value"] in ("image", "img")]
    assert len(names) == 4
    assert all(names)
    contrasts = page.evaluate(CONTRASTS)
    assert contrasts
    assert min(contrasts.values()) >= 4.5, contrasts


def name_of(node: dict[str, Any]) -> str:
    return str(node.get("name", {}).get("value", ""))


CONTRASTS = """
(() => {
  const light = (colour) => {
    const [r, g, b] = colour.match(/[0-9.]+/g).map((each) => each / 255)
      .map((each) => each <= .04045 ? each / 12.92 : ((each + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b;
  };
  const found = {};
  const ground = light(getComputedStyle(document.querySelector("section")).backgroundColor);
  const wanted = { "h2 span": "color", ".tile dd": "color", ".legend li": "color",
    ".plot text": "fill", "th": "color", ".stroke.bad": "stroke", ".stroke.good": "stroke",
    ".stroke.warn": "stroke", ".stroke.move": "stroke", ".stroke.odd": "stroke" };
  for (const each in wanted) {
    const colour = getComputedStyle(document.querySelector(each))[wanted[each]];
    const [a, b] = [light(colour), ground].sort((x, y) => y - x);
    found[each] = (a + .05) / (b + .05);
  }
  return found;
})()
"""


def test_it_says_that_there_is_no_data(server: Server, tmp_path: Path) -> None:
    with browsing(tmp_path) as page:
        page.show(dark=False, width=1280)
        page.open(f"http://127.0.0.1:{metrics_port(server)}/")
        wait_until(lambda: page.evaluate("points.length") >= 2, "two seconds")
        page.screenshot(tmp_path / "status-no-data.png")
        assert "no requests seen" in texts(page, ".plot p")
        assert pairs(page, "tiles")["Half answered within"] == "–"
        assert pairs(page, "restarts") == {"none so far": ""}
        assert page.trouble == []


def test_it_says_that_the_connection_is_lost_and_finds_it_again(
    server: Server, tmp_path: Path
) -> None:
    with browsing(tmp_path) as page:
        page.show(dark=False, width=1280)
        page.open(f"http://127.0.0.1:{metrics_port(server)}/")
        wait_until(lambda: page.evaluate("points.length") >= 2, "two seconds")
        server.send(signal.SIGSTOP)
        wait_until(lambda: "connection lost" in texts(page, "#state")[0], "its word")
        page.screenshot(tmp_path / "status-lost.png")
        assert page.evaluate("points[points.length - 1]") is None
        server.send(signal.SIGCONT)
        wait_until(lambda: texts(page, "#state") == ["live"], "an answer")
        wait_until(lambda: page.evaluate("points[points.length - 1] !== null"), "rates")


def test_it_shows_a_worker_that_hangs_and_those_that_were_replaced(
    server: Server, tmp_path: Path
) -> None:
    with browsing(tmp_path) as page:
        page.show(dark=False, width=1280)
        page.open(f"http://127.0.0.1:{metrics_port(server)}/")
        server.send(signal.SIGHUP)
        server.wait_for("reloaded")
        waits = server.ask("/wait")
        wait_until(lambda: pairs(page, "restarts") == {"reloaded": "2"}, "the replaced")
        wait_until(lambda: any(step_of(page)), "a long step")
        page.screenshot(tmp_path / "status-step.png")
        assert pairs(page, "tiles")["In flight"] == "1"
        (tmp_path / "go").touch()
        assert waits.getresponse().status == 200
        with suppress(OSError):
            waits.close()
        wait_until(lambda: not any(step_of(page)), "its end")
        assert page.trouble == []


def step_of(page: Page) -> list[bool]:
    return [each != "–" for each in texts(page, "#workers td:last-child")]
