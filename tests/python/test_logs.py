"""The life-cycle and error log: plain, JSON, or as a file configures it."""

from __future__ import annotations

import json
import logging
import os
import re
import signal
from pathlib import Path

import pytest
from harness import freastal, wait_until

from freastal.logs import JsonFormatter

FAILS = """
def application(environ, start_response):
    if environ["PATH_INFO"] == "/fail":
        raise RuntimeError("on\\npurpose")
    start_response("200 OK", [("Content-Length", "0")])
    return []
"""


class TestJson:
    def test_every_line_is_an_object(self, tmp_path: Path) -> None:
        options = ("--log-format", "json", "--error-logfile", "e.log")
        with freastal(tmp_path, *options, app=FAILS, ready=False) as server:
            wait_until(lambda: server.ports, "the start block")
            server.get("/fail")
            with server.connect() as client:
                client.sendall(b"BAD\r\n\r\n")
                assert client.recv(100).startswith(b"HTTP/1.1 400 ")
            server.send(signal.SIGHUP)
            path = tmp_path / "e.log"
            wait_until(lambda: "reloaded" in path.read_text(), "the reload")
            assert server.stop() == 0
        entries = [json.loads(line) for line in path.read_text().splitlines()]
        assert all(
            {"time", "level", "logger", "pid", "message"} <= entry.keys() for entry in entries
        )
        [failed] = [entry for entry in entries if "exception" in entry]
        assert failed["level"] == "ERROR"
        assert "RuntimeError: on\npurpose" in failed["exception"]
        assert [entry for entry in entries if "refused 127.0.0.1" in entry["message"]]
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", failed["time"])
        assert "Traceback" not in server.log

    def test_of_a_stack(self) -> None:
        record = logging.LogRecord("a", 20, "f", 1, "%s", ("\u2028\n",), None, sinfo="here")
        entry = json.loads(JsonFormatter().format(record))
        assert (entry["message"], entry["stack"]) == ("\u2028\n", "here")


DICT = """
[formatters.short]
format = "%(name)s|%(levelname)s|%(message)s"
[handlers.file]
class = "logging.FileHandler"
filename = "mine.log"
formatter = "short"
[loggers.freastal]
handlers = ["file"]
level = "DEBUG"
propagate = false
"""

INI = """
[loggers]
keys=root,freastal
[handlers]
keys=file
[formatters]
keys=short
[formatter_short]
format=%(name)s|%(levelname)s|%(message)s
[handler_file]
class=FileHandler
args=("mine.log",)
formatter=short
[logger_root]
handlers=
[logger_freastal]
handlers=file
qualname=freastal
level=DEBUG
propagate=0
"""


def as_json() -> str:
    return json.dumps(
        {
            "version": 1,
            "formatters": {"short": {"format": "%(name)s|%(levelname)s|%(message)s"}},
            "handlers": {
                "file": {
                    "class": "logging.FileHandler",
                    "filename": "mine.log",
                    "formatter": "short",
                }
            },
            "loggers": {"freastal": {"handlers": ["file"], "level": "DEBUG", "propagate": False}},
        }
    )


class TestConfiguration:
    @pytest.mark.parametrize(
        ("name", "text"),
        [("log.toml", DICT), ("log.json", as_json()), ("log.ini", INI), ("log.conf", INI)],
    )
    def test_of_each_kind(self, tmp_path: Path, name: str, text: str) -> None:
        (tmp_path / name).write_text(text)
        with freastal(tmp_path, "--log-config", name, app=FAILS) as server:
            server.get("/fail")
            path = tmp_path / "mine.log"
            path.rename(tmp_path / "old.log")
            server.send(signal.SIGUSR1)  # also what a handler of one's own has open
            files = Path(f"/proc/{server.pid}/fd")
            wait_until(
                lambda: str(path) in [os.path.realpath(each) for each in files.iterdir()],
                "the supervisor's next file",
            )
            assert server.stop() == 0
        assert "freastal.error|ERROR|error in the application" in (tmp_path / "old.log").read_text()
        assert "freastal|INFO|SIGTERM: stopping" in path.read_text()
        assert "SIGTERM" not in server.log

    @pytest.mark.parametrize(
        ("name", "text", "words"),
        [
            ("log.toml", "a = ", "log.toml is no TOML: "),
            ("log.json", "{", "--log-config log.json is wrong: Expecting property name"),
            ("log.json", "[]", "--log-config log.json is wrong: it holds no table"),
            ("log.ini", "x", "--log-config log.ini is wrong: "),
            (
                "log.toml",
                '[handlers.a]\nclass = "no.Such"',
                "--log-config log.toml is wrong: Unable to configure handler 'a': ",
            ),
        ],
    )
    def test_wrong_files(self, tmp_path: Path, name: str, text: str, words: str) -> None:
        (tmp_path / name).write_text(text)
        with freastal(tmp_path, "--log-config", name, ready=False) as server:
            assert server.wait() == 2
            assert server.log.startswith(f"freastal: {words}")
            assert len(server.log.splitlines()) == 1

    @pytest.mark.parametrize("name", ["none.toml", "none.json", "none.ini"])
    def test_files_that_are_not_there(self, tmp_path: Path, name: str) -> None:
        with freastal(tmp_path, "--log-config", name, ready=False) as server:
            assert server.wait() == 2
            assert "No such file or directory" in server.log
            assert len(server.log.splitlines()) == 1

    def test_a_log_that_cannot_be_opened(self, tmp_path: Path) -> None:
        with freastal(tmp_path, "--log-file", "no/e.log", ready=False) as server:
            assert server.wait() == 2
            line = "freastal: cannot open --error-logfile no/e.log: No such file or directory\n"
            assert server.log == line

    def test_a_full_disk_is_said_in_a_line(self, tmp_path: Path) -> None:
        options = ("--error-logfile", "/dev/full")
        with freastal(tmp_path, *options, app=FAILS, ready=False) as server:
            wait_until(lambda: server.ports, "the start block")
            server.send(signal.SIGHUP)
            wait_until(lambda: "reloaded" in server.log, "the reload")
            server.get("/fail")
            assert server.stop() == 0
        full = "freastal: cannot write /dev/full: No space left on device: "
        assert f"{full}SIGHUP: replacing 1 worker\n" in server.log
        assert f"{full}error in the application: GET /fail\n" in server.log
        assert "Traceback" not in server.log
