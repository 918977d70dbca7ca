"""Fixtures of the end-to-end tests.

`serve` starts servers, `shape` says how they are set up. A test runs on one shape; marked
`@pytest.mark.matrix("threads", …)` it runs on all values of these axes, marked
`@pytest.mark.matrix` on the whole matrix.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from .harness import APPS, AXES, Server, Shape, running

Serve = Callable[..., Server]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: takes minutes, or means nothing, under a sanitizer")
    config.addinivalue_line("markers", "matrix(*axes): run on all values of these axes, or of all")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(90))


def shapes(axes: tuple[str, ...]) -> list[Shape]:
    """Every shape that differs from the plain one in these axes."""
    points = itertools.product(*(AXES[axis] for axis in axes))
    return [Shape(**dict(zip(axes, point, strict=True))) for point in points]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "shape" in metafunc.fixturenames:
        mark = metafunc.definition.get_closest_marker("matrix")
        axes = () if mark is None else mark.args or tuple(AXES)
        metafunc.parametrize("shape", shapes(axes), ids=str, scope="module")


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Path]:
    """A directory with a path short enough for a unix socket's name."""
    with tempfile.TemporaryDirectory(prefix="fe-") as name:
        yield Path(name)


@pytest.fixture
def serve(shape: Shape, room: Path) -> Iterator[Serve]:
    """Starts servers: `serve(app, *arguments)`; all are stopped and checked after the test."""
    with ExitStack() as stack:
        count = itertools.count()

        def start(
            app: str = "probe:checked",
            *arguments: str,
            env: dict[str, str] | None = None,
            cwd: Path | None = None,
        ) -> Server:
            directory = room / str(next(count))
            context = running(shape, directory, app, arguments, env=env, cwd=cwd or APPS)
            server = stack.enter_context(context)
            stack.callback(lambda: print(f"the log of {server.directory}:\n{server.log}"))
            return server

        yield start


@pytest.fixture
def server(serve: Serve) -> Server:
    """A server of tests/apps/probe.py behind wsgiref's validator, all options at their default."""
    return serve()
