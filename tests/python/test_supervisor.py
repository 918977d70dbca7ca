"""The supervisor and its workers, as processes that get real signals."""

from __future__ import annotations

import http.client
import os
import re
import signal
import socket
from pathlib import Path

import pytest
from harness import APP, PATIENCE, Server, freastal, script, wait_until

import freastal as package

STOP_SIGNALS = [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT]


def body_of(connection: http.client.HTTPConnection) -> str:
    return connection.getresponse().read().decode()


class TestStart:
    def test_says_version_interface_addresses_and_size(self, tmp_path: Path) -> None:
        with freastal(tmp_path, "-w", "2", "--threads", "3") as server:
            lines = server.log.splitlines()
        assert lines == [
            f"freastal {package.__version__}: wanted (wsgi)",
            f"  http://127.0.0.1:{server.ports[0]}",
            f"  2 workers × 3 threads over libuv, pid {server.pid}",
        ]

    def test_says_nothing_at_a_higher_level(self, tmp_path: Path) -> None:
        with freastal(tmp_path, "--log-level", "warning", "--uds", "s", ready=False) as server:
            path = str(tmp_path / "s")

            def accepts() -> bool:
                with socket.socket(socket.AF_UNIX) as client:
                    return client.connect_ex(path) == 0

            wait_until(accepts, "the socket")
            assert server.stop() == 0
        assert server.log == ""

    def test_can_be_stopped_from_the_moment_its_sockets_are_open(self, tmp_path: Path) -> None:
        source = f"""
import os, signal, freastal
from freastal import startup
{APP}
class Listeners(startup.Listeners):
    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        os.kill(os.getpid(), signal.SIGTERM)
startup.Listeners = Listeners
freastal.serve(application, port=0)
"""
        with script(tmp_path, source, ready=False) as server:
            assert server.process.wait(PATIENCE) == 0
            assert "SIGTERM: stopping" in server.log

    def test_answers_on_every_address(self, tmp_path: Path) -> None:
        addresses = ["--bind", "127.0.0.1:0", "--bind", "[::1]:0", "--bind", "unix:s"]
        with freastal(tmp_path, *addresses) as server:
            for host, port in zip(("127.0.0.1", "::1"), server.ports, strict=True):
                connection = http.client.HTTPConnection(host, port, timeout=PATIENCE)
                connection.request("GET", "/")
                assert body_of(connection).startswith("pid ")
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(PATIENCE)
                client.connect(str(tmp_path / "s"))
                client.sendall(b"GET / HTTP/1.1\r\nHost: s\r\nConnection: close\r\n\r\n")
                assert client.recv(100).startswith(b"HTTP/1.1 200 ")
            assert server.stop() == 0
        assert not (tmp_path / "s").exists()

    def test_the_supervisor_imports_neither_the_application_nor_the_core(
        self, tmp_path: Path
    ) -> None:
        (tmp_path / "wanted.py").write_text(APP)
        source = (
            "import sys, freastal\n"
            "freastal.serve('wanted', port=0)\n"
            "print([name for name in ('wanted', 'freastal._core') if name in sys.modules])\n"
        )
        with script(tmp_path, source) as server:
            assert server.stop() == 0
        assert server.output == "[]\n"


