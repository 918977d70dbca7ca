"""What trusted proxies say in their fields, for WSGI, ASGI and WebSocket alike."""

import json
from typing import Any, NamedTuple

import pytest

from .client import Client, Headers, request
from .conftest import Serve
from .harness import Server, await_true
from .ws_client import handshake, switched

ON = ("--proxy-headers",)
HOST = ("--proxy-headers", "--forwarded-host")

X_ALL = [
    ("X-Forwarded-For", "6.6.6.6, 192.0.2.7:99"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Host", "a.example"),
    ("X-Forwarded-Port", "8443"),
]
STANDARD = [("Forwarded", 'for=6.6.6.6;host=evil, for="192.0.2.7:99";proto=https;host="a.example"')]


class Seen(NamedTuple):
    """What an application sees of who asks, and for what."""

    client: tuple[str, str]
    scheme: str
    host: str
    server: tuple[str, str]


def seen_by_wsgi(client: Client, headers: Headers) -> Seen:
    """By the environ."""
    answer = client.exchange(request("GET", "/environ", headers))
    assert answer.status == 200, answer
    environ = json.loads(answer.body)
    return Seen(
        (environ["REMOTE_ADDR"], environ["REMOTE_PORT"]),
        environ["wsgi.url_scheme"],
        environ["HTTP_HOST"],
        (environ["SERVER_NAME"], environ["SERVER_PORT"]),
    )


def plain(value: Any) -> Any:
    """A scope's value without the names of types."""
    kind, value = value
    if kind in ("tuple", "list"):
        return tuple(plain(each) for each in value)
    return {key: plain(each) for key, each in value.items()} if kind == "dict" else value


def seen_in(scope: dict[str, Any]) -> Seen:
    """By a scope."""
    hosts = [value for name, value in scope["headers"] if name == "host"]
    assert len(hosts) == 1
    client, server = scope["client"] or ("", ""), scope["server"] or ("", "")
    return Seen((client[0], str(client[1])), scope["scheme"], hosts[0], (server[0], str(server[1])))


def seen_by_asgi(client: Client, headers: Headers) -> Seen:
    """By the scope of a request."""
    answer = client.exchange(request("GET", "/scope", headers))
    assert answer.status == 200, answer
    return seen_in(plain(json.loads(answer.body)))


def seen_by_websocket(client: Client, headers: Headers) -> Seen:
    """By the scope of a WebSocket, its scheme written as that of a request."""
    with switched(client, handshake("/scope", headers)) as socket:
        seen = seen_in(plain(json.loads(socket.message())))
        socket.send("over")
        assert seen.scheme in ("ws", "wss")
        return seen._replace(scheme=seen.scheme.replace("ws", "http", 1))


KINDS = {
    "wsgi": ("probe:plain", seen_by_wsgi),
    "asgi": ("asgi_probe:app", seen_by_asgi),
    "websocket": ("asgi_probe:app", seen_by_websocket),
}
each_kind = pytest.mark.parametrize("kind", KINDS)


@pytest.mark.matrix("transport")
@each_kind
def test_address_and_scheme(serve: Serve, kind: str) -> None:
    app, look = KINDS[kind]
    server = serve(app, *ON)
    with server.connect() as client:
        direct = look(client, ())
    assert direct.scheme == server.scheme
    for headers in (X_ALL, STANDARD):
        with server.connect() as client:
            seen = look(client, headers)
        assert (seen.client, seen.scheme) == (("192.0.2.7", "99"), "https")
        assert seen.host == "test.example"  # not asked for
    with server.connect() as client:
        seen = look(client, [("X-Forwarded-Proto", "http"), ("X-Forwarded-For", "2001:db8::1")])
        assert (seen.client, seen.scheme) == (("2001:db8::1", "0"), "http")
        assert seen.server == (direct.server if server.shape.transport != "unix" else seen.server)


@pytest.mark.matrix("transport")
@each_kind
def test_host_and_port(serve: Serve, kind: str) -> None:
    app, look = KINDS[kind]
    server = serve(app, *HOST)
    with server.connect() as client:
        seen = look(client, X_ALL)
        assert seen == Seen(("192.0.2.7", "99"), "https", "a.example:8443", ("a.example", "8443"))
    with server.connect() as client:
        seen = look(client, STANDARD)
        assert seen == Seen(("192.0.2.7", "99"), "https", "a.example", ("a.example", "443"))
    with server.connect() as client:
        name = "[::1]" if kind == "wsgi" else "::1"
        headers = [("X-Forwarded-Host", "[::1]:81"), ("X-Forwarded-Proto", "http")]
        seen = look(client, headers)
        assert (seen.host, seen.server) == ("[::1]:81", (name, "81"))


@each_kind
def test_nobody_is_believed_unasked(serve: Serve, kind: str) -> None:
    app, look = KINDS[kind]
    for arguments in ((), ("--proxy-headers", "--forwarded-allow-ips", "10.0.0.0/8,::1,unix")):
        server = serve(app, *arguments)
        with server.connect() as client:
            direct = look(client, ())
        for headers in (X_ALL, STANDARD, [*X_ALL, *STANDARD], [("X-Forwarded-Proto", "!")]):
            with server.connect() as client:
                port = str(client.sock.getsockname()[1])
                seen = look(client, headers)
            assert seen == direct._replace(client=("127.0.0.1", port))


@pytest.mark.parametrize("kind", ["wsgi", "asgi"])
def test_each_request_of_a_connection_has_its_own(serve: Serve, kind: str) -> None:
    """A proxy's connection carries many clients; equal heads are remembered, these must not be."""
    app, look = KINDS[kind]
    server = serve(app, *ON)
    with server.connect() as client:
        port = str(client.sock.getsockname()[1])
        for _ in range(4):
            for last in range(1, 6):
                headers = [("X-Forwarded-For", f"192.0.2.{last}"), ("X-Forwarded-Proto", "https")]
                seen = look(client, headers)
                assert (seen.client, seen.scheme) == ((f"192.0.2.{last}", "0"), "https")
                seen = look(client, headers[:1])
                assert (seen.client, seen.scheme) == ((f"192.0.2.{last}", "0"), "http")
                assert look(client, ()).client == ("127.0.0.1", port)


def test_fields_stay_visible(serve: Serve) -> None:
    server = serve("probe:plain", *HOST)
    with server.connect() as client:
        environ = json.loads(client.exchange(request("GET", "/environ", X_ALL)).body)
    assert environ["HTTP_X_FORWARDED_FOR"] == "6.6.6.6, 192.0.2.7:99"
    assert environ["HTTP_X_FORWARDED_HOST"] == "a.example"


def test_the_authority_of_an_absolute_target_is_renamed_too(serve: Serve) -> None:
    for kind in ("wsgi", "asgi"):
        app, _ = KINDS[kind]
        server = serve(app, *HOST)
        with server.connect() as client:
            path = "/environ" if kind == "wsgi" else "/scope"
            answer = client.exchange(request("GET", f"http://other.example{path}", X_ALL))
            assert b"a.example:8443" in answer.body
            assert b'"other.example' not in answer.body


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ([*X_ALL, *STANDARD], "both Forwarded and X-Forwarded-*"),
        ([("X-Forwarded-For", "192.0.2.7, nobody")], "X-Forwarded-For"),
        ([("X-Forwarded-Proto", "https, http")], "X-Forwarded-Proto"),
        ([("X-Forwarded-Host", "a/b")], "X-Forwarded-Host"),
        ([("X-Forwarded-Port", "80, 443")], "X-Forwarded-Port"),
        ([("Forwarded", 'for=", for=192.0.2.7')], "Forwarded of a trusted proxy"),
    ],
)
def test_what_cannot_be_read_is_refused(
    serve: Serve, headers: list[tuple[str, str]], reason: str
) -> None:
    server = serve("probe:plain", *HOST)
    with server.connect() as client:
        answer = client.exchange(request("GET", "/environ", headers))
        assert answer.status == 400
        assert reason.encode() in answer.body
        client.expect_closed()
    server.await_log("with 400: ")
    assert reason in server.log


