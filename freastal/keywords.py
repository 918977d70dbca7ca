"""The options as keywords, for type checkers and editors; nothing imports it at run time.

A test holds it to the table in :mod:`freastal.config`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypedDict

__all__ = ["AsgiKeywords", "Keywords", "ServerKeywords"]


class ServerKeywords(TypedDict, total=False):
    """What a :class:`freastal.Server` takes; ``None`` counts as not given."""

    bind: str | Sequence[str] | None
    host: str | None
    port: int | None
    uds: str | None
    fd: int | None
    uds_permissions: int | None
    uds_owner: str | None
    uds_group: str | None
    backlog: int | None
    timeout_graceful_shutdown: float | None
    app_dir: str | None
    factory: bool | None
    root_path: str | None
    lifespan: str | None
    access_log: bool | None
    access_logfile: str | None
    access_log_format: str | None
    request_id: str | None
    request_id_header: bool | None
    certfile: str | Sequence[str] | None
    keyfile: str | Sequence[str] | None
    keyfile_password: str | Sequence[str] | None
    ocsp_file: str | Sequence[str] | None
    tls_min_version: str | None
    tls_ciphers: str | None
    tls_ciphersuites: str | None
    client_ca: str | None
    client_verify: str | None
    tls_kernel: bool | None
    limit_handshakes: int | None
    timeout_handshake: float | None
    proxy_headers: bool | None
    forwarded_allow_ips: str | Sequence[str] | None
    forwarded_kind: str | None
    forwarded_host: bool | None
    proxy_protocol: bool | None
    proxy_allow_from: str | Sequence[str] | None
    health_path: str | None
    limit_request_line: int | None
    limit_request_head: int | None
    limit_request_fields: int | None
    limit_request_body: int | None
    limit_connections: int | None
    timeout_headers: float | None
    timeout_body: float | None
    timeout_keep_alive: float | None
    timeout_write: float | None
    ws_max_size: int | None
    ws_max_queue: int | None
    ws_ping_interval: float | None
    ws_ping_timeout: float | None
    ws_per_message_deflate: bool | None


class AsgiKeywords(ServerKeywords, total=False):
    """What :func:`freastal.serve_asgi` takes."""

    config: str | None
    env_file: str | None
    chdir: str | None
    workers: int | None
    reuse_port: bool | None
    timeout_worker: float | None
    limit_max_requests: int | None
    limit_max_requests_jitter: int | None
    workers_lifetime: float | None
    workers_max_rss: int | None
    shutdown_delay: float | None
    preload: bool | None
    user: str | None
    group: str | None
    umask: int | None
    pid: str | None
    proc_name: str | None
    reload: bool | None
    reload_dir: str | Sequence[str] | None
    reload_include: str | Sequence[str] | None
    reload_exclude: str | Sequence[str] | None
    loop: str | None
    log_level: str | None
    error_logfile: str | None
    log_format: str | None
    log_config: str | None
    metrics: str | Sequence[str] | None


class Keywords(AsgiKeywords, total=False):
    """What :func:`freastal.serve` takes: every option."""

    interface: str | None
    threads: int | None
    timeout_request: float | None
