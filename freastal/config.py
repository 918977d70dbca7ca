"""The options: all that is made from their table.

The command line, the environment variables, ``--help``, the keywords of :func:`freastal.serve` and
``docs/OPTIONS.md`` are read off :data:`freastal.options.OPTIONS`; a new option is a row there and a
field of :class:`Config`. Values come in layers, the strongest first: what the caller gives (command
line or keywords), then the environment, then the defaults. A configuration file is one more layer
between the first two: see :func:`resolve`.

A wrong value raises :class:`ConfigError`, whose text is one line that names where the value came
from, the value, and what is allowed. Nothing here opens a socket or imports the application.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from freastal.addresses import ANY_HOST, Address, TcpAddress, UnixAddress
from freastal.options import GROUPS, OPTIONS, ConfigError, Kind, Option

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
    reuse_port: bool | None
    timeout_worker: float
    limit_max_requests: int
    limit_max_requests_jitter: int
    workers_lifetime: float
    workers_max_rss: int
    timeout_graceful_shutdown: float
    reload: bool
    reload_dir: tuple[str, ...]
    reload_include: tuple[str, ...]
    reload_exclude: tuple[str, ...]
    interface: str
    app_dir: str
    factory: bool
    root_path: str
    lifespan: str
    loop: str
    log_level: str
    access_log: bool
    certfile: tuple[str, ...]
    keyfile: tuple[str, ...]
    keyfile_password: tuple[str, ...]
    ocsp_file: tuple[str, ...]
    tls_min_version: str
    tls_ciphers: str
    tls_ciphersuites: str
    client_ca: str
    client_verify: str
    tls_kernel: bool
    limit_handshakes: int
    proxy_headers: bool
    forwarded_allow_ips: tuple[str, ...]
    forwarded_kind: str
    forwarded_host: bool
    proxy_protocol: bool
    proxy_allow_from: tuple[str, ...]
    health_path: str
    limit_request_line: int
    limit_request_head: int
    limit_request_fields: int
    limit_request_body: int
    limit_connections: int
    timeout_handshake: float
    timeout_headers: float
    timeout_body: float
    timeout_keep_alive: float
    timeout_write: float
    ws_max_size: int
    ws_max_queue: int
    ws_ping_interval: float
    ws_ping_timeout: float
    ws_per_message_deflate: bool

    def __post_init__(self) -> None:
        for name in ("keyfile", "keyfile_password", "ocsp_file"):
            given, pairs = len(getattr(self, name)), len(self.certfile)
            one_for_all = name == "keyfile_password" and given == 1
            if given not in (0, pairs) and not (one_for_all and pairs):
                raise ConfigError(
                    f"{OPTIONS[name].flag} is given {given} times, and --certfile {pairs} times "
                    "(allowed: one for each)"
                )
        if self.client_ca and not self.certfile:
            raise ConfigError("--client-ca is given without --certfile (allowed: both)")
        if bool(self.client_ca) != (self.client_verify != "none"):
            raise ConfigError(
                f"--client-verify is {self.client_verify} and --client-ca is "
                f"{self.client_ca or 'not given'} (allowed: optional or required with a file)"
            )

    def shares_sockets(self, interface: str) -> bool:
        """Whether workers accept from each other's sockets: a call holds up all that its worker
        has, so that a connection had better wait for whoever is idle first.
        """
        one_at_a_time = interface == "wsgi" and self.threads == 1
        return self.reuse_port is None and one_at_a_time

    @property
    def secure(self) -> bool:
        """Whether TLS is spoken."""
        return bool(self.certfile)

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
        if row.kind.repeats:
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
    flags = [each for each in (row.short, row.flag, *row.aliases) if each]
    words = row.words.replace("%", "%%")
    if row.other_variables:
        words += "; also read from " + ", ".join(row.other_variables)
    if row.default not in ("", (), None):
        words += f" (default: {row.text_of(row.default)})"
    if row.kind is Kind.SWITCH:
        group.add_argument(
            *flags, dest=row.name, action=argparse.BooleanOptionalAction, default=None, help=words
        )
        return
    group.add_argument(
        *flags,
        dest=row.name,
        action="append" if row.kind.repeats else "store",
        metavar=row.metavar,
        help=words,
    )
