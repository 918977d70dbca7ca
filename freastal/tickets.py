"""The keys that TLS session tickets are sealed with: made here, shared by all workers, rotated.

The supervisor imports this: neither the core nor a module of TLS is needed to make a key.
"""

from __future__ import annotations

import os

__all__ = ["TICKET_KEY_BYTES", "TICKET_SECONDS", "Keys"]

TICKET_KEY_BYTES = 80
"""A name of 16, a key to encrypt of 32 and one to authenticate of 32 (``src/net/tls_keys.h``)."""

TICKET_SECONDS = 3600.0
"""How long a key seals. It opens for two such times more, longer than a ticket is good for."""

KEPT = 3


class Keys:
    """The keys in use, the newest last."""

    def __init__(self) -> None:
        self.all: tuple[bytes, ...] = (os.urandom(TICKET_KEY_BYTES),)

    def rotate(self) -> bytes:
        """Make a new key and forget the oldest.

        :returns: the new one.
        """
        new = os.urandom(TICKET_KEY_BYTES)
        self.all = (*self.all, new)[-KEPT:]
        return new
