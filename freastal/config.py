"""The options: one table, and all that is made from it.

The command line, the environment variables, ``--help``, the keywords of :func:`freastal.serve` and
``docs/OPTIONS.md`` are read off :data:`OPTIONS`; a new option is a row there and a field of
:class:`Config`. Values come in layers, the strongest first: what the caller gives (command line or
keywords), then the environment, then the defaults. A configuration file is one more layer between
the first two: see :func:`resolve`.

A wrong value raises :class:`ConfigError`, whose text is one line that names where the value came
from, the value, and what is allowed. Nothing here opens a socket or imports the application.
"""

from __future__ import annotations

import argparse
import dataclasses
import enum
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from freastal.addresses import (
    ANY_HOST,
    FORMS,
    Address,
    TcpAddress,
    UnixAddress,
    has_control,
    parse_address,
)

__all__ = [
    "OPTIONS",
    "Config",
    "ConfigError",
    "Option",
    "from_arguments",
    "from_environment",
    "from_keywords",
    "make_parser",
    "parse_target",
    "resolve",
]

DAY = 86400.0


class ConfigError(ValueError):
    """A wrong value of an option; its text is one line, made for the user."""


def parse_target(target: str | None) -> tuple[str, str]:
    """Split ``module[:attribute]``; the attribute is empty where it is not given.

    :raises ConfigError: the text has another form, or is not there.
    """
    form = "module[:attribute], for example myapp:app"
    if target is None:
        raise ConfigError(f"no application is given (allowed: {form})")
    module, colon, attribute = target.partition(":")
    names = [*module.split("."), *(attribute.split(".") if colon else [])]
    if not all(name.isidentifier() for name in names):
        raise ConfigError(f"wrong value for the application: {target!r} (allowed: {form})")
    return module, attribute


class Kind(enum.Enum):
    """What sort of value an option takes."""

    TEXT = enum.auto()
    INT = enum.auto()
    SECONDS = enum.auto()
    SWITCH = enum.auto()
    MODE = enum.auto()  # file permissions: an int, octal where it is text
    PATH = enum.auto()  # the beginning of a URL's path; without its slash at the end
    ADDRESSES = enum.auto()  # a tuple of addresses; repeated on the command line


NUMBERS = {
    Kind.INT: re.compile(r"[0-9]+"),
    Kind.SECONDS: re.compile(r"[0-9]*\.?[0-9]+"),
    Kind.MODE: re.compile(r"[0-7]+"),
}
"""How numbers are written: Python alone would take 1_0, +1 and the digits of every script."""

SWITCH_WORDS = {"1": True, "true": True, "yes": True, "on": True} | {
    "0": False,
    "false": False,
    "no": False,
    "off": False,
}


