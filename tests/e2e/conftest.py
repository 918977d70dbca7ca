"""Fixtures of the end-to-end tests.

`serve` starts servers, `share` gives one that is running, `shape` says how they are set up. A test
runs on one shape; marked `@pytest.mark.matrix("threads", …)` it runs on all values of these axes,
marked `@pytest.mark.matrix` on all values of `harness.WHOLE`.
"""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from .harness import APPS, AXES, OWN_TLS, TRANSPORTS, WHOLE, Server, Shape, launched, running
from .tls_pki import localhost_file
from .tls_socket import certificate
from .ws_client import Headers, WebSocket, handshake, switched

Serve = Callable[..., Server]
Share = Callable[[str], Server]
Refused = Callable[..., str]
OpenSocket = Callable[..., WebSocket]


def pytest_configure(config: pytest.Config) -> None:
    config.stash[SHARED] = Shared()
    for variable in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        os.environ[variable] = str(certificate())  # whom real clients trust
    config.addinivalue_line("markers", "slow: takes minutes, or means nothing, under a sanitizer")
    config.addinivalue_line("markers", "matrix(*axes): run on all values of these axes")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents and item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(90))


def shapes(axes: tuple[str, ...]) -> list[Shape]:
    """Every shape that differs from the plain one in these axes."""
    points = itertools.product(*(AXES[axis] for axis in axes))
    return [Shape(**dict(zip(axes, point, strict=True))) for point in points]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "shape" in metafunc.fixturenames:
        mark = metafunc.definition.get_closest_marker("matrix")
        axes = () if mark is None else mark.args or WHOLE
        metafunc.parametrize("shape", shapes(axes), ids=str, scope="module")


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Path]:
    """A directory with a path short enough for a unix socket's name."""
    with tempfile.TemporaryDirectory(prefix="fe-") as name:
        yield Path(name)


class Shared:
    """The servers that the cases of one parametrized test share; each test has its own.

    Starting a server takes longer than most cases; that its log is clean and its objects are gone
    is checked when the last case is over, in that case's teardown.
    """

    def __init__(self) -> None:
        self.stack = ExitStack()
        self.servers: dict[object, Server] = {}

    def get(self, shape: Shape, app: str, *arguments: str) -> Server:
        """The server of that application, as if it had just been started."""
        key = shape, app, arguments
        if key not in self.servers:
            room = Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="fe-")))
            server = self.stack.enter_context(running(shape, room / "0", app, arguments))
            self.servers[key] = server
        server = self.servers[key]
        server.begin()
        return server

    def close(self) -> None:
        """Stops and checks all of them."""
        self.servers.clear()
        self.stack.close()


SHARED = pytest.StashKey[Shared]()


def test_of(item: pytest.Item | None) -> object:
    """What the cases of one test on one shape have in common."""
    if item is None:
        return None
    callspec = getattr(item, "callspec", None)
    shape = callspec.params.get("shape") if callspec else None
    return item.nodeid.partition("[")[0], shape


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    if test_of(item) != test_of(nextitem):
        item.config.stash[SHARED].close()


def show_log(server: Server) -> None:
    """Prints the log, which pytest shows where the test has failed."""
    print(f"the log of {server.directory}:\n{server.log}")


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
            stack.callback(show_log, server)
            return server

        yield start


@pytest.fixture
def refused(shape: Shape, room: Path) -> Refused:
    """Starts a server that must not start: `refused(app, *arguments)` gives its log.

    It ends with exit code 3 and has not said that it listens.
    """
    count = itertools.count()

    def start(app: str, *arguments: str) -> str:
        directory = room / f"refused-{next(count)}"
        with launched(shape, directory, app, arguments) as server:
            assert server.await_exit() == 3, server.whole_log
            assert TRANSPORTS[shape.transport].started.search(server.whole_log) is None
            return server.whole_log

    return start


@pytest.fixture
def serve_tls(room: Path) -> Iterator[Serve]:
    """As `serve`, with options of TLS of the test's own: `serve_tls(*options, app=, workers=)`."""
    with ExitStack() as stack:
        count = itertools.count()

        def start(
            *arguments: str,
            app: str = "probe:plain",
            workers: int = 1,
            env: dict[str, str] | None = None,
            line: list[str] | None = None,
        ) -> Server:
            directory = room / f"tls-{next(count)}"
            shape = Shape(OWN_TLS, workers)
            context = running(shape, directory, app, arguments, env=env, line=line)
            server = stack.enter_context(context)
            stack.callback(show_log, server)
            return server

        yield start


@pytest.fixture
def share_tls(request: pytest.FixtureRequest) -> Iterator[Share]:
    """As `share`, of servers with the certificate `tls_pki.localhost()`."""
    with ExitStack() as stack:

        def get(app: str) -> Server:
            shared = request.config.stash[SHARED]
            server = shared.get(Shape(OWN_TLS), app, "--certfile", localhost_file())
            stack.callback(show_log, server)
            return server

        yield get


@pytest.fixture
def share(shape: Shape, request: pytest.FixtureRequest) -> Iterator[Share]:
    """Gives servers without options: `share(app)`; the cases of a test use the same one."""
    with ExitStack() as stack:

        def get(app: str) -> Server:
            server = request.config.stash[SHARED].get(shape, app)
            stack.callback(show_log, server)
            return server

        yield get


@pytest.fixture
def server(share: Share) -> Server:
    """A server of tests/apps/probe.py behind wsgiref's validator, all options at their default."""
    return share("probe:checked")


@pytest.fixture
def asgi(share: Share) -> Server:
    """A server of tests/apps/asgi_probe.py, all options at their default."""
    return share("asgi_probe:app")


@pytest.fixture
def open_socket(asgi: Server) -> OpenSocket:
    """Opens WebSockets to tests/apps/asgi_sockets.py: `open_socket(target, headers)`."""

    def start(target: str = "/echo", headers: Headers = ()) -> WebSocket:
        return switched(asgi.connect(), handshake(target, headers))

    return start
