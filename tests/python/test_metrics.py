"""--metrics: what a client did is what it says, whatever becomes of the workers."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import PATIENCE, Server, freastal, wait_until
from metrics_client import Metrics, ask, metrics_port, parse, wait_for

from freastal.metrics_server import LONGEST_HEAD, MOST

APP = """
import os, time
from pathlib import Path

def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/raise":
        raise ValueError("as planned")
    if path == "/die":
        os._exit(9)
    if path == "/wait":
        Path(f"waiting-{os.getpid()}").touch()
        while not Path("go").exists():
            time.sleep(0.01)
    status = {"/gone": "404 Not Found", "/moved": "302 Found"}.get(path, "200 OK")
    body = b"" if environ["REQUEST_METHOD"] == "HEAD" else b"pid %d" % os.getpid()
    start_response(status, [("Content-Length", str(len(body)))])
    return [body]
"""

ANY = ("--metrics", "127.0.0.1:0")

PLAN = [
    *(("GET", "/"), ("GET", "/"), ("POST", "/"), ("PUT", "/gone"), ("DELETE", "/moved")),
    *(("PATCH", "/"), ("OPTIONS", "/"), ("HEAD", "/"), ("BREW", "/"), ("GET", "/raise")),
]


class CountingClient(threading.Thread):
    """Asks over connections of its own, and counts all that it has sent and got."""

    def __init__(self, port: int, rounds: int) -> None:
        super().__init__()
        self.port, self.rounds = port, rounds
        self.answers: Counter[tuple[str, str]] = Counter()
        self.connections = self.sent = self.received = 0

    def run(self) -> None:
        for number in range(self.rounds):
            with socket.create_connection(("127.0.0.1", self.port), PATIENCE) as connection:
                self.connections += 1
                for method, path in PLAN:
                    self._ask(connection, method, path)
                if number % 3 == 0:
                    self._send(connection, b"GET / HTTP/1.1\r\n\r\n")  # no Host: refused
                    self._read_to_end(connection)
                    self.answers["refused", "4xx"] += 1

    def _ask(self, connection: socket.socket, method: str, path: str) -> None:
        length = "Content-Length: 3\r\n\r\nabc" if method in ("POST", "PUT") else "\r\n"
        self._send(connection, f"{method} {path} HTTP/1.1\r\nHost: h\r\n{length}".encode())
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self._read(connection, 1)
        left = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        while left and method != "HEAD":
            left -= len(self._read(connection, left))
        shown = method if method != "BREW" else "OTHER"
        self.answers[shown, head[9:10].decode() + "xx"] += 1

    def _send(self, connection: socket.socket, data: bytes) -> None:
        connection.sendall(data)
        self.sent += len(data)

    def _read(self, connection: socket.socket, size: int) -> bytes:
        data = connection.recv(size)
        assert data
        self.received += len(data)
        return data

    def _read_to_end(self, connection: socket.socket) -> None:
        while data := connection.recv(65536):
            self.received += len(data)


def load(server: Server, threads: int = 4, rounds: int = 40) -> list[CountingClient]:
    clients = [CountingClient(server.ports[0], rounds) for _ in range(threads)]
    for each in clients:
        each.start()
    for each in clients:
        each.join()
    return clients


@pytest.mark.parametrize("arguments", [(), ("--threads", "4"), ("--no-reuse-port",)])
def test_every_count_is_what_the_clients_counted(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    with freastal(tmp_path, "-w", "3", *ANY, *arguments, app=APP) as server:
        port = metrics_port(server)
        clients = load(server)
        opened = sum(each.connections for each in clients)
        found = wait_for(port, lambda m: m.sum("connections_closed_total") == opened, "the ends")
        answers = sum((each.answers for each in clients), Counter[tuple[str, str]]())
        refused = answers.pop(("refused", "4xx"))
        for (method, status), count in answers.items():
            assert found("requests_total", method=method, status=status) == count
        assert found.sum("requests_total") == answers.total()
        assert found("requests_refused_total", status="4xx") == refused
        assert found.sum("requests_refused_total") == refused
        assert found("requests_aborted_total") == 0
        assert found("received_bytes_total") == sum(each.sent for each in clients)
        assert found("sent_bytes_total") == sum(each.received for each in clients)
        assert found("connections_accepted_total") == opened
        assert found("connections_closed_total", reason="refused") == refused
        assert found("request_duration_seconds_count") == answers.total()
        assert found("request_duration_seconds_bucket", le="+Inf") == answers.total()
        assert 0 < found("run_queue_wait_seconds_sum") < found("request_duration_seconds_sum")
        assert found("run_queue_wait_seconds_count") == answers.total()
        assert found.sum("connections") == found("requests_in_flight") == 0
        assert found("run_queue_length") == 0
        assert found.sum("worker_requests_total") == answers.total()
        assert found("workers", state="serving") == 3
        assert found.sum("worker_restarts_total") == 0
        assert found("worker_resident_memory_bytes", worker="1") > 2**20
        assert found("accept_queue_length", listener=f"127.0.0.1:{server.ports[0]}") == 0


def test_what_a_killed_worker_has_counted_stays(tmp_path: Path) -> None:
    with freastal(tmp_path, "-w", "2", *ANY, app=APP) as server:
        port = metrics_port(server)
        load(server, rounds=5)
        before = Metrics(port)
        waits = server.ask("/wait")
        wait_until(lambda: list(tmp_path.glob("waiting-*")), "the request in the application")
        assert Metrics(port)("requests_in_flight") == 1
        pid = int(next(tmp_path.glob("waiting-*")).name.removeprefix("waiting-"))
        os.kill(pid, signal.SIGKILL)
        with pytest.raises((http.client.HTTPException, ConnectionError)):
            waits.getresponse()
        after = wait_for(
            port,
            lambda m: m("workers", state="serving") == 2 and m.sum("worker_restarts_total") == 1,
            "another worker",
        )
        for name in ("requests_total", "sent_bytes_total", "request_duration_seconds_count"):
            assert after.sum(name) == before.sum(name)
        assert after("requests_aborted_total") == before("requests_aborted_total") + 1
        assert after("requests_in_flight") == 0
        assert after("worker_restarts_total", reason="crash") == 1
        assert after("connections_closed_total", reason="worker_died") == 1
        assert after.sum("connections") == 0
        load(server, rounds=1)
        assert Metrics(port).sum("requests_total") > after.sum("requests_total")


def test_restarts_by_reason(tmp_path: Path) -> None:
    with freastal(tmp_path, "-w", "2", *ANY, app=APP) as server:
        port = metrics_port(server)
        with contextlib.suppress(http.client.HTTPException, ConnectionError):
            server.get("/die")
        wait_for(port, lambda m: m("worker_restarts_total", reason="crash") == 1, "a crash")
        wait_for(port, lambda m: m("workers", state="serving") == 2, "another worker")
        server.send(signal.SIGHUP)
        server.wait_for("reloaded")
        found = Metrics(port)
        assert found("worker_restarts_total", reason="reload") == 2
        assert found.sum("worker_restarts_total") == 3
        server.send(signal.SIGTTOU)
        load(server, rounds=1)
        total = Metrics(port).sum("requests_total")
        wait_for(port, lambda m: m.sum("workers") == 1, "one worker less")
        assert Metrics(port).sum("requests_total") == total  # those of its place as well


def test_requests_that_are_enough(tmp_path: Path) -> None:
    with freastal(tmp_path, *ANY, "--limit-max-requests", "5", app=APP) as server:
        port = metrics_port(server)
        for _ in range(5):
            server.get()
        wait_for(port, lambda m: m("worker_restarts_total", reason="requests") == 1, "the next")


def test_answers_while_every_worker_hangs(tmp_path: Path) -> None:
    with freastal(tmp_path, "-w", "2", *ANY, app=APP) as server:
        port = metrics_port(server)
        held = [server.ask("/wait") for _ in range(2)]
        wait_until(lambda: len(list(tmp_path.glob("waiting-*"))) == 2, "both workers")
        waits = server.ask("/")
        found = wait_for(port, lambda m: m("worker_step_seconds", worker="2") > 0.2, "a long step")
        assert found("requests_in_flight") == 2
        assert found("connections", state="request") == 2
        assert found("accept_queue_length", listener=f"127.0.0.1:{server.ports[0]}") == 1
        os.kill(server_worker(tmp_path), signal.SIGSTOP)
        assert Metrics(port)("workers", state="serving") == 2
        os.kill(server_worker(tmp_path), signal.SIGCONT)
        (tmp_path / "go").touch()
        for each in [*held, waits]:
            assert each.getresponse().status == 200


def server_worker(directory: Path) -> int:
    return int(next(directory.glob("waiting-*")).name.removeprefix("waiting-"))


def test_a_hung_worker_is_counted(tmp_path: Path) -> None:
    with freastal(tmp_path, *ANY, "--timeout-worker", "0.5", app=APP) as server:
        port = metrics_port(server)
        server.ask("/wait")
        wait_for(port, lambda m: m("worker_restarts_total", reason="hung") == 1, "its end")


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    with freastal(tmp_path_factory.mktemp("http"), *ANY, app=APP) as server:
        yield metrics_port(server)
        assert "Traceback" not in server.log
        assert server.stop() == 0


class TestHttp:
    def test_the_content_type_is_prometheus(self, port: int) -> None:
        response, body = ask(port)
        assert response.status == 200
        kind = "text/plain; version=0.0.4; charset=utf-8"
        assert response.getheader("Content-Type") == kind
        assert body.endswith(b"\n")
        assert parse(body.decode())

    def test_help_and_type_come_once_each(self, port: int) -> None:
        lines = Metrics(port).text.splitlines()
        heads = [line.split(" ")[1:3] for line in lines if line.startswith("#")]
        assert len(heads) == len({tuple(each) for each in heads}) == 2 * len(Metrics(port).names())

    def test_head_has_no_body(self, port: int) -> None:
        response, body = ask(port, "HEAD")
        assert (response.status, body) == (200, b"")
        assert int(response.getheader("Content-Length", "0")) > 1000

    @pytest.mark.parametrize("path", ["/metrics/", "/favicon.ico", "/metric", "//", "/status"])
    def test_other_paths_are_not_found(self, port: int, path: str) -> None:
        assert ask(port, path=path)[0].status == 404

    def test_a_query_changes_nothing(self, port: int) -> None:
        assert ask(port, path="/metrics?x=1")[0].status == 200

    @pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
    def test_other_methods_are_not_allowed(self, port: int, method: str) -> None:
        response, _ = ask(port, method)
        assert response.status == 405
        assert response.getheader("Allow") == "GET, HEAD"

    @pytest.mark.parametrize(
        "request_bytes",
        [
            b"\r\n\r\n",
            b"GET /\r\n\r\n",
            b"GET http://h/ HTTP/1.1\r\n\r\n",
            b"GET / HTTP/2.0\r\n\r\n",
            b"GET /\xff HTTP/1.1\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\r\n\r\n",
        ],
    )
    def test_what_is_no_request_is_told_so(self, port: int, request_bytes: bytes) -> None:
        assert talk(port, request_bytes).startswith(b"HTTP/1.1 400 ")

    def test_a_head_has_a_limit(self, port: int) -> None:
        head = b"GET / HTTP/1.1\r\nA: " + b"a" * LONGEST_HEAD
        assert talk(port, head).startswith(b"HTTP/1.1 431 ")

    def test_a_request_may_come_byte_by_byte(self, port: int) -> None:
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as client:
            client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in b"GET /status.json HTTP/1.0\r\n\r\n":
                client.send(bytes([byte]))
            assert client.recv(15) == b"HTTP/1.1 200 OK"

    def test_many_that_say_nothing_do_not_shut_others_out_for_long(self, port: int) -> None:
        silent = [socket.create_connection(("127.0.0.1", port), PATIENCE) for _ in range(MOST + 5)]

        def answers() -> bool:
            with contextlib.suppress(OSError, http.client.HTTPException):
                return ask(port)[0].status == 200
            return False

        wait_until(answers, "an answer")
        for each in silent:
            each.close()

    def test_the_page_may_load_nothing(self, port: int) -> None:
        response, body = ask(port, path="/")
        policy = response.getheader("Content-Security-Policy", "")
        assert policy.startswith("default-src 'none'; ")
        assert "unsafe" not in policy
        assert policy.count("'sha256-") == 2
        assert b"http://" not in body.replace(b"http://www.w3.org/2000/svg", b"")
        assert b"https://" not in body
        assert b" style=" not in body


def talk(port: int, data: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as client:
        client.sendall(data)
        return client.recv(65536)


class TestWhere:
    def test_a_unix_socket(self, tmp_path: Path) -> None:
        with freastal(tmp_path, "--metrics", "unix:m.sock", app=APP) as server:
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(PATIENCE)
                client.connect(str(tmp_path / "m.sock"))
                client.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
                assert client.recv(15) == b"HTTP/1.1 200 OK"
            assert server.stop() == 0
        assert not (tmp_path / "m.sock").exists()

    def test_a_queue_of_a_unix_socket(self, tmp_path: Path) -> None:
        with freastal(tmp_path, *ANY, "--uds", "s", "--backlog", "9", app=APP) as server:
            port = metrics_port(server)
            held = [unix_ask(tmp_path / "s", "/wait")]
            wait_until(lambda: list(tmp_path.glob("waiting-*")), "the request")
            held += [unix_ask(tmp_path / "s", "/") for _ in range(3)]
            wait_for(port, lambda m: m("accept_queue_length", listener="unix:s") == 3, "the queue")
            (tmp_path / "go").touch()
            for each in held:
                assert each.recv(15) == b"HTTP/1.1 200 OK"
                each.close()

    def test_a_wrong_address_is_one_line(self, tmp_path: Path) -> None:
        with freastal(tmp_path, "--metrics", "9100", app=APP, ready=False) as server:
            assert server.wait() == 2
            assert server.log.count("\n") == 1
            assert "--metrics: '9100' (allowed: host:port" in server.log

    def test_a_taken_port_is_one_line(self, tmp_path: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as other:
            address = f"127.0.0.1:{other.getsockname()[1]}"
            with freastal(tmp_path, "--metrics", address, app=APP, ready=False) as server:
                assert server.wait() == 1
                assert server.log == (
                    f"freastal: cannot listen on {address}: address already in use\n"
                )

    def test_a_worker_does_not_hold_it(self, tmp_path: Path) -> None:
        with freastal(tmp_path, *ANY, app=APP) as server:
            port = metrics_port(server)
            waits = server.ask("/wait")
            wait_until(lambda: list(tmp_path.glob("waiting-*")), "the request")
            os.kill(server.pid, signal.SIGKILL)
            wait_until(lambda: refused(port), "the port's end, though the worker is there")
            (tmp_path / "go").touch()
            assert waits.getresponse().status == 200
            server.wait_all_gone()


def unix_ask(path: Path, target: str) -> socket.socket:
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(PATIENCE)
    client.connect(str(path))
    client.sendall(f"GET {target} HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n".encode())
    return client


def refused(port: int) -> bool:
    with socket.socket() as client:
        return client.connect_ex(("127.0.0.1", port)) != 0


def test_it_is_there_until_the_last_worker_has_gone(tmp_path: Path) -> None:
    with freastal(tmp_path, *ANY, app=APP) as server:
        port = metrics_port(server)
        waits = server.ask("/wait")
        wait_until(lambda: list(tmp_path.glob("waiting-*")), "the request")
        server.send(signal.SIGTERM)
        server.wait_for("stopping")
        wait_for(port, lambda m: m("workers", state="leaving") == 1, "who leaves")
        (tmp_path / "go").touch()
        assert waits.getresponse().status == 200
        assert server.wait() == 0


def test_labels_are_escaped(tmp_path: Path) -> None:
    name = 'a"b\\c'
    with freastal(tmp_path, *ANY, "--proc-name", name, app=APP) as server:
        found = Metrics(metrics_port(server))
        assert found.sum("info", app=name) == 1
        assert abs(found("start_time_seconds") - time.time()) < PATIENCE
