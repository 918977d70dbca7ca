"""Clients that shake hands in ways of their own: raw, by Python's ssl, by `openssl s_client`."""

from __future__ import annotations

import random
import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from .client import PATIENCE, Client, request
from .harness import Server, connect_tcp
from .tls_pki import authority
from .tls_socket import TlsSocket

needs_openssl = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="the command openssl is not installed"
)

VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
both_versions = pytest.mark.parametrize("version", VERSIONS)


def context_for(version: str | None = None, **attributes: Any) -> ssl.SSLContext:
    """Trusts the first authority; speaks that version only, where one is given.

    :param attributes: to be set on the context.
    """
    context = authority().trust()
    if version is not None:
        context.minimum_version = context.maximum_version = VERSIONS[version]
    for name, value in attributes.items():
        setattr(context, name, value)
    return context


def shake(
    server: Server,
    context: ssl.SSLContext,
    name: str | None = "localhost",
    session: ssl.SSLSession | None = None,
) -> Client:
    """A connection whose handshake is done."""
    return Client(TlsSocket(connect_tcp(server.address), context, name, session))


def refusal(server: Server, context: ssl.SSLContext, name: str = "localhost") -> str:
    """How the server refuses, as the reason of OpenSSL says it.

    What it thinks of a client's certificate comes behind the client's handshake in TLS 1.3.
    """
    with pytest.raises(ssl.SSLError) as caught:  # noqa: PT012 - at either of two places
        client = shake(server, context, name)
        try:
            client.exchange(request())
        finally:
            client.sock.abort()
    return str(caught.value.reason)


def s_client(server: Server, *arguments: str, say: bytes = b"", ends: bool = True) -> str:
    """What `openssl s_client` prints.

    :param say: what it reads from its standard input.
    :param ends: say the input's end, upon which it leaves; else it stays until the server ends.
    """
    assert isinstance(server.address, tuple)
    host, port = server.address
    line = ["openssl", "s_client", "-connect", f"{host}:{port}", *arguments]
    process = subprocess.Popen(
        line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert process.stdin is not None
    assert process.stdout is not None
    with process:
        try:
            if ends:
                return process.communicate(say, PATIENCE)[0].decode(errors="replace")
            process.stdin.write(say)
            process.stdin.flush()
            process.wait(PATIENCE)
            return process.stdout.read().decode(errors="replace")
        finally:
            process.kill()


def first_flight(context: ssl.SSLContext, name: str = "localhost") -> bytes:
    """The record of a ClientHello."""
    out = ssl.MemoryBIO()
    tls = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return out.read()


class Sliced(socket.socket):
    """A connection that sends and takes in pieces of random sizes."""

    largest = 1

    @classmethod
    def over(cls, sock: socket.socket, largest: int, seed: int) -> Sliced:
        """Takes a connection.

        :param largest: size of a piece; 1 is byte by byte.
        """
        own = cls(fileno=sock.detach())
        own.settimeout(PATIENCE)
        own.largest = largest
        own.random = random.Random(seed)
        return own

    random: random.Random

    def sendall(self, data: Any, flags: int = 0) -> None:
        view, at = memoryview(data), 0
        while at < len(view):
            size = self.random.randint(1, self.largest)
            super().sendall(view[at : at + size], flags)
            at += size

    def recv(self, size: int, flags: int = 0) -> bytes:
        return super().recv(self.random.randint(1, self.largest), flags)


def in_background(call: Callable[[], Any]) -> Any:
    """A thread that calls it; `result()` waits for what it gives."""
    import concurrent.futures

    pool = concurrent.futures.ThreadPoolExecutor(1)
    future = pool.submit(call)
    pool.shutdown(wait=False)
    return future
