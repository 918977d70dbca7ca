"""The command: what it prints and how it exits, before it serves."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from harness import APP, freastal, running

import freastal as package
from freastal import cli
from freastal.options import OPTIONS, Kind, Option


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for row in OPTIONS.values():
        for name in row.variables:
            monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("flag", ["-v", "--version"])
def test_version(capsys: pytest.CaptureFixture[str], flag: str) -> None:
    assert cli.main([flag]) == 0
    assert capsys.readouterr().out == f"freastal {package.__version__}\n"


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help(capsys: pytest.CaptureFixture[str], flag: str) -> None:
    with pytest.raises(SystemExit) as stop:
        cli.main([flag])
    assert stop.value.code == 0
    assert capsys.readouterr().out.startswith("usage: freastal [options] [MODULE[:ATTRIBUTE]]")


@pytest.mark.parametrize(
    "row",
    [row for row in OPTIONS.values() if row.kind is not Kind.SWITCH],
    ids=lambda row: row.name,
)
def test_a_wrong_value_is_one_line_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], row: Option
) -> None:
    wrong = "" if row.kind in (Kind.TEXT, Kind.TEXTS) else "wrong"
    assert cli.main([f"{row.flag}={wrong}", "app:app"]) == 2
    shown = "***" if row.secret else repr(wrong)
    line = f"freastal: wrong value for {row.flag}: {shown} (allowed: {row.allowed})\n"
    assert capsys.readouterr() == ("", line)


@pytest.mark.parametrize(
    "row",
    # Any other text is allowed, and an empty variable is not set.
    [row for row in OPTIONS.values() if row.kind not in (Kind.TEXT, Kind.TEXTS) or row.choices],
    ids=lambda row: row.name,
)
def test_a_wrong_variable_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, row: Option
) -> None:
    for name in row.variables:
        with monkeypatch.context() as context:
            context.setenv(name, "wrong")
            assert cli.main(["app:app"]) == 2
        line = f"freastal: wrong value for {name}: 'wrong' (allowed: {row.allowed})\n"
        assert capsys.readouterr() == ("", line)


@pytest.mark.parametrize(
    "arguments", [[], [":app"], ["app:"], ["a/b.py"], ["app:a b"], ["app:f()"], ["a", "b"], ["--x"]]
)
def test_other_wrong_usage_is_one_line_and_exit_code_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert cli.main(arguments) == 2
    output, errors = capsys.readouterr()
    assert output == ""
    assert errors.startswith("freastal: ")
    assert errors.count("\n") == 1


def test_python_m_runs_the_command(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "freastal", "--port", "0"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == (
        "freastal: no application is given (allowed: module[:attribute], for example myapp:app)\n"
    )


def test_app_dir_and_factory(tmp_path: Path) -> None:
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "made.py").write_text(APP + "def make():\n    return application\n")
    command = [sys.executable, "-m", "freastal", "--port", "0", "--app-dir", "inside"]
    with running(tmp_path, [*command, "--factory", "made:make"], ready=True) as server:
        assert server.get().startswith("pid ")
        assert server.stop() == 0


def test_options_reach_the_worker_from_everywhere(tmp_path: Path) -> None:
    app = APP.replace('b"pid %d" % os.getpid()', 'repr(environ["wsgi.multithread"]).encode()')
    with freastal(tmp_path, app=app, env={"FREASTAL_THREADS": "2"}) as server:
        assert server.get() == "True"
        assert server.stop() == 0
    with freastal(tmp_path, "--threads", "1", app=app, env={"FREASTAL_THREADS": "2"}) as server:
        assert server.get() == "False"
        assert server.stop() == 0


def test_the_access_log_goes_to_standard_output(tmp_path: Path) -> None:
    with freastal(tmp_path, "--access-log") as server:
        server.get("/seen")
        assert server.stop() == 0
    assert "/seen" in server.output
    with freastal(tmp_path, "--no-access-log", env={"FREASTAL_ACCESS_LOG": "1"}) as server:
        server.get("/seen")
        assert server.stop() == 0
    assert server.output == ""


def test_the_environment_alone_is_enough(tmp_path: Path) -> None:
    env = {"FREASTAL_UDS": "s", "FREASTAL_UDS_PERMISSIONS": "600", "FREASTAL_WORKERS": "2"}
    (tmp_path / "wanted.py").write_text(APP)
    command = [sys.executable, "-m", "freastal", "wanted"]
    with running(tmp_path, command, ready=True, env=env) as server:
        assert "  unix:s\n  2 workers" in server.log
        assert (tmp_path / "s").stat().st_mode & 0o777 == 0o600
        assert server.stop() == 0
