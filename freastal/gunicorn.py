"""The core as a worker class of gunicorn: ``gunicorn -k freastal.gunicorn.Worker module:app``.

gunicorn keeps its processes, sockets, signals, settings, hooks and logs; a request is served from
the first byte to the last by freastal, over WSGI or, where the application is one, over ASGI.
Settings of gunicorn's that have a counterpart are followed; those that mean nothing here are
told of once.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Mapping
from types import FrameType
from typing import TYPE_CHECKING, Any

from gunicorn.workers import base

from freastal import loader, proxies, tls
from freastal.access_format import check_format
from freastal.access_log import AccessLog, AccessLogError
from freastal.board import Board
from freastal.config import Config, from_keywords, resolve
from freastal.kinds import ConfigError
from freastal.tickets import TICKET_KEY_BYTES

if TYPE_CHECKING:
    from freastal.worker import Serving

__all__ = ["Worker"]

BOOT_ERROR = 3
"""Exit code upon which gunicorn gives up, in place of trying again and again."""

LOOK_SECONDS = 0.5
"""How often the watch looks; gunicorn wants a word twice in ``--timeout``."""

MEANINGLESS = (
    *("pre_request", "post_request", "limit_request_field_size", "spew", "tmp_upload_dir"),
    *("secure_scheme_headers", "ssl_context", "suppress_ragged_eofs", "do_handshake_on_connect"),
    *("syslog", "permit_obsolete_folding", "strip_header_spaces", "header_map"),
    *("permit_unconventional_http_method", "permit_unconventional_http_version"),
    *("casefold_http_method", "forwarder_headers", "http_parser", "asgi_disconnect_grace_period"),
)
"""Settings that say how gunicorn itself treats a request."""

SAME = {
    "limit_request_line": "limit_request_line",
    "limit_request_fields": "limit_request_fields",
    "threads": "threads",
    "workers": "workers",
    "worker_connections": "limit_connections",
    "keepalive": "timeout_keep_alive",
    "graceful_timeout": "timeout_graceful_shutdown",
    "root_path": "root_path",
    "asgi_lifespan": "lifespan",
    "asgi_loop": "loop",
    "websocket_max_message_size": "ws_max_size",
    "certfile": "certfile",
    "keyfile": "keyfile",
    "ca_certs": "client_ca",
    "ciphers": "tls_ciphers",
    "forwarded_allow_ips": "forwarded_allow_ips",
    "proxy_allow_ips": "proxy_allow_from",
}
"""Settings of gunicorn's, and what they are called here."""

CLIENT_VERIFY = ("none", "optional", "required")
"""By the numbers of :mod:`ssl`, which ``cert_reqs`` has."""


