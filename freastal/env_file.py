r"""The file of ``--env-file``: variables for the environment, a ``KEY=VALUE`` a line.

    # a comment; empty lines are skipped
    PLAIN=the rest of the line, without spaces around it  # and without a comment
    export EXPORTED=as a shell script may say it
    SINGLE='as it stands: no escape, # is no comment'
    DOUBLE="with \n, \r, \t, \", \\ and \$"

``$`` means nothing: a password may have one. A line that is none of these is an error, whose
message does not show it: such files hold secrets.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, MutableMapping

from freastal.kinds import ConfigError

__all__ = ["load_env_file", "parse_env_file"]

ALLOWED = "KEY=VALUE, KEY='VALUE', KEY=\"VALUE\", a comment behind #, or nothing"

LINE = re.compile(r"(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]*)[ \t]*=(.*)")
QUOTED = re.compile(r"""(?:'([^']*)'|"((?:[^"\\]|\\[nrt"\\$])*)")[ \t]*(?:[ \t]#.*)?""")
COMMENT = re.compile(r"[ \t]#")

ESCAPES = {"n": "\n", "r": "\r", "t": "\t"}


def load_env_file(path: str, environ: MutableMapping[str, str]) -> dict[str, str]:
    """Put the file's variables into the environment; those that are set stay as they are.

    :returns: what has been put there.
    :raises ConfigError: the file cannot be read, or a line is wrong.
    """
    try:
        with open(path, "rb") as file:
            data = file.read()
    except OSError as error:
        raise ConfigError(f"cannot read --env-file {path!r}: {error.strerror}") from None
    values = dict(parse_env_file(data, path))
    new = {key: value for key, value in values.items() if key not in environ}
    environ.update(new)
    return new


def parse_env_file(data: bytes, path: str) -> Iterator[tuple[str, str]]:
    """Give the variables in the order of the file; a later one of the same name counts.

    :param path: for messages.
    :raises ConfigError: a line is wrong.
    """
    for number, line in enumerate(data.split(b"\n"), 1):
        try:
            text = line.decode().strip(" \t\r")
        except UnicodeDecodeError:
            raise ConfigError(f"{path}, line {number}: this is not UTF-8") from None
        if not text or text.startswith("#"):
            continue
        match = LINE.fullmatch(text)
        value = _value(match[2]) if match else None
        if match is None or value is None or "\0" in value:
            raise ConfigError(f"{path}, line {number}: this is no variable (allowed: {ALLOWED})")
        yield match[1], value


def _value(text: str) -> str | None:
    """What stands behind the ``=``; none where a quote is not closed, or more stands behind it."""
    rest = text.lstrip(" \t")
    if not rest.startswith(("'", '"')):
        return COMMENT.split(text, 1)[0].strip(" \t")
    quoted = QUOTED.fullmatch(rest)
    if quoted is None:
        return None
    if quoted[1] is not None:
        return quoted[1]
    return re.sub(r"\\(.)", lambda escape: ESCAPES.get(escape[1], escape[1]), quoted[2])
