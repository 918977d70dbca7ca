"""The supervisor's states; :mod:`freastal.supervisor` tells when it goes from one to the next."""

from __future__ import annotations

import enum

__all__ = ["EDGES", "State"]


class State(enum.Enum):
    """Where the server is in its life; the edges are in :data:`EDGES`."""

    STARTING = enum.auto()
    SERVING = enum.auto()
    STOPPING = enum.auto()
    KILLING = enum.auto()


EDGES = {
    (State.STARTING, State.SERVING),
    (State.STARTING, State.STOPPING),
    (State.SERVING, State.STOPPING),
    (State.STOPPING, State.KILLING),
}
