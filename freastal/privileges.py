"""Users and groups: whom the options name, and how a worker becomes that.

The supervisor stays who it is, so that it can bind low ports, read its files and signal its
workers; a worker changes before it imports the application. Supplementary groups are those that the
system's databases give the user, and none of the supervisor's.
"""

from __future__ import annotations

import grp
import os
import pwd
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from freastal.kinds import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from freastal.config import Config

__all__ = ["Identity", "become", "identity", "socket_owner"]

LARGEST = 2**32 - 2
"""The largest number of a user or group; one more means "leave it" to the kernel."""

Entry = TypeVar("Entry", pwd.struct_passwd, grp.struct_group)


@dataclass(frozen=True)
class Identity:
    """Who a worker is to become."""

    uid: int
    gid: int
    name: str
    """By which the user's supplementary groups are found; empty: there are none to find."""


def identity(config: Config) -> Identity | None:
    """Whom ``--user`` and ``--group`` name; ``None``: workers stay who the supervisor is.

    :raises ConfigError: there is no such user or group, or only root can become that.
    """
    if not config.user and not config.group:
        return None
    uid, gid, name = os.geteuid(), os.getegid(), ""
    if config.user:
        uid, entry = _user(config.user, "--user")
        if entry is not None:
            gid, name = entry.pw_gid, entry.pw_name
        elif not config.group:
            raise ConfigError(
                f"--user {config.user} is no user that this system knows, and has no group "
                "(allowed: such a number with --group)"
            )
    if config.group:
        gid = _group(config.group, "--group")
    if os.geteuid() == 0:
        return Identity(uid, gid, name)
    if (uid, gid) != (os.geteuid(), os.getegid()):
        flag, value = ("--user", config.user) if config.user else ("--group", config.group)
        raise ConfigError(
            f"{flag} {value}: only root can change to that (this is user {os.geteuid()}, group "
            f"{os.getegid()})"
        )
    return None


def socket_owner(config: Config, workers: Identity | None) -> tuple[int, int]:
    """User and group of unix sockets; -1: whoever makes them.

    Those of ``--uds-owner`` and ``--uds-group``, else the workers'.

    :raises ConfigError: there is no such user or group.
    """
    uid, gid = (workers.uid, workers.gid) if workers else (-1, -1)
    if config.uds_owner:
        uid = _user(config.uds_owner, "--uds-owner")[0]
    if config.uds_group:
        gid = _group(config.uds_group, "--uds-group")
    return uid, gid


def become(who: Identity | None, umask: int | None) -> None:
    """Be that user from now on, for good, with that umask.

    :raises OSError: the system refuses.
    """
    if who is not None:
        if who.name:
            os.initgroups(who.name, who.gid)
        else:
            os.setgroups([who.gid])
        os.setgid(who.gid)
        os.setuid(who.uid)
    if umask is not None:
        os.umask(umask)


def _user(text: str, flag: str) -> tuple[int, pwd.struct_passwd | None]:
    number, entry = _find(text, flag, "user", pwd.getpwnam, pwd.getpwuid)
    return (entry.pw_uid if entry else number), entry


def _group(text: str, flag: str) -> int:
    number, entry = _find(text, flag, "group", grp.getgrnam, grp.getgrgid)
    return entry.gr_gid if entry else number


def _find(
    text: str,
    flag: str,
    kind: str,
    by_name: Callable[[str], Entry],
    by_number: Callable[[int], Entry],
) -> tuple[int, Entry | None]:
    """A name's entry, or a number with its entry, where it has one."""
    allowed = f"(allowed: the name of a {kind}, or a number up to {LARGEST})"
    if not (text.isascii() and text.isdigit()):
        try:
            return 0, by_name(text)
        except KeyError:
            raise ConfigError(f"{flag}: there is no {kind} {text!r} {allowed}") from None
    number = int(text) if len(text) <= len(str(LARGEST)) else LARGEST + 1
    if number > LARGEST:
        raise ConfigError(f"wrong value for {flag}: {text!r} {allowed}")
    try:
        return number, by_number(number)
    except KeyError:
        return number, None
