"""Behind real proxies that are trusted: the application sees the client, not the proxy.

The client comes from 127.0.0.2, the proxies are 127.0.0.1, which is trusted by default.
"""

import json
import socket
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from .client import PATIENCE, Client, request
from .conftest import Serve
from .harness import Server, await_true
from .test_proxies import haproxy, nginx, proxy, upstream_of
from .tls_pki import localhost_file

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
    upstream app {{ server {upstream}; keepalive 4; }}
    server {{
        listen 127.0.0.1:{port};
        location / {{
            proxy_pass {scheme}://app;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host inner.example;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
            proxy_set_header X-Forwarded-Proto https;
            proxy_set_header X-Forwarded-Host $http_host;
            proxy_set_header X-Forwarded-Port 8443;
            proxy_set_header Forwarded "";
        }}
    }}
}}
"""

# Behind HAProxy, which tells it of the client by the PROXY protocol.
NGINX_PROXIED = NGINX.replace("listen 127.0.0.1:{port};", "listen 127.0.0.1:{port} proxy_protocol;")
NGINX_PROXIED = NGINX_PROXIED.replace(
    "$proxy_add_x_forwarded_for", '"$proxy_protocol_addr, 127.0.0.1"'
)

HAPROXY = """
defaults
    mode http
    timeout connect 10s
    timeout client 60s
    timeout server 60s
    http-reuse always
frontend front
    bind 127.0.0.1:{port}
    default_backend app
backend app
    option forwardfor
    http-request del-header forwarded
    http-request set-header X-Forwarded-Proto https
    http-request set-header X-Forwarded-Host %[req.hdr(host)]
    http-request set-header X-Forwarded-Port 8443
    http-request set-header Host inner.example
    server app {upstream} {tls}
"""

HAPROXY_SEND = """
defaults
    mode {mode}
    timeout connect 10s
    timeout client 60s
    timeout server 60s
listen front
    bind 127.0.0.1:{{port}}
    server app {{upstream}} {{tls}} {send}
"""

HAPROXY_CHECKS = """
defaults
    mode http
    timeout connect 10s
    timeout client 60s
    timeout server 60s
listen front
    bind 127.0.0.1:{port}
    option httpchk GET /healthz
    http-check expect status 200
    timeout check 20s
    default-server inter 100ms fall 1 rise 1
    server app {upstream} {tls} send-proxy-v2 check {check} check-send-proxy
"""

SPOOF = [("X-Forwarded-For", "6.6.6.6"), ("Forwarded", "for=6.6.6.6"), ("X-Real-IP", "6.6.6.6")]


def through(url: str) -> Client:
    """A connection to the proxy from the client's address."""
    parts = urlsplit(url)
    return Client(
        socket.create_connection(
            (parts.hostname or "", parts.port or 0), PATIENCE, source_address=("127.0.0.2", 0)
        )
    )


@pytest.mark.matrix("transport")
@pytest.mark.parametrize("app", ["probe:plain", "asgi_probe:app"])
@pytest.mark.parametrize("kind", ["nginx", "haproxy"])
def test_fields(serve: Serve, room: Path, kind: str, app: str) -> None:
    server = serve(app, "--proxy-headers", "--forwarded-host")
    command, template = {"nginx": (nginx, NGINX), "haproxy": (haproxy, HAPROXY)}[kind]
    upstream = upstream_of(server, kind)
    with proxy(command, template, upstream, server.scheme, room / "proxy") as url:
        for _ in range(3):
            with through(url) as client:
                check(client, app)
                check(client, app)


