"""Opening and closing the listening sockets."""

from __future__ import annotations

import errno
import os
import socket
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from freastal.addresses import TcpAddress, UnixAddress, parse_address
from freastal.sockets import ListenError, Listeners

pytestmark = pytest.mark.filterwarnings("error")  # a socket that is not closed warns

Open = Callable[..., Listeners]


@pytest.fixture
def listen() -> Iterator[Open]:
    """Open addresses, and close them after the test."""
    opened: list[Listeners] = []

    def start(*texts: str, slots: int = 1, mode: int = 0o666, reuse_port: bool = True) -> Listeners:
        addresses = [parse_address(text) for text in texts]
        listeners = Listeners(
            addresses, slots=slots, backlog=64, uds_permissions=mode, reuse_port=reuse_port
        )
        opened.append(listeners)
        return listeners

    yield start
    for each in opened:
        each.close()


def refusal(listen: Open, text: str) -> str:
    with pytest.raises(ListenError) as error:
        listen(text)
    assert len(str(error.value).splitlines()) == 1
    assert str(error.value).startswith(f"cannot listen on {text}: ")
    return str(error.value).removeprefix(f"cannot listen on {text}: ")


def port_of(listeners: Listeners, index: int = 0) -> int:
    address = listeners.bound[index]
    assert isinstance(address, TcpAddress)
    return address.port


def accepted(listener: socket.socket) -> int:
    count = 0
    while True:
        try:
            listener.accept()[0].close()
        except BlockingIOError:
            return count
        count += 1


