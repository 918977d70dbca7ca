"""What ``--access-logfile`` says: a file, standard output, or a syslog."""

from __future__ import annotations

from freastal.addresses import TcpAddress, UnixAddress, parse_address
from freastal.kinds import ConfigError

__all__ = ["log_target"]

SYSLOG = "syslog"
DEV_LOG = UnixAddress("/dev/log")
FORMS = "a file, - for standard output, syslog, syslog:unix:path or syslog:host:port"


def log_target(text: str) -> str | TcpAddress | UnixAddress:
    """A path, empty for standard output (``-`` or nothing), or the address of a syslog.

    :raises ConfigError: the address has another form.
    """
    word, colon, rest = text.partition(":")
    if word != SYSLOG:
        return "" if text == "-" else text
    if not colon:
        return DEV_LOG
    try:
        address = parse_address(rest.removeprefix("udp://"))
    except ValueError:
        address = None
    if not isinstance(address, TcpAddress | UnixAddress):
        raise ConfigError(f"wrong value for --access-logfile: {text!r} (allowed: {FORMS})")
    return address