class TestStop:
    @pytest.mark.parametrize("number", STOP_SIGNALS)
    @pytest.mark.parametrize("workers", ["1", "2"])
    def test_idle(self, tmp_path: Path, number: int, workers: str) -> None:
        with freastal(tmp_path, "-w", workers) as server:
            server.worker_pids(int(workers))
            assert server.stop(number) == 0

    @pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
    @pytest.mark.parametrize("threads", ["1", "2"])
    def test_a_request_in_flight_finishes(self, tmp_path: Path, number: int, threads: str) -> None:
        with freastal(tmp_path, "--threads", threads) as server:
            connection = server.ask_slowly()
            server.send(number)
            server.wait_for("stopping")
            server.let_go()
            assert body_of(connection).startswith("pid ")
            assert server.wait() == 0

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_a_signal_to_the_whole_group_is_one(self, tmp_path: Path, number: int) -> None:
        """As a terminal sends SIGINT, and systemd SIGTERM."""
        with freastal(tmp_path, "-w", "2") as server:
            connection = server.ask_slowly()
            os.killpg(server.pid, number)
            server.wait_for("stopping")
            server.let_go()
            assert body_of(connection).startswith("pid ")
            assert server.wait() == 0

    def test_nobody_connects_any_more(self, tmp_path: Path) -> None:
        with freastal(tmp_path, "--threads", "2") as server:
            connection = server.ask_slowly()
            server.send(signal.SIGTERM)

            def refused() -> bool:
                try:
                    server.connect().close()
                except ConnectionRefusedError:
                    return True
                return False

            wait_until(refused, "a refused connection")
            server.let_go()
            assert body_of(connection).startswith("pid ")
            assert server.wait() == 0

    @pytest.mark.parametrize("second", STOP_SIGNALS)
    def test_a_second_signal_ends_now(self, tmp_path: Path, second: int) -> None:
        with freastal(tmp_path, "-w", "2") as server:
            connection = server.ask_slowly()
            server.send(signal.SIGTERM)
            server.wait_for("stopping")
            assert server.stop(second) == 1
            with pytest.raises(ConnectionError):
                connection.getresponse()

    def test_quit_cuts_requests_off(self, tmp_path: Path) -> None:
        with freastal(tmp_path, "--threads", "2") as server:
            connection = server.ask_slowly()
            server.send(signal.SIGQUIT)
            with pytest.raises(ConnectionError):
                connection.getresponse()
            server.let_go()
            assert server.wait() == 0

    @pytest.mark.parametrize("threads", ["1", "2"])
    def test_a_request_that_hangs_is_shown_and_cut_off(self, tmp_path: Path, threads: str) -> None:
        options = ["--threads", threads, "--timeout-graceful-shutdown", "0.1"]
        with freastal(tmp_path, *options) as server:
            connection = server.ask_slowly()
            assert server.stop() == 0
            with pytest.raises(ConnectionError):
                connection.getresponse()
        assert re.search(r"Timeout .*\n(.*\n)*.*wanted\.py", server.log)

    def test_a_worker_that_does_not_even_hear_is_killed(self, tmp_path: Path) -> None:
        with freastal(tmp_path, "--timeout-graceful-shutdown", "0.1") as server:
            (pid,) = server.worker_pids(1)
            os.kill(pid, signal.SIGSTOP)
            assert server.stop() == 0
        assert f"not finished in time: killing worker 1 (pid {pid})" in server.log

    def test_while_the_application_is_imported(self, tmp_path: Path) -> None:
        app = "import time, pathlib\npathlib.Path('importing').touch()\ntime.sleep(3600)\n"
        with freastal(tmp_path, "-w", "2", app=app, ready=False) as server:
            wait_until((tmp_path / "importing").exists, "the import")
            assert server.stop() == 0

    def test_exit_handlers_and_threads_run_to_their_end(self, tmp_path: Path) -> None:
        app = APP + (
            "import atexit, threading\n"
            "atexit.register(print, f'handler {os.getpid()}\\n', end='')\n"
            "def background():\n"
            "    threading.main_thread().join()\n"
            "    print(f'thread {os.getpid()}\\n', end='')\n"
            "threading.Thread(target=background).start()\n"
        )
        with freastal(tmp_path, "-w", "2", app=app) as server:
            pids = server.worker_pids(2)
            assert server.stop() == 0
        expected = {f"{word} {pid}" for word in ("handler", "thread") for pid in pids}
        assert set(server.output.splitlines()) == expected

    def test_workers_end_when_the_supervisor_vanishes(self, tmp_path: Path) -> None:
        with freastal(tmp_path, "-w", "2") as server:
            connection = server.ask_slowly()
            server.send(signal.SIGKILL)
            server.wait_for("the supervisor has vanished", 2)
            server.let_go()
            assert body_of(connection).startswith("pid ")
            server.wait_all_gone()


class TestReplacement:
    def replaced(self, server: Server, count: int = 1) -> None:
        server.wait_for(r"worker \d+ \(pid \d+\) is ready", count)

    @pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
    def test_after_a_signal(self, tmp_path: Path, number: signal.Signals) -> None:
        with freastal(tmp_path, "-w", "2") as server:
            before = server.worker_pids(2)
            victim = min(before)
            os.kill(victim, number)
            server.wait_for(rf"worker \d \(pid {victim}\) was killed by {number.name}")
            self.replaced(server)
            assert server.worker_pids(2) & before == before - {victim}
            assert server.stop() == 0

    def test_after_an_exit(self, tmp_path: Path) -> None:
        with freastal(tmp_path) as server:
            (victim,) = server.worker_pids(1)
            with pytest.raises(ConnectionError):
                server.get("/exit")
            last = r"\(the request that came last: GET /exit\)"
            server.wait_for(rf"worker 1 \(pid {victim}\) exited with code 7 {last}")
            self.replaced(server)
            assert server.worker_pids(1) != {victim}
            assert server.stop() == 0

    def test_after_it_was_told_to_stop(self, tmp_path: Path) -> None:
        with freastal(tmp_path, "-w", "2") as server:
            before = server.worker_pids(2)
            victim = min(before)
            os.kill(victim, signal.SIGTERM)
            server.wait_for(rf"\(pid {victim}\) exited with code 0")
            self.replaced(server)
            assert server.stop() == 0

    def test_all_at_once(self, tmp_path: Path) -> None:
        with freastal(tmp_path, "-w", "4") as server:
            before = server.worker_pids(4)
            for pid in before:
                os.kill(pid, signal.SIGKILL)
            self.replaced(server, 4)
            assert not server.worker_pids(4) & before
            assert server.stop() == 0

    def test_a_connection_in_the_queue_survives_its_worker(self, tmp_path: Path) -> None:
        with freastal(tmp_path) as server:
            (victim,) = server.worker_pids(1)
            os.kill(victim, signal.SIGSTOP)
            connection = server.ask("/")
            os.kill(victim, signal.SIGKILL)
            assert body_of(connection) != f"pid {victim}"
            assert server.stop() == 0

    def test_with_an_application_that_broke_meanwhile(self, tmp_path: Path) -> None:
        with freastal(tmp_path) as server:
            (victim,) = server.worker_pids(1)
            (tmp_path / "wanted.py").write_text("1 / 0  # broken\n")
            os.kill(victim, signal.SIGKILL)
            pauses = server.wait_for(r"exited with code 3; starting another in (\S+) s", 2)
            assert float(pauses[1]) == 2 * float(pauses[0])
            assert "ZeroDivisionError" in server.log
            (tmp_path / "wanted.py").write_text(APP)
            self.replaced(server)
            assert server.get().startswith("pid ")
            assert server.stop() == 0