class TestTcp:
    def test_one_socket_a_worker_on_one_port(self, listen: Open) -> None:
        listeners = listen("127.0.0.1:0", slots=3)
        sockets = [each for index in range(3) for each in listeners.of_slot(index)]
        assert len({each.fileno() for each in sockets}) == 3
        assert {each.getsockname() for each in sockets} == {("127.0.0.1", port_of(listeners))}
        for each in sockets:
            assert not each.getblocking()
            assert not each.get_inheritable()

    def test_every_connection_comes_to_one_worker(self, listen: Open) -> None:
        listeners = listen("127.0.0.1:0", slots=2)
        clients = [socket.create_connection(("127.0.0.1", port_of(listeners))) for _ in range(32)]
        counts = [accepted(listeners.of_slot(index)[0]) for index in range(2)]
        for client in clients:
            client.close()
        assert sum(counts) == 32

    def test_dual_stack(self, listen: Open) -> None:
        listeners = listen("[::]:0")
        for host in ("127.0.0.1", "::1"):
            with socket.create_connection((host, port_of(listeners))):
                assert accepted(listeners.of_slot(0)[0]) == 1

    def test_another_ipv6_address_is_no_dual_stack(self, listen: Open) -> None:
        listeners = listen("[::1]:0")
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port_of(listeners)))

    def test_a_name_with_more_addresses_has_one_port(
        self, listen: Open, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        both = [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 0)),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.2", 0)),
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.0.2.123", 0)),  # not ours
        ]
        monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: both)
        listeners = listen("name:0", slots=2)
        port = port_of(listeners)
        assert listeners.bound == [TcpAddress("127.0.0.1", port), TcpAddress("127.0.0.2", port)]
        assert len(listeners.of_slot(1)) == 2

    def test_a_port_that_is_taken(self, listen: Open) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            assert refusal(listen, f"127.0.0.1:{port}") == "address already in use"
            assert refusal(listen, f"0.0.0.0:{port}") == "address already in use"

    def test_a_port_that_is_shared_willingly(self, listen: Open) -> None:
        port = port_of(listen("127.0.0.1:0", slots=2))
        assert refusal(listen, f"127.0.0.1:{port}") == "address already in use"

    def test_a_port_just_left(self, listen: Open) -> None:
        listeners = listen("127.0.0.1:0")
        port = port_of(listeners)
        client = socket.create_connection(("127.0.0.1", port))
        served = listeners.of_slot(0)[0].accept()[0]
        served.close()  # this side closes first, and keeps the port in TIME_WAIT
        client.close()
        listeners.close()
        assert port_of(listen(f"127.0.0.1:{port}")) == port

    def test_an_address_of_another_machine(self, listen: Open) -> None:
        assert refusal(listen, "192.0.2.123:0") == "cannot assign requested address"

    @pytest.mark.parametrize("host", ["nowhere.invalid", "a..b", "x" * 70, "ü" * 70])
    def test_a_name_that_is_none(self, listen: Open, host: str) -> None:
        assert refusal(listen, f"{host}:80")

    def test_a_failure_leaves_nothing_open(self, listen: Open, tmp_path: Path) -> None:
        port = port_of(first := listen("127.0.0.1:0"))
        first.close()
        path = tmp_path / "s"
        with pytest.raises(ListenError):
            listen(f"127.0.0.1:{port}", f"unix:{path}", "192.0.2.123:80")
        assert not path.exists()
        assert port_of(listen(f"127.0.0.1:{port}")) == port

    def test_one_slot_more_and_less(self, listen: Open) -> None:
        listeners = listen("127.0.0.1:0", "localhost:0", slots=2)
        before = listeners.all
        count = len(before) // 2
        listeners.add_slot()
        new = listeners.of_slot(2)
        assert len(new) == count
        assert {each.getsockname() for each in new} == {each.getsockname() for each in before}
        assert listeners.of_slot(3) == []
        listeners.remove_slot()
        assert listeners.all == before
        assert all(each.fileno() < 0 for each in new)

    def test_one_slot_more_that_cannot_be_opened(
        self, listen: Open, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        listeners = listen("127.0.0.1:0", "127.0.0.1:0", slots=2)
        before = listeners.all
        calls = iter([None, OSError(errno.EMFILE, "no more")])
        listen_on = socket.socket.listen

        def fail(sock: socket.socket, *backlog: int) -> None:
            if error := next(calls):
                raise error
            listen_on(sock, *backlog)

        with monkeypatch.context() as patch:
            patch.setattr(socket.socket, "listen", fail)
            with pytest.raises(OSError, match="no more"):
                listeners.add_slot()
        assert listeners.all == before
        listeners.add_slot()
        assert len(listeners.all) == 6

    def test_one_socket_for_all(self, listen: Open) -> None:
        listeners = listen("127.0.0.1:0", slots=3, reuse_port=False)
        (one,) = listeners.all
        assert listeners.common == listeners.of_slot(0) == listeners.of_slot(2) == [one]
        assert not one.getblocking()
        listeners.add_slot()
        listeners.steer([1])
        listeners.remove_slot()
        assert listeners.all == [one]
        with pytest.raises(ListenError, match="already in use"):
            listen(f"127.0.0.1:{port_of(listeners)}", reuse_port=False)


class TestUnix:
    @pytest.mark.parametrize("mode", [0o600, 0o666, 0o770, 0o777])
    @pytest.mark.parametrize("umask", [0o077, 0o000])
    def test_permissions(self, listen: Open, tmp_path: Path, mode: int, umask: int) -> None:
        before = os.umask(umask)
        try:
            listen(f"unix:{tmp_path}/s", mode=mode)
            assert os.umask(umask) == umask
        finally:
            os.umask(before)
        assert stat.S_IMODE((tmp_path / "s").stat().st_mode) == mode

    def test_all_workers_share_one(self, listen: Open, tmp_path: Path) -> None:
        listeners = listen(f"unix:{tmp_path}/s", slots=2)
        assert listeners.of_slot(0) == listeners.of_slot(1)
        assert not listeners.of_slot(0)[0].getblocking()
        assert listeners.common == listeners.all == listeners.of_slot(0)

    def test_the_file_goes_at_the_end(
        self, listen: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        listeners = listen("unix:s")
        assert listeners.bound == [UnixAddress("s")]
        monkeypatch.chdir("/")
        listeners.close()
        assert not (tmp_path / "s").exists()
        listeners.close()  # twice does no harm

    def test_the_file_stays_when_a_child_closes(self, listen: Open, tmp_path: Path) -> None:
        listeners = listen(f"unix:{tmp_path}/s")
        pid = os.fork()
        if pid == 0:
            listeners.close()
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
        assert (tmp_path / "s").exists()

    def test_the_file_of_a_successor_stays(self, listen: Open, tmp_path: Path) -> None:
        listeners = listen(f"unix:{tmp_path}/s")
        (tmp_path / "s").rename(tmp_path / "kept")  # so that its number is not given again
        listen(f"unix:{tmp_path}/s")
        listeners.close()
        assert (tmp_path / "s").exists()

    def test_a_stale_socket_is_replaced(self, listen: Open, tmp_path: Path) -> None:
        with socket.socket(socket.AF_UNIX) as stale:
            stale.bind(str(tmp_path / "s"))
        listeners = listen(f"unix:{tmp_path}/s")
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(tmp_path / "s"))
            assert accepted(listeners.of_slot(0)[0]) == 1

    def test_a_socket_in_use_stays(self, listen: Open, tmp_path: Path) -> None:
        listen(f"unix:{tmp_path}/s")
        assert refusal(listen, f"unix:{tmp_path}/s") == "another server answers there"

    def test_a_socket_in_use_that_is_full_stays(self, listen: Open, tmp_path: Path) -> None:
        path = str(tmp_path / "s")
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path)
            server.listen(0)
            waiting = []
            while True:
                client = socket.socket(socket.AF_UNIX)
                waiting.append(client)
                client.setblocking(False)
                if client.connect_ex(path):
                    break
            assert refusal(listen, f"unix:{path}") == "another server answers there"
            for client in waiting:
                client.close()

    @pytest.mark.parametrize("kind", ["file", "directory", "link", "pipe"])
    def test_what_is_no_socket_stays(self, listen: Open, tmp_path: Path, kind: str) -> None:
        path = tmp_path / "s"
        if kind == "file":
            path.write_text("precious")
        elif kind == "directory":
            path.mkdir()
        elif kind == "link":
            path.symlink_to(tmp_path / "elsewhere")
        else:
            os.mkfifo(path)
        before = path.lstat()
        assert "no socket" in refusal(listen, f"unix:{path}")
        assert path.lstat().st_ino == before.st_ino

    def test_a_socket_of_another_user_stays(
        self, listen: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with socket.socket(socket.AF_UNIX) as stale:
            stale.bind(str(tmp_path / "s"))
        other = os.geteuid() + 1
        monkeypatch.setattr(os, "geteuid", lambda: other)
        assert "another user" in refusal(listen, f"unix:{tmp_path}/s")
        assert (tmp_path / "s").exists()

    def test_no_directory(self, listen: Open, tmp_path: Path) -> None:
        assert refusal(listen, f"unix:{tmp_path}/none/s") == "no such file or directory"

    def test_a_path_that_is_too_long(self, listen: Open, tmp_path: Path) -> None:
        assert refusal(listen, f"unix:{tmp_path}/{'x' * 200}") == "AF_UNIX path too long"
