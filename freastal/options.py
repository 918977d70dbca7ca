"""The table of options: their names, kinds, defaults and words.

Used by :mod:`freastal.config`, which puts values together, and by ``docs/OPTIONS.md``. A new option
is a row in :data:`GROUPS` and a field of :class:`freastal.config.Config`.
"""

from __future__ import annotations

from collections.abc import Mapping

from freastal.addresses import FORMS, LARGEST_FD
from freastal.kinds import MASK, ConfigError, Kind, Option
from freastal.options_logs import LOGGING
from freastal.options_process import IDENTITY, PRELOAD, UDS_OWNER

__all__ = ["GROUPS", "MASK", "OPTIONS", "ConfigError", "Kind", "Option"]

DAY = 86400.0


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
    name: str,
    default: float,
    words: str,
    *,
    core: bool = True,
    interface: str = "",
    aliases: tuple[str, ...] = (),
) -> Option:
    return Option(
        name,
        Kind.SECONDS,
        default,
        words,
        aliases=aliases,
        minimum=0,
        maximum=DAY,
        metavar="SECONDS",
        core=core,
        interface=interface,
    )


def _files(name: str, words: str, metavar: str = "FILE", *, secret: bool = False) -> Option:
    alias = "--ssl-" + name.replace("_", "-")
    return Option(name, Kind.TEXTS, (), words, aliases=(alias,), metavar=metavar, secret=secret)


