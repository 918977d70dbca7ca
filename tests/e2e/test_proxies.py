"""Behind a real proxy, which keeps connections to the server alive and uses them again."""

import grp
import json
import os
import pwd
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from .client import PATIENCE
from .conftest import Serve
from .harness import Server

BODY = bytes(range(256)) * 3000

NGINX = """
daemon off;
user {user} {group};
pid {directory}/pid;
error_log stderr;
events {{ }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    client_max_body_size 0;
    upstream app {{ server {upstream}; keepalive 4; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass {scheme}://app;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $http_host;
            proxy_set_header X-Forwarded-For $remote_addr;
        }}
        location /unbuffered/ {{
            proxy_pass {scheme}://app/;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_request_buffering off;
            proxy_buffering off;
        }}
    }}
}}
"""

HAPROXY = """
defaults
    mode http
    timeout connect 10s
    timeout client 60s
    timeout server 60s
    http-reuse always
    option forwardfor
frontend front
    bind 127.0.0.1:{port}
    default_backend app
backend app
    http-request set-path %[path,regsub(^/unbuffered/,/)]
    server app {upstream} {tls}
"""


def free_port() -> int:
    """A port that nobody has just now; the proxies cannot take port 0 and tell."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


@contextmanager
def proxy(
    make_command: Callable[[Path], list[str]],
    template: str,
    upstream: str,
    scheme: str,
    directory: Path,
) -> Iterator[str]:
    """The URL of a proxy before that upstream, to which it speaks http or https."""
    directory.mkdir()
    port = free_port()
    config = directory / "config"
    config.write_text(
        template.format(
            directory=directory,
            upstream=upstream,
            scheme=scheme,
            tls="ssl verify none" if scheme == "https" else "",
            port=port,
            user=pwd.getpwuid(os.getuid()).pw_name,
            group=grp.getgrgid(os.getgid()).gr_name,
        )
    )
    with open(directory / "log", "wb") as log:
        process = subprocess.Popen(make_command(config), stdout=log, stderr=log, cwd=directory)
    try:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert process.poll() is None, (directory / "log").read_text()
                assert time.monotonic() < deadline
                time.sleep(0.02)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(PATIENCE)


def nginx(config: Path) -> list[str]:
    """The command line of nginx."""
    return [find("nginx"), "-e", "stderr", "-c", str(config), "-p", str(config.parent)]


def haproxy(config: Path) -> list[str]:
    """The command line of haproxy, in the foreground."""
    return [find("haproxy"), "-db", "-f", str(config)]


def find(name: str) -> str:
    """The program's path; Debian keeps both where users' PATH does not look."""
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path


def upstream_of(server: Server, kind: str) -> str:
    """How that proxy writes the server's address."""
    if isinstance(server.address, tuple):
        return f"{server.address[0]}:{server.address[1]}"
    return f"unix:{server.address}" if kind == "nginx" else f"unix@{server.address}"


@pytest.mark.matrix("transport", "threads")
@pytest.mark.parametrize("kind", ["nginx", "haproxy"])
def test_behind_a_proxy(serve: Serve, room: Path, kind: str) -> None:
    server = serve("probe:plain")
    command, template = {"nginx": (nginx, NGINX), "haproxy": (haproxy, HAPROXY)}[kind]
    upstream = upstream_of(server, kind)
    with (
        proxy(command, template, upstream, server.scheme, room / "proxy") as url,
        requests.Session() as session,
    ):
        ports = set()
        for _ in range(50):
            environ = session.get(url + "/environ", headers={"X-A": "b"}).json()
            assert (environ["HTTP_X_A"], environ["HTTP_X_FORWARDED_FOR"]) == ("b", "127.0.0.1")
            assert environ["SERVER_PROTOCOL"] == "HTTP/1.1"
            ports.add(environ.get("REMOTE_PORT"))
        if server.shape.transport == "tcp":
            assert len(ports) == 1  # the connection is kept and used again
        for prefix in ("", "/unbuffered"):
            assert session.post(f"{url}{prefix}/echo", data=BODY).content == BODY
            pieces = iter([BODY[:1000], BODY[1000:]])
            assert session.post(f"{url}{prefix}/echo", data=pieces).content == BODY
            answer = session.get(f"{url}{prefix}/respond?kind=generator&piece=70000&piece=1")
            assert len(answer.content) == 70_001
            answer = session.head(f"{url}{prefix}/respond?length=500&piece=500")
            assert answer.headers["Content-Length"] == "500"
            answer = session.get(f"{url}{prefix}/respond?status=304+Not+Modified&type=")
            assert answer.status_code == 304
            assert session.get(f"{url}{prefix}/respond?status=404+No&piece=3").status_code == 404
        environ = json.loads(session.get(url + "/environ/%2e%41?x=%20").content)
        assert environ["QUERY_STRING"] == "x=%20"
