"""The corpus of requests (tests/corpus/README.md) over sockets.

One server takes the whole corpus, so that what one connection does to the next would show.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .client import Client, Response, request
from .harness import Server, Shape, running
from .rules import ROOT, RULES

CORPUS = ROOT / "tests" / "corpus"
VALID = sorted((CORPUS / "valid").glob("*.http"))
INVALID = sorted((CORPUS / "invalid").glob("*.http"))
SENTINEL = "/behind-the-corpus"
BYTEWISE_BYTES = 4096
"""Longer files are only sent whole: byte by byte they show nothing that short ones do not."""

pytestmark = pytest.mark.matrix("threads")


def test_the_corpus_is_there() -> None:
    assert VALID
    assert INVALID


@pytest.fixture(scope="module")
def server(shape: Shape, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all files."""
    with running(shape, tmp_path_factory.mktemp("corpus") / "0", "corpus:app") as started:
        yield started


def deliver(client: Client, data: bytes, bytewise: bool) -> None:
    """Sends the file's bytes; the server may stop the connection before the last."""
    if not bytewise:
        client.send_as_far_as_taken(data)
        return
    for at in range(len(data)):
        client.send_as_far_as_taken(data[at : at + 1])


def pace(path: Path) -> list[bool]:
    """Whether to send the file byte by byte: once without, once with."""
    return [False, True] if path.stat().st_size <= BYTEWISE_BYTES else [False]


@pytest.mark.parametrize("path", VALID, ids=lambda path: path.stem)
def test_valid(server: Server, path: Path) -> None:
    for bytewise in pace(path):
        calls, logged = len(server.events), len(server.log)
        with server.connect() as client:
            deliver(client, path.read_bytes(), bytewise)
            client.send_as_far_as_taken(request("GET", SENTINEL, [("Connection", "close")]))
            answers = responses(client)
        assert {answer.status for answer in answers} == {200}
        # a request of the file may itself have ended the connection
        assert answers[-1].get("x-target") == SENTINEL or "close" in answers[-1].tokens
        assert any(answer.get("x-target") != SENTINEL for answer in answers)
        assert len(server.events) - calls == len(answers)
        assert server.log[logged:] == ""


def responses(client: Client) -> list[Response]:
    """All responses up to the proper end."""
    answers = []
    while not client.at_end():
        answers.append(client.response(None))
    return answers


@pytest.mark.parametrize("path", INVALID, ids=lambda path: path.stem)
def test_invalid(server: Server, path: Path) -> None:
    name = path.name.split(".")[-2]
    for bytewise in pace(path):
        calls, logged = len(server.events), len(server.log)
        with server.connect() as client:
            deliver(client, path.read_bytes(), bytewise)
            if name == "ERR_BODY_CUT":
                client.half_close()
            answers = responses(client)
        assert [answer.status for answer in answers[:-1]] == [200] * (len(answers) - 1)
        assert answers[-1].status == RULES[name].status
        assert answers[-1].tokens == {"close"}
        assert len(server.events) - calls == len(answers) - 1
        server.await_log_after(logged, RULES[name].text)
        assert "127.0.0.1" in server.log[logged:]
        assert server.log[logged:].count("\n") == 1
