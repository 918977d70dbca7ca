"""A TLS connection with a socket's methods, for raw clients: nothing is read or said ahead.

`ssl.SSLSocket` cannot end one direction alone, and takes an end without close_notify for an end.
"""

from __future__ import annotations

import contextlib
import functools
import select
import socket
import ssl
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

RECORD = 1 << 14


@functools.cache
def certificate() -> Path:
    """A certificate for localhost with its key behind it, made once a process."""
    directory = Path(tempfile.mkdtemp(prefix="fe-tls-"))
    both = directory / "both.pem"
    line = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30"
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    cert, key = directory / "cert.pem", directory / "key.pem"
    subprocess.run(
        [*line.split(), *names, "-keyout", str(key), "-out", str(cert)],
        check=True,
        capture_output=True,
    )
    both.write_bytes(cert.read_bytes() + key.read_bytes())
    return both


def client_context() -> ssl.SSLContext:
    """Trusts that certificate and no other."""
    return ssl.create_default_context(cafile=str(certificate()))


class TlsSocket:
    """As much of `socket.socket` as the tests use, over TLS on a connected one."""

    def __init__(
        self,
        sock: socket.socket,
        context: ssl.SSLContext,
        name: str | None = "localhost",
        session: ssl.SSLSession | None = None,
    ) -> None:
        """Shakes hands.

        :param name: the server's, said to it and checked; None: not said.
        :param session: to be resumed.
        """
        self.sock = sock
        self.heard = bytearray()
        """What has come until the end of the handshake, as it stood on the wire."""
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._unsent = b""
        self._ahead: bytes | None = None
        self._lock = threading.Lock()
        self.tls = context.wrap_bio(self._in, self._out, server_hostname=name, session=session)
        self._shaking = True
        try:
            self._run(self.tls.do_handshake)
        except BaseException:
            sock.close()
            raise
        self._shaking = False

    def _step(self, step: Callable[..., Any], *args: object) -> Any:
        """One step of OpenSSL, and what it wants to send: a test's threads may read and write."""
        with self._lock:
            try:
                result = step(*args)
            except ssl.SSLWantReadError:
                self._flush()
                raise
            except ssl.SSLError:
                with contextlib.suppress(OSError):  # an alert, perhaps to nobody
                    self._flush()
                raise
            self._flush()
            return result

    def _flush(self) -> None:
        rest, self._unsent = self._unsent + self._out.read(), b""
        if self.sock.gettimeout() != 0:
            if rest:
                self.sock.sendall(rest)
            return
        try:
            while rest:
                rest = rest[self.sock.send(rest) :]
        finally:
            self._unsent = rest

    def _run(self, step: Callable[..., Any], *args: object) -> Any:
        while True:
            try:
                return self._step(step, *args)
            except ssl.SSLWantReadError:
                self._fill()

    def _fill(self) -> None:
        data = self.sock.recv(1 << 20)
        if self._shaking:
            self.heard += data
        if data:
            self._in.write(data)
        else:
            self._in.write_eof()

    def sendall(self, data: bytes) -> None:
        self.send(data)

    def send(self, data: bytes, flags: int = 0) -> int:
        assert flags == 0
        view = memoryview(data)
        if self.sock.gettimeout() == 0:
            self._flush()  # what is left of a record that was taken must go first
            view = view[:RECORD]
            with contextlib.suppress(BlockingIOError):
                self._step(self.tls.write, view)
            return len(view)
        for at in range(0, len(view), RECORD):
            self._step(self.tls.write, view[at : at + RECORD])
        return len(view)

    def recv(self, size: int, flags: int = 0) -> bytes:
        """b"" is the peer's close_notify; an end without it is a ConnectionResetError."""
        if self._ahead is None:
            self._ahead = self._read(size)
        data = self._ahead[:size]
        if not flags & socket.MSG_PEEK:
            self._ahead = self._ahead[size:] or None
        return data

    def _read(self, size: int) -> bytes:
        try:
            data = bytearray(self._run(self.tls.read, size))
            with contextlib.suppress(ssl.SSLWantReadError, ssl.SSLZeroReturnError):
                more = data
                while more and len(data) < size:  # what else has come
                    more = self._step(self.tls.read, size - len(data))
                    data += more
            return bytes(data)
        except ssl.SSLZeroReturnError:
            return b""
        except ssl.SSLEOFError:
            raise ConnectionResetError("ended without close_notify") from None

    def readable(self, seconds: float) -> bool:
        """Whether there is something to read, or an end, within that time; tickets are neither."""
        deadline = time.monotonic() + seconds
        while self._ahead is None:
            try:
                self._ahead = self._step(self.tls.read, 1 << 16)
            except ssl.SSLWantReadError:
                left = max(0.0, deadline - time.monotonic())
                if not select.select([self.sock], [], [], left)[0]:
                    return False
                try:
                    self._fill()
                except OSError:
                    return True
            except ssl.SSLError:
                return True  # an end: recv() says which
        return True

    def recv_into(self, buffer: bytearray | memoryview, size: int = 0) -> int:
        data = self.recv(size or len(buffer))
        buffer[: len(data)] = data
        return len(data)

    def shutdown(self, how: int) -> None:
        assert how == socket.SHUT_WR
        with contextlib.suppress(ssl.SSLError):  # the peer's close_notify need not have come
            self._step(self.tls.unwrap)

    def close(self) -> None:
        if self.sock.fileno() != -1:
            with contextlib.suppress(OSError, ValueError):
                self.sock.settimeout(0)
                self.shutdown(socket.SHUT_WR)
        self.sock.close()

    def abort(self) -> None:
        """Closes without a word."""
        self.sock.close()

    def fileno(self) -> int:
        return self.sock.fileno()

    def settimeout(self, seconds: float | None) -> None:
        self.sock.settimeout(seconds)

    def setblocking(self, blocking: bool) -> None:
        self.sock.setblocking(blocking)

    def setsockopt(self, *args: object) -> None:
        self.sock.setsockopt(*args)  # type: ignore[call-overload]

    def getsockname(self) -> object:
        return self.sock.getsockname()

    def getpeername(self) -> object:
        return self.sock.getpeername()
