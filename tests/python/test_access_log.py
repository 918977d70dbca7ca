"""The access log: its formats, where it goes, and what happens when that takes nothing."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from harness import PATIENCE, Server, freastal, running, wait_until

from freastal import _core, config
from freastal.access_format import ATOMS, PRESETS, check_format
from freastal.access_log import AccessLog, AccessLogError, prepare_file
from freastal.addresses import TcpAddress, UnixAddress
from freastal.kinds import ConfigError
from freastal.log_target import log_target

HEADER = Path(__file__).parents[2] / "src" / "http" / "access_format.h"


def settings(**options: Any) -> config.Config:
    return config.resolve(config.from_keywords(options))


class TestFormat:
    def test_the_core_has_the_same_atoms(self) -> None:
        rows = re.findall(r'X\(ACCESS_\w+, "([^"]+)", \w+, "([^"]+)"\)', HEADER.read_text())
        assert dict(rows) == ATOMS

    def test_the_core_has_the_same_default(self) -> None:
        text = re.sub(r'"\s*\\\n|\\\n\s*"', "", HEADER.read_text())
        assert settings().access_log_format.replace('"', '\\"') in text

    @pytest.mark.parametrize(
        "text",
        [
            *PRESETS,
            *(f"%({name.replace('{}', '{X-a_b}')})s" for name in ATOMS),
            "100%% of %(m)s",
            '{"a":"%(U)s"}',
            "é",
            "%(r)s" * 31,
            "%%" * 128,
            "a" * 16384,
        ],
    )
    def test_what_both_read(self, text: str) -> None:
        check_format(text, "here")
        core(text)

    @pytest.mark.parametrize(
        "text",
        [
            *("%(x)s", "%(h)", "%h", "%", "a%", "%()s", "%({}i)s", "%({a}x)s", "%(h)d", "%({}e)s"),
            *("%(r)s" * 32, "%%" * 129, "a" * 16385, "a\x7f", "%(hh)s"),
        ],
    )
    def test_what_both_refuse(self, text: str) -> None:
        with pytest.raises(ConfigError, match=r"^wrong value for here: .*allowed: "):
            check_format(text, "here")
        with pytest.raises(ValueError, match="access_log_format is "):
            core(text)

    def test_the_core_refuses_other_ways_to_ids(self) -> None:
        with pytest.raises(ValueError, match=r"request_id is 'x': allowed is off, make or take"):
            _core.Worker(print, [], request_id="x")


def core(text: str) -> None:
    """Give it to the core."""
    with socket.socket() as listening, open("/dev/null", "w") as null:
        listening.listen()
        fds = [listening.fileno()]
        _core.Worker(print, fds, access_log_fd=null.fileno(), access_log_format=text).close()


class TestTarget:
    @pytest.mark.parametrize(
        ("text", "target"),
        [
            ("-", ""),
            ("a.log", "a.log"),
            ("syslog", UnixAddress("/dev/log")),
            ("syslog:unix:/run/s", UnixAddress("/run/s")),
            ("syslog:h:514", TcpAddress("h", 514)),
            ("syslog:udp://[::1]:514", TcpAddress("::1", 514)),
        ],
    )
    def test_forms(self, text: str, target: object) -> None:
        assert log_target(text) == target

    @pytest.mark.parametrize("text", ["syslog:", "syslog:h", "syslog:fd://3", "syslog:tcp://h:1"])
    def test_other_forms(self, text: str) -> None:
        with pytest.raises(ConfigError, match=r"^wrong value for --access-logfile: "):
            settings(access_logfile=text)

    def test_where_it_is_on(self) -> None:
        assert not settings().logs_access
        assert settings(access_log=True).logs_access
        assert settings(access_logfile="x").logs_access
        assert settings(access_logfile="-").logs_access  # as with gunicorn
        assert not settings(access_logfile="x", access_log=False).logs_access

    def test_what_cannot_be_opened(self, tmp_path: Path) -> None:
        for text in (str(tmp_path), str(tmp_path / "no" / "a"), f"syslog:unix:{tmp_path}/none"):
            chosen = settings(access_logfile=text)
            with pytest.raises(AccessLogError, match=f"^cannot open --access-logfile {text}: "):
                AccessLog(chosen)
        with pytest.raises(AccessLogError, match=r"^cannot open --access-logfile "):
            prepare_file(settings(access_logfile=str(tmp_path / "no" / "a")))

    def test_one_line_and_exit_code_1(self, tmp_path: Path) -> None:
        with freastal(tmp_path, "--access-logfile", "no/a.log", ready=False) as server:
            assert server.wait() == 1
            assert server.log == (
                "freastal: cannot open --access-logfile no/a.log: No such file or directory\n"
            )


def numbered(server: Server, first: int, count: int) -> None:
    """Requests that can be told apart."""
    for number in range(first, first + count):
        server.get(f"/{number}")


def numbers(*paths: Path) -> list[int]:
    """Of the requests in these files."""
    return [
        int(found)
        for path in paths
        for found in re.findall(r"GET /(\d+) ", path.read_text() if path.exists() else "")
    ]


class TestFiles:
    def test_rotation_loses_nothing(self, tmp_path: Path) -> None:
        names = ("--access-logfile", "a.log", "--error-logfile", "e.log")
        with freastal(tmp_path, *names, "-w", "2", ready=False) as server:
            wait_until(lambda: server.ports, "the start block")
            files = []
            for turn in range(4):
                numbered(server, 25 * turn, 25)
                files.append(tmp_path / f"a.log.{turn}")
                os.rename(tmp_path / "a.log", files[-1])
                os.rename(tmp_path / "e.log", tmp_path / f"e.log.{turn}")
                server.send(signal.SIGUSR1)
                wait_until((tmp_path / "a.log").exists, "the next file")
                wait_until((tmp_path / "e.log").exists, "the next log")
            numbered(server, 100, 25)
            server.send(signal.SIGTTIN)
            wait_until(lambda: "SIGTTIN" in read(tmp_path / "e.log"), "the supervisor's line")
            assert server.stop() == 0
        found = numbers(*files, tmp_path / "a.log")
        assert sorted(found) == list(range(125))
        assert sum(bool(numbers(path)) for path in files) >= 2  # workers reopen a moment later

    def test_what_cannot_be_reopened_goes_on(self, tmp_path: Path) -> None:
        (tmp_path / "logs").mkdir()
        with freastal(tmp_path, "--access-logfile", "logs/a.log") as server:
            numbered(server, 0, 1)
            os.rename(tmp_path / "logs", tmp_path / "old")
            server.send(signal.SIGUSR1)
            server.wait_for("SIGUSR1: cannot open --access-logfile", 2)
            numbered(server, 1, 1)
            assert server.stop() == 0
        assert numbers(tmp_path / "old" / "a.log") == [0, 1]

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
    def test_belong_to_whom_workers_become(self, tmp_path: Path) -> None:
        for each in (tmp_path, *tmp_path.parents):
            if each != Path("/") and each.stat().st_uid == 0:
                each.chmod(each.stat().st_mode | 0o055)
        options = ("--user", "nobody", "--access-logfile", "a.log", "--error-logfile", "e.log")
        # Whatever it imports, nobody may not be able to read it.
        with freastal(tmp_path, *options, ready=False, app=APP) as server:
            wait_until(lambda: server.ports, "the start block")
            numbered(server, 0, 1)
            for name in ("a.log", "e.log"):
                assert (tmp_path / name).owner() == "nobody"
                os.rename(tmp_path / name, tmp_path / f"{name}.1")
            server.send(signal.SIGUSR1)
            wait_until((tmp_path / "a.log").exists, "the next file")
            wait_until((tmp_path / "e.log").exists, "the next log")
            numbered(server, 1, 1)
            assert server.stop() == 0
        assert numbers(tmp_path / "a.log.1", tmp_path / "a.log") == [0, 1]


def read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


class TestNobodyReads:
    def test_a_full_disk(self, tmp_path: Path) -> None:
        with freastal(tmp_path, "--access-logfile", "/dev/full") as server:
            numbered(server, 0, 20)
            assert server.stop() == 0
            assert "20 lines of the access log are lost" in server.log

    def test_a_pipe_that_is_full(self, tmp_path: Path) -> None:
        """Requests are answered, lines are dropped and counted, and later ones come again."""
        os.mkfifo(tmp_path / "fifo")
        fd = os.open(tmp_path / "fifo", os.O_RDWR | os.O_NONBLOCK)  # so that nobody waits to open
        log_format = "%(U)s" + " " * 4000
        options = ("--access-logfile", "fifo", "--access-log-format", log_format)
        with freastal(tmp_path, *options) as server:
            numbered(server, 0, 300)  # 1.2 MB, and 64 KiB fit in, and twice 128 KiB wait
            server.wait_for(r"\d+ lines of the access log are lost")
            assert server.get("/") == server.get("/")
            got = drain(fd)
            server.get("/last")
            wait_until(lambda: "/last" in drain(fd), "the last line")
            dropped = sum(
                int(n) for n in re.findall(r"(\d+) lines of the access log are lost", server.log)
            )
            assert server.stop() == 0
        assert 1 <= dropped <= 300 - got.count("\n") + 3
        os.close(fd)

    def test_a_named_pipe_that_nobody_has_opened_yet(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "fifo")
        options = ("--access-logfile", "fifo", "--access-log-format", "%(U)s")
        with freastal(tmp_path, *options) as server:
            server.get("/early")
            for each in ("/one", "/two"):  # a reader comes, goes, and comes again
                fd = os.open(tmp_path / "fifo", os.O_RDONLY | os.O_NONBLOCK)
                server.get(each)
                await_text(fd, each)
                os.close(fd)
            server.send(signal.SIGUSR1)
            server.get("/three")
            assert server.stop() == 0
            assert "are lost" not in server.log

    def test_standard_error_is_a_full_disk(self, tmp_path: Path) -> None:
        (tmp_path / "wanted.py").write_text(APP)
        command = [sys.executable, "-m", "freastal", "--uds", "s", "--access-log", "wanted"]
        shell = " ".join(command) + " 2>/dev/full >/dev/full"
        with running(tmp_path, ["sh", "-c", f"exec {shell}"], ready=False) as server:
            wait_until((tmp_path / "s").exists, "the socket")
            for _ in range(5):
                assert ask(tmp_path / "s").startswith(b"HTTP/1.1 200 ")
            server.send(signal.SIGHUP)
            time.sleep(0.5)
            assert ask(tmp_path / "s").startswith(b"HTTP/1.1 200 ")
            assert server.stop() == 0


APP = """
def application(environ, start_response):
    start_response("200 OK", [("Content-Length", "0")])
    return []
