"""The options: all that is made from their table.

The command line, the environment variables, ``--help``, the keywords of :func:`freastal.serve` and
``docs/OPTIONS.md`` are read off :data:`freastal.options.OPTIONS`; a new option is a row there and a
field of :class:`Config`. Values come in layers, the strongest first: what the caller gives (command
line or keywords), then the environment, then the configuration file
(:mod:`freastal.config_file`), then the defaults; :mod:`freastal.settings` gathers them.

A wrong value raises :class:`ConfigError`, whose text is one line that names where the value came
from, the value, and what is allowed. Nothing here opens a socket or imports the application.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from freastal.access_format import check_format
from freastal.addresses import ANY_HOST, Address, FdAddress, TcpAddress, UnixAddress
from freastal.log_target import log_target
from freastal.names import did_you_mean, nearest_option
from freastal.options import GROUPS, OPTIONS, ConfigError, Kind, Option

__all__ = [
    "OPTIONS",
    "Config",
    "ConfigError",
    "Given",
    "Layer",
    "Option",
    "from_arguments",
    "from_environment",
    "from_keywords",
    "make_parser",
    "origins",
    "parse_target",
    "resolve",
    "unknown_variables",
]

DEFAULT = "default"
"""Where a value comes from that nobody has given."""

PREFIX = "FREASTAL_"

OTHER_VARIABLES = frozenset(f"{PREFIX}{word}" for word in ("APP", "DEBUG_COUNTERS", "TLS"))
"""Variables of ours that are no options."""


def parse_target(target: object, where: str = "the application") -> tuple[str, str]:
    """Split ``module[:attribute]``; the attribute is empty where it is not given.

    :param where: how the user has given it, for the message.
    :raises ConfigError: it has another form, or is not there.
    """
    form = "module[:attribute], for example myapp:app"
    if target is None:
        raise ConfigError(f"no application is given (allowed: {form})")
    module, colon, attribute = target.partition(":") if isinstance(target, str) else ("", "", "")
    names = [*module.split("."), *(attribute.split(".") if colon else [])]
    if not all(name.isidentifier() for name in names):
        raise ConfigError(f"wrong value for {where}: {target!r} (allowed: {form})")
    return module, attribute


@dataclass(frozen=True)
class Config:
    """A checked value for every option.

    ``host``, ``port``, ``uds`` and ``fd`` are spellings of ``bind`` and have gone into it.
    """

    config: str
    env_file: str
    bind: tuple[Address, ...]
    uds_permissions: int
    uds_owner: str
    uds_group: str
    backlog: int
    workers: int
    threads: int
    reuse_port: bool | None
    timeout_worker: float
    timeout_request: float
    limit_max_requests: int
    limit_max_requests_jitter: int
    workers_lifetime: float
    workers_max_rss: int
    timeout_graceful_shutdown: float
    shutdown_delay: float
    preload: bool
    user: str
    group: str
    umask: int | None
    pid: str
    proc_name: str
    reload: bool
    reload_dir: tuple[str, ...]
    reload_include: tuple[str, ...]
    reload_exclude: tuple[str, ...]
    interface: str
    chdir: str
    app_dir: str
    factory: bool
    root_path: str
    lifespan: str
    loop: str
    log_level: str
    error_logfile: str
    log_format: str
    log_config: str
    access_log: bool | None
    access_logfile: str
    access_log_format: str
    request_id: str
    request_id_header: bool
    metrics: tuple[Address, ...]
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
    hooks: Mapping[str, str] = field(default_factory=dict)
    """By names of :data:`freastal.hooks.HOOKS`, ``module:function`` each; from the file alone."""

    def __post_init__(self) -> None:
        for name in ("keyfile", "keyfile_password", "ocsp_file"):
            given, pairs = len(getattr(self, name)), len(self.certfile)
            one_for_all = name == "keyfile_password" and given == 1
            if given not in (0, pairs) and not (one_for_all and pairs):
                raise ConfigError(
                    f"{OPTIONS[name].flag} is given {given} times, and --certfile {pairs} times "
                    "(allowed: one for each)"
                )
        check_format(self.access_log_format, "--access-log-format")
        log_target(self.access_logfile)
        if self.preload and self.reload:
            raise ConfigError(
                "--preload and --reload are both given (allowed: one; what is preloaded stays)"
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
    def logs_access(self) -> bool:
        """Whether there is an access log."""
        if self.access_log is None:
            return self.access_logfile != ""
        return self.access_log

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
    unknown = next((name for name in keywords if name not in OPTIONS), None)
    if unknown is not None:
        more = did_you_mean(nearest_option(unknown)) or ": see docs/OPTIONS.md"
        raise TypeError(f"there is no option {unknown!r}{more}")
    return {
        name: Given(OPTIONS[name].check(value, name), name)
        for name, value in keywords.items()
        if value is not None
    }


def unknown_variables(environ: Mapping[str, str]) -> list[str]:
    """Variables that begin as ours and are none, each in a line for the user."""
    known = {name for row in OPTIONS.values() for name in row.variables} | OTHER_VARIABLES
    lines = []
    for name in sorted(environ):
        if name.startswith(PREFIX) and name not in known:
            near = nearest_option(name.removeprefix(PREFIX))
            lines.append(f"{name} is no option{did_you_mean(near and OPTIONS[near].variables[0])}")
    return lines


def resolve(*layers: Layer, hooks: Mapping[str, str] | None = None) -> Config:
    """Put layers together, the strongest first, over the defaults.

    :raises ConfigError: two ways to say where to listen contradict each other, or an option lacks
        another.
    """
    values = {name: row.default for name, row in OPTIONS.items()}
    for layer in reversed(layers):
        values.update({name: given.value for name, given in layer.items()})
    values["bind"] = _addresses(_said(layers), values)
    fields = {each.name for each in dataclasses.fields(Config)}
    chosen = {name: value for name, value in values.items() if name in fields}
    return Config(**chosen, hooks=dict(hooks or {}))


def origins(*layers: Layer) -> dict[str, str]:
    """Where each field of :func:`resolve` comes from: a flag, a variable, a key of a file."""
    given = {name: each.where for layer in reversed(layers) for name, each in layer.items()}
    found = {name: given.get(name, DEFAULT) for name in OPTIONS}
    found["bind"] = ", ".join(dict.fromkeys(found[name] for name in _said(layers)))
    return found


def _said(layers: Sequence[Layer]) -> tuple[str, ...]:
    """The options that say where to listen: the strongest layer that says it decides how.

    So ``--bind`` sets aside ``FREASTAL_PORT``, while ``--host`` goes together with it.
    """
    for layer in layers:
        said = [name for name in ("bind", "uds", "fd", "host", "port") if name in layer]
        if not said:
            continue
        if said[0] in ("bind", "uds", "fd") and len(said) > 1:
            first, second = (layer[name].where for name in said[:2])
            raise ConfigError(f"{first} and {second} both say where to listen (allowed: one)")
        if said[0] in ("bind", "uds", "fd"):
            return (said[0],)
        break
    return ("host", "port")


def _addresses(said: Sequence[str], values: Mapping[str, Any]) -> tuple[Address, ...]:
    """Where to listen, by the options that say it."""
    if "bind" in said:
        return tuple(values["bind"])
    if "uds" in said:
        return (UnixAddress(values["uds"]),)
    if "fd" in said:
        return (FdAddress(values["fd"]),)
    host = values["host"].removeprefix("[").removesuffix("]") or ANY_HOST
    return (TcpAddress(host, values["port"]),)


class Parser(argparse.ArgumentParser):
    """An argument parser whose errors are one line."""

    def error(self, message: str) -> NoReturn:
        """Raise what argparse found wrong.

        :raises ConfigError: always.
        """
        raise ConfigError(message)

    def parse_args(  # type: ignore[override]  # the one form of several that is needed
        self, args: Sequence[str] | None = None
    ) -> argparse.Namespace:
        """Parse all arguments.

        :raises ConfigError: there is one that is not known.
        """
        found, rest = self.parse_known_args(args)
        flag = next((each for each in rest if each.startswith("-")), None)
        if flag is not None:
            flag = flag.partition("=")[0]
            raise ConfigError(f"there is no option {flag!r}{did_you_mean(_nearest_flag(flag))}")
        if rest:
            raise ConfigError(f"there is an argument too many: {rest[0]!r}")
        return found


INFORMATION = {
    "--check-config": "check the options and their files, load the application, and exit: with 0, "
    "2 for a wrong option, 3 where the application cannot be loaded",
    "--print-config": "print the value of every option and where it comes from, as a file for "
    "--config, and exit",
    "--version": "show the version and exit",
}
"""Switches of the command line alone."""


def _nearest_flag(flag: str) -> str:
    """The long flag that was meant, or nothing."""
    name, no = flag, ""
    if flag.startswith("--no-"):
        name, no = flag.removeprefix("--no-"), "no-"
    found = nearest_option(name, (each.lstrip("-").replace("-", "_") for each in INFORMATION))
    if no and (found not in OPTIONS or OPTIONS[found].kind is not Kind.SWITCH):
        no = ""
    return f"--{no}{found.replace('_', '-')}" if found else ""


def make_parser() -> Parser:
    """Make the command line's parser; its values are unchecked texts, ``None`` if not given."""
    parser = Parser(
        prog="freastal",
        usage="freastal [options] [MODULE[:ATTRIBUTE]]",
        description="Serve a Python web application.",
        epilog="Each option is also read from the environment (--log-level from "
        "FREASTAL_LOG_LEVEL) and from the file of --config (log-level). The command line wins over "
        "the environment, and that over the file.",
        allow_abbrev=False,
        add_help=False,
    )
    parser.add_argument(
        "app",
        nargs="?",
        metavar="MODULE[:ATTRIBUTE]",
        help="the application, else FREASTAL_APP or app of the file; the attribute is "
        "'application' or 'app' where it is not given",
    )
    for title, rows in GROUPS.items():
        group = parser.add_argument_group(title)
        for row in rows:
            _add_argument(group, row)
    group = parser.add_argument_group("Information")
    for flag, words in INFORMATION.items():
        short = ("-v",) if flag == "--version" else ()
        group.add_argument(*short, flag, action="store_true", help=words)
    group.add_argument("-h", "--help", action="help", help="show this help and exit")
    return parser


def _add_argument(group: argparse._ArgumentGroup, row: Option) -> None:
    flags = [each for each in (row.short, row.flag, *row.aliases) if each]
    words = row.words
    if row.other_variables:
        words += "; also read from " + ", ".join(row.other_variables)
    if row.default not in ("", (), None):
        words += f" (default: {row.text_of(row.default)})"
    words = words.replace("%", "%%")
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
