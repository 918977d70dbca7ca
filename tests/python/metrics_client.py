"""Asks a server under test for its metrics, as Prometheus would."""

from __future__ import annotations

import http.client
import re
from collections.abc import Callable

from harness import PATIENCE, Server, wait_until
from prometheus_client.parser import text_string_to_metric_families

Found = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def metrics_port(server: Server) -> int:
    """Where it says that they are."""
    return int(server.wait_for(r"metrics: http://127\.0\.0\.1:(\d+)")[0])


def ask(
    port: int, method: str = "GET", path: str = "/metrics"
) -> tuple[http.client.HTTPResponse, bytes]:
    """One answer, whole."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    connection.request(method, path)
    response = connection.getresponse()
    body = response.read()
    connection.close()
    return response, body


def parse(text: str) -> Found:
    """The samples by name and labels; each family has its help and its type."""
    found: Found = {}
    for family in text_string_to_metric_families(text):
        assert family.documentation
        assert family.type != "unknown"
        for sample in family.samples:
            key = (sample.name.removeprefix("freastal_"), tuple(sorted(sample.labels.items())))
            assert key not in found
            found[key] = sample.value
    return found


class Metrics:
    """The samples of one moment."""

    def __init__(self, port: int) -> None:
        _, body = ask(port)
        self.text = body.decode()
        self._found = parse(self.text)

    def __call__(self, name: str, **labels: str) -> float:
        return self._found[name, tuple(sorted(labels.items()))]

    def sum(self, name: str, **labels: str) -> float:
        """Of all samples that have these labels besides others."""
        wanted = set(labels.items())
        return sum(v for (n, have), v in self._found.items() if n == name and wanted <= set(have))

    def names(self) -> set[str]:
        """All families' names, less what stands behind them."""
        return set(re.findall(r"^# TYPE freastal_(\w+) ", self.text, re.M))


def wait_for(port: int, condition: Callable[[Metrics], object], what: str) -> Metrics:
    """Ask until the condition is true."""
    last: list[Metrics] = []

    def true() -> object:
        last[:] = [Metrics(port)]
        return condition(last[0])

    wait_until(true, what)
    return last[0]
