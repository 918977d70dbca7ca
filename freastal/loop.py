"""asyncio's event loop, turned by the core.

:class:`EventLoop` is asyncio's own selector event loop; only its selector is ours. The selector
keeps asyncio's descriptors where asyncio would (epoll, or kqueue), and libuv watches that one
descriptor beside the server's sockets: there is one wait for both, and a descriptor that is closed
while it is watched does what it does under asyncio.

Under an event loop that is not ours, :func:`attach` turns the core as a guest.
"""

from __future__ import annotations

import asyncio
import contextvars
import math
import selectors
import signal

from freastal import _core

__all__ = ["EventLoop", "Guest", "attach", "beats_of"]


class Selector(selectors.DefaultSelector):
    """The system's best selector, whose waiting turns the core's beats."""

    def __init__(self, beats: _core.Loop) -> None:
        super().__init__()
        self._beats = beats
        self._turn = beats.turn
        beats.watch(self.fileno())

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Turn until a descriptor is ready, the time is over, or asyncio has something to do.

        :param timeout: seconds; ``None`` for ever.
        """
        return super().select(0) if self._turn(timeout) else []

    def close(self) -> None:
        """Close it; before that, the core stops watching it."""
        self._beats.unwatch()
        super().close()


class EventLoop(_core.Loop, asyncio.SelectorEventLoop):
    """asyncio's selector event loop, upon which workers of the core can serve."""

    def __init__(self) -> None:
        super().__init__(Selector(self))

    # A signal that arrives while no descriptor is set would be told to nobody: a child's end, for
    # ever. So ours, whose bytes wait, is set in the place of the other, and never none.

    def run_forever(self) -> None:
        """Run until :meth:`stop` is called; signals end a wait, as they do asyncio's."""
        if self.is_closed() or self.is_running():
            super().run_forever()  # raises
            return
        ours = self.signal_fd()
        try:
            before = signal.set_wakeup_fd(ours, warn_on_full_buffer=False)
        except ValueError:  # signals are handled in another thread
            super().run_forever()
            return
        self.forward_signals(before)
        try:
            super().run_forever()
        finally:
            now = signal.set_wakeup_fd(ours, warn_on_full_buffer=False)
            # Where a signal handler was added meanwhile, asyncio's own descriptor stays.
            self._leave_signals_to(before if now == ours else now)

    def remove_signal_handler(self, sig: int) -> bool:
        """As asyncio's, which hears no signals any more after the last one was removed."""
        removed = super().remove_signal_handler(sig)
        if removed and self.is_running():
            ours = self.signal_fd()
            now = signal.set_wakeup_fd(ours, warn_on_full_buffer=False)
            if now == -1:
                self.forward_signals(-1)
            elif now != ours:
                self._leave_signals_to(now)
        return removed

    def _leave_signals_to(self, fd: int) -> None:
        """Let another one hear signals, also those that have come here meanwhile.

        :param fd: the descriptor that :mod:`signal` writes to; -1: none.
        """
        signal.set_wakeup_fd(fd)
        self.forward_signals(fd)
        self.forward_signals(-1)

    def close(self) -> None:
        """Close the loop; its workers must have been closed.

        :raises RuntimeError: it is running, or a worker is still on it.
        """
        super().close()
        self.release()


SHOWN_SECONDS = 1.0


class Guest:
    """The core's beats, turned by an event loop that is not ours.

    :param shown: somebody watches the beats' board. What the host does between two turns counts as
        a step; so that waiting does not, there is a turn at least every :data:`SHOWN_SECONDS`.
    """

    def __init__(self, host: asyncio.AbstractEventLoop, *, shown: bool = False) -> None:
        self._longest = SHOWN_SECONDS if shown else math.inf
        self.beats = _core.Loop()
        self._host = host
        # Calls of the application copy the context of the turn: it must not be that of a request
        # which happened to ask for the turn.
        self._context = contextvars.copy_context()
        self._timer: asyncio.TimerHandle | None = None
        self._soon: asyncio.Handle | None = None
        self._descriptor = self.beats.backend_fd()
        self._context.run(host.add_reader, self._descriptor, self._turn)
        self.beats.on_stir(self._turn_soon)
        self._turn_soon()

    def _turn_soon(self) -> None:
        if self._soon is None:
            self._soon = self._host.call_soon(self._turn, context=self._context)

    def _turn(self) -> None:
        self._drop_handles()
        self.beats.turn(0)
        timeout = self.beats.backend_timeout()
        if timeout == 0:
            self._turn_soon()
        elif timeout is not None or self._longest < math.inf:
            timeout = self._longest if timeout is None else min(timeout, self._longest)
            self._timer = self._host.call_later(timeout, self._turn, context=self._context)

    def _drop_handles(self) -> None:
        for handle in (self._timer, self._soon):
            if handle is not None:
                handle.cancel()
        self._timer = self._soon = None

    def detach(self) -> None:
        """Turn the beats no more, and free them; their workers must have been closed.

        :raises RuntimeError: a worker is still on them.
        """
        self._drop_handles()
        self.beats.on_stir(None)
        self._host.remove_reader(self._descriptor)
        self.beats.release()


def attach(host: asyncio.AbstractEventLoop, *, shown: bool = False) -> Guest:
    """Let a running event loop turn the core's beats, which are ``beats`` of what is returned.

    :param shown: somebody watches the beats' board.
    """
    return Guest(host, shown=shown)


def beats_of(loop: asyncio.AbstractEventLoop) -> _core.Loop | None:
    """Say upon which beats workers serve under this event loop.

    :returns: the loop itself where it is ours; ``None``: :func:`attach` makes some.
    """
    return loop if isinstance(loop, EventLoop) else None