@pytest.mark.parametrize("kind", ["x-forwarded", "forwarded"])
def test_a_kind_that_is_chosen(serve: Serve, kind: str) -> None:
    server = serve("probe:plain", *ON, "--forwarded-kind", kind)
    ours, theirs = (X_ALL, STANDARD) if kind == "x-forwarded" else (STANDARD, X_ALL)
    evil = [(name, value.replace("192.0.2.7", "6.6.6.6")) for name, value in theirs]
    with server.connect() as client:
        assert seen_by_wsgi(client, [*evil, *ours]).client == ("192.0.2.7", "99")
        assert seen_by_wsgi(client, evil).client[0] == "127.0.0.1"


def test_the_access_log_names_the_client(serve: Serve) -> None:
    server = serve("probe:plain", *ON, "--access-log")
    with server.connect() as client:
        seen_by_wsgi(client, X_ALL)
    await_true(lambda: server.access_log.startswith("192.0.2.7 - - ["), "the access log")


def test_the_start_says_who_is_trusted(serve: Serve) -> None:
    server = serve("probe:plain", *ON, env={"FORWARDED_ALLOW_IPS": "10.0.0.0/8, unix"})
    line = "  trusted proxies: Forwarded or X-Forwarded-* of 10.0.0.0/8, unix\n"
    assert line in server.whole_log


def test_a_list_without_the_switch_is_told(serve: Serve) -> None:
    server: Server = serve("probe:plain", env={"FORWARDED_ALLOW_IPS": "*"})
    server.await_log("--forwarded-allow-ips means nothing without --proxy-headers")
    assert "trusted" not in server.whole_log
