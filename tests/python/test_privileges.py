"""Users, groups and umask: whom workers become, and to whom unix sockets belong."""

from __future__ import annotations

import grp
import http.client
import json
import os
import pwd
import signal
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from harness import PATIENCE, freastal

from freastal.kinds import ConfigError
from freastal.privileges import Identity, identity, socket_owner

root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")

APP = """
import json, os

IMPORTED_BY = os.getuid()

def application(environ, start_response):
    umask = os.umask(0)
    os.umask(umask)
    body = json.dumps({
        "imported by": IMPORTED_BY,
        "users": os.getresuid(),
        "groups": os.getresgid(),
        "more groups": sorted(os.getgroups()),
        "umask": umask,
    }).encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]
"""

NOBODY = pwd.getpwnam("nobody")
DAEMON = grp.getgrnam("daemon")


@pytest.fixture
def public(tmp_path: Path) -> Path:
    """A directory that another user may enter."""
    for each in (tmp_path, *tmp_path.parents):
        if each.stat().st_uid == os.geteuid() and each != Path("/"):
            each.chmod(each.stat().st_mode | 0o055)
    return tmp_path


def config(**values: str) -> Any:
    names = ("user", "group", "uds_owner", "uds_group")
    return SimpleNamespace(**dict.fromkeys(names, "") | values)


@root
class TestWorkers:
    @pytest.mark.parametrize("user", ["nobody", str(NOBODY.pw_uid)])
    def test_become_the_user(self, public: Path, user: str) -> None:
        with freastal(public, "--user", user, app=APP) as server:
            told = json.loads(server.get())
            assert told["imported by"] == NOBODY.pw_uid
            assert told["users"] == [NOBODY.pw_uid] * 3
            assert told["groups"] == [NOBODY.pw_gid] * 3
            assert told["more groups"] == sorted(os.getgrouplist("nobody", NOBODY.pw_gid))
            assert os.stat(f"/proc/{server.pid}").st_uid == 0, "the supervisor stays who it is"
            server.send(signal.SIGHUP)
            server.wait_for("reloaded")
            assert json.loads(server.get())["users"] == [NOBODY.pw_uid] * 3
            assert server.stop() == 0

    def test_become_the_group(self, public: Path) -> None:
        with freastal(public, "-u", "nobody", "-g", "daemon", "-m", "027", app=APP) as server:
            told = json.loads(server.get())
            assert told["users"] == [NOBODY.pw_uid] * 3
            assert told["groups"] == [DAEMON.gr_gid] * 3
            assert told["more groups"] == sorted(os.getgrouplist("nobody", DAEMON.gr_gid))
            assert told["umask"] == 0o027

    def test_become_numbers_without_names(self, public: Path) -> None:
        with freastal(public, "--user", "54321", "--group", "54322", app=APP) as server:
            told = json.loads(server.get())
            assert (told["users"], told["groups"]) == ([54321] * 3, [54322] * 3)
            assert told["more groups"] == [54322]

    def test_serve_from_a_low_port_and_a_socket_of_theirs(self, public: Path) -> None:
        path = public / "s"
        options = ("--bind", f"unix:{path}", "--uds-permissions", "600", "--user", "nobody")
        with freastal(public, *options, app=APP) as server:
            found = path.stat()
            assert (found.st_uid, found.st_gid) == (NOBODY.pw_uid, NOBODY.pw_gid)
            assert found.st_mode & 0o777 == 0o600
            assert server.stop() == 0
            assert not path.exists()

    def test_socket_of_somebody_else(self, public: Path) -> None:
        path = public / "s"
        options = ("--uds", str(path), "--uds-owner", "nobody", "--uds-group", "daemon")
        with freastal(public, *options, app=APP) as server:
            found = path.stat()
            assert (found.st_uid, found.st_gid) == (NOBODY.pw_uid, DAEMON.gr_gid)
            os.kill(server.pid, signal.SIGKILL)
            server.wait_all_gone()
            assert path.exists(), "it was left behind"
        with freastal(public, *options, app=APP), socket.socket(socket.AF_UNIX) as client:
            client.settimeout(PATIENCE)
            client.connect(str(path))
            client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
            response = http.client.HTTPResponse(client)
            response.begin()
            assert json.loads(response.read())["users"] == [0, 0, 0]

    def test_cannot_where_the_supervisor_is_not_root(self, public: Path) -> None:
        source = (  # another user may not be able to read the interpreter's files
            "import os\n"
            "os.geteuid = os.getegid = lambda: 1\n"
            "from freastal.cli import main\n"
            "raise SystemExit(main(['--port', '0', '--user', 'root', 'json:dumps']))"
        )
        done = subprocess.run(
            [sys.executable, "-c", source],
            cwd=public,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert done.returncode == 2
        assert done.stderr.startswith("freastal: --user root: only root can change to that (")


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--user", "nosuch"], "--user: there is no user 'nosuch' (allowed: the name of a user, "),
        (["--group", "nosuch"], "--group: there is no group 'nosuch' (allowed: the name of a "),
        (["--user", "4294967295"], "wrong value for --user: '4294967295' (allowed: "),
        (["--user", "9" * 5000], "wrong value for --user: '999"),
        (["--user", "54321"], "--user 54321 is no user that this system knows, and has no group "),
        (["--uds-owner", "nosuch"], "--uds-owner: there is no user 'nosuch'"),
        (["--uds-group", "nosuch"], "--uds-group: there is no group 'nosuch'"),
        (["--umask", "999"], "wrong value for --umask: '999'"),
    ],
)
def test_wrong_names(tmp_path: Path, options: list[str], line: str) -> None:
    with freastal(tmp_path, *options, ready=False) as server:
        assert server.wait() == 2
        assert server.log.startswith(f"freastal: {line}")
        assert len(server.log.splitlines()) == 1


class TestIdentity:
    def test_of_nobody_in_particular(self) -> None:
        assert identity(config()) is None
        assert socket_owner(config(), None) == (-1, -1)

    def test_of_a_socket_is_that_of_the_workers(self) -> None:
        workers = Identity(5, 6, "")
        assert socket_owner(config(), workers) == (5, 6)
        assert socket_owner(config(uds_owner="nobody"), workers) == (NOBODY.pw_uid, 6)
        assert socket_owner(config(uds_group="daemon"), workers) == (5, DAEMON.gr_gid)

    def test_who_is_that_already_need_not_be_root(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "geteuid", lambda: NOBODY.pw_uid)
        monkeypatch.setattr(os, "getegid", lambda: NOBODY.pw_gid)
        assert identity(config(user="nobody")) is None
        with pytest.raises(ConfigError, match=r"^--user root: only root can change to that \("):
            identity(config(user="root"))
        with pytest.raises(ConfigError, match=r"^--group daemon: only root can change to that"):
            identity(config(group="daemon"))