def keywords(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The options of freastal that gunicorn's settings come to.

    :param settings: by name; those that this gunicorn does not have may be missing.
    """
    found: dict[str, Any] = {
        ours: settings[theirs]
        for theirs, ours in SAME.items()
        if settings.get(theirs) not in (None, "", [], ())
    }
    for name in ("forwarded_allow_ips", "proxy_allow_from"):
        peers = found.pop(name, None)
        if peers:
            found[name] = peers if isinstance(peers, str) else ",".join(map(str, peers))
    if not found.get("limit_request_line", 1):
        del found["limit_request_line"]  # 0: without a limit, which is not to be had
    if found.get("client_ca"):
        found["client_verify"] = CLIENT_VERIFY[int(settings.get("cert_reqs") or 0)]
        if found["client_verify"] == "none":
            del found["client_ca"], found["client_verify"]
    found["proxy_headers"] = bool(found.get("forwarded_allow_ips"))
    found["proxy_protocol"] = settings.get("proxy_protocol") not in (None, False, "off", "")
    if settings.get("accesslog"):
        found["access_logfile"] = settings["accesslog"]
        found["access_log"] = True
        found["access_log_format"] = settings["access_log_format"]
    return found


class Worker(base.Worker):  # type: ignore[misc]
    """gunicorn's worker; what its methods are for is told there."""

    def init_signals(self) -> None:
        """As all workers of gunicorn's, and stop as they do."""
        self._serving: Serving | None = None
        self._access_log: AccessLog | None = None
        self._board = Board()
        self._over = threading.Event()
        super().init_signals()

    def run(self) -> None:
        """Serve until told to stop."""
        logger = logging.getLogger("freastal")
        logger.handlers = self.log.error_log.handlers
        logger.setLevel(self.log.error_log.level)
        logger.propagate = False
        try:
            config = self._config()
            interface = loader.choose_interface(self.wsgi, "auto", loader.describe(self.wsgi))
            self._serving = self._make_serving(config, interface)
            started = self._serving.start()
        except (ConfigError, AccessLogError, loader.AppError) as error:
            self.log.error("%s%s", getattr(error, "traceback_text", ""), error)
            raise SystemExit(BOOT_ERROR) from None
        if started and self.alive:
            threading.Thread(target=self._watch, name="watch", daemon=True).start()
            self._serving.run()
        self._serving.end()
        self._over.set()

    def _config(self) -> Config:
        settings = {name: setting.get() for name, setting in self.cfg.settings.items()}
        chosen = keywords(settings)
        if "access_log_format" in chosen:
            try:
                check_format(chosen["access_log_format"], "access_log_format")
            except ConfigError as error:
                self.log.warning("%s: the access log is `combined`", error)
                chosen["access_log_format"] = "combined"
        for name in MEANINGLESS:
            setting = self.cfg.settings.get(name)
            if setting is not None and settings[name] != type(setting)().get():
                self.log.warning("the setting %s means nothing to this worker", name)
        return resolve(from_keywords(chosen))

    def _make_serving(self, config: Config, interface: str) -> Serving:
        self._access_log = AccessLog(config)
        for each in self.sockets:
            each.setblocking(False)
        alone = config.workers == 1 or bool(self.cfg.settings["reuse_port"].get())
        options = {
            **proxies.core_options(config),
            **tls.core_options(config, (os.urandom(TICKET_KEY_BYTES),)),
            **self._access_log.core_options(),
            "board": self._board.memory,
            "shared": not alone,
        }
        if interface == "wsgi":
            from freastal.wsgi_worker import WsgiWorker

            return WsgiWorker(self.wsgi, config, self.sockets, options)
        from freastal.asgi_worker import AsgiWorker

        return AsgiWorker(self.wsgi, config, self.sockets, options)

    # In a thread

    def _watch(self) -> None:
        """Give gunicorn a sign of life as long as the loop turns; stop where it is to be."""
        while self.alive:
            step = self._board.step
            if not self.timeout or step is None or time.monotonic() - step < self.timeout / 2:
                self.notify()
            if self.ppid != os.getppid():
                self.log.info("Parent changed, shutting down: %s", self)
                self._stop()
            elif self._board.requests >= self.max_requests:
                self.log.info("Autorestarting worker after current request.")
                self._stop()
            self._over.wait(LOOK_SECONDS)
        end = time.monotonic() + self.cfg.graceful_timeout + 1
        while time.monotonic() < end and not self._over.is_set():  # what is in flight has its time
            self.notify()
            self._over.wait(LOOK_SECONDS)

    # Signals

    def _stop(self) -> None:
        self.alive = False
        if self._serving is not None:
            self._serving.stop(self.cfg.graceful_timeout)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """SIGTERM: finish what is in flight."""
        self._stop()

    def handle_quit(self, sig: int, frame: FrameType | None) -> None:
        """SIGQUIT, SIGINT: end now."""
        self.alive = False
        self.cfg.worker_int(self)
        if self._serving is None:
            raise SystemExit(0)
        self._serving.stop(0)

    def handle_usr1(self, sig: int, frame: FrameType | None) -> None:
        """SIGUSR1: go on in new log files."""
        super().handle_usr1(sig, frame)
        if self._access_log is not None:
            try:
                self._access_log.reopen()
            except AccessLogError as error:
                self.log.error("%s", error)
