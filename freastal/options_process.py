"""Rows of the table of options that say who and what the processes are, for the system around.

A part of :data:`freastal.options.GROUPS`.
"""

from __future__ import annotations

from freastal.kinds import Kind, Option

__all__ = ["IDENTITY", "PRELOAD", "UDS_OWNER"]

UDS_OWNER = (
    Option(
        "uds_owner",
        Kind.TEXT,
        "",
        "the user, by name or number, to whom unix sockets belong; else that of --user",
        metavar="USER",
    ),
    Option(
        "uds_group",
        Kind.TEXT,
        "",
        "the group, by name or number, to which unix sockets belong; else that of --group",
        metavar="GROUP",
    ),
)

PRELOAD = (
    Option(
        "preload",
        Kind.SWITCH,
        False,
        "import the application once, in the supervisor before it forks workers, which then share "
        "its memory; SIGHUP brings no new code then, and the import runs as the user who starts "
        "the server",
    ),
)

IDENTITY = (
    Option(
        "user",
        Kind.TEXT,
        "",
        "the user, by name or number, that workers become before they import the application; who "
        "starts the server has to be root, and files of TLS are read as this user",
        short="-u",
        metavar="USER",
    ),
    Option(
        "group",
        Kind.TEXT,
        "",
        "the group that workers become, by name or number; else that of --user",
        short="-g",
        metavar="GROUP",
    ),
    Option(
        "umask",
        Kind.MODE,
        None,
        "permissions that files made by workers do not have; else what the server is started with",
        short="-m",
        maximum=0o777,
        metavar="MODE",
    ),
    Option(
        "pid",
        Kind.TEXT,
        "",
        "write the supervisor's pid to this file; a running server's is not replaced",
        short="-p",
        metavar="FILE",
    ),
    Option(
        "proc_name",
        Kind.TEXT,
        "",
        "the name in the titles of processes, as ps shows them with freastal[titles]; else the "
        "application's",
        short="-n",
        aliases=("--name",),
        metavar="NAME",
    ),
)
