"""Workers come and go under load, and nothing is lost; they stand still, and are replaced."""

from __future__ import annotations

import contextlib
import http.client
import os
import random
import re
import signal
import time
from pathlib import Path

import pytest
from harness import Server, freastal, wait_until
from load import Load

APP = """
import os, signal, time

VERSION = "one"

def application(environ, start_response):
    path, query = environ["PATH_INFO"], environ["QUERY_STRING"]
    if path == "/loop_for_ever":
        open("waiting", "w").close()
        while True:
            pass
    if path == "/segv":
        os.kill(os.getpid(), signal.SIGSEGV)
    text = VERSION if path == "/" and query else f"pid {os.getpid()}"
    body = f"{query} {text}".strip().encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""

ASGI_APP = """
import asyncio, os, time

async def application(scope, receive, send):
    assert scope["type"] == "http", "no lifespan"
    if scope["path"] == "/sleep_in_the_loop":
        time.sleep(1000)
    body = b"pid %d" % os.getpid()
    await send({"type": "http.response.start", "status": 200,
                "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})
"""

BOTH = pytest.mark.parametrize("keep", [True, False], ids=["kept", "closed"])
SHARED = pytest.mark.parametrize(
    "sockets", [[], ["--reuse-port"], ["--no-reuse-port"]], ids=["by itself", "own", "one"]
)


def write_version(directory: Path, word: str) -> None:
    """New code, which is compiled anew whatever its time says."""
    (directory / "wanted.py").write_text(APP.replace('"one"', f'"{word}"'))
    for cached in (directory / "__pycache__").glob("*"):
        cached.unlink()


class TestReload:
    @BOTH
    @SHARED
    def test_under_load(self, tmp_path: Path, sockets: list[str], keep: bool) -> None:
        with freastal(tmp_path, "-w", "3", *sockets, app=APP) as server:
            before = server.worker_pids(3)
            with Load(server.ports[0], keep=keep) as load:
                load.wait_for("one")
                write_version(tmp_path, "two")
                server.send(signal.SIGHUP)
                server.wait_for("reloaded")
                load.wait_until_answers(100, "two")
                write_version(tmp_path, "three")
                server.send(signal.SIGHUP)
                server.wait_for("reloaded", 2)
                load.wait_until_answers(100, "three")
            assert load.faults == {}
            # Who was told to leave may take one connection more.
            wait_until(lambda: not server.worker_pids(3) & before, "answers of the new ones alone")
            assert server.stop() == 0

    def test_with_code_that_does_not_start(self, tmp_path: Path) -> None:
        with freastal(tmp_path, "-w", "2", app=APP) as server:
            before = server.worker_pids(2)
            (tmp_path / "wanted.py").write_text("1 / 0\n")
            server.send(signal.SIGHUP)
            (kept,) = server.wait_for(
                r"exited with code 3 before it was ready: .*pid (\d+)\) goes on"
            )
            assert "ZeroDivisionError" in server.log
            assert int(kept) in before
            assert server.worker_pids(2) == before
            write_version(tmp_path, "two")
            server.send(signal.SIGHUP)
            server.wait_for("reloaded")
            # Who was told to leave may take one connection more.
            wait_until(lambda: not server.worker_pids(2) & before, "answers of the new ones alone")
            assert server.stop() == 0

    def test_two_at_once_and_one_before_it_serves(self, tmp_path: Path) -> None:
        with freastal(tmp_path, "-w", "2", app="import time; time.sleep(0.5)\n" + APP) as server:
            before = server.worker_pids(2)
            server.send(signal.SIGHUP)
            server.send(signal.SIGHUP)
            server.wait_for("reloaded")
            # Who was told to leave may take one connection more.
            wait_until(lambda: not server.worker_pids(2) & before, "answers of the new ones alone")
            assert server.stop() == 0

    def test_a_successor_that_is_killed_does_no_harm(self, tmp_path: Path) -> None:
        app = APP + "if os.path.exists('slow'): time.sleep(1000)\n"
        with freastal(tmp_path, app=app) as server:
            before = server.worker_pids(1)
            (tmp_path / "slow").touch()
            server.send(signal.SIGHUP)
            children = Path(f"/proc/{server.pid}/task/{server.pid}/children")

            def found() -> set[int]:
                return {int(pid) for pid in children.read_text().split()} - before

            wait_until(found, "the successor")
            os.kill(found().pop(), signal.SIGKILL)
            server.wait_for("was killed by SIGKILL before it was ready: .* goes on")
            assert server.worker_pids(1) == before
            assert server.stop() == 0

    def test_stopped_while_a_successor_boots(self, tmp_path: Path) -> None:
        app = APP + "if os.path.exists('slow'): time.sleep(1000)\n"
        with freastal(tmp_path, app=app) as server:
            (tmp_path / "slow").touch()
            server.send(signal.SIGHUP)
            server.wait_for("SIGHUP: replacing 1 worker")
            assert server.stop() == 0


class TestMoreAndFewer:
    @BOTH
    @SHARED
    def test_under_load(self, tmp_path: Path, sockets: list[str], keep: bool) -> None:
        with freastal(tmp_path, "-w", "1", *sockets, app=APP) as server:
            first = server.worker_pids(1)
            with Load(server.ports[0], keep=keep) as load:
                for count in (2, 3):
                    server.send(signal.SIGTTIN)
                    server.wait_for(rf"worker {count} \(pid \d+\) is ready")
                load.wait_until_answers(200)
                assert first < server.worker_pids(3)
                for count in (2, 1):
                    server.send(signal.SIGTTOU)
                    server.wait_for(rf"SIGTTOU: {count} worker")
                wait_until(lambda: children_of(server) == first, "the end of two workers")
                load.wait_until_answers(200)
            assert load.faults == {}
            assert server.worker_pids(1) == first
            assert server.stop() == 0

    def test_one_is_the_least(self, tmp_path: Path) -> None:
        with freastal(tmp_path, app=APP) as server:
            server.send(signal.SIGTTOU)
            server.wait_for("SIGTTOU: 1 worker is the least")
            assert server.get().startswith("pid ")
            assert server.stop() == 0

    def test_more_again_while_one_leaves(self, tmp_path: Path) -> None:
        with freastal(tmp_path, "-w", "2", app=APP) as server:
            for number, line, count in (
                (signal.SIGTTOU, "SIGTTOU: 1 worker", 1),
                (signal.SIGTTIN, "SIGTTIN: 2 workers", 1),
                (signal.SIGTTOU, "SIGTTOU: 1 worker", 2),
            ):
                server.send(number)
                server.wait_for(line, count)
            wait_until(lambda: len(children_of(server)) == 1, "the end of one worker")
            server.send(signal.SIGTTIN)
            assert len(server.worker_pids(2)) == 2
            assert server.stop() == 0


def children_of(server: Server) -> set[int]:
    children = Path(f"/proc/{server.pid}/task/{server.pid}/children")
    return {int(pid) for pid in children.read_text().split()}


class TestWhoAccepts:
    """Of workers with one thread whoever is idle: nobody waits behind a call that takes long."""

    @pytest.mark.parametrize("options", [[], ["--no-reuse-port"]], ids=["by itself", "one"])
    def test_a_busy_worker_gets_nothing(self, tmp_path: Path, options: list[str]) -> None:
        with freastal(tmp_path, "-w", "2", *options, app=APP) as server:
            with contextlib.closing(server.ask("/loop_for_ever")):
                wait_until((tmp_path / "waiting").exists, "the request in the application")
                pids = {server.get() for _ in range(20)}
            assert len(pids) == 1
            server.send(signal.SIGQUIT)
            server.wait()

    def test_a_worker_that_was_added_takes_its_part(self, tmp_path: Path) -> None:
        with freastal(tmp_path, app=APP) as server:
            (first,) = server.worker_pids(1)
            server.send(signal.SIGTTIN)
            server.worker_pids(2)
            os.kill(first, signal.SIGSTOP)
            assert {server.get() for _ in range(20)} == {
                f"pid {(children_of(server) - {first}).pop()}"
            }
            os.kill(first, signal.SIGCONT)
            assert server.stop() == 0


class TestAge:
    def test_many_requests(self, tmp_path: Path) -> None:
        options = ("-w", "2", "--limit-max-requests", "100", "--limit-max-requests-jitter", "50")
        with freastal(tmp_path, *options, app=APP) as server:
            with Load(server.ports[0], keep=True) as load:
                reasons = server.wait_for(r"is replaced: it has answered ([\d,]+) requests", 3)
                server.wait_for(r"is ready; pid \d+ leaves", 3)
            assert load.faults == {}
            assert all(int(reason.replace(",", "")) >= 100 for reason in reasons)
            assert server.stop() == 0

    def test_a_long_life(self, tmp_path: Path) -> None:
        with freastal(tmp_path, "-w", "2", "--workers-lifetime", "1", app=APP) as server:
            before = server.worker_pids(2)
            server.wait_for(r"is replaced: it has served for \d s", 2)
            wait_until(lambda: not children_of(server) & before, "the end of the first two")
            assert server.get().startswith("pid ")
            assert server.stop() == 0

    def test_much_memory(self, tmp_path: Path) -> None:
        fat = "open('fat', 'w'); x = bytearray(os.urandom(1)) * 200_000_000\n"
        app = APP + "if not os.path.exists('fat'): " + fat
        with freastal(tmp_path, "--workers-max-rss", "150", app=app) as server:
            server.wait_for(r"is replaced: it takes \d+ MiB of memory")
            server.wait_for(r"is ready; pid \d+ leaves")
            assert server.stop() == 0
        assert server.log.count("is replaced") == 1


class TestStandingStill:
    def killed(self, server: Server, path: str) -> None:
        """Ask for what never ends; the worker says where it stands and is replaced."""
        with contextlib.closing(server.ask(path)) as connection:
            (line,) = server.wait_for(r"has been at one step for \d+ s \((.*)\): killing it")
            assert line == f"GET {path}"
            with pytest.raises((ConnectionError, http.client.HTTPException)):
                connection.getresponse()
        server.wait_for(
            r"was killed by SIGABRT \(the request that came last: .*\); starting another"
        )
        assert re.search(r'File ".*wanted.py", line \d+ in application', server.log)
        server.wait_for(r"worker 1 \(pid \d+\) is ready")

    def test_wsgi(self, tmp_path: Path) -> None:
        with freastal(tmp_path, "--timeout-worker", "1", app=APP) as server:
            self.killed(server, "/loop_for_ever")
            assert server.get().startswith("pid ")
            assert server.stop() == 0

    @pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
    def test_asgi(self, tmp_path: Path, loop: str) -> None:
        with freastal(tmp_path, "--timeout", "1", "--loop", loop, app=ASGI_APP) as server:
            self.killed(server, "/sleep_in_the_loop")
            assert server.get().startswith("pid ")
            assert server.stop() == 0

    @pytest.mark.parametrize(
        ("app", "options"),
        [
            (APP, []),
            (APP, ["--threads", "2"]),
            (ASGI_APP, ["--loop", "asyncio"]),
            (ASGI_APP, ["--loop", "uvloop"]),
        ],
        ids=["wsgi", "threads", "asyncio", "uvloop"],
    )
    def test_who_only_waits_is_left_alone(
        self, tmp_path: Path, app: str, options: list[str]
    ) -> None:
        with freastal(tmp_path, "--timeout-worker", "0.5", *options, app=app) as server:
            pids = server.worker_pids(1)
            time.sleep(3)  # it is looked at three times
            assert server.worker_pids(1) == pids
            assert server.stop() == 0

    def test_off(self, tmp_path: Path) -> None:
        with freastal(tmp_path, "--timeout-worker", "0", app=APP) as server:
            with contextlib.closing(server.ask("/loop_for_ever")):
                time.sleep(2.5)
                assert "killing" not in server.log
            server.send(signal.SIGQUIT)
            server.wait()


THREADS_APP = """
import os, time

def application(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/stuck":
        while True:
            time.sleep(0.1)
    start_response("200 OK", [])
    if path == "/beats":
        return (time.sleep(0.2) or b"." for _ in range(20))
    if path == "/large":
        return (b"x" * 100_000 for _ in range(200))
    return [f"pid {os.getpid()}".encode()]
"""


class TestCallsInThreads:
    OPTIONS = ("--threads", "3", "--timeout-request", "1", "--timeout-graceful-shutdown", "6")

    def test_one_that_does_not_end(self, tmp_path: Path) -> None:
        """The stacks are logged, somebody else serves, and other requests are answered."""
        with freastal(tmp_path, *self.OPTIONS, app=THREADS_APP) as server:
            pid = server.get()
            with contextlib.closing(server.ask("/stuck?secret")) as stuck:
                other = server.ask("/beats")
                (seconds,) = server.wait_for(
                    r"a call of the application has taken (\d+\.\d) s so far: GET /stuck\n"
                )
                assert 1 <= float(seconds) < 6
                server.wait_for(r'File ".*wanted.py", line \d+ in application')
                server.wait_for(
                    r"worker 1 \(pid \d+\) is replaced: a call of the application has taken \d+ s\n"
                )
                server.wait_for(r"worker 1 \(pid \d+\) is ready; pid \d+ leaves")
                wait_until(lambda: server.get() != pid, "an answer of the new worker")
                assert other.getresponse().read() == b"." * 20
                with pytest.raises((ConnectionError, http.client.HTTPException)):
                    stuck.getresponse()
            assert server.log.count("so far: GET") == 1
            assert server.stop() == 0

    def test_one_that_goes_on_or_waits_for_its_client(self, tmp_path: Path) -> None:
        with freastal(tmp_path, *self.OPTIONS, app=THREADS_APP) as server:
            pid = server.get()
            slow = server.ask("/large")  # nobody reads it yet
            assert server.ask("/beats").getresponse().read() == b"." * 20
            time.sleep(1.5)
            assert len(slow.getresponse().read()) == 20_000_000
            assert server.get() == pid
            assert "a call of the application" not in server.log
            assert server.stop() == 0

    def test_off(self, tmp_path: Path) -> None:
        options = ("--threads", "2", "--timeout-worker", "0.5")
        with freastal(tmp_path, *options, app=THREADS_APP) as server:
            pid = server.get()
            with contextlib.closing(server.ask("/stuck")):
                time.sleep(2.5)
                assert server.get() == pid
            server.send(signal.SIGQUIT)
            server.wait()


class TestCrashes:
    def test_the_last_request_is_named(self, tmp_path: Path) -> None:
        with freastal(tmp_path, app=APP) as server:
            with pytest.raises((ConnectionError, http.client.HTTPException)):
                server.get("/segv")
            server.wait_for(
                r"was killed by SIGSEGV \(the request that came last: GET /segv\); starting another"
            )
            assert "Fatal Python error: Segmentation fault" in server.log
            assert server.get().startswith("pid ")
            assert server.stop() == 0

    def test_workers_killed_under_load(self, tmp_path: Path) -> None:
        """Each request is answered rightly, or its connection is cut."""
        with freastal(tmp_path, "-w", "3", app=APP) as server:
            with Load(server.ports[0], keep=True) as load:
                for _ in range(12):
                    load.wait_until_answers(50)
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(random.choice(sorted(children_of(server))), signal.SIGKILL)
                load.wait_until_answers(50)
            cuts = {"ConnectionResetError", "RemoteDisconnected", "IncompleteRead"}
            assert load.faults.keys() <= cuts
            assert len(server.worker_pids(3)) == 3
            assert server.stop() == 0
