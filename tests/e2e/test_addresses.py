"""What requests over each kind of address look like: IPv6, dual stack, several, unix sockets.

How sockets are opened is tested in tests/python/test_sockets.py.
"""

import json
import re
import socket
from pathlib import Path

import pytest

from .client import PATIENCE, Client, request
from .conftest import Serve
from .harness import Server, connect_unix
from .tls_socket import TlsSocket, client_context


def over(server: Server, sock: socket.socket) -> Client:
    """A client of that server on a connected socket."""
    return Client(TlsSocket(sock, client_context()) if server.scheme == "https" else sock)


def connect(server: Server, host: str, port: int) -> Client:
    """A TCP connection there."""
    return over(server, socket.create_connection((host, port), PATIENCE))


def environ(client: Client) -> dict[str, str]:
    """The environ of a request on that connection."""
    answer: dict[str, str] = json.loads(client.exchange(request("GET", "/environ")).body)
    return answer


def has_ipv6() -> bool:
    """True where this machine has the loopback address ::1."""
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


needs_ipv6 = pytest.mark.skipif(not has_ipv6(), reason="this machine has no address ::1")


def port_of(server: Server, host: str) -> int:
    """The port behind that host in the block at the start."""
    match = re.search(rf"{server.scheme}://{re.escape(host)}:(\d+)", server.log)
    assert match is not None, server.log
    return int(match[1])


@needs_ipv6
def test_ipv6(serve: Serve) -> None:
    server = serve("probe:checked", "--bind", "[::1]:0")
    with connect(server, "::1", port_of(server, "[::1]")) as client:
        seen = environ(client)
        assert seen["REMOTE_ADDR"] == "::1"
        assert int(seen["REMOTE_PORT"]) == client.sock.getsockname()[1]


@needs_ipv6
def test_dual_stack(serve: Serve) -> None:
    """IPv4 clients of [::] are IPv4 clients to the application."""
    server = serve("probe:checked", "--bind", "[::]:0")
    port = port_of(server, "[::]")
    for host in ("127.0.0.1", "::1"):
        with connect(server, host, port) as client:
            assert environ(client)["REMOTE_ADDR"] == host


@pytest.mark.matrix("workers")
def test_several_addresses(serve: Serve) -> None:
    server = serve("probe:checked", "--bind", "127.0.0.2:0", "--bind", "127.0.0.3:0")
    for host in ("127.0.0.1", "127.0.0.2", "127.0.0.3"):
        with connect(server, host, port_of(server, host)) as client:
            seen = environ(client)
            assert (seen["SERVER_NAME"], int(seen["SERVER_PORT"])) == client.sock.getpeername()


@pytest.mark.matrix("workers")
def test_unix_socket_and_tcp_together(serve: Serve, room: Path) -> None:
    path = room / "both"
    server = serve("probe:checked", "--bind", f"unix:{path}")
    with over(server, connect_unix(str(path))) as client, server.connect() as other:
        seen = environ(client)
        assert seen["REMOTE_ADDR"] == ""
        assert seen["SERVER_NAME"]
        assert environ(other)["REMOTE_ADDR"] == "127.0.0.1"
    server.stop()
    assert not path.exists()


@pytest.mark.matrix("workers")
def test_every_worker_serves(server: Server) -> None:
    """The kernel spreads connections; in the end each worker has had one."""
    pids = set()
    for _ in range(500):
        with server.connect() as client:
            pids.add(json.loads(client.exchange(request("GET", "/process")).body)["pid"])
        if len(pids) == server.shape.workers:
            break
    assert len(pids) == server.shape.workers
    assert server.process.pid not in pids