"""


def drain(fd: int) -> str:
    """What a pipe has now, until it is silent for a while."""
    parts = []
    end = time.monotonic() + 1.0
    while time.monotonic() < end:
        try:
            parts.append(os.read(fd, 65536))
            end = time.monotonic() + 1.0
        except BlockingIOError:
            time.sleep(0.02)
    return b"".join(parts).decode()


def await_text(fd: int, text: str) -> None:
    wait_until(lambda: text in drain(fd), text)


def ask(path: Path) -> bytes:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(PATIENCE)
        wait_until(lambda: not client.connect_ex(str(path)), "a connection")
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        return client.recv(1000)


class TestSyslog:
    def test_local(self, tmp_path: Path) -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as syslog:
            syslog.bind(str(tmp_path / "log"))
            syslog.settimeout(PATIENCE)
            target = f"syslog:unix:{tmp_path / 'log'}"
            options = ("--access-logfile", target, "--access-logformat", "%(m)s %(U)s")
            with freastal(tmp_path, *options) as server:
                pid = server.get("/a").removeprefix("pid ")
                assert syslog.recv(1000).decode() == f"<14>freastal[{pid}]: GET /a"
                assert server.stop() == 0

    def test_on_the_network(self, tmp_path: Path) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as syslog:
            syslog.bind(("127.0.0.1", 0))
            syslog.settimeout(PATIENCE)
            target = f"syslog:127.0.0.1:{syslog.getsockname()[1]}"
            options = ("--access-logfile", target, "--access-logformat", "%(m)s %(U)s")
            with freastal(tmp_path, *options) as server:
                pid = server.get("/a").removeprefix("pid ")
                host = socket.gethostname()
                line = f"<14>1 - {host} freastal {pid} access - GET /a"
                assert syslog.recv(1000).decode() == line
                assert server.stop() == 0


class TestRequestIds:
    APP = """
