"""What the system around sees: the pid file, titles, and what a service manager is told."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import PATIENCE, freastal, running, wait_until

from freastal.pid_file import PidFile, PidFileError
from freastal.service_manager import ServiceManager, passed_sockets


class TestPidFile:
    def test_is_there_for_as_long_as_the_server(self, tmp_path: Path) -> None:
        with freastal(tmp_path, "--pid", "server.pid") as server:
            path = tmp_path / "server.pid"
            assert path.read_text() == f"{server.pid}\n"
            assert path.stat().st_mode & 0o777 == 0o644
            assert server.stop() == 0
            assert list(tmp_path.glob("*.pid*")) == []

    def test_of_a_living_server_is_respected(self, tmp_path: Path) -> None:
        (tmp_path / "other").mkdir()
        path = tmp_path / "server.pid"
        path.write_text(f"{os.getpid()}\n")
        with freastal(tmp_path / "other", "-p", str(path), ready=False) as second:
            assert second.wait() == 1
            line = f"freastal: --pid {path}: process {os.getpid()} is running already\n"
            assert second.log == line
        assert path.read_text() == f"{os.getpid()}\n"

    def test_that_was_left_behind_is_replaced(self, tmp_path: Path) -> None:
        path = tmp_path / "a.pid"
        dead = subprocess.Popen([sys.executable, "-c", ""])
        dead.wait()
        for text in (str(dead.pid), "", "0"):
            path.write_text(text)
            mine = PidFile(str(path))
            assert path.read_text() == f"{os.getpid()}\n"
            mine.remove()
            assert not path.exists()

    @pytest.mark.parametrize("text", ["my notes", "-1", "1 2", "9" * 12, "\0"])
    def test_something_else_is_left_alone(self, tmp_path: Path, text: str) -> None:
        path = tmp_path / "a.pid"
        path.write_text(text)
        with pytest.raises(PidFileError) as error:
            PidFile(str(path))
        assert str(error.value).endswith("the file that is there holds no pid: left alone")
        assert path.read_text() == text
        assert [each.name for each in tmp_path.iterdir()] == ["a.pid"]

    def test_is_removed_only_where_it_is_still_ours(self, tmp_path: Path) -> None:
        path = tmp_path / "a.pid"
        mine = PidFile(str(path))
        path.write_text("1\n")
        mine.remove()
        assert path.read_text() == "1\n"
        path.unlink()
        mine.remove()

    def test_the_process_of_another_user_lives(self, tmp_path: Path) -> None:
        path = tmp_path / "a.pid"
        path.write_text("1\n")
        with pytest.raises(PidFileError, match="process 1 is running already"):
            PidFile(str(path))

    def test_where_nothing_can_be_written(self, tmp_path: Path) -> None:
        for path in (tmp_path / "no" / "a.pid", Path("/proc/a.pid")):
            with pytest.raises(PidFileError, match=f"^cannot write --pid {path}: "):
                PidFile(str(path))


class TestTitles:
    def titles(self, pids: list[int]) -> list[str]:
        return [
            Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
            for pid in pids
        ]

    def test_with_setproctitle(self, tmp_path: Path) -> None:
        pytest.importorskip("setproctitle")
        with freastal(tmp_path) as server:
            pids = [server.pid, *server.worker_pids(1)]
            titles = ["freastal: supervisor wanted", "freastal: worker 1 wanted"]
            assert self.titles(pids) == titles
            assert server.stop() == 0

    def test_of_a_name(self, tmp_path: Path) -> None:
        pytest.importorskip("setproctitle")
        with freastal(tmp_path, "--name", "shop", "-w", "2") as server:
            found = set(self.titles(sorted(server.worker_pids(2))))
            assert found == {"freastal: worker 1 shop", "freastal: worker 2 shop"}
            assert self.titles([server.pid]) == ["freastal: supervisor shop"]

    def test_without_setproctitle(self, tmp_path: Path) -> None:
        (tmp_path / "setproctitle.py").write_text("raise ImportError")
        with freastal(tmp_path, env={"PYTHONPATH": str(tmp_path)}) as server:
            pids = [server.pid, *server.worker_pids(1)]
            names = [Path(f"/proc/{pid}/comm").read_text().strip() for pid in pids]
            assert names == ["freastal-super", "freastal-w1"]


class Manager:
    """The socket to which a service manager listens."""

    def __init__(self, name: str) -> None:
        self.name = name
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind("\0" + name[1:] if name.startswith("@") else name)
        self._socket.settimeout(PATIENCE)

    def hear(self) -> dict[str, str]:
        """The next message."""
        lines = self._socket.recv(4096).decode().splitlines()
        return dict(line.split("=", 1) for line in lines)

    def close(self) -> None:
        """Hear no more."""
        self._socket.close()


@pytest.fixture(params=["a path", "an abstract name"])
def manager(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Manager]:
    path = str(tmp_path / "notify")
    made = Manager(path if request.param == "a path" else f"@freastal-test-{os.getpid()}")
    yield made
    made.close()


class TestServiceManager:
    def test_is_told_of_the_life(self, tmp_path: Path, manager: Manager) -> None:
        with freastal(tmp_path, "-w", "2", env={"NOTIFY_SOCKET": manager.name}) as server:
            assert manager.hear() == {
                "READY": "1",
                "MAINPID": str(server.pid),
                "STATUS": "serving wanted by 2 workers",
            }
            before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
            server.send(signal.SIGHUP)
            told = manager.hear()
            assert (told["RELOADING"], told["STATUS"]) == ("1", "replacing the workers")
            after = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
            assert before <= int(told["MONOTONIC_USEC"]) <= after
            assert manager.hear()["READY"] == "1"
            server.send(signal.SIGTERM)
            assert manager.hear()["STOPPING"] == "1"
            assert server.wait() == 0

    def test_a_reload_that_fails_ends_too(self, tmp_path: Path, manager: Manager) -> None:
        with freastal(tmp_path, env={"NOTIFY_SOCKET": manager.name}) as server:
            assert "READY" in manager.hear()
            (tmp_path / "wanted.py").write_text("1 /")
            server.send(signal.SIGHUP)
            assert "RELOADING" in manager.hear()
            assert "READY" in manager.hear()
            assert server.get().startswith("pid ")

    def test_watchdog(self, tmp_path: Path, manager: Manager) -> None:
        env = {"NOTIFY_SOCKET": manager.name, "WATCHDOG_USEC": "200000"}
        with freastal(tmp_path, env=env) as server:
            heard = [manager.hear() for _ in range(6)]
            assert heard.count({"WATCHDOG": "1"}) == 5
            assert server.process.poll() is None

    @pytest.mark.parametrize(
        ("environ", "seconds"),
        [
            ({"WATCHDOG_USEC": "3000000"}, 1.5),
            ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": str(os.getpid())}, 1.5),
            ({"WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "1"}, None),
            ({"WATCHDOG_USEC": "0"}, None),
            ({"WATCHDOG_USEC": "soon"}, None),
            ({}, None),
        ],
    )
    def test_watchdog_that_is_meant(self, environ: dict[str, str], seconds: float | None) -> None:
        manager = ServiceManager({"NOTIFY_SOCKET": "/run/none", **environ})
        assert manager.watchdog_seconds == seconds
        assert ServiceManager(dict(environ)).watchdog_seconds is None, "nobody listens"

    def test_one_that_is_not_there_is_said_once(
        self, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        manager = ServiceManager({"NOTIFY_SOCKET": str(tmp_path / "none")})
        manager.ready("x")
        manager.stopping("y")
        [line] = caplog.messages
        assert line.startswith("the service manager cannot be told READY=1: ")

    def test_one_that_does_not_read_holds_nobody_up(self, tmp_path: Path) -> None:
        listening = Manager(str(tmp_path / "n"))
        manager = ServiceManager({"NOTIFY_SOCKET": listening.name})
        for _ in range(5000):  # more than its queue
            manager.alive()
        listening.close()

    @pytest.mark.parametrize("name", ["", "relative", "vsock:1:2"])
    def test_other_addresses_are_nobody(self, name: str) -> None:
        ServiceManager({"NOTIFY_SOCKET": name}).ready("x")


class TestPassedSockets:
    def test_for_this_process(self) -> None:
        environ = {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "2", "LISTEN_FDNAMES": "a:b"}
        assert passed_sockets(environ) == [3, 4]
        assert environ == {}, "no child takes them for its own"

    def test_for_another(self) -> None:
        environ = {"LISTEN_PID": "1", "LISTEN_FDS": "2"}
        assert passed_sockets(environ) == []
        assert passed_sockets({}) == []

    @pytest.mark.parametrize("text", ["", "x", "-1", "5000", "1" * 5000])
    def test_wrong_numbers(self, text: str) -> None:
        with pytest.raises(ValueError, match=r"LISTEN_FDS is .*allowed: a number up to 4096"):
            passed_sockets({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": text})


ORPHANS = """
import ctypes, os, sys
ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER, as if it were process 1
os.execv(sys.executable, [sys.executable, "-m", "freastal", "--port", "0", "wanted"])
"""

LEAVES_ORPHANS = """
import os, signal, subprocess

def application(environ, start_response):
    # A shell that ends at once leaves its child to whoever adopts orphans.
    pid = subprocess.check_output(["sh", "-c", "sleep 0.1 >/dev/null & echo $!"])
    start_response("200 OK", [("Content-Length", str(len(pid)))])
    return [pid]
"""


def test_orphans_are_waited_for(tmp_path: Path) -> None:
    """As the first process of a container: no zombie stays, and workers are still ours."""
    (tmp_path / "wanted.py").write_text(LEAVES_ORPHANS)
    (tmp_path / "reaper.py").write_text(ORPHANS)
    with running(tmp_path, [sys.executable, "reaper.py"], ready=True) as server:
        for _ in range(5):
            pid = int(server.get())
            orphan = Path(f"/proc/{pid}")
            wait_until(lambda orphan=orphan: not orphan.exists(), "the orphan's end")  # type: ignore[misc]
        [worker] = Path(f"/proc/{server.pid}/task/{server.pid}/children").read_text().split()
        os.kill(int(worker), signal.SIGKILL)
        server.wait_for(r"was killed by SIGKILL")
        server.wait_for(r"worker 1 \(pid \d+\) is ready")
        assert server.stop() == 0
