"""Sockets that the server has not opened: ``--fd``, ``fd://``, and a service manager's."""

from __future__ import annotations

import contextlib
import http.client
import os
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from harness import APP, PATIENCE, Server, freastal, running

from freastal.addresses import parse_address
from freastal.sockets import ListenError, Listeners

MANAGER = """
import os, sys
fds = [int(each) for each in sys.argv[1].split(",")]
for index, fd in enumerate(fds):
    os.dup2(fd, 100 + index)
for index in range(len(fds)):
    os.dup2(100 + index, 3 + index)
os.environ.update(LISTEN_PID=os.environ.get("PRETEND", str(os.getpid())), LISTEN_FDS=str(len(fds)))
os.execv(sys.executable, [sys.executable, "-m", "freastal", *sys.argv[2:], "wanted"])
"""


def listening(family: int = socket.AF_INET, address: object = ("127.0.0.1", 0)) -> socket.socket:
    new = socket.socket(family, socket.SOCK_STREAM)
    new.bind(address)  # type: ignore[arg-type]
    new.listen()
    return new


def get(given: socket.socket) -> str:
    """An answer over that socket."""
    with socket.socket(given.family, socket.SOCK_STREAM) as client:
        client.settimeout(PATIENCE)
        client.connect(given.getsockname())
        client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        response = http.client.HTTPResponse(client)
        response.begin()
        return response.read().decode()


@contextlib.contextmanager
def handed_over(
    directory: Path,
    *given: socket.socket,
    options: Sequence[str] = (),
    ready: bool = True,
    env: dict[str, str] | None = None,
) -> Iterator[Server]:
    """Run the server as a service manager starts it, with these sockets from descriptor 3 on."""
    (directory / "wanted.py").write_text(APP)
    (directory / "manager.py").write_text(MANAGER)
    fds = [each.fileno() for each in given]
    command = [sys.executable, "manager.py", ",".join(map(str, fds)), *options]
    with running(directory, command, ready=ready, env=env, pass_fds=fds) as server:
        yield server


class TestDescriptors:
    @pytest.mark.parametrize("form", ["--fd {}", "--bind fd://{}"])
    def test_all_workers_accept_from_it(self, tmp_path: Path, form: str) -> None:
        with listening() as given:
            options = form.format(given.fileno()).split()
            with freastal(tmp_path, *options, "-w", "2", pass_fds=[given.fileno()]) as server:
                assert get(given).startswith("pid ")
                assert server.ports == [given.getsockname()[1]]
                server.worker_pids(2)
                server.send(signal.SIGHUP)
                server.wait_for("reloaded")
                assert get(given).startswith("pid ")
                assert server.stop() == 0
            # It is whoever's it was, and listens still.
            socket.create_connection(given.getsockname(), PATIENCE).close()

    def test_what_cannot_be_served_from(self, tmp_path: Path) -> None:
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams,
            socket.socket(socket.AF_INET, socket.SOCK_STREAM) as deaf,
            socket.socket(socket.AF_NETLINK, socket.SOCK_RAW) as other,
            (tmp_path / "file").open("w") as file,
        ):
            for given, reason in (
                (datagrams, "it is no stream socket"),
                (deaf, "it does not listen"),
                (other, "it is neither an IPv4, nor an IPv6, nor a unix socket"),
                (file, "it is no socket"),
            ):
                fd = given.fileno()
                with freastal(tmp_path, "--fd", str(fd), ready=False, pass_fds=[fd]) as server:
                    assert server.wait() == 1
                    assert server.log == f"freastal: cannot listen on fd://{fd}: {reason}\n"

    def test_one_that_is_not_there(self, tmp_path: Path) -> None:
        with freastal(tmp_path, "--fd", "77", ready=False) as server:
            assert server.wait() == 1
            assert server.log.startswith("freastal: cannot listen on fd://77: there is no such ")

    def test_one_given_twice(self, tmp_path: Path) -> None:
        with listening() as given:
            bind = f"fd://{given.fileno()}"
            with pytest.raises(ListenError, match="it is given twice"):
                Listeners([parse_address(bind)] * 2, slots=1, backlog=1, uds_permissions=0o600)
            given.detach()


class TestServiceManager:
    def test_sockets_of_every_family(self, tmp_path: Path) -> None:
        with (
            listening() as ipv4,
            listening(socket.AF_INET6, ("::1", 0)) as ipv6,
            listening(socket.AF_UNIX, str(tmp_path / "s")) as path,
            listening(socket.AF_UNIX, f"\0freastal-test-{os.getpid()}") as abstract,
        ):
            given = (ipv4, ipv6, path, abstract)
            with handed_over(tmp_path, *given, options=["--port", "1"]) as server:
                for each in given:
                    assert get(each).startswith("pid ")
                assert f"  unix:@freastal-test-{os.getpid()}\n" in server.log
                assert "not on those of the options" in server.log
                assert server.stop() == 0
            assert (tmp_path / "s").is_socket(), "it is not ours to remove"

    def test_for_another_process(self, tmp_path: Path) -> None:
        with listening() as given:
            options, env = ["--port", "0"], {"PRETEND": "1"}
            with handed_over(tmp_path, given, options=options, env=env) as server:
                assert given.getsockname()[1] not in server.ports
                assert server.get().startswith("pid ")

    def test_what_cannot_be_served_from(self, tmp_path: Path) -> None:
        with (
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams,
            handed_over(tmp_path, datagrams, ready=False) as server,
        ):
            assert server.wait() == 1
            assert "cannot listen on fd://3: it is no stream socket\n" in server.log


class TestAbstractNames:
    def test_serves_and_leaves_no_file(self, tmp_path: Path) -> None:
        name = f"freastal-test-{os.getpid()}-own"
        with freastal(tmp_path, "--bind", f"unix:@{name}", "-w", "2") as server:
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as client:
                client.connect(f"\0{name}")
                client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                assert client.recv(100).startswith(b"HTTP/1.1 200 ")
            with freastal(tmp_path, "--uds", f"@{name}", ready=False) as second:
                assert second.wait() == 1
                assert "address already in use" in second.log
            assert not list(tmp_path.glob("@*"))
            assert server.stop() == 0