@dataclass(frozen=True)
class Option:
    """One row of the table: an option's names, its values and its words."""

    name: str
    """Keyword of ``serve`` and field of ``Config``; the flag and the variable follow from it."""
    kind: Kind
    default: Any
    help: str
    """A phrase without a capital and a full stop."""
    short: str = ""
    """A one-letter flag as well."""
    other_variables: tuple[str, ...] = ()
    """Variables of other tools that are read when ours is not set."""
    minimum: float = 0
    maximum: float = 0
    choices: tuple[str, ...] = ()
    metavar: str = ""
    core: bool = False
    """Passed on to ``_core.Worker``, whose table holds the same row."""
    interface: str = ""
    """Means something to applications of this interface only."""

    @property
    def flag(self) -> str:
        """The long flag."""
        return "--" + self.name.replace("_", "-")

    @property
    def variables(self) -> tuple[str, ...]:
        """The environment variables that are read, the strongest first."""
        return (f"FREASTAL_{self.name.upper()}", *self.other_variables)

    @property
    def words(self) -> str:
        """The help, and whom it is for."""
        return f"{self.help} ({self.interface.upper()} only)" if self.interface else self.help

    @property
    def allowed(self) -> str:
        """What values there are, in words."""
        if self.choices:
            return "one of " + ", ".join(self.choices)
        return {
            Kind.TEXT: "a text that is not empty, without control characters",
            Kind.INT: f"a whole number from {self.minimum:.0f} to {self.maximum:.0f}",
            Kind.SECONDS: f"seconds from {self.minimum:g} to {self.maximum:g}",
            Kind.SWITCH: "one of " + ", ".join(SWITCH_WORDS),
            Kind.MODE: "an octal mode from 0 to 777",
            Kind.PATH: "a path that begins with /, without control characters",
            Kind.ADDRESSES: FORMS,
        }[self.kind]

    def text_of(self, value: Any) -> str:
        """Write a value as the command line takes it."""
        if self.kind is Kind.MODE:
            return f"{value:o}"
        if self.kind is Kind.SWITCH:
            return "on" if value else "off"
        if self.kind is Kind.ADDRESSES:
            return ", ".join(map(str, value))
        return f"{value:g}" if self.kind is Kind.SECONDS else str(value)

    def read(self, text: str, where: str) -> Any:
        """Turn the text of a flag or a variable into a value.

        :param where: how the user wrote the option, for the message.
        :raises ConfigError: it is not allowed.
        """
        value: Any = text
        if self.kind in NUMBERS and not NUMBERS[self.kind].fullmatch(text):
            self._refuse(text, where)
        try:
            if self.kind is Kind.INT:
                value = int(text)
            elif self.kind is Kind.SECONDS:
                value = float(text)
            elif self.kind is Kind.MODE:
                value = int(text, 8)
            elif self.kind is Kind.SWITCH:
                value = SWITCH_WORDS[text.lower()]
        except (ValueError, KeyError):
            self._refuse(text, where)
        return self.check(value, where, shown=text)

    def check(self, value: Any, where: str, shown: object = None) -> Any:
        """Check a value that is not text any more; gives it back in its final type.

        :param shown: what to show as the value in the message, where that is not the value.
        :raises ConfigError: it is not allowed.
        """
        shown = value if shown is None else shown
        if self.kind is Kind.SWITCH:
            return value if isinstance(value, bool) else self._refuse(shown, where)
        if self.kind is Kind.TEXT:
            good = isinstance(value, str) and value and not has_control(value)
            if not good or (self.choices and value not in self.choices):
                self._refuse(shown, where)
            return value
        if self.kind is Kind.PATH:
            if not isinstance(value, str) or not value.startswith("/") or has_control(value):
                self._refuse(shown, where)
            return value.rstrip("/")
        if self.kind is Kind.ADDRESSES:
            return self._check_addresses(value, where)
        number = int | float if self.kind is Kind.SECONDS else int
        if isinstance(value, bool) or not isinstance(value, number):
            self._refuse(shown, where)
        if not self.minimum <= value <= self.maximum:  # also refuses NaN
            self._refuse(shown, where)
        return float(value) if self.kind is Kind.SECONDS else value

    def _check_addresses(self, value: Any, where: str) -> tuple[Address, ...]:
        texts = [value] if isinstance(value, str) else value
        if not isinstance(texts, Sequence) or not texts:
            self._refuse(value, where)
        return tuple(self._address(text, where) for text in texts)

    def _address(self, text: Any, where: str) -> Address:
        try:
            return parse_address(text)
        except (ValueError, TypeError, AttributeError):
            self._refuse(text, where)

    def _refuse(self, value: object, where: str) -> NoReturn:
        raise ConfigError(f"wrong value for {where}: {value!r} (allowed: {self.allowed})")


def _limit(
    name: str, default: int, minimum: int, maximum: int, words: str, interface: str = ""
) -> Option:
    return Option(
        name,
        Kind.INT,
        default,
        words,
        minimum=minimum,
        maximum=maximum,
        metavar="N",
        core=True,
        interface=interface,
    )


def _seconds(
    name: str, default: float, words: str, *, core: bool = True, interface: str = ""
) -> Option:
    return Option(
        name,
        Kind.SECONDS,
        default,
        words,
        minimum=0,
        maximum=DAY,
        metavar="SECONDS",
        core=core,
        interface=interface,
    )


