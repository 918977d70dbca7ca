"""Scopes of the ASGI gateway in this process: made anew, from what is kept of earlier requests, and
where nothing can be kept. What each key means is tested from outside (tests/e2e).
"""

from __future__ import annotations

from typing import Any

import pytest
from asgi_core_harness import BODY, START, UPGRADE, Core, Receive, Scope, Send, run

ASGI = {"version": "3.0", "spec_version": "2.5"}
HTTP_EXTENSIONS: dict[str, Any] = {
    "http.response.pathsend": {},
    "http.response.zerocopysend": {},
    "http.response.trailers": {},
    "http.response.early_hint": {},
}


def scopes_of(*requests: bytes, **options: Any) -> list[Scope]:
    """What the application is called with, each request on a connection of its own."""
    seen: list[Scope] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope)
        if scope["type"] == "http":
            await send(START)
            await send(BODY)
        else:
            await send({"type": "websocket.close"})

    async def main() -> None:
        async with Core(app, **options) as core:
            for request in requests:
                client = await core.connect(request)
                host, port = client.writer.get_extra_info("sockname")
                assert (await client.head()).startswith((b"HTTP/1.1 200 ", b"HTTP/1.1 403 "))
                assert seen[-1].pop("client") == (host, port)
                assert seen[-1].pop("server") == core.address

    run(main())
    return seen


def get(target: bytes = b"/", fields: bytes = b"Host: a\r\n", version: bytes = b"1.1") -> bytes:
    return b"GET " + target + b" HTTP/" + version + b"\r\n" + fields + b"\r\n"


@pytest.mark.parametrize("state", [None, {"key": "value"}])
def test_whole_scopes(state: dict[str, str] | None) -> None:
    """Of both kinds; where one is changed, the others are not."""
    offer = b"Sec-WebSocket-Protocol: a, b\r\nSec-WebSocket-Protocol: c\r\n\r\n"
    fields = b"Host: a\r\nX-Some: Thing\r\nUser-Agent: b\r\n"
    requests = [get(b"/%C3%A9/b?c=d%20", fields), UPGRADE[:-2] + offer] * 4
    found = scopes_of(*requests, root_path="/root", state=state)
    common = {"asgi": ASGI, "http_version": "1.1", "root_path": "/root"}
    if state is not None:
        common["state"] = state
    for scope in found[0::2]:
        assert scope == {
            **common,
            "type": "http",
            "method": "GET",
            "scheme": "http",
            "path": "/root/é/b",
            "raw_path": b"/root/%C3%A9/b",
            "query_string": b"c=d%20",
            "headers": [(b"host", b"a"), (b"x-some", b"Thing"), (b"user-agent", b"b")],
            "extensions": HTTP_EXTENSIONS,
        }
    for scope in found[1::2]:
        assert {**scope, "headers": []} == {
            **common,
            "type": "websocket",
            "scheme": "ws",
            "path": "/root/",
            "raw_path": b"/root/",
            "query_string": b"",
            "headers": [],
            "subprotocols": ["a", "b", "c"],
            "extensions": {"websocket.http.response": {}},
        }
        assert len(scope["headers"]) == 7
    for name in ("headers", "extensions", *common.keys() & {"state"}):
        values = [scope[name] for scope in found]
        assert len({id(value) for value in values}) == len(values)


@pytest.mark.parametrize("times", [1, 3])
def test_what_is_not_kept(times: int) -> None:
    """Long targets, long blocks of fields, absolute targets, no fields at all."""
    long = b"/" + b"%41" * 2000
    many = b"Host: a\r\n" + b"X-Long: " + b"v" * 3000 + b"\r\n"
    requests = [
        get(long + b"?" + b"q" * 500),
        get(fields=many),
        get(b"http://b:80?q", b"Accept: c\r\nHost: a\r\n"),
        get(b"/old", b"", b"1.0"),
    ]
    found = scopes_of(*requests * times)
    assert found[:4] * times == found
    assert found[0]["path"] == "/" + "A" * 2000
    assert found[0]["raw_path"] == long
    assert found[0]["query_string"] == b"q" * 500
    assert found[1]["headers"] == [(b"host", b"a"), (b"x-long", b"v" * 3000)]
    assert found[2]["headers"] == [(b"accept", b"c"), (b"host", b"b:80")]
    assert (found[2]["path"], found[2]["raw_path"], found[2]["query_string"]) == ("/", b"/", b"q")
    assert found[3]["headers"] == []
    assert found[3]["http_version"] == "1.0"


def test_more_than_can_be_kept() -> None:
    """Many different requests, so that each place is taken by one after the other."""
    numbers = [*range(300), *range(300)]
    requests = [
        get(b"/%d?%d" % (number, number), b"Host: h%d\r\nX-N-%d: v\r\n" % (number, number))
        for number in numbers
    ]
    for number, scope in zip(numbers, scopes_of(*requests), strict=True):
        assert scope["path"] == f"/{number}"
        assert scope["query_string"] == b"%d" % number
        assert scope["headers"] == [(b"host", b"h%d" % number), (b"x-n-%d" % number, b"v")]