def check(client: Client, app: str) -> None:
    """The application sees the client, and the proxy's address as its own."""
    fields = [*SPOOF, ("Host", "shop.example")]
    if app == "probe:plain":
        answer = client.exchange(request("GET", "/environ", fields))
        environ = json.loads(answer.body)
        assert environ["REMOTE_ADDR"] == "127.0.0.2"
        assert environ["wsgi.url_scheme"] == "https"
        assert environ["HTTP_HOST"] == "shop.example:8443"
        assert (environ["SERVER_NAME"], environ["SERVER_PORT"]) == ("shop.example", "8443")
        return
    scope = json.loads(client.exchange(request("GET", "/scope", fields)).body)[1]
    assert scope["client"][1][0] == ["str", "127.0.0.2"]
    assert scope["server"][1] == [["str", "shop.example"], ["int", 8443]]
    assert scope["scheme"] == ["str", "https"]
    host = ["tuple", [["bytes", "host"], ["bytes", "shop.example:8443"]]]
    assert host in scope["headers"][1]


@pytest.mark.parametrize("mode", ["tcp", "http"])
@pytest.mark.parametrize("send", ["send-proxy", "send-proxy-v2"])
@pytest.mark.parametrize("secure", [False, True])
def test_proxy_protocol_of_haproxy(
    serve: Serve, serve_tls: Serve, room: Path, mode: str, send: str, secure: bool
) -> None:
    server = proxied_server(serve, serve_tls, secure)
    template = HAPROXY_SEND.format(mode=mode, send=send)
    scheme = "https" if secure else "http"
    with (
        proxy(haproxy, template, upstream_of(server, "haproxy"), scheme, room / "proxy") as url,
        through(url) as client,
    ):
        assert isinstance(client.sock, socket.socket)
        port = str(client.sock.getsockname()[1])
        for _ in range(3):
            environ = json.loads(client.exchange(request("GET", "/environ", SPOOF)).body)
            assert (environ["REMOTE_ADDR"], environ["REMOTE_PORT"]) == ("127.0.0.2", port)
            assert environ["wsgi.url_scheme"] == scheme


def proxied_server(serve: Serve, serve_tls: Serve, secure: bool, *arguments: str) -> Server:
    """A server to which connections begin with the PROXY protocol."""
    if secure:
        return serve_tls("--certfile", localhost_file(), "--proxy-protocol", *arguments)
    return serve("probe:plain", "--proxy-protocol", *arguments)


def test_haproxy_before_nginx(serve: Serve, room: Path) -> None:
    """The address goes by the PROXY protocol to nginx, and from there by X-Forwarded-For."""
    server = serve("probe:plain", "--proxy-headers")
    upstream = upstream_of(server, "nginx")
    with proxy(nginx, NGINX_PROXIED, upstream, "http", room / "nginx") as inner:
        send = HAPROXY_SEND.format(mode="tcp", send="send-proxy-v2")
        upstream = urlsplit(inner).netloc
        with (
            proxy(haproxy, send, upstream, "http", room / "haproxy") as url,
            through(url) as client,
        ):
            for _ in range(3):
                environ = json.loads(client.exchange(request("GET", "/environ", SPOOF)).body)
                assert environ["REMOTE_ADDR"] == "127.0.0.2"


@pytest.mark.parametrize("secure", [False, True])
def test_active_checks_of_haproxy(serve: Serve, serve_tls: Serve, room: Path, secure: bool) -> None:
    """HAProxy asks for the health path, and says by LOCAL that it asks for itself."""
    server = proxied_server(serve, serve_tls, secure, "--health-path", "/healthz", "--access-log")
    check_ssl = "check-ssl" if secure else ""
    template = HAPROXY_CHECKS.replace("{check}", check_ssl)
    scheme = "https" if secure else "http"
    upstream = upstream_of(server, "haproxy")
    with proxy(haproxy, template, upstream, scheme, room / "proxy") as url:
        for _ in range(20):
            with through(url) as client:
                assert client.exchange(request("GET", "/")).body == b"hello"
    await_true(lambda: server.access_log.count("\n") >= 20, "the access log")
    assert all(line.startswith("127.0.0.2 ") for line in server.access_log.splitlines())
    assert "/healthz" not in server.access_log