GROUPS: Mapping[str, tuple[Option, ...]] = {
    "Addresses": (
        Option(
            "bind",
            Kind.ADDRESSES,
            (),
            f"listen here: {FORMS}; repeatable, in the environment separated by commas",
            short="-b",
            metavar="ADDRESS",
        ),
        Option(
            "host",
            Kind.TEXT,
            "127.0.0.1",
            "listen on this name or address; with --port short for one --bind",
            metavar="HOST",
        ),
        Option(
            "port",
            Kind.INT,
            8000,
            "listen on this port; 0 takes a free one",
            maximum=65535,
            metavar="PORT",
        ),
        Option(
            "uds", Kind.TEXT, "", "listen on this unix socket, as --bind unix:PATH", metavar="PATH"
        ),
        Option(
            "uds_permissions",
            Kind.MODE,
            0o666,
            "permissions of unix sockets; who reaches one is best decided by its directory",
            maximum=0o777,
            metavar="MODE",
        ),
        Option(
            "backlog",
            Kind.INT,
            2048,
            "connections that may wait in the kernel to be accepted, on each socket",
            minimum=1,
            maximum=2**31 - 1,
            metavar="N",
        ),
    ),
    "Processes": (
        Option(
            "workers",
            Kind.INT,
            1,
            "worker processes",
            short="-w",
            other_variables=("WEB_CONCURRENCY",),
            minimum=1,
            maximum=1024,
            metavar="N",
        ),
        Option(
            "threads",
            Kind.INT,
            1,
            "threads a worker that call the application; with 1 the worker's loop calls it itself",
            minimum=1,
            maximum=1024,
            metavar="N",
            core=True,
            interface="wsgi",
        ),
        _seconds(
            "timeout_graceful_shutdown",
            30,
            "how long requests in flight may take to finish when the server stops",
            core=False,
        ),
    ),
    "Application": (
        Option(
            "interface",
            Kind.TEXT,
            "auto",
            "how the application is called: wsgi, asgi (version 3), or auto to see by itself",
            choices=("auto", "wsgi", "asgi"),
            metavar="NAME",
        ),
        Option(
            "app_dir",
            Kind.TEXT,
            ".",
            "look for the application's module in this directory first",
            metavar="DIRECTORY",
        ),
        Option(
            "factory",
            Kind.SWITCH,
            False,
            "the attribute is no application: called without arguments, it makes one",
        ),
        Option(
            "root_path",
            Kind.PATH,
            "",
            "the path under which a proxy shows the application, for URLs that it makes",
            metavar="PATH",
            interface="asgi",
        ),
        Option(
            "lifespan",
            Kind.TEXT,
            "auto",
            "the lifespan protocol: on, off, or auto to go on where the application has none",
            choices=("auto", "on", "off"),
            metavar="MODE",
            interface="asgi",
        ),
        Option(
            "loop",
            Kind.TEXT,
            "auto",
            "the event loop: asyncio, which the core turns itself (auto), or uvloop on top of it",
            choices=("auto", "asyncio", "uvloop"),
            metavar="NAME",
            interface="asgi",
        ),
    ),
    "Logs": (
        Option(
            "log_level",
            Kind.TEXT,
            "info",
            "log this and worse to standard error: debug, info, warning, error or critical",
            choices=("debug", "info", "warning", "error", "critical"),
            metavar="LEVEL",
        ),
        Option("access_log", Kind.SWITCH, False, "log each request to standard output"),
    ),
    "Limits": (
        _limit("limit_request_line", 8192, 64, 2**20, "bytes of a request line, else status 414"),
        _limit("limit_request_head", 65536, 256, 2**20, "bytes of a request's head, else 431"),
        _limit("limit_request_fields", 100, 1, 32768, "header fields of a request, else 431"),
        _limit("limit_request_body", 0, 0, 2**50, "bytes of a request body, else 413; 0: no limit"),
        _limit(
            "limit_connections",
            0,
            0,
            2**20,
            "connections a worker; at the limit it stops accepting; 0: no limit",
        ),
    ),
    "Time-outs": (
        _seconds(
            "timeout_headers",
            30,
            "from accepting to a whole request head, else status 408; 0: off",
        ),
        _seconds("timeout_body", 60, "how long a request body may make no progress; 0: off"),
        _seconds("timeout_keep_alive", 75, "how long to wait for the next request; 0: off"),
        _seconds("timeout_write", 60, "how long a response may make no progress; 0: off"),
    ),
    "WebSocket": (
        _limit(
            "ws_max_size",
            16 * 2**20,
            0,
            2**50,
            "bytes of a message, inflated, else close code 1009; 0: no limit",
            "asgi",
        ),
        _limit(
            "ws_max_queue",
            32,
            1,
            65536,
            "messages that may wait for the application before reading stops",
            "asgi",
        ),
        _seconds(
            "ws_ping_interval",
            20,
            "time from the accept, or a pong, to the next ping; 0: off",
            interface="asgi",
        ),
        _seconds(
            "ws_ping_timeout",
            20,
            "how long a client may be silent after a ping before it counts as gone (while output "
            "waits for it, --timeout-write decides); 0: off",
            interface="asgi",
        ),
        Option(
            "ws_per_message_deflate",
            Kind.SWITCH,
            True,
            "compress messages where the client offers it",
            maximum=1,
            core=True,
            interface="asgi",
        ),
    ),
}
"""The table, by the headings under which help and documents show it."""