def application(environ, start_response):
    body = environ.get("HTTP_X_REQUEST_ID", "none").encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""

    ASGI_APP = """
async def application(scope, receive, send):
    assert scope["type"] == "http", "no lifespan"
    ids = [value for name, value in scope["headers"] if name == b"x-request-id"]
    body = b",".join(ids) or b"none"
    head = {"type": "http.response.start", "status": 200}
    await send({**head, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})
"""

    BOTH = pytest.mark.parametrize("app", [APP, ASGI_APP], ids=["wsgi", "asgi"])

    def ask(self, server: Server, *given: str) -> tuple[str, str | None]:
        """What the application saw, and what the response said."""
        import http.client

        connection = http.client.HTTPConnection("127.0.0.1", server.ports[0], timeout=PATIENCE)
        connection.putrequest("GET", "/")
        for each in given:
            connection.putheader("X-Request-ID", each)
        connection.endheaders()
        response = connection.getresponse()
        body = response.read().decode()
        connection.close()
        return body, response.headers["X-Request-ID"]

    @BOTH
    def test_off(self, tmp_path: Path, app: str) -> None:
        with freastal(tmp_path, app=app) as server:
            assert self.ask(server) == ("none", None)
            assert self.ask(server, "mine") == ("mine", None)

    @BOTH
    def test_made(self, tmp_path: Path, app: str) -> None:
        options = ("--request-id", "make", "--request-id-header", "--access-log")
        with freastal(tmp_path, *options, "--access-logformat", "%(I)s", app=app) as server:
            seen = [self.ask(server), self.ask(server, "mine"), self.ask(server, "a", "b")]
            assert server.stop() == 0
        assert all(body == reply and re.fullmatch("[0-9a-f]{32}", body) for body, reply in seen)
        assert server.output.split() == [body for body, _ in seen]
        assert len(set(seen)) == 3

    @BOTH
    def test_taken_from_who_is_trusted(self, tmp_path: Path, app: str) -> None:
        with freastal(tmp_path, "--request-id", "take", app=app) as server:
            assert self.ask(server, "mine.1") == ("mine.1", None)
            assert re.fullmatch("[0-9a-f]{32}", self.ask(server, 'a"b')[0])
            assert re.fullmatch("[0-9a-f]{32}", self.ask(server)[0])
        options = ("--request-id", "take", "--forwarded-allow-ips", "192.0.2.1")
        with freastal(tmp_path, *options, app=app) as server:
            assert re.fullmatch("[0-9a-f]{32}", self.ask(server, "mine.1")[0])


