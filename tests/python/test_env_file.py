"""The file of ``--env-file``: its lines, and what they do to an environment."""

from __future__ import annotations

from pathlib import Path

import pytest

from freastal.env_file import load_env_file, parse_env_file
from freastal.kinds import ConfigError


@pytest.mark.parametrize(
    ("line", "value"),
    [
        ("A=b", "b"),
        ("A=", ""),
        ("A=  ", ""),
        ("A=''", ""),
        ('A=""', ""),
        ("  A=b\r", "b"),
        ("A = b c ", "b c"),
        ("export A=b", "b"),
        ("export\tA=b", "b"),
        ("A=b # c", "b"),
        ("A=b\t#c", "b"),
        ("A= # c", ""),
        ("A=b#c", "b#c"),
        ("A=#c", "#c"),
        ("A=b=c", "b=c"),
        ("A=$B ${C} `d`", "$B ${C} `d`"),
        ("A=it's", "it's"),
        ('A={"a": 1}', '{"a": 1}'),
        ("A=\\n", "\\n"),
        ("A=ä☃", "ä☃"),
        ("A=' b '", " b "),
        ("A='b # c'", "b # c"),
        ("A='b' # c", "b"),
        ("A='a\\nb\"'", 'a\\nb"'),
        ('A="a\\nb\\t\\"\\\\\\$\\r"', 'a\nb\t"\\$\r'),
        ('A="it\'s # b"\t#c', "it's # b"),
        ('A="\\\\n"', "\\n"),
    ],
)
def test_lines(line: str, value: str) -> None:
    assert list(parse_env_file(line.encode(), "f")) == [("A", value)]


@pytest.mark.parametrize("line", ["", "  ", "#", "# A=b", "  \t# export", "\r"])
def test_lines_that_say_nothing(line: str) -> None:
    assert list(parse_env_file(line.encode(), "f")) == []


@pytest.mark.parametrize(
    "line",
    [
        *["A", "export A", "export", "=secret", "1A=secret", "A-B=secret", "A B=secret"],
        *["exportA B=secret", "A='secret", 'A="secret', "A='secret'x", "A='secret'#c"],
        *['A="secret"x', 'A="secret\\x"', 'A="secret\\"', "A=sec\0ret", "A='sec\0ret'", "Ä=secret"],
        *["\ufeffA=secret", "A: secret", "ex port A=secret"],
    ],
)
def test_wrong_lines_are_named_and_not_shown(line: str) -> None:
    with pytest.raises(ConfigError) as error:
        list(parse_env_file(f"A=b\n\n{line}\nB=c".encode(), "the.env"))
    text = str(error.value)
    assert text.startswith("the.env, line 3: this is no variable (allowed: KEY=VALUE, ")
    assert "sec" not in text
    assert len(text.splitlines()) == 1


def test_other_encodings() -> None:
    with pytest.raises(ConfigError, match=r"^f, line 2: this is not UTF-8$"):
        list(parse_env_file("A=b\nB=ä".encode("latin-1"), "f"))


def test_what_is_set_stays(tmp_path: Path) -> None:
    path = tmp_path / "env"
    path.write_text("A=1\nB=2\nC=3\nC=4\n")
    environ = {"A": "0", "B": ""}
    assert load_env_file(str(path), environ) == {"C": "4"}
    assert environ == {"A": "0", "B": "", "C": "4"}


def test_a_wrong_line_sets_nothing(tmp_path: Path) -> None:
    path = tmp_path / "env"
    path.write_text("A=1\nB\n")
    environ: dict[str, str] = {}
    with pytest.raises(ConfigError):
        load_env_file(str(path), environ)
    assert environ == {}


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^cannot read --env-file '.*/env': No such file or dir"):
        load_env_file(str(tmp_path / "env"), {})
