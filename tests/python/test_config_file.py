"""The configuration file: its names, its values, and what it says when they are wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from freastal.config_file import ConfigFile, read_config_file
from freastal.hooks import HOOKS
from freastal.options import OPTIONS, ConfigError, Kind, Option

ROWS = [row for row in OPTIONS.values() if row.name != "config"]

GOOD: dict[Kind, tuple[str, object]] = {
    Kind.TEXT: ('"a"', "a"),
    Kind.INT: ("64", 64),
    Kind.SECONDS: ("1.5", 1.5),
    Kind.SWITCH: ("true", True),
    Kind.MODE: ('"640"', 0o640),
    Kind.PATH: ('"/a/"', "/a"),
    Kind.TEXTS: ('["a", "b"]', ("a", "b")),
    Kind.PEERS: ('["10.0.0.0/8", "unix"]', ("10.0.0.0/8", "unix")),
    Kind.TARGET: ('"/a"', "/a"),
}

WRONG: dict[Kind, list[str]] = {
    Kind.TEXT: ["1", "true", '""', '["a"]', "1979-05-27", "{}", r'"a\nb"'],
    Kind.INT: ['"4"', "4.0", "true", "-1", "[4]", "99999999999999999999"],
    Kind.SECONDS: ['"4"', "true", "-0.5", "nan", "inf", "[4]", "00:00:01"],
    Kind.SWITCH: ['"yes"', "1", "0", "[true]", '"true"'],
    Kind.MODE: ["0o660", "660", '"888"', '"0o660"', "true"],
    Kind.PATH: ["1", '"a"', '""', r'"/\u007f"'],
    Kind.ADDRESSES: ["8000", '["h:1", 80]', "[]", '"h"', "{ h = 1 }"],
    Kind.TEXTS: ["1", "[1]", "[]", '""', '["a", ""]', "{}"],
    Kind.PEERS: ["1", "[1]", "[]", '"a"', "true"],
    Kind.TARGET: ["1", '"a"', '"/?"'],
}


def read(directory: Path, text: str, name: str = "freastal.toml") -> ConfigFile:
    (directory / name).write_text(text, encoding="utf-8")
    return read_config_file(name)


def refused(directory: Path, text: str, name: str = "freastal.toml") -> str:
    with pytest.raises(ConfigError) as error:
        read(directory, text, name)
    line = str(error.value)
    assert len(line.splitlines()) == 1
    return line


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
@pytest.mark.parametrize("sign", ["_", "-"])
def test_every_option_is_a_key(tmp_path: Path, row: Option, sign: str) -> None:
    value: object
    if row.kind is Kind.ADDRESSES:
        text, value = '"h:1"', tuple(row.check("h:1", ""))
    elif row.choices:
        text, value = json.dumps(row.choices[-1]), row.choices[-1]
    elif row.kind is Kind.INT:
        text, value = f"{row.maximum:.0f}", int(row.maximum)
    else:
        text, value = GOOD[row.kind]
    key = row.name.replace("_", sign)
    found = read(tmp_path, f"{key} = {text}\n").layer
    assert found.keys() == {row.name}
    assert (found[row.name].value, found[row.name].where) == (value, f"freastal.toml:{key}")


@pytest.mark.parametrize(
    ("row", "text"),
    [(row, text) for row in ROWS for text in WRONG[row.kind]],
    ids=lambda each: each.name if isinstance(each, Option) else each,
)
def test_wrong_values(tmp_path: Path, row: Option, text: str) -> None:
    line = refused(tmp_path, f"{row.name} = {text}\n")
    assert line.startswith(f"wrong value for freastal.toml:{row.name}: ")
    assert ("true, false" if row.kind is Kind.SWITCH else row.allowed) in line


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("tls_min_version = 1.3", "1.3 (allowed: one of 1.2, 1.3, in quotes)"),
        ('workers = "4"', "'4' (allowed: a whole number from 1 to 1024, without quotes)"),
        ('uds_permissions = 0o660', 'from 0 to 777, in quotes: "660")'),
        ("reload = 1", "1 (allowed: true, false)"),
        ("keyfile_password = 1234", "*** (allowed: texts that are not empty, without control "
         "characters, in quotes)"),
    ],
)  # fmt: skip
def test_what_is_allowed_is_said_in_terms_of_toml(tmp_path: Path, text: str, end: str) -> None:
    assert refused(tmp_path, text).endswith(end)


def test_one_text_is_a_list_of_one(tmp_path: Path) -> None:
    found = read(tmp_path, 'bind = "h:1"\ncertfile = "c"\nforwarded-allow-ips = "*,unix"\n').layer
    assert [str(each) for each in found["bind"].value] == ["h:1"]
    assert found["certfile"].value == ("c",)
    assert found["forwarded_allow_ips"].value == ("*", "unix")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("wokers = 2", "there is no option 'wokers' (did you mean workers?)"),
        ("log-levle = 'info'", "there is no option 'log-levle' (did you mean log-level?)"),
        (
            "max_requests = 2",
            "there is no option 'max_requests' (did you mean limit_max_requests?)",
        ),
        ("Workers = 2", "there is no option 'Workers' (did you mean workers?)"),
        ("application = 'm:a'", "there is no option 'application'"),
        ("ap = 'm:a'", "there is no option 'ap' (did you mean app?)"),
        (
            "[server]\nworkers = 2",
            "there is no option 'server' (allowed: options at the top, without tables)",
        ),
        ("[hook]\nwhen_ready = 'm:f'", "there is no option 'hook' (did you mean hooks?)"),
        ("hooks = 1", "there is no option 'hooks' (allowed: a table [hooks])"),
        (r'"a\nb" = 1', r"there is no option 'a\nb'"),
        ("config = 'other.toml'", "config cannot stand in a file"),
    ],
)
def test_names_that_are_not_known(tmp_path: Path, text: str, line: str) -> None:
    assert refused(tmp_path, text) == f"freastal.toml: {line}"


def test_one_option_in_two_spellings(tmp_path: Path) -> None:
    assert refused(tmp_path, "log-level = 'info'\nlog_level = 'info'\n") == (
        "freastal.toml:log_level and freastal.toml:log-level are the same option (allowed: one)"
    )


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"workers = 2\nthreads = \n", "is no TOML: Invalid value (at line 2, column 11)"),
        (b"workers 2\n", "(at line 1, column 9)"),
        (b"workers = 2\nworkers = 3\n", "is no TOML: Cannot overwrite a value (at line 2"),
        (b'app = "m\n', "(at line 1, column 9)"),
        (b"bind = [\n'h:1',\n\n", "(at line 2, the end)"),
        (b"workers = " + b"9" * 5000, "is no TOML: "),
        (b"a = " + b"[" * 5000, "is no TOML"),
        (b"# a\n\n# \xe4\n", "is no TOML: it is not UTF-8 (at line 3)"),
        (b"#" * (2**20 + 1), "is no TOML that is read: it is too long (allowed: 1048576 bytes)"),
    ],
)
def test_what_is_no_toml(tmp_path: Path, data: bytes, words: str) -> None:
    (tmp_path / "x.toml").write_bytes(data)
    with pytest.raises(ConfigError) as error:
        read_config_file("x.toml")
    assert str(error.value).startswith("x.toml is no TOML")
    assert words in str(error.value)
    assert len(str(error.value).splitlines()) == 1


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^cannot read --config 'x': No such file or directory$"):
        read_config_file("x")
    with pytest.raises(ConfigError, match=r"^cannot read --config '\.': Is a directory$"):
        read_config_file(".")


def test_a_byte_order_mark_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "f.toml").write_bytes(b"\xef\xbb\xbfworkers = 2\n")
    assert read_config_file(str(tmp_path / "f.toml")).layer["workers"].value == 2


class TestApp:
    def test_is_a_key(self, tmp_path: Path) -> None:
        found = read(tmp_path, 'app = "m.n:a.b"').app
        assert found is not None
        assert (found.value, found.where) == ("m.n:a.b", "freastal.toml:app")
        assert read(tmp_path, "").app is None

    @pytest.mark.parametrize("text", ['"a/b.py"', '""', "1", '["m:a"]'])
    def test_is_checked(self, tmp_path: Path, text: str) -> None:
        line = refused(tmp_path, f"app = {text}")
        assert line.startswith("wrong value for freastal.toml:app: ")
        assert line.endswith("(allowed: module[:attribute], for example myapp:app)")


class TestHooks:
    def test_every_name(self, tmp_path: Path) -> None:
        lines = "".join(f'{name} = "m.n:{name}"\n' for name in HOOKS)
        found = read(tmp_path, f"workers = 2\n[hooks]\n{lines}")
        assert {name: hook.value for name, hook in found.hooks.items()} == {
            name: f"m.n:{name}" for name in HOOKS
        }
        assert found.hooks["on_exit"].where == "freastal.toml:hooks.on_exit"
        assert found.layer.keys() == {"workers"}

    def test_the_names_are_those_of_gunicorn(self) -> None:
        words = "on_starting when_ready pre_fork post_fork post_worker_init worker_int worker_exit"
        words += " child_exit on_reload on_exit nworkers_changed"
        assert list(HOOKS) == words.split()

    def test_names_that_are_not_known(self, tmp_path: Path) -> None:
        assert refused(tmp_path, '[hooks]\nwhen_redy = "m:f"') == (
            "freastal.toml: there is no hook 'when_redy' (did you mean when_ready?)"
        )
        line = refused(tmp_path, "[hooks]\nworkers = 2")
        assert line == (
            "freastal.toml: there is no hook 'workers' (did you mean workers, which is an option "
            "and stands above [hooks]?)"
        )
        line = refused(tmp_path, "[hooks]\nzzz = 2")
        assert line == f"freastal.toml: there is no hook 'zzz' (allowed: {', '.join(HOOKS)})"

    @pytest.mark.parametrize("text", ['"m"', '":f"', '"m:"', '"m:f()"', "1", '["m:f"]', '""'])
    def test_values(self, tmp_path: Path, text: str) -> None:
        line = refused(tmp_path, f"[hooks]\non_exit = {text}")
        assert line.startswith("wrong value for freastal.toml:hooks.on_exit: ")
        assert line.endswith("(allowed: module:function, for example hooks:when_ready)")


class TestPyproject:
    def test_its_table_is_read(self, tmp_path: Path) -> None:
        text = '[project]\nname = "x"\n[tool.freastal]\nworkers = 3\napp = "m:a"\n'
        text += '[tool.freastal.hooks]\non_exit = "m:f"\n[tool.other]\nthreads = 2\n'
        found = read(tmp_path, text, "pyproject.toml")
        assert {name: (each.value, each.where) for name, each in found.layer.items()} == {
            "workers": (3, "pyproject.toml:tool.freastal.workers")
        }
        assert found.app is not None
        assert found.app.where == "pyproject.toml:tool.freastal.app"
        assert found.hooks["on_exit"].where == "pyproject.toml:tool.freastal.hooks.on_exit"

    @pytest.mark.parametrize("text", ["", "tool = 1", "[tool.other]", "[tool]\nfreastal = 1"])
    def test_without_the_table(self, tmp_path: Path, text: str) -> None:
        line = refused(tmp_path, text, "pyproject.toml")
        assert line == "pyproject.toml has no table [tool.freastal]"

    def test_elsewhere_the_table_is_none(self, tmp_path: Path) -> None:
        line = refused(tmp_path, "[tool.freastal]\nworkers = 3\n")
        assert line.startswith("freastal.toml: there is no option 'tool'")