class TestJson:
    def test_of_hostile_requests(self, tmp_path: Path) -> None:
        agent = bytes(each for each in range(0x20, 0x100) if each != 0x7F)
        with freastal(tmp_path, "--access-log", "--access-log-format", "json") as server:
            with server.connect() as client:
                target = b'/"<%5c>\\?a=%00\'"' + b"&x" * 10
                client.sendall(b"GET " + target + b" HTTP/1.1\r\nHost: a\r\nUser-Agent: ")
                client.sendall(agent + b"\r\nReferer: \t\x80\r\nConnection: close\r\n\r\n")
                assert client.recv(1000)
            assert server.stop() == 0
        [line] = server.output.splitlines()
        entry = json.loads(line)
        assert entry["user_agent"].encode("latin-1") == agent.strip()
        assert entry["path"] == '/"<%5c>\\'
        assert entry["query"] == "a=%00'\"" + "&x" * 10
        assert (entry["status"], entry["method"], entry["user"]) == (200, "GET", "")
        assert line.isascii()
        assert line.isprintable()


def test_an_ordinary_line_in_a_server_of_ones_own(tmp_path: Path) -> None:
    source = f"""
import asyncio, urllib.request, freastal

async def app(scope, receive, send):
    await send({{"type": "http.response.start", "status": 204, "headers": []}})
    await send({{"type": "http.response.body"}})

async def main():
    server = freastal.Server(app, port=0, lifespan="off", access_logfile={str(tmp_path / "a")!r})
    task = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
    url = f"http://127.0.0.1:{{server.addresses[0].port}}/x"
    await asyncio.to_thread(urllib.request.urlopen, url)
    server.should_exit = True
    await task

asyncio.run(main())
"""
    done = subprocess.run(
        [sys.executable, "-c", source],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert '"GET /x HTTP/1.1" 204 - "-" "Python-urllib' in (tmp_path / "a").read_text()
