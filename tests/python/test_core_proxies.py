"""Origins behind trusted proxies against an oracle in Python, and what they leave in memory."""

from __future__ import annotations

import ipaddress
import json
import random
import sys
from collections.abc import Callable, Iterable
from typing import Any

from core_harness import PATIENCE, TEXT, serving, settle

TRUSTED = ["127.0.0.1", "10.0.0.0/8", "2001:db8:1::/48", "::ffff:192.168.0.0/112"]
NETWORKS = [
    ipaddress.ip_network(each)
    for each in ("127.0.0.1", "10.0.0.0/8", "2001:db8:1::/48", "192.168.0.0/16")
]
ADDRESSES = [
    *("10.0.0.1", "10.255.255.255", "11.0.0.1", "192.168.3.4", "192.169.0.1", "203.0.113.9"),
    *("2001:db8:1::5", "2001:db8:2::5", "::1", "::ffff:10.1.2.3", "::ffff:203.0.113.9"),
]
REFUSED = None


def app(environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
    """What of the environ proxies can change."""
    start_response("200 OK", TEXT)
    names = ("REMOTE_ADDR", "REMOTE_PORT", "wsgi.url_scheme", "HTTP_HOST", "SERVER_PORT")
    return [json.dumps([environ[name] for name in names]).encode()]


def plain(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The address, of IPv4 where it is mapped."""
    address = ipaddress.ip_address(text)
    return getattr(address, "ipv4_mapped", None) or address


def trusted(text: str) -> bool:
    """Whether it is one of TRUSTED."""
    address = plain(text)
    return any(address in network for network in NETWORKS if network.version == address.version)


def make_node(rng: random.Random, *, quoted: bool) -> tuple[str, tuple[str, str] | str]:
    """A node as it is written, and what it says: (address, port), "hidden" or "wrong"."""
    kind = rng.random()
    if kind < 0.08:
        return rng.choice(["unknown", "_hidden", "_a.b-c"]), "hidden"
    if kind < 0.12:
        return rng.choice(["1.2.3", "nobody", "[::1", "1.2.3.4:99999"]), "wrong"
    address = rng.choice(ADDRESSES)
    port = str(rng.randrange(1, 65536)) if rng.random() < 0.3 else "0"
    brackets = ":" in address and (quoted or port != "0" or rng.random() < 0.5)
    text = f"[{address}]" if brackets else address
    text += f":{port}" if port != "0" else ""
    return text, (str(plain(address)), port)


def walk(said: list[tuple[str, str] | str], peer: tuple[str, str]) -> tuple[str, str] | None:
    """Who asks; REFUSED where a word that counts cannot be read."""
    client = peer
    for each in reversed(said):
        if each == "wrong":
            return REFUSED
        if each == "hidden":
            break
        assert isinstance(each, tuple)
        client = each
        if not trusted(each[0]):
            break
    return client


def fields_of(rng: random.Random, nodes: list[str], *, standard: bool) -> list[str]:
    """The nodes in one field or several."""
    lines = []
    while nodes:
        count = rng.randrange(1, len(nodes) + 1)
        first, nodes = nodes[:count], nodes[count:]
        if standard:
            value = ", ".join(f'{rng.choice(["for", "For"])}="{node}"' for node in first)
            lines.append(f"Forwarded: {value}")
        else:
            lines.append(f"X-Forwarded-For: {rng.choice([', ', ',', ' ,, ']).join(first)}")
    return lines


def ask(server: Any, lines: list[str]) -> tuple[tuple[str, str], list[str] | None]:
    """The address of the connection, and what the application saw, or REFUSED."""
    with server.connect() as client:
        client.settimeout(PATIENCE)
        head = ["GET / HTTP/1.1", "Host: h.example", *lines, "Connection: close", "", ""]
        client.sendall("\r\n".join(head).encode())
        data = b""
        while piece := client.recv(65536):
            data += piece
        here = client.getsockname()
    head_bytes, _, body = data.partition(b"\r\n\r\n")
    status = int(head_bytes[9:12])
    assert status in (200, 400), data
    return (here[0], str(here[1])), json.loads(body) if status == 200 else REFUSED


def test_the_client_is_that_of_the_oracle() -> None:
    rng = random.Random(20)
    seen = set()
    with serving(app, proxy_headers=True, forwarded_allow_ips=TRUSTED) as server:
        for round_number in range(1500):
            standard = round_number % 2 == 0
            made = [make_node(rng, quoted=standard) for _ in range(rng.randrange(1, 6))]
            lines = fields_of(rng, [text for text, _ in made], standard=standard)
            peer, found = ask(server, lines)
            said = [what for _, what in made]
            # Of Forwarded all is read, so that an open quote can hide nothing.
            wrong = standard and "wrong" in said
            expected = REFUSED if wrong else walk(said, peer)
            assert (found and tuple(found[:2])) == expected, lines
            seen.add("refused" if expected is REFUSED else expected == peer)
    assert seen == {"refused", True, False}


def test_nothing_is_left_of_renamed_hosts() -> None:
    lines = [
        *("X-Forwarded-For: 203.0.113.9", "X-Forwarded-Proto: https"),
        *("X-Forwarded-Host: shop.example:8443", "X-Forwarded-Port: 444"),
    ]
    head = "\r\n".join(["GET / HTTP/1.1", "Host: h", *lines, "", ""]).encode()
    options: dict[str, Any] = {"proxy_headers": True, "forwarded_host": True}
    with serving(app, forwarded_allow_ips=["*"], **options) as server:
        _, found = ask(server, lines)
        assert found == ["203.0.113.9", "0", "https", "shop.example:444", "444"]
        size = server.size_of_answer(head)
        server.ask_many(head, 500, size)
        settle()
        before = sys.getallocatedblocks()
        server.ask_many(head, 4000, size)
        settle()
        assert sys.getallocatedblocks() - before < 1000


def test_a_health_path_costs_the_application_nothing() -> None:
    with serving(app, health_path="/healthz") as server:
        assert server.ask("/healthz").body == b"ok\n"
        assert server.ask("/healthz", "HEAD").body == b""
        assert server.ask("/healthz", "POST", b"x").status == 405
        assert json.loads(server.ask("/").body)[0] == "127.0.0.1"
