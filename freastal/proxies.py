"""Behind a proxy: what the options trust, in words for the operator and as the core takes it.

What the core does with it stands in ``src/http/origin.h`` and ``src/net/preface.h``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from freastal.options import OPTIONS

if TYPE_CHECKING:
    from freastal.config import Config

__all__ = ["core_options", "idle_options", "summary"]

DEPENDENT = {
    "forwarded_allow_ips": "proxy_headers",
    "forwarded_kind": "proxy_headers",
    "forwarded_host": "proxy_headers",
    "proxy_allow_from": "proxy_protocol",
}
"""Options that mean nothing without another."""


def core_options(config: Config) -> dict[str, Any]:
    """The keywords of ``_core.Worker`` that are no numbers and no switches."""
    return {
        "forwarded_allow_ips": config.forwarded_allow_ips,
        "forwarded_kind": config.forwarded_kind,
        "proxy_allow_from": config.proxy_allow_from,
        "health_path": config.health_path,
    }


def idle_options(config: Config) -> list[tuple[str, str]]:
    """The flags that are set to no effect, and of each the flag without which it has none."""
    return [
        (OPTIONS[name].flag, OPTIONS[other].flag)
        for name, other in DEPENDENT.items()
        if getattr(config, name) != OPTIONS[name].default and not getattr(config, other)
    ]


def summary(config: Config) -> list[str]:
    """What is trusted, in one line for the block at the start; none where nothing is."""
    parts = []
    if config.proxy_headers:
        fields = {"auto": "Forwarded or X-Forwarded-*", "x-forwarded": "X-Forwarded-*"}
        name = fields.get(config.forwarded_kind, "Forwarded")
        host = ", with the host" if config.forwarded_host else ""
        parts.append(f"{name} of {', '.join(config.forwarded_allow_ips)}{host}")
    if config.proxy_protocol:
        parts.append(f"PROXY protocol of {', '.join(config.proxy_allow_from)}")
    return [f"trusted proxies: {'; '.join(parts)}"] if parts else []