OPTIONS: Mapping[str, Option] = {row.name: row for rows in GROUPS.values() for row in rows}
"""All rows by name."""


@dataclass(frozen=True)
class Config:
    """A checked value for every option.

    ``host``, ``port`` and ``uds`` are spellings of ``bind`` and have gone into it.
    """

    bind: tuple[Address, ...]
    uds_permissions: int
    backlog: int
    workers: int
    threads: int
    timeout_graceful_shutdown: float
    interface: str
    app_dir: str
    factory: bool
    root_path: str
    lifespan: str
    loop: str
    log_level: str
    access_log: bool
    limit_request_line: int
    limit_request_head: int
    limit_request_fields: int
    limit_request_body: int
    limit_connections: int
    timeout_headers: float
    timeout_body: float
    timeout_keep_alive: float
    timeout_write: float
    ws_max_size: int
    ws_max_queue: int
    ws_ping_interval: float
    ws_ping_timeout: float
    ws_per_message_deflate: bool

    def core_options(self, interface: str) -> dict[str, Any]:
        """The keywords of ``_core.Worker`` that are options and mean something to the interface."""
        rows = OPTIONS.values()
        chosen = [row.name for row in rows if row.core and row.interface in ("", interface)]
        return {name: getattr(self, name) for name in chosen}

    def idle_options(self, interface: str) -> list[str]:
        """The flags of options that are set, and mean nothing to the interface."""
        return [
            row.flag
            for name, row in OPTIONS.items()
            if row.interface not in ("", interface) and getattr(self, name) != row.default
        ]


@dataclass(frozen=True)
class Given:
    """A checked value, and how the user wrote its option: ``--port`` or ``FREASTAL_PORT``."""

    value: Any
    where: str


Layer = Mapping[str, Given]
"""What one source gives, by the options' names."""


def from_arguments(arguments: argparse.Namespace) -> Layer:
    """Check what the command line gave to a parser of :func:`make_parser`.

    :raises ConfigError: a value is not allowed.
    """
    layer = {}
    for name, row in OPTIONS.items():
        value = getattr(arguments, name)
        if value is None:
            continue
        read = row.read if isinstance(value, str) else row.check
        layer[name] = Given(read(value, row.flag), row.flag)
    return layer


def from_environment(environ: Mapping[str, str]) -> Layer:
    """Check the variables; an empty one counts as not set.

    :raises ConfigError: a value is not allowed.
    """
    layer = {}
    for name, row in OPTIONS.items():
        variable = next((each for each in row.variables if environ.get(each)), None)
        if variable is None:
            continue
        text = environ[variable]
        if row.kind is Kind.ADDRESSES:
            value = row.check([part.strip() for part in text.split(",")], variable)
        else:
            value = row.read(text, variable)
        layer[name] = Given(value, variable)
    return layer


