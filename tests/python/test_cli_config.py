"""The command with files of configuration: what it prints, checks and serves."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from harness import APP, running, script

COMMAND = [sys.executable, "-m", "freastal"]

ASGI = "async def app(scope, receive, send):\n    pass\n"


def run(
    directory: Path, *arguments: str, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("FREASTAL_")}
    return subprocess.run(
        [*COMMAND, *arguments],
        cwd=directory,
        env={**clean, "PYTHONDONTWRITEBYTECODE": "1", **(env or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


class TestServing:
    def test_a_file_is_enough(self, tmp_path: Path) -> None:
        (tmp_path / "wanted.py").write_text(APP)
        (tmp_path / "f.toml").write_text('app = "wanted"\nbind = "127.0.0.1:0"\nworkers = 2\n')
        with running(tmp_path, [*COMMAND, "--config", "f.toml"], ready=True) as server:
            assert len(server.worker_pids(2)) == 2
            assert server.stop() == 0

    def test_the_table_of_a_pyproject(self, tmp_path: Path) -> None:
        (tmp_path / "wanted.py").write_text(APP)
        text = '[tool.freastal]\napp = "wanted"\nuds = "s"\nuds_permissions = "600"\n'
        (tmp_path / "pyproject.toml").write_text(text)
        with running(tmp_path, [*COMMAND, "-c", "pyproject.toml"], ready=True) as server:
            assert (tmp_path / "s").stat().st_mode & 0o777 == 0o600
            assert server.stop() == 0

    def test_the_application_has_the_variables_of_the_env_file(self, tmp_path: Path) -> None:
        source = APP.replace('b"pid %d" % os.getpid()', "repr((IMPORTED, A, B)).encode()")
        source = "import os\nIMPORTED = os.environ['A']\n" + source.replace(
            "    body =", "    A, B = os.environ['A'], os.environ['B']\n    body ="
        )
        (tmp_path / "wanted.py").write_text(source)
        (tmp_path / "e").write_text("A='from the file'\nB=from the file\n")
        command = [*COMMAND, "--port", "0", "--env-file", "e", "wanted"]
        with running(tmp_path, command, ready=True, env={"B": "set"}) as server:
            assert server.get() == "('from the file', 'from the file', 'set')"
            assert server.stop() == 0

    def test_paths_are_those_of_the_directory_that_is_changed_to(self, tmp_path: Path) -> None:
        (tmp_path / "site").mkdir()
        source = APP.replace('b"pid %d" % os.getpid()', "os.getcwd().encode()")
        (tmp_path / "site" / "wanted.py").write_text(source)
        (tmp_path / "f.toml").write_text('chdir = "site"\nenv_file = "e"\napp = "wanted"\n')
        (tmp_path / "e").write_text("FREASTAL_BIND=unix:s, 127.0.0.1:0\n")
        with running(tmp_path, [*COMMAND, "-c", "f.toml"], ready=True) as server:
            assert server.get() == str(tmp_path / "site")
            assert (tmp_path / "site" / "s").is_socket()
            assert server.stop() == 0

    def test_an_unknown_variable_is_a_warning(self, tmp_path: Path) -> None:
        (tmp_path / "wanted.py").write_text(APP)
        env = {"FREASTAL_WOKERS": "2", "FREASTAL_DEBUG_COUNTERS": ""}
        command = [*COMMAND, "--port", "0", "wanted"]
        with running(tmp_path, command, ready=True, env=env) as server:
            line = "[WARNING] FREASTAL_WOKERS is no option (did you mean FREASTAL_WORKERS?)\n"
            assert server.log.count("WARNING") == server.log.count(line) == 1
            assert server.stop() == 0

    def test_a_script_names_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "site").mkdir()
        (tmp_path / "f.toml").write_text(
            'app = "another"\nport = 0\nworkers = 3\nchdir = "site"\nlog-level = "warning"\n'
        )
        source = APP + (
            "import freastal\n"
            'freastal.serve(application, config="f.toml", workers=2, log_level="info")\n'
        )
        with script(tmp_path, source) as server:
            assert "__main__:application" in server.log
            assert "  2 workers" in server.log
            assert server.stop() == 0


class TestWrong:
    @pytest.mark.parametrize(
        ("text", "line"),
        [
            ("wokers = 2", "f.toml: there is no option 'wokers' (did you mean workers?)"),
            ("workers =", "f.toml is no TOML: Invalid value (at line 1, the end)"),
            (
                "workers = 0",
                "wrong value for f.toml:workers: 0 (allowed: a whole number from 1 to 1024)",
            ),
            (
                'chdir = "none"',
                "wrong value for f.toml:chdir: 'none' (allowed: a directory; No such file or "
                "directory)",
            ),
        ],
    )
    def test_a_file_is_one_line_and_exit_code_2(self, tmp_path: Path, text: str, line: str) -> None:
        (tmp_path / "f.toml").write_text(text)
        done = run(tmp_path, "-c", "f.toml", "m:a")
        assert (done.returncode, done.stdout, done.stderr) == (2, "", f"freastal: {line}\n")

    @pytest.mark.parametrize("flag", ["--config", "--env-file"])
    def test_a_file_that_is_not_there(self, tmp_path: Path, flag: str) -> None:
        done = run(tmp_path, flag, "none", "m:a")
        line = f"freastal: cannot read {flag} 'none': No such file or directory\n"
        assert (done.returncode, done.stdout, done.stderr) == (2, "", line)


class TestCheck:
    def check(
        self, directory: Path, source: str, *arguments: str, env: dict[str, str] | None = None
    ) -> tuple[int, str, str]:
        (directory / "m.py").write_text(source)
        done = run(directory, "--check-config", *arguments, "m", env=env)
        return done.returncode, done.stdout, done.stderr

    @pytest.mark.parametrize(
        ("source", "interface"), [(APP, "wsgi"), (ASGI, "asgi")], ids=["wsgi", "asgi"]
    )
    def test_what_is_right(self, tmp_path: Path, source: str, interface: str) -> None:
        line = f"freastal: the configuration is right, m ({interface}) can be loaded\n"
        assert self.check(tmp_path, source) == (0, line, "")

    def test_nothing_of_it_stays(self, tmp_path: Path) -> None:
        source = "import threading\nthreading.Thread(target=threading.Event().wait).start()\n"
        code, _, errors = self.check(tmp_path, source + APP, "--uds", "s")
        assert (code, errors) == (0, "")
        assert not (tmp_path / "s").exists()

    def test_a_wrong_option(self, tmp_path: Path) -> None:
        code, output, errors = self.check(tmp_path, "raise SystemExit(9)", "--workers=0")
        assert (code, output) == (2, "")
        assert errors.startswith("freastal: wrong value for --workers: '0' ")
        done = run(tmp_path, "--check-config", "--user", "nosuch", "m")
        assert done.returncode == 2
        assert done.stderr.startswith("freastal: --user: there is no user 'nosuch' (allowed: ")
        assert run(tmp_path, "--check-config").returncode == 2

    def test_a_certificate_that_is_not_there(self, tmp_path: Path) -> None:
        code, output, errors = self.check(tmp_path, APP, "--certfile", "none.pem")
        assert (code, output) == (2, "")
        assert errors.startswith("freastal: ")
        assert "none.pem" in errors
        assert errors.count("\n") == 1

    @pytest.mark.parametrize(
        ("source", "last", "traceback"),
        [
            ("", "cannot find the application: AttributeError", False),
            ("app = 1", "m is no application: a int cannot be called", False),
            ("def app(scope):\n    pass", "m is an application of ASGI 2", False),
            ("def f():\n    1 / 0\nf()", "cannot import the application: ZeroDivision", True),
            ("raise SystemExit(0)", "cannot import the application: SystemExit", True),
            ("import os\nos.kill(os.getpid(), 9)", "m was ended by signal 9", False),
        ],
    )
    def test_an_application_that_cannot_be_loaded(
        self, tmp_path: Path, source: str, last: str, traceback: bool
    ) -> None:
        code, output, errors = self.check(tmp_path, source)
        assert (code, output) == (3, "")
        assert errors.splitlines()[-1].startswith(f"freastal: {last}")
        assert ("Traceback" in errors) == traceback

    @pytest.mark.parametrize(
        ("hook", "line"),
        [
            ("m:ready", "cannot find the hook when_ready: "),
            ("none:ready", "cannot import the hook when_ready: "),
            ("m:__name__", "the hook when_ready is no function: m:__name__, a str, cannot be"),
        ],
    )
    def test_hooks_are_loaded(self, tmp_path: Path, hook: str, line: str) -> None:
        (tmp_path / "f.toml").write_text(f'[hooks]\nwhen_ready = "{hook}"\n')
        code, output, errors = self.check(tmp_path, APP, "-c", "f.toml")
        assert (code, output) == (3, "")
        assert errors.splitlines()[-1].startswith(f"freastal: {line}")
        (tmp_path / "f.toml").write_text('[hooks]\nwhen_ready = "m:application"\n')
        assert self.check(tmp_path, APP, "-c", "f.toml")[0] == 0

    def test_what_means_nothing_is_said(self, tmp_path: Path) -> None:
        arguments = ("--root-path=/a", "--forwarded-host")
        code, _, errors = self.check(tmp_path, APP, *arguments, env={"FREASTAL_PORTS": "1"})
        assert code == 0
        first, *others = errors.splitlines()
        assert first.endswith("FREASTAL_PORTS is no option (did you mean FREASTAL_PORT?)")
        assert others == [
            "freastal: --root-path means nothing to WSGI",
            "freastal: --forwarded-host means nothing without --proxy-headers",
        ]


class TestPrint:
    def test_without_an_application(self, tmp_path: Path) -> None:
        done = run(tmp_path, "--print-config", "-w", "2")
        assert (done.returncode, done.stderr) == (0, "")
        rows = [line.split() for line in done.stdout.splitlines()]
        assert ["workers", "=", "2", "#", "--workers"] in rows

    def test_a_wrong_application(self, tmp_path: Path) -> None:
        done = run(tmp_path, "--print-config", "a/b.py")
        assert (done.returncode, done.stdout) == (2, "")
        assert done.stderr.startswith("freastal: wrong value for the application: 'a/b.py' ")

    def test_what_it_prints_can_be_served(self, tmp_path: Path) -> None:
        (tmp_path / "wanted.py").write_text(APP)
        done = run(tmp_path, "--print-config", "--port=0", "-w2", "wanted")
        (tmp_path / "f.toml").write_text(done.stdout)
        with running(tmp_path, [*COMMAND, "-c", "f.toml"], ready=True) as server:
            assert "  2 workers" in server.log
            assert server.stop() == 0

    def test_with_the_check(self, tmp_path: Path) -> None:
        (tmp_path / "m.py").write_text(APP)
        done = run(tmp_path, "--print-config", "--check-config", "m")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.count("\napp_dir = ") == 1
        assert done.stdout.endswith("the configuration is right, m (wsgi) can be loaded\n")
        assert run(tmp_path, "--print-config", "--check-config", "none").returncode == 3
