"""The scope of an HTTP request, key by key and type by type: the ASGI specification, HTTP 2.5."""

import json
from typing import Any

import pytest

from .client import Client, request
from .conftest import Serve
from .harness import Server

EXTENSIONS = [
    "http.response.early_hint",
    "http.response.pathsend",
    "http.response.trailers",
    "http.response.zerocopysend",
]


def scope_of(client: Client, data: bytes) -> dict[str, Any]:
    """The scope that the application got for that request: each value as [type, value]."""
    answer = client.exchange(data)
    assert answer.status == 200, answer
    kind, scope = json.loads(answer.body)
    assert kind == "dict"
    return scope


def headers_of(scope: dict[str, Any]) -> list[tuple[bytes, bytes]]:
    """The headers, of which all types have been checked."""
    pairs = []
    for kind, pair in scope["headers"][1]:
        assert kind in ("tuple", "list")
        (name_kind, name), (value_kind, value) = pair
        assert (name_kind, value_kind) == ("bytes", "bytes")
        pairs.append((name.encode("latin-1"), value.encode("latin-1")))
    return pairs


@pytest.mark.matrix("transport", "loop")
def test_keys_and_types(asgi: Server) -> None:
    with asgi.connect() as client:
        scope = scope_of(client, request("GET", "/scope?a=b&c=%20"))
        port = None if asgi.shape.transport == "unix" else client.sock.getsockname()[1]
    headers = headers_of(scope)
    assert headers == [(b"host", b"test.example")]
    client_address, server_address = scope.pop("client"), scope.pop("server")
    if isinstance(asgi.address, str):
        assert client_address == server_address == ["NoneType", None]
    else:
        assert client_address[0] in ("tuple", "list")
        assert client_address[1] == [["str", "127.0.0.1"], ["int", port]]
        assert server_address[1] == [["str", "127.0.0.1"], ["int", asgi.address[1]]]
    del scope["headers"]
    state = scope.pop("state")
    assert (state[0], state[1]["name"]) == ("dict", ["str", "of the lifespan"])
    extensions = scope.pop("extensions")
    assert (extensions[1].pop("tls", None) is not None) == (asgi.scheme == "https")
    assert extensions == ["dict", {name: ["dict", {}] for name in extensions[1]}]
    assert sorted(extensions[1]) == EXTENSIONS
    assert scope == {
        "type": ["str", "http"],
        "asgi": ["dict", {"version": ["str", "3.0"], "spec_version": ["str", "2.5"]}],
        "http_version": ["str", "1.1"],
        "method": ["str", "GET"],
        "scheme": ["str", asgi.scheme],
        "path": ["str", "/scope"],
        "raw_path": ["bytes", "/scope"],
        "query_string": ["bytes", "a=b&c=%20"],
        "root_path": ["str", ""],
    }


@pytest.mark.parametrize(
    ("target", "path", "raw_path", "query"),
    [
        ("/x", "/x", "/x", ""),
        ("/x?", "/x", "/x", ""),
        ("/x?a=%41?b", "/x", "/x", "a=%41?b"),
        ("/a%20b/%C3%A9%2Fx", "/a b/é/x", "/a%20b/%C3%A9%2Fx", ""),
        ("/%e2%82%ac", "/€", "/%e2%82%ac", ""),
        ("/%F0%9F%90%8D", "/🐍", "/%F0%9F%90%8D", ""),
        ("//two//slashes", "//two//slashes", "//two//slashes", ""),
        ("/../up/./x", "/../up/./x", "/../up/./x", ""),
        ("/a+b;c=d", "/a+b;c=d", "/a+b;c=d", ""),
        ("/%2541", "/%41", "/%2541", ""),
        ("/100%", "/100%", "/100%", ""),
        ("/%zz%4", "/%zz%4", "/%zz%4", ""),
        ("/nul%00end", "/nul\0end", "/nul%00end", ""),
        ("/not-utf8-%ff", "/not-utf8-\ufffd", "/not-utf8-%ff", ""),
        ("/truncated-%e2%82", "/truncated-\ufffd", "/truncated-%e2%82", ""),
    ],
)
def test_paths(asgi: Server, target: str, path: str, raw_path: str, query: str) -> None:
    with asgi.connect() as client:
        scope = scope_of(client, request("GET", target))
    assert scope["path"] == ["str", path]
    assert scope["raw_path"] == ["bytes", raw_path]
    assert scope["query_string"] == ["bytes", query]


def test_absolute_form(asgi: Server) -> None:
    """RFC 9112 section 3.2.2: the path is the same as in origin-form."""
    with asgi.connect() as client:
        scope = scope_of(client, request("GET", "http://test.example/abs%20x?y=z"))
        assert scope["path"] == ["str", "/abs x"]
        assert scope["raw_path"] == ["bytes", "/abs%20x"]
        assert scope["query_string"] == ["bytes", "y=z"]


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PURGE"])
def test_methods(asgi: Server, method: str) -> None:
    with asgi.connect() as client:
        assert scope_of(client, request(method, "/scope"))["method"] == ["str", method]


def test_http10(asgi: Server) -> None:
    with asgi.connect() as client:
        scope = scope_of(client, request("GET", "/scope", version="HTTP/1.0", host=None))
        assert scope["http_version"] == ["str", "1.0"]
        assert headers_of(scope) == []


def test_headers(asgi: Server) -> None:
    """In the order of the wire, names in lower case, values byte by byte, nothing joined."""
    fields = [
        ("X-Twice", "one"),
        ("Accept", "*/*"),
        ("x-tWICE", "two, three"),
        ("X-Empty", ""),
        ("X-Latin", "\xe9\xff"),
        ("X-Spaces", "  a b\t"),
        ("Cookie", "a=1"),
        ("Cookie", "b=2"),
        ("Content-Type", "text/plain"),
    ]
    with asgi.connect() as client:
        for _ in range(3):  # what a server keeps of the last request's headers must not show
            scope = scope_of(client, request("POST", "/scope", fields, b"body"))
            expected = [(b"host", b"test.example")]
            expected += [
                (name.lower().encode(), value.strip().encode("latin-1")) for name, value in fields
            ]
            assert headers_of(scope) == [*expected, (b"content-length", b"4")]
            assert headers_of(scope_of(client, request("GET", "/scope"))) == [
                (b"host", b"test.example")
            ]


def test_root_path(serve: Serve) -> None:
    server = serve("asgi_probe:app", "--root-path", "/api/v1")
    with server.connect() as client:
        scope = scope_of(client, request("GET", "/api/v1/x"))
    assert scope["root_path"] == ["str", "/api/v1"]


def test_state_is_a_copy_for_each_request(asgi: Server) -> None:
    """A shallow one: what a request sets is its own, what the values hold is everybody's."""
    with asgi.connect() as client:
        seen = [json.loads(client.exchange(request("GET", "/state")).body) for _ in range(3)]
    assert [state["shared"] for state in seen] == [[], [1], [1, 1]]
    assert all("own" not in state for state in seen)
    assert {state["name"] for state in seen} == {"of the lifespan"}


def test_what_a_request_does_to_its_scope_is_its_own(asgi: Server) -> None:
    with asgi.connect() as client:
        seen = [json.loads(client.exchange(request("GET", "/spoil")).body) for _ in range(3)]
    assert seen[1:] == seen[:1] * 2
    assert seen[0]["asgi"] == ["dict", {"version": ["str", "3.0"], "spec_version": ["str", "2.5"]}]
