"""The configuration file: TOML whose keys are the names of the options.

    app = "myapp:app"
    workers = 4
    bind = ["127.0.0.1:8000", "unix:/run/app.sock"]

    [hooks]
    when_ready = "myapp.hooks:when_ready"

In a ``pyproject.toml`` it is the table ``[tool.freastal]``. Names may be written with ``-``. Values
have TOML's types, and are checked by the table of options as all others are; the one thing that
TOML has no type for, the octal mode, is a text. A name that is not known is an error.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from freastal.config import Given, Layer, parse_target
from freastal.hooks import check_hook
from freastal.names import did_you_mean, nearest_option
from freastal.options import OPTIONS, ConfigError, Kind, Option

__all__ = ["ConfigFile", "read_config_file", "read_toml"]

APP = "app"
HOOKS_TABLE = "hooks"

ABSENT = ("config",)
"""Options that a file cannot set: it has been found already."""

LONGEST = 2**20
"""Bytes of a file, so that one without an end is refused too."""

NUMBERS = (Kind.INT, Kind.SECONDS)


@dataclass(frozen=True)
class ConfigFile:
    """What the file gives, all of it checked."""

    layer: Layer
    app: Given | None
    hooks: Mapping[str, Given]


def read_config_file(path: str) -> ConfigFile:
    """Read and check the file.

    :raises ConfigError: it cannot be read, is no TOML, or holds what is not allowed.
    """
    table, prefix = read_toml(path), ""
    if os.path.basename(path) == "pyproject.toml":
        tools = table.get("tool")
        found = tools.get("freastal") if isinstance(tools, dict) else None
        if not isinstance(found, dict):
            raise ConfigError(f"{path} has no table [tool.freastal]")
        table, prefix = found, "tool.freastal."
    app: Given | None = None
    hooks: dict[str, Given] = {}
    layer: dict[str, Given] = {}
    for key, value in table.items():
        place = f"{path}:{prefix}{key}"
        name = key.replace("-", "_")
        if name == HOOKS_TABLE and isinstance(value, dict):
            hooks = {
                hook: Given(check_hook(hook, target, path, f"{place}.{hook}"), f"{place}.{hook}")
                for hook, target in value.items()
            }
        elif name == APP:
            parse_target(value, place)
            app = Given(value, place)
        elif name in layer:
            raise ConfigError(f"{place} and {layer[name].where} are the same option (allowed: one)")
        else:
            layer[name] = Given(_check(_row(name, key, value, path), value, place), place)
    return ConfigFile(layer, app, hooks)


def read_toml(path: str, flag: str = "--config") -> dict[str, Any]:
    """Read a file of TOML.

    :param flag: the option that names it, for the message.
    :raises ConfigError: it cannot be read, or is no TOML.
    """
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        with open(path, "rb") as file:
            data = file.read(LONGEST + 1)
    except OSError as error:
        raise ConfigError(f"cannot read {flag} {path!r}: {error.strerror}") from None
    if len(data) > LONGEST:
        raise ConfigError(
            f"{path} is no TOML that is read: it is too long (allowed: {LONGEST} bytes)"
        )
    try:
        table: dict[str, Any] = tomllib.loads(data.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path} is no TOML: it is not UTF-8 (at line {line})") from None
    except ValueError as error:  # also numbers that Python does not read
        last = data.rstrip().count(b"\n") + 1
        words = " ".join(str(error).split()).replace("end of document", f"line {last}, the end")
        raise ConfigError(f"{path} is no TOML: {words}") from None
    except RecursionError:
        raise ConfigError(f"{path} is no TOML that is read: values nest too deeply") from None
    return table


def _row(name: str, key: str, value: object, path: str) -> Option:
    """The option of a key."""
    if name in OPTIONS and name not in ABSENT:
        return OPTIONS[name]
    if name in OPTIONS:
        raise ConfigError(f"{path}: {key} cannot stand in a file")
    if name == HOOKS_TABLE:
        raise ConfigError(f"{path}: there is no option {key!r} (allowed: a table [{HOOKS_TABLE}])")
    near = nearest_option(name, (APP, HOOKS_TABLE))
    if near and "-" in key:
        near = near.replace("_", "-")
    more = did_you_mean(near)
    if isinstance(value, dict) and near != HOOKS_TABLE:
        more = " (allowed: options at the top, without tables)"
    raise ConfigError(f"{path}: there is no option {key!r}{more}")


def _check(row: Option, value: object, place: str) -> object:
    """Check a value as TOML has it."""
    if row.kind is Kind.MODE:  # TOML gives 0o660 and 432 alike, so who writes 660 must be told
        if not isinstance(value, str):
            row.refuse(value, place, ', in quotes: "660"')
        return row.read(value, place)
    if row.kind is Kind.SWITCH and not isinstance(value, bool):
        raise ConfigError(f"wrong value for {place}: {value!r} (allowed: true, false)")
    if row.kind in NUMBERS and isinstance(value, str):
        row.refuse(value, place, ", without quotes")
    if row.kind not in (*NUMBERS, Kind.SWITCH) and isinstance(value, int | float):
        row.refuse(value, place, ", in quotes")
    return row.check(value, place)