class TestFailedBoot:
    def fails(self, directory: Path, code: int, app: str, *arguments: str) -> str:
        with freastal(directory, "-w", "2", *arguments, app=app, ready=False) as server:
            assert server.wait() == code
        return server.log

    def test_shows_the_traceback_once_and_one_line(self, tmp_path: Path) -> None:
        log = self.fails(tmp_path, 3, "def f():\n    return nothing\nf()\n")
        assert log.count("Traceback") == 1
        first, *_, last = log.splitlines()
        assert first == "Traceback (most recent call last):"
        assert log.splitlines()[1] == f'  File "{tmp_path}/wanted.py", line 3, in <module>'
        assert last.startswith("freastal: cannot import the application: NameError: ")
        assert "'wanted'" in last
        assert repr(str(tmp_path)) in last

    def test_of_one_worker_ends_the_others(self, tmp_path: Path) -> None:
        app = APP + "if os.open('first', os.O_CREAT) and Path('second').exists(): 1 / 0\n"
        app += "Path('second').touch()\n"
        assert "ZeroDivisionError" in self.fails(tmp_path, 3, app)

    def test_asgi_2_is_refused_with_a_hint(self, tmp_path: Path) -> None:
        app = "def app(scope):\n    async def call(receive, send): pass\n    return call\n"
        (line,) = self.fails(tmp_path, 3, app).splitlines()
        assert line.startswith("freastal: wanted is an application of ASGI 2, ")
        assert line.endswith("asgiref.compatibility.guarantee_single_callable()")

    @pytest.mark.parametrize(
        ("code", "how"),
        [
            ("os._exit(0)", "exited with code 0"),
            ("os._exit(5)", "exited with code 5"),
            ("os.kill(os.getpid(), 9)", "was killed by SIGKILL"),
        ],
    )
    def test_without_a_word(self, tmp_path: Path, code: str, how: str) -> None:
        log = self.fails(tmp_path, 3, f"import os\n{code}\n")
        assert re.match(rf"freastal: worker \d \(pid \d+\) {how} before it was ready\n", log)

    def test_that_exits_is_no_success(self, tmp_path: Path) -> None:
        log = self.fails(tmp_path, 3, "import sys\nsys.exit(0)\n")
        assert "cannot import the application: SystemExit: 0" in log

    def test_longer_than_a_socket_buffer(self, tmp_path: Path) -> None:
        log = self.fails(tmp_path, 3, "raise Exception('x' * 1_000_000)\n")
        assert log.count("x" * 1_000_000) == 2

    def test_a_port_that_is_taken(self, tmp_path: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            log = self.fails(tmp_path, 1, APP, "--bind", address)
        assert log == f"freastal: cannot listen on {address}: address already in use\n"

    def test_a_port_that_another_freastal_has(self, tmp_path: Path) -> None:
        with freastal(tmp_path, "-w", "2") as first:
            address = f"127.0.0.1:{first.ports[0]}"
            (tmp_path / "second").mkdir()
            log = self.fails(tmp_path / "second", 1, APP, "--bind", address)
            assert log == f"freastal: cannot listen on {address}: address already in use\n"
            assert first.stop() == 0


def test_no_signal_is_lost_around_forks(tmp_path: Path) -> None:
    """Workers die as fast as they are made; the stop still comes through, once."""
    app = APP + (
        "import threading\n"
        "def die_when_told():\n"
        "    while not Path('die').exists():\n"
        "        time.sleep(0.01)\n"
        "    os._exit(7)\n"
        "threading.Thread(target=die_when_told, daemon=True).start()\n"
    )
    with freastal(tmp_path, "-w", "4", app=app) as server:
        (tmp_path / "die").touch()
        server.wait_for("exited with code 7", 12)
        assert server.stop() == 0
    assert server.log.count("stopping") == 1