GROUPS: Mapping[str, tuple[Option, ...]] = {
    "Configuration": (
        Option(
            "config",
            Kind.TEXT,
            "",
            "read options from this TOML file; of a pyproject.toml from its table [tool.freastal]",
            short="-c",
            metavar="FILE",
        ),
        Option(
            "env_file",
            Kind.TEXT,
            "",
            "put the variables of this file, KEY=VALUE a line, into the environment, where they "
            "are not set; options among them count",
            metavar="FILE",
        ),
    ),
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
            "fd",
            Kind.INT,
            None,
            "listen on this descriptor, a listening socket, as --bind fd://N",
            maximum=LARGEST_FD,
            metavar="N",
        ),
        Option(
            "uds_permissions",
            Kind.MODE,
            0o666,
            "permissions of unix sockets; who reaches one is best decided by its directory",
            maximum=0o777,
            metavar="MODE",
        ),
        *UDS_OWNER,
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
        Option(
            "reuse_port",
            Kind.SWITCH,
            None,
            "a socket of its own for each worker, between which the kernel spreads connections, or "
            "one that whoever is idle accepts from; else workers of a WSGI application with one "
            "thread accept from each other's sockets as well",
        ),
        _seconds(
            "timeout_worker",
            60,
            "the longest that one step may hold up a worker's loop: a call of a WSGI application "
            "with one thread, a step of asyncio; beyond, the worker is killed and replaced; 0: off",
            core=False,
            aliases=("--timeout",),
        ),
        _seconds(
            "timeout_request",
            0,
            "the longest that a call in one of several --threads may take for the next piece of "
            "its response, waiting for the client left out; beyond, the stacks are logged, and "
            "the worker is replaced and ends when its other requests are over; 0: off",
            core=False,
            interface="wsgi",
        ),
        Option(
            "limit_max_requests",
            Kind.INT,
            0,
            "replace a worker that has answered so many requests; 0: never",
            aliases=("--max-requests",),
            maximum=2**50,
            metavar="N",
        ),
        Option(
            "limit_max_requests_jitter",
            Kind.INT,
            0,
            "up to so many more, by chance, so that workers do not leave together",
            aliases=("--max-requests-jitter",),
            maximum=2**50,
            metavar="N",
        ),
        Option(
            "workers_lifetime",
            Kind.SECONDS,
            0,
            "replace a worker that has served for so long, or up to a tenth longer; 0: never",
            maximum=366 * DAY,
            metavar="SECONDS",
        ),
        Option(
            "workers_max_rss",
            Kind.INT,
            0,
            "replace a worker whose resident memory has grown beyond so many MiB; 0: never",
            maximum=2**40,
            metavar="MIB",
        ),
        _seconds(
            "timeout_graceful_shutdown",
            30,
            "how long requests in flight may take to finish when the server stops",
            aliases=("--graceful-timeout",),
            core=False,
        ),
        _seconds(
            "shutdown_delay",
            0,
            "how long to serve on, new connections too, after SIGTERM or SIGINT and before the "
            "stop begins, while --health-path answers 503: time for a balancer to see it",
            core=False,
        ),
        *PRELOAD,
    ),
    "Identity": IDENTITY,
    "Development": (
        Option(
            "reload",
            Kind.SWITCH,
            False,
            "replace the workers whenever a file of the program has changed; requests in flight "
            "have a second then; by watchfiles where it is installed",
        ),
        Option(
            "reload_dir",
            Kind.TEXTS,
            (),
            "watch this directory, with all below; repeatable; else --app-dir",
            aliases=("--reload-directory",),
            metavar="DIRECTORY",
        ),
        Option(
            "reload_include",
            Kind.TEXTS,
            ("*.py",),
            "watch files whose name or path fits this glob; repeatable",
            metavar="GLOB",
        ),
        Option(
            "reload_exclude",
            Kind.TEXTS,
            (),
            "do not watch files and directories that fit this glob; repeatable",
            metavar="GLOB",
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
            "chdir",
            Kind.TEXT,
            "",
            "change to this directory first: every relative path, but those of --config and "
            "--env-file, means one in there",
            metavar="DIRECTORY",
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
    "Logs": LOGGING,
    "TLS": (
        _files("certfile", "a certificate with its chain, in PEM; repeatable, chosen by the name"),
        _files("keyfile", "its key, in PEM, once for each --certfile; else in that very file"),
        _files(
            "keyfile_password",
            "the password of an encrypted key, once for all or for each --certfile",
            "PASSWORD",
            secret=True,
        ),
        _files("ocsp_file", "an OCSP response in DER to staple, once for each --certfile"),
        Option(
            "tls_min_version",
            Kind.TEXT,
            "1.2",
            "the oldest version of TLS that is spoken",
            choices=("1.2", "1.3"),
            metavar="VERSION",
        ),
        Option(
            "tls_ciphers",
            Kind.TEXT,
            "",
            "suites of TLS 1.2, as OpenSSL writes them; else those with forward secrecy and AEAD",
            aliases=("--ssl-ciphers",),
            metavar="LIST",
        ),
        Option(
            "tls_ciphersuites",
            Kind.TEXT,
            "",
            "suites of TLS 1.3, as OpenSSL writes them; else all",
            metavar="LIST",
        ),
        Option(
            "client_ca",
            Kind.TEXT,
            "",
            "authorities, in PEM, whose certificates clients may show",
            aliases=("--ssl-ca-certs",),
            metavar="FILE",
        ),
        Option(
            "client_verify",
            Kind.TEXT,
            "none",
            "whether clients are asked for a certificate, and must have one that --client-ca knows",
            choices=("none", "optional", "required"),
            metavar="MODE",
        ),
        Option(
            "tls_kernel",
            Kind.SWITCH,
            True,
            "have the kernel encrypt where it and OpenSSL can (kTLS)",
            maximum=1,
            core=True,
        ),
        _limit(
            "limit_handshakes",
            256,
            1,
            2**20,
            "TLS handshakes of a worker at once; others wait their turn",
        ),
        _seconds("timeout_handshake", 10, "from accepting to the end of the handshake; 0: off"),
    ),
    "Behind a proxy": (
        Option(
            "proxy_headers",
            Kind.SWITCH,
            False,
            "believe the Forwarded or X-Forwarded-For and -Proto fields of --forwarded-allow-ips "
            "about the client's address and the scheme",
            maximum=1,
            core=True,
        ),
        Option(
            "forwarded_allow_ips",
            Kind.PEERS,
            ("127.0.0.1", "::1", "unix"),
            "proxies whose fields are believed",
            other_variables=("FORWARDED_ALLOW_IPS",),
            metavar="LIST",
        ),
        Option(
            "forwarded_kind",
            Kind.TEXT,
            "auto",
            "which fields the proxies set: x-forwarded, forwarded (RFC 7239), or auto to take "
            "those that are there and refuse a request with both",
            choices=("auto", "x-forwarded", "forwarded"),
            metavar="KIND",
        ),
        Option(
            "forwarded_host",
            Kind.SWITCH,
            False,
            "believe X-Forwarded-Host and -Port, or the host of Forwarded, too: only where the "
            "proxy sets or removes them, for many pass on what the client sends",
            maximum=1,
            core=True,
        ),
        Option(
            "proxy_protocol",
            Kind.SWITCH,
            False,
            "each connection begins with a header of the PROXY protocol, version 1 or 2",
            maximum=1,
            core=True,
        ),
        Option(
            "proxy_allow_from",
            Kind.PEERS,
            ("127.0.0.1", "::1", "unix"),
            "proxies who may connect with --proxy-protocol; others are turned away",
            metavar="LIST",
        ),
        Option(
            "health_path",
            Kind.TARGET,
            "",
            "answer requests for this path without the application: 200 while serving, 503 while "
            "stopping and in the --shutdown-delay before it",
            metavar="PATH",
        ),
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
        _seconds(
            "timeout_keep_alive",
            75,
            "how long to wait for the next request; 0: off",
            aliases=("--keep-alive",),
        ),
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
