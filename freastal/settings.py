"""The settings of one server, put together from every place where they can stand.

Command line or keywords, over the environment (with what ``--env-file`` adds), over the file of
``--config``, over the defaults. The order of things:

1. the env file that the command line or the environment names is put into the environment;
2. the configuration file that either names is read, and an env file that it names;
3. the layers are checked and put together (:func:`gather`);
4. the working directory is changed (:meth:`Settings.enter`). As with gunicorn, the two files above
   are found from the directory before, all other relative paths from the one after.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

from freastal import logs
from freastal.config import (
    DEFAULT,
    Config,
    Given,
    Layer,
    from_environment,
    origins,
    parse_target,
    resolve,
    unknown_variables,
)
from freastal.config_file import ConfigFile, read_config_file
from freastal.env_file import load_env_file
from freastal.options import MASK, OPTIONS, ConfigError, Kind, Option

__all__ = ["COMMAND_LINE", "Settings", "gather"]

APP_VARIABLE = "FREASTAL_APP"
COMMAND_LINE = "the command line"
WIDEST = 60
"""Beyond so many columns a value does not push the others' origins to the right."""

logger = logging.getLogger("freastal")


@dataclass(frozen=True)
class Settings:
    """What is to be served and how, and where each of it comes from."""

    app: Given | None
    """``module[:attribute]``, where there is one; checked by :meth:`target`."""
    config: Config
    origins: Mapping[str, str]
    """By options, and ``hooks.NAME``: a flag, a variable, ``file:key``, or ``default``."""
    warnings: tuple[str, ...]
    """What is odd, in a line each."""

    def target(self) -> str:
        """The application.

        :raises ConfigError: there is none, or its name has another form.
        """
        if self.app is None:
            parse_target(None)
        assert self.app is not None
        parse_target(self.app.value, *self._app_place())
        return str(self.app.value)

    def _app_place(self) -> tuple[str, ...]:
        assert self.app is not None
        return () if self.app.where == COMMAND_LINE else (self.app.where,)

    def enter(self) -> None:
        """Change to the directory of ``--chdir``; set logging up, and log the warnings.

        :raises ConfigError: there is no such directory, or it may not be entered; a file of logs
            cannot be used.
        """
        change_directory(self.config.chdir, self.origins["chdir"])
        logs.set_up(self.config)
        for line in self.warnings:
            logger.warning(line)

    def lines(self) -> Iterator[str]:
        """Every value with its origin: a file for ``--config``, but for secrets."""
        rows = list(self._rows())
        width = min(WIDEST, max(len(text) for text, _ in rows))
        yield from (f"{text.ljust(width)}  # {where}" for text, where in rows)
        if self.config.hooks:
            yield "\n[hooks]"
        for name, target in self.config.hooks.items():
            text = f"{name} = {_toml(target)}"
            yield f"{text.ljust(width)}  # {self.origins[f'hooks.{name}']}"

    def _rows(self) -> Iterator[tuple[str, str]]:
        if self.app is None:
            yield "# app is not set", DEFAULT
        else:
            yield f"app = {_toml(self.app.value)}", self.app.where
        for name, row in OPTIONS.items():
            if hasattr(self.config, name):
                yield _assignment(row, getattr(self.config, name)), self.origins[name]


def gather(given: Layer, environ: MutableMapping[str, str], app: str | None = None) -> Settings:
    """Read the files that are named, and put everything together.

    :param given: by the command line or as keywords.
    :param environ: gets the variables of the env file.
    :param app: by the command line.
    :raises ConfigError: a file cannot be read, a value is not allowed, or a name not known.
    """
    _load_env_file(_one("env_file", given, environ), environ)
    path = _one("config", given, environ)
    file = read_config_file(path) if path else ConfigFile({}, None, {})
    if "env_file" in file.layer and not _one("env_file", given, environ):
        _load_env_file(file.layer["env_file"].value, environ, "FREASTAL_CONFIG")
    layers = (given, from_environment(environ), file.layer)
    hooks = {name: each.value for name, each in file.hooks.items()}
    return Settings(
        app=_choose_app(app, environ, file),
        config=resolve(*layers, hooks=hooks),
        origins={
            **origins(*layers),
            **{f"hooks.{name}": each.where for name, each in file.hooks.items()},
        },
        warnings=tuple(unknown_variables(environ)),
    )


def change_directory(path: str, where: str = "--chdir") -> None:
    """Change the working directory; an empty path changes nothing.

    :param where: how the user has said it, for the message.
    :raises ConfigError: it cannot be entered.
    """
    if not path:
        return
    try:
        os.chdir(path)
    except OSError as error:
        raise ConfigError(
            f"wrong value for {where}: {path!r} (allowed: a directory; {error.strerror})"
        ) from None


def _one(name: str, given: Layer, environ: Mapping[str, str]) -> str:
    """The value of an option that is needed before the others; empty where it is not given."""
    if name in given:
        return str(given[name].value)
    row = OPTIONS[name]
    text = environ.get(row.variables[0])
    return str(row.read(text, row.variables[0])) if text else ""


def _load_env_file(path: str, environ: MutableMapping[str, str], *late: str) -> None:
    """Load the file, if there is one.

    :param late: variables that would change nothing any more.
    :raises ConfigError: also for these.
    """
    if not path:
        return
    added = load_env_file(path, environ)
    for name in (OPTIONS["env_file"].variables[0], *late):
        if name in added:
            raise ConfigError(f"{path}: {name} cannot stand in this file: it is read too late")


def _choose_app(app: str | None, environ: Mapping[str, str], file: ConfigFile) -> Given | None:
    if app is not None:
        return Given(app, COMMAND_LINE)
    if environ.get(APP_VARIABLE):
        return Given(environ[APP_VARIABLE], APP_VARIABLE)
    return file.app


def _assignment(row: Option, value: Any) -> str:
    """The option as a line of TOML; a comment where the file cannot say it."""
    if value in ("", (), None):
        return f"# {row.name} is not set"
    if row.secret:
        return f"# {row.name} = {_toml([MASK for _ in value])}"
    if row.kind is Kind.MODE:
        value = row.text_of(value)
    text = f"{row.name} = {_toml(value)}"
    return f"# {text}" if row.name == "config" else text


def _toml(value: Any) -> str:
    """A value as TOML writes it; texts have no control characters."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.0f}" if value.is_integer() else repr(value)
    if isinstance(value, int):
        return str(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    text = json.dumps(str(value), ensure_ascii=False)
    return text.encode("utf-8", "backslashreplace").decode()