def from_keywords(keywords: Mapping[str, object]) -> Layer:
    """Check keyword arguments; ``None`` counts as not given.

    :raises ConfigError: a value is not allowed.
    :raises TypeError: there is no such option.
    """
    unknown = [name for name in keywords if name not in OPTIONS]
    if unknown:
        raise TypeError(f"there is no option {unknown[0]!r}: see docs/OPTIONS.md")
    return {
        name: Given(OPTIONS[name].check(value, name), name)
        for name, value in keywords.items()
        if value is not None
    }


def resolve(*layers: Layer) -> Config:
    """Put layers together, the strongest first, over the defaults.

    :raises ConfigError: two ways to say where to listen contradict each other.
    """
    values = {name: row.default for name, row in OPTIONS.items()}
    for layer in reversed(layers):
        values.update({name: given.value for name, given in layer.items()})
    values["bind"] = _choose_addresses(layers, values)
    fields = {field.name for field in dataclasses.fields(Config)}
    return Config(**{name: value for name, value in values.items() if name in fields})


def _choose_addresses(layers: Sequence[Layer], values: Mapping[str, Any]) -> tuple[Address, ...]:
    """Where to listen: the strongest layer that says it decides how it is said.

    So ``--bind`` sets aside ``FREASTAL_PORT``, while ``--host`` goes together with it.
    """
    for layer in layers:
        said = [name for name in ("bind", "uds", "host", "port") if name in layer]
        if not said:
            continue
        if said[0] in ("bind", "uds") and len(said) > 1:
            first, second = (layer[name].where for name in said[:2])
            raise ConfigError(f"{first} and {second} both say where to listen (allowed: one)")
        if said == ["bind"]:
            return tuple(values["bind"])
        if said == ["uds"]:
            return (UnixAddress(values["uds"]),)
        break
    host = values["host"].removeprefix("[").removesuffix("]") or ANY_HOST
    return (TcpAddress(host, values["port"]),)


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        """Raise what argparse found wrong.

        :raises ConfigError: always.
        """
        raise ConfigError(message)


def make_parser() -> Parser:
    """Make the command line's parser; its values are unchecked texts, ``None`` if not given."""
    parser = Parser(
        prog="freastal",
        usage="freastal [options] MODULE[:ATTRIBUTE]",
        description="Serve a Python web application.",
        epilog="Each option is also read from the environment: --log-level from "
        "FREASTAL_LOG_LEVEL. The command line wins.",
        allow_abbrev=False,
        add_help=False,
    )
    parser.add_argument(
        "app",
        nargs="?",
        metavar="MODULE[:ATTRIBUTE]",
        help="the application; the attribute is 'application' or 'app' where it is not given",
    )
    for title, rows in GROUPS.items():
        group = parser.add_argument_group(title)
        for row in rows:
            _add_argument(group, row)
    group = parser.add_argument_group("Information")
    group.add_argument("-v", "--version", action="store_true", help="show the version and exit")
    group.add_argument("-h", "--help", action="help", help="show this help and exit")
    return parser


def _add_argument(group: argparse._ArgumentGroup, row: Option) -> None:
    flags = [row.short, row.flag] if row.short else [row.flag]
    words = row.words.replace("%", "%%")
    if row.other_variables:
        words += "; also read from " + ", ".join(row.other_variables)
    if row.default not in ("", ()):
        words += f" (default: {row.text_of(row.default)})"
    if row.kind is Kind.SWITCH:
        group.add_argument(
            *flags, dest=row.name, action=argparse.BooleanOptionalAction, default=None, help=words
        )
        return
    group.add_argument(
        *flags,
        dest=row.name,
        action="append" if row.kind is Kind.ADDRESSES else "store",
        metavar=row.metavar,
        help=words,
    )
