"""``freastal.serve``: its keywords, and its manners towards the script that calls it."""

from __future__ import annotations

import os
import socket
import threading
import types
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from harness import APP, script

import freastal
from freastal import _core, keywords, server
from freastal.config import ConfigError
from freastal.options import OPTIONS, Kind

TYPES: dict[Kind, Any] = {
    Kind.TEXT: str,
    Kind.INT: int,
    Kind.SECONDS: float,
    Kind.SWITCH: bool,
    Kind.MODE: int,
    Kind.PATH: str,
    Kind.TARGET: str,
}

SCRIPT = f"""
import freastal
{APP}
freastal.serve(application, port=0)
"""


def test_the_version_is_that_of_the_core() -> None:
    assert freastal.__version__ == _core.__version__


def test_the_keywords_are_the_table() -> None:
    hints = typing.get_type_hints(keywords.Keywords)
    assert hints.keys() == OPTIONS.keys()
    for name, row in OPTIONS.items():
        members = set(typing.get_args(hints[name])) - {types.NoneType}
        if row.kind.repeats:
            assert members == {str, Sequence[str]}
        else:
            assert members == {TYPES[row.kind]}


def test_the_keywords_of_the_others_are_part_of_it() -> None:
    asgi = typing.get_type_hints(keywords.AsgiKeywords)
    assert OPTIONS.keys() - asgi.keys() == {"interface", *idle("asgi")}
    assert typing.get_type_hints(keywords.ServerKeywords).keys() == set(server.OPTIONS)


def idle(interface: str) -> set[str]:
    """Options that mean nothing to it."""
    return {row.name for row in OPTIONS.values() if row.interface not in ("", interface)}


def test_to_import_it_imports_nothing_heavy(tmp_path: Path) -> None:
    source = (
        "import sys\n"
        "before = set(sys.modules)\n"
        "import freastal\n"
        "print(sorted({name.split('.')[0] for name in set(sys.modules) - before}))\n"
    )
    with script(tmp_path, source, ready=False) as process:
        assert process.wait() == 0
    assert "freastal" in process.output
    for name in ("argparse", "asyncio", "logging", "socket", "selectors", "inspect"):
        assert f"'{name}'" not in process.output


def test_the_first_page_word_for_word(tmp_path: Path) -> None:
    with socket.create_server(("0.0.0.0", 0)) as free:
        port = free.getsockname()[1]
    source = f"""
import freastal
{APP}
app = application
freastal.serve(app, host="0.0.0.0", port={port}, workers=4)
"""
    with script(tmp_path, source) as server:
        assert server.log.splitlines()[1] == f"  http://0.0.0.0:{port}"
        assert len(server.worker_pids(4)) == 4
        assert server.stop() == 0


def test_an_import_string(tmp_path: Path) -> None:
    (tmp_path / "wanted.py").write_text(APP)
    with script(tmp_path, "import freastal\nfreastal.serve('wanted', port=0)") as server:
        assert server.get().startswith("pid ")
        assert server.stop() == 0


def test_the_script_goes_on_afterwards_and_only_once(tmp_path: Path) -> None:
    source = SCRIPT.replace("import freastal\n", "import freastal\nprint('before')\n", 1)
    source = source.replace("freastal.serve(", "try:\n    freastal.serve(") + (
        "finally:\n"
        "    print('after', os.getpid())\n"
        "print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)\n"
        "print(signal.getsignal(signal.SIGTERM) == signal.SIG_DFL)\n"
        "print(signal.set_wakeup_fd(-1))\n"
    )
    with script(tmp_path, source) as server:
        assert server.stop() == 0
    assert server.output.splitlines() == ["before", f"after {server.pid}", "True", "True", "-1"]


def test_it_serves_twice(tmp_path: Path) -> None:
    with script(tmp_path, SCRIPT + "freastal.serve(application, port=0)\n") as server:
        server.send(15)
        server.wait_for("threads? over libuv, pid ", 2)
        assert server.stop() == 0


def test_exit_handlers_run_in_workers_and_in_the_script(tmp_path: Path) -> None:
    source = "import atexit\natexit.register(lambda: print('bye', os.getpid()))\n" + SCRIPT
    with script(tmp_path, source) as server:
        (worker,) = server.worker_pids(1)
        assert server.stop() == 0
    assert server.output.splitlines() == [f"bye {worker}", f"bye {server.pid}"]


def test_children_of_the_script_are_left_to_it(tmp_path: Path) -> None:
    source = "import subprocess\nchild = subprocess.Popen(['sleep', '0'])\n" + SCRIPT
    with script(tmp_path, source + "print(child.wait())\n") as server:
        assert server.stop() == 0
    assert server.output == "0\n"


def test_failures_are_exit_codes(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        source = f"""
import freastal
for options in ({{"port": {port}}}, {{"app_dir": "nowhere", "port": 0}}):
    try:
        freastal.serve("no_such_module", **options)
    except SystemExit as stop:
        print(stop.code)
"""
        with script(tmp_path, source, ready=False) as process:
            assert process.wait() == 0
    assert process.output == "1\n3\n"
    assert "address already in use" in process.log
    assert "No module named 'no_such_module'" in process.log


def test_a_wrong_value_is_a_value_error_that_names_the_keyword() -> None:
    with pytest.raises(ConfigError, match=r"^wrong value for port: 70000 \(allowed: .*65535\)$"):
        freastal.serve("app", port=70000)


def test_a_wrong_variable_is_one_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FREASTAL_PORT", "x")
    with pytest.raises(ConfigError, match="FREASTAL_PORT"):
        freastal.serve("app")


def test_a_wrong_import_string_is_one_too() -> None:
    with pytest.raises(ConfigError, match=r"application: 'a/b\.py'"):
        freastal.serve("a/b.py")


def test_an_unknown_keyword_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="wokers"):
        freastal.serve("app", wokers=2)  # type: ignore[call-arg]


def test_only_the_main_thread_serves() -> None:
    found: list[BaseException] = []

    def serve() -> None:
        try:
            freastal.serve("app", port=0)
        except RuntimeError as error:
            found.append(error)

    thread = threading.Thread(target=serve)
    thread.start()
    thread.join()
    assert "main thread" in str(found[0])


def test_logs_of_an_application_that_disables_all_loggers(tmp_path: Path) -> None:
    app = "import logging.config\nlogging.config.dictConfig({'version': 1})\n"
    source = SCRIPT.replace("freastal.serve(application", "freastal.serve('wanted'")
    (tmp_path / "wanted.py").write_text(app + APP)
    with script(tmp_path, source) as server:
        os.kill(server.pid, 9)
        server.wait_for("the supervisor has vanished")
        server.wait_all_gone()
