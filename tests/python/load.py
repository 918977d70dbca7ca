"""Constant load that counts every answer: whatever is no right one has a name."""

from __future__ import annotations

import http.client
import threading
import time
from collections import Counter
from types import TracebackType

PATIENCE = 60.0
"""Seconds after which an answer is taken not to come."""


class Load:
    """While entered, so many clients ask for ``/?<their number>`` as fast as they are answered.

    Each expects the body ``<number> <word>``, the words being counted.

    :param keep: use a connection for many requests.
    """

    def __init__(
        self,
        port: int,
        clients: int = 6,
        *,
        keep: bool,
        host: str = "127.0.0.1",
        method: str = "GET",
    ) -> None:
        self._host = host
        self._port = port
        self._method = method
        self._keep = keep
        self._over = threading.Event()
        self._lock = threading.Lock()
        self.words: Counter[str] = Counter()
        """What the right answers said."""
        self.faults: Counter[str] = Counter()
        """What else has happened."""
        self._threads = [
            threading.Thread(target=self._ask, args=(number,)) for number in range(clients)
        ]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        frames: TracebackType | None,
    ) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def wait_for(self, word: str) -> None:
        """Wait until somebody has been answered with it."""
        self.wait_until_answers(1, word)

    def wait_until_answers(self, count: int, word: str = "") -> None:
        """Wait for so many more right answers, or for those with that word."""
        goal = self._count(word) + count
        end = time.monotonic() + PATIENCE
        while self._count(word) < goal:
            assert time.monotonic() < end, f"never came: {word or 'answers'}: {self.faults}"
            time.sleep(0.01)

    def _count(self, word: str) -> int:
        with self._lock:
            return self.words[word] if word else sum(self.words.values())

    def _ask(self, number: int) -> None:
        connection: http.client.HTTPConnection | None = None
        asked = 0
        while not self._over.is_set():
            asked += 1
            if connection is None:
                connection = http.client.HTTPConnection(self._host, self._port, timeout=PATIENCE)
            word, fault, stays = self._exchange(connection, f"{number}-{asked}")
            with self._lock:
                if fault:
                    self.faults[fault] += 1
                else:
                    self.words[word] += 1
            if not stays:
                connection.close()
                connection = None
        if connection is not None:
            connection.close()

    def _exchange(self, connection: http.client.HTTPConnection, name: str) -> tuple[str, str, bool]:
        headers = {} if self._keep else {"Connection": "close"}
        try:
            connection.request(self._method, f"/?{name}", headers=headers)
            answer = connection.getresponse()
            body = answer.read().decode()
        except (OSError, http.client.HTTPException) as error:
            return "", type(error).__name__, False
        asked, _, word = body.partition(" ")
        if answer.status != 200 or asked != name:
            return "", f"{answer.status} {body[:100]}", False
        return word, "", not answer.will_close
