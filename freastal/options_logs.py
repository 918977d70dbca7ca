"""Rows of the table of options that say what is logged, and where.

A part of :data:`freastal.options.GROUPS`.
"""

from __future__ import annotations

from freastal.kinds import Kind, Option

__all__ = ["LOGGING"]

LOGGING = (
    Option(
        "log_level",
        Kind.TEXT,
        "info",
        "log this and worse: debug, info, warning, error or critical",
        choices=("debug", "info", "warning", "error", "critical"),
        metavar="LEVEL",
    ),
    Option(
        "error_logfile",
        Kind.TEXT,
        "-",
        "the file for that, reopened at SIGUSR1; - is standard error",
        aliases=("--log-file",),
        metavar="FILE",
    ),
    Option(
        "log_format",
        Kind.TEXT,
        "plain",
        "how: plain, or json, one object a line",
        choices=("plain", "json"),
        metavar="FORMAT",
    ),
    Option(
        "log_config",
        Kind.TEXT,
        "",
        "configure logging by this file instead: .json or .toml for logging.config.dictConfig, "
        "else for logging.config.fileConfig; the loggers are freastal and freastal.error",
        metavar="FILE",
    ),
    Option(
        "access_log",
        Kind.SWITCH,
        None,
        "log each request; also on where --access-logfile is given",
    ),
    Option(
        "access_logfile",
        Kind.TEXT,
        "",
        "where to: a file, reopened at SIGUSR1; - for standard output, which is where it goes "
        "without this; syslog, syslog:unix:PATH or syslog:HOST:PORT (UDP)",
        metavar="FILE",
    ),
    Option(
        "access_log_format",
        Kind.TEXT,
        '%(h)s %(l)s %(u)s %(t)s "%(r)s" %(s)s %(b)s "%(f)s" "%(a)s" %(D)s',
        "common, combined, json, or atoms as gunicorn has them: see below",
        aliases=("--access-logformat",),
        metavar="FORMAT",
    ),
    Option(
        "request_id",
        Kind.TEXT,
        "off",
        "give each request an id, which the application sees as X-Request-ID: make it, or take it "
        "from that field where the peer is in --forwarded-allow-ips",
        choices=("off", "make", "take"),
        metavar="WAY",
    ),
    Option(
        "request_id_header",
        Kind.SWITCH,
        False,
        "send it back as X-Request-ID",
    ),
    Option(
        "metrics",
        Kind.ADDRESSES,
        (),
        "show what the server counts here, of all workers, to whoever asks: /metrics for "
        "Prometheus, / a page for people; repeatable",
        metavar="ADDRESS",
    ),
)
