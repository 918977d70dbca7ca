"""The settings from all places together: what wins, where it comes from, what is odd."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from freastal import config
from freastal.config import Config
from freastal.options import OPTIONS, ConfigError
from freastal.settings import Settings, change_directory, gather


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def settings(*arguments: str, environ: dict[str, str] | None = None) -> Settings:
    """What the command does with its arguments."""
    parsed = config.make_parser().parse_args(arguments)
    return gather(config.from_arguments(parsed), environ if environ is not None else {}, parsed.app)


def wrong(*arguments: str, environ: dict[str, str] | None = None) -> str:
    with pytest.raises(ConfigError) as error:
        settings(*arguments, environ=environ)
    assert len(str(error.value).splitlines()) == 1
    return str(error.value)


class TestPrecedence:
    def test_command_line_over_environment_over_file_over_defaults(self, directory: Path) -> None:
        (directory / "f.toml").write_text(
            'log_level = "error"\nthreads = 4\nbacklog = 4\nworkers = 4\n'
        )
        found = settings(
            *("--config", "f.toml", "--workers", "2"),
            environ={"FREASTAL_THREADS": "3", "FREASTAL_WORKERS": "3", "WEB_CONCURRENCY": "5"},
        )
        values = found.config
        assert (values.workers, values.threads, values.backlog) == (2, 3, 4)
        assert (values.log_level, values.timeout_body) == ("error", 60)
        names = ("workers", "threads", "backlog", "timeout_body", "config")
        assert [found.origins[name] for name in names] == [
            *("--workers", "FREASTAL_THREADS", "f.toml:backlog", "default", "--config")
        ]

    def test_the_variable_names_the_file(self, directory: Path) -> None:
        (directory / "a.toml").write_text("workers = 2\n")
        (directory / "b.toml").write_text("workers = 3\n")
        environ = {"FREASTAL_CONFIG": "a.toml"}
        assert settings(environ=environ).config.workers == 2
        assert settings("-c", "b.toml", environ=environ).config.workers == 3

    def test_no_file_is_read_unasked(self, directory: Path) -> None:
        for name in ("freastal.toml", "pyproject.toml", ".env"):
            (directory / name).write_text("[tool.freastal]\nworkers = 2\n")
        assert settings().config == config.resolve()

    def test_keywords(self, directory: Path) -> None:
        (directory / "f.toml").write_text("workers = 2\nthreads = 2\n[hooks]\non_exit = 'm:f'\n")
        found = gather(config.from_keywords({"config": "f.toml", "threads": 3}), {})
        assert (found.config.workers, found.config.threads) == (2, 3)
        assert found.config.hooks == {"on_exit": "m:f"}

    @pytest.mark.parametrize(
        ("arguments", "environ", "addresses", "origin"),
        [
            ((), {}, ["h:1"], "f.toml:bind"),
            (("--port", "2"), {}, ["127.0.0.1:2"], "default, --port"),
            ((), {"FREASTAL_UDS": "u"}, ["unix:u"], "FREASTAL_UDS"),
            (("--host", "g"), {"FREASTAL_PORT": "3"}, ["g:3"], "--host, FREASTAL_PORT"),
        ],
    )
    def test_where_to_listen(
        self,
        directory: Path,
        arguments: tuple[str, ...],
        environ: dict[str, str],
        addresses: list[str],
        origin: str,
    ) -> None:
        (directory / "f.toml").write_text('bind = "h:1"\n')
        found = settings("--config", "f.toml", *arguments, environ=environ)
        assert [str(each) for each in found.config.bind] == addresses
        assert found.origins["bind"] == origin

    def test_two_ways_to_listen_in_the_file_contradict(self, directory: Path) -> None:
        (directory / "f.toml").write_text('bind = "h:1"\nport = 2\n')
        assert wrong("-c", "f.toml") == (
            "f.toml:bind and f.toml:port both say where to listen (allowed: one)"
        )


class TestApp:
    @pytest.mark.parametrize(
        ("arguments", "environ", "target", "where"),
        [
            (["a:a"], {"FREASTAL_APP": "b:b"}, "a:a", "the command line"),
            ([], {"FREASTAL_APP": "b:b"}, "b:b", "FREASTAL_APP"),
            ([], {"FREASTAL_APP": ""}, "c:c", "f.toml:app"),
        ],
    )
    def test_the_strongest_place(
        self,
        directory: Path,
        arguments: list[str],
        environ: dict[str, str],
        target: str,
        where: str,
    ) -> None:
        (directory / "f.toml").write_text('app = "c:c"\n')
        found = settings("-c", "f.toml", *arguments, environ=environ)
        assert found.target() == target
        assert found.app is not None
        assert found.app.where == where

    @pytest.mark.parametrize(
        ("arguments", "environ", "line"),
        [
            ([], {}, "no application is given (allowed: "),
            (["a/b.py"], {}, "wrong value for the application: 'a/b.py' (allowed: "),
            ([], {"FREASTAL_APP": "a/b"}, "wrong value for FREASTAL_APP: 'a/b' (allowed: "),
        ],
    )
    def test_wrong(self, arguments: list[str], environ: dict[str, str], line: str) -> None:
        found = settings(*arguments, environ=environ)
        with pytest.raises(ConfigError) as error:
            found.target()
        assert str(error.value).startswith(line)


class TestEnvFile:
    def test_its_variables_are_those_of_the_application_and_options(self, directory: Path) -> None:
        (directory / "e").write_text("FREASTAL_WORKERS=2\nFREASTAL_THREADS=2\nDATABASE=db\n")
        environ = {"FREASTAL_THREADS": "3"}
        found = settings("--env-file", "e", environ=environ)
        assert (found.config.workers, found.config.threads) == (2, 3)
        assert environ == {"FREASTAL_THREADS": "3", "FREASTAL_WORKERS": "2", "DATABASE": "db"}

    def test_it_may_name_the_configuration_and_the_application(self, directory: Path) -> None:
        (directory / "e").write_text("FREASTAL_CONFIG=f.toml\nFREASTAL_APP=m:a\n")
        (directory / "f.toml").write_text("workers = 2\n")
        found = settings(environ={"FREASTAL_ENV_FILE": "e"})
        assert found.config.workers == 2
        assert found.target() == "m:a"

    def test_the_configuration_may_name_it(self, directory: Path) -> None:
        (directory / "f.toml").write_text('env_file = "e"\nworkers = 2\nthreads = 2\n')
        (directory / "e").write_text("FREASTAL_WORKERS=3\n")
        found = settings("-c", "f.toml")
        assert (found.config.workers, found.config.threads) == (3, 2)
        assert found.origins["env_file"] == "f.toml:env_file"

    def test_as_a_keyword(self, directory: Path) -> None:
        (directory / "e").write_text("FREASTAL_WORKERS=2\nA=1\n")
        environ: dict[str, str] = {}
        assert gather(config.from_keywords({"env_file": "e"}), environ).config.workers == 2
        assert environ == {"FREASTAL_WORKERS": "2", "A": "1"}

    def test_only_the_strongest_is_read(self, directory: Path) -> None:
        (directory / "f.toml").write_text('env_file = "nowhere"\n')
        (directory / "e").write_text("A=1\n")
        environ = {"FREASTAL_ENV_FILE": "nowhere"}
        settings("-c", "f.toml", "--env-file", "e", environ=environ)
        assert environ == {"FREASTAL_ENV_FILE": "nowhere", "A": "1"}

    def test_what_would_come_too_late(self, directory: Path) -> None:
        (directory / "e").write_text("FREASTAL_ENV_FILE=f\n")
        assert wrong("--env-file", "e") == (
            "e: FREASTAL_ENV_FILE cannot stand in this file: it is read too late"
        )
        (directory / "f.toml").write_text('env_file = "e"\n')
        (directory / "e").write_text("FREASTAL_CONFIG=g.toml\n")
        assert wrong("-c", "f.toml") == (
            "e: FREASTAL_CONFIG cannot stand in this file: it is read too late"
        )

    def test_a_wrong_line(self, directory: Path) -> None:
        (directory / "e").write_text("A=1\nnothing\n")
        assert wrong("--env-file", "e").startswith("e, line 2: this is no variable (allowed: ")

    def test_a_wrong_value_in_it_is_that_of_the_variable(self, directory: Path) -> None:
        (directory / "e").write_text("FREASTAL_PORT=x\n")
        assert wrong("--env-file", "e").startswith("wrong value for FREASTAL_PORT: 'x' (allowed")


def test_unknown_variables_are_warnings(directory: Path) -> None:
    (directory / "e").write_text("FREASTAL_THREDS=2\n")
    found = settings("--env-file", "e", environ={"FREASTAL_WOKERS": "2"})
    assert found.warnings == (
        "FREASTAL_THREDS is no option (did you mean FREASTAL_THREADS?)",
        "FREASTAL_WOKERS is no option (did you mean FREASTAL_WORKERS?)",
    )


class TestDirectory:
    def test_is_entered(self, directory: Path) -> None:
        (directory / "inside").mkdir()
        settings("--chdir", "inside").enter()
        assert Path.cwd() == directory / "inside"

    @pytest.mark.parametrize(
        ("path", "reason"), [("none", "No such file or directory"), ("file", "Not a directory")]
    )
    def test_one_that_is_none(self, directory: Path, path: str, reason: str) -> None:
        (directory / "file").touch()
        (directory / "f.toml").write_text(f'chdir = "{path}"\n')
        found = settings("-c", "f.toml")
        with pytest.raises(ConfigError) as error:
            found.enter()
        line = f"wrong value for f.toml:chdir: {path!r} (allowed: a directory; {reason})"
        assert str(error.value) == line

    def test_nothing_changes_nothing(self, directory: Path) -> None:
        change_directory("")
        assert Path.cwd() == directory


class TestPrinted:
    ARGUMENTS = (
        *("--bind", "h:1", "--bind", "unix:/a b", "--uds-permissions", "640", "--workers", "3"),
        *("--no-reuse-port", "--timeout-body", "0.25", "--workers-lifetime", "12345678.5"),
        *("--reload-include", '*."x"', "--reload-include", "\\", "--root-path", "/ä"),
        *("--certfile", "c", "--certfile", "d", "--tls-min-version", "1.3", "--access-log"),
        *("--client-ca", "a", "--client-verify", "optional", "--forwarded-allow-ips", "::1,unix"),
        *("--health-path", "/~", "--limit-request-body", str(2**50), "--chdir", "/x", "m:a"),
    )

    def test_is_a_file_that_says_the_same(self, directory: Path) -> None:
        (directory / "h.toml").write_text("[hooks]\nwhen_ready = 'm.n:f'\non_exit = 'm:g.h'\n")
        before = settings("-c", "h.toml", *self.ARGUMENTS)
        (directory / "f.toml").write_text("\n".join(before.lines()), encoding="utf-8")
        after = settings("-c", "f.toml")
        assert after.target() == before.target() == "m:a"
        assert differences(before.config, after.config) == {"config"}
        assert after.config.hooks == {"when_ready": "m.n:f", "on_exit": "m:g.h"}
        assert after.origins["uds_permissions"] == "f.toml:uds_permissions"

    def test_names_every_option_once_with_its_origin(self, directory: Path) -> None:
        (directory / "f.toml").write_text('access-log = true\n[hooks]\non_exit = "m:f"\n')
        found = settings("-c", "f.toml", "-w", "2", environ={"FREASTAL_THREADS": "2"})
        lines = list(found.lines())
        words = [line.removeprefix("# ").split()[0] for line in lines if line and line[0] != "\n"]
        listen = {"host", "port", "uds", "fd"}  # they have gone into bind
        assert words == ["app", *(name for name in OPTIONS if name not in listen), "on_exit"]
        assert {line.index("  # ") for line in lines if line.startswith(("t", "w", "l"))} == {
            lines[0].index("  # ")
        }
        values = {" ".join(line.split()) for line in lines}
        assert values >= {
            "# app is not set # default",
            "workers = 2 # --workers",
            "threads = 2 # FREASTAL_THREADS",
            "access_log = true # f.toml:access-log",
            '# config = "f.toml" # --config',
            'on_exit = "m:f" # f.toml:hooks.on_exit',
            'bind = ["127.0.0.1:8000"] # default',
            "# certfile is not set # default",
        }

    def test_passwords_are_not_shown(self) -> None:
        found = settings("--certfile", "c", "--keyfile-password", "geheim")
        text = "\n".join(found.lines())
        assert "geheim" not in text
        assert '# keyfile_password = ["***"]' in text

    def test_a_path_that_is_no_unicode(self) -> None:
        name = os.fsdecode(b"a\xff")
        assert 'chdir = "a\\udcff"' in "\n".join(settings("--chdir", name).lines())


def differences(first: Config, second: Config) -> set[str]:
    """The names of the fields that are not equal."""
    return {
        name
        for name in OPTIONS
        if hasattr(first, name) and getattr(first, name) != getattr(second, name)
    }
