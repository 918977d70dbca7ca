"""TLS of a worker: what the options say, as the core takes it; new files, new ticket keys.

Only workers import this: it needs the core.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from freastal import _core
from freastal.options import ConfigError

if TYPE_CHECKING:
    from freastal.config import Config

__all__ = ["core_options", "make_context"]


def core_options(config: Config, ticket_keys: tuple[bytes, ...]) -> dict[str, Any]:
    """The keywords of ``_core.Worker`` for TLS; none where the options do not ask for it.

    :param ticket_keys: the newest last.
    :raises ConfigError: see :func:`make_context`.
    """
    if not config.secure:
        return {}
    return {"tls": make_context(config), "ticket_keys": ticket_keys}


def make_context(config: Config) -> _core.TlsContext:
    """Read the files that the options name.

    :raises ConfigError: one cannot be read or used, or the core was built without TLS.
    """
    if not hasattr(_core, "TlsContext"):
        raise ConfigError("--certfile is given, but freastal was built without TLS")
    count = len(config.certfile)
    passwords = config.keyfile_password
    certificates = zip(
        config.certfile,
        config.keyfile or config.certfile,
        passwords * count if len(passwords) == 1 else passwords or (None,) * count,
        config.ocsp_file or (None,) * count,
        strict=True,
    )
    try:
        return _core.TlsContext(
            tuple(certificates),
            min_version=config.tls_min_version,
            ciphers=config.tls_ciphers or None,
            ciphersuites=config.tls_ciphersuites or None,
            verify=config.client_verify,
            client_ca=config.client_ca or None,
        )
    except ValueError as error:
        raise ConfigError(str(error)) from None
