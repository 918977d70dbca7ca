"""One option: its names, its kind and its words, and how a value of it is read.

Used by :mod:`freastal.options`, which holds the table of them all.
"""

from __future__ import annotations

import enum
import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from freastal.addresses import FORMS, Address, has_control, parse_address

__all__ = ["MASK", "ConfigError", "Kind", "Option"]


class ConfigError(ValueError):
    """A wrong value of an option; its text is one line, made for the user."""


class Kind(enum.Enum):
    """What sort of value an option takes."""

    TEXT = enum.auto()
    INT = enum.auto()
    SECONDS = enum.auto()
    SWITCH = enum.auto()
    MODE = enum.auto()  # file permissions: an int, octal where it is text
    PATH = enum.auto()  # the beginning of a URL's path; without its slash at the end
    ADDRESSES = enum.auto()  # a tuple of addresses; repeated on the command line
    TEXTS = enum.auto()  # a tuple of texts; likewise
    PEERS = enum.auto()  # a tuple of addresses and networks, "unix" and "*"; by commas everywhere
    TARGET = enum.auto()  # the path of a request, exactly

    @property
    def repeats(self) -> bool:
        """Whether it is a tuple: repeated on the command line, by commas in the environment."""
        return self in (Kind.ADDRESSES, Kind.TEXTS, Kind.PEERS)


NUMBERS = {
    Kind.INT: re.compile(r"[0-9]+"),
    Kind.SECONDS: re.compile(r"[0-9]*\.?[0-9]+"),
    Kind.MODE: re.compile(r"[0-7]+"),
}
"""How numbers are written: Python alone would take 1_0, +1 and the digits of every script."""

MASK = "***"
"""What is shown of a secret."""

TARGET = re.compile(r"/[!\"$->@-~]*")
"""The path of a request target: visible ASCII without its two marks."""

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
    aliases: tuple[str, ...] = ()
    """Flags of other tools for the same."""
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
    secret: bool = False
    """Its values are not shown."""

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
            Kind.TEXTS: "texts that are not empty, without control characters",
            Kind.PEERS: "addresses and networks by commas, as 10.0.0.0/8, unix, or * for all",
            Kind.TARGET: "a path that begins with /, printable ASCII without ? and #",
        }[self.kind]

    def text_of(self, value: Any) -> str:
        """Write a value as the command line takes it."""
        if self.kind is Kind.MODE:
            return f"{value:o}"
        if self.kind is Kind.SWITCH:
            return "on" if value else "off"
        if self.kind.repeats:
            return ", ".join(map(str, value))
        if self.kind is Kind.SECONDS:
            return f"{value:.0f}" if float(value).is_integer() else f"{value:g}"
        return str(value)

    def read(self, text: str, where: str) -> Any:
        """Turn the text of a flag or a variable into a value.

        :param where: how the user wrote the option, for the message.
        :raises ConfigError: it is not allowed.
        """
        value: Any = text
        if self.kind in NUMBERS and not NUMBERS[self.kind].fullmatch(text):
            self.refuse(text, where)
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
            self.refuse(text, where)
        return self.check(value, where, shown=text)

    def check(self, value: Any, where: str, shown: object = None) -> Any:
        """Check a value that is not text any more; gives it back in its final type.

        :param shown: what to show as the value in the message, where that is not the value.
        :raises ConfigError: it is not allowed.
        """
        shown = value if shown is None else shown
        if self.kind is Kind.SWITCH:
            return value if isinstance(value, bool) else self.refuse(shown, where)
        if self.kind is Kind.TEXT:
            good = isinstance(value, str) and value and not has_control(value)
            if not good or (self.choices and value not in self.choices):
                self.refuse(shown, where)
            return value
        if self.kind is Kind.PATH:
            if not isinstance(value, str) or not value.startswith("/") or has_control(value):
                self.refuse(shown, where)
            return value.rstrip("/")
        if self.kind is Kind.TARGET:
            if not isinstance(value, str) or not TARGET.fullmatch(value):
                self.refuse(shown, where)
            return value
        if self.kind.repeats:
            return self._check_each(value, where)
        number = int | float if self.kind is Kind.SECONDS else int
        if isinstance(value, bool) or not isinstance(value, number):
            self.refuse(shown, where)
        if not self.minimum <= value <= self.maximum:  # also refuses NaN
            self.refuse(shown, where)
        return float(value) if self.kind is Kind.SECONDS else value

    def _check_each(self, value: Any, where: str) -> tuple[Any, ...]:
        texts = [value] if isinstance(value, str) else value
        if not isinstance(texts, Sequence) or isinstance(texts, bytes) or not texts:
            self.refuse(value, where)
        if self.kind is Kind.PEERS:
            words = [word for text in texts for word in self._text(text, where).split(",")]
            return tuple(self._peer(word.strip(), where) for word in words)
        read = self._address if self.kind is Kind.ADDRESSES else self._text
        return tuple(read(text, where) for text in texts)

    def _peer(self, text: str, where: str) -> str:
        """One word of :data:`Kind.PEERS`, as the core reads it (``src/net/trust.h``)."""
        if text in ("*", "unix"):
            return text
        address, slash, bits = text.partition("/")
        try:
            base = ipaddress.ip_address(address)
            network = ipaddress.ip_network(text, strict=False)
        except ValueError:
            self.refuse(text, where)
        if "%" in address or (slash and bits != str(network.prefixlen)):
            self.refuse(text, where)  # a zone; a mask in place of a length
        if base != network.network_address:
            raise ConfigError(
                f"wrong value for {where}: {text!r} (allowed: the network {network}, or the "
                f"address {address})"
            )
        return text

    def _text(self, text: Any, where: str) -> str:
        if not isinstance(text, str) or not text or has_control(text):
            self.refuse(text, where)
        return text

    def _address(self, text: Any, where: str) -> Address:
        try:
            return parse_address(text)
        except (ValueError, TypeError, AttributeError):
            self.refuse(text, where)

    def refuse(self, value: object, where: str, hint: str = "") -> NoReturn:
        """Say that a value is not allowed.

        :param where: how the user wrote the option.
        :param hint: more on what is allowed.
        :raises ConfigError: always.
        """
        shown = MASK if self.secret else repr(value)
        raise ConfigError(f"wrong value for {where}: {shown} (allowed: {self.allowed}{hint})")
