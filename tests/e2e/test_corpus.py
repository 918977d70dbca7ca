"""The corpus of requests (tests/corpus/README.md) over sockets.

One server takes the whole corpus, so that what one connection does to the next would show.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from .client import Client, Response, request
from .conftest import Share
from .harness import Server
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


@pytest.fixture
def server(share: Share) -> Server:
    """One server for all files."""
    return share("corpus:app")


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
        server.begin()
        with server.connect() as client:
            deliver(client, path.read_bytes(), bytewise)
            client.send_as_far_as_taken(request("GET", SENTINEL, [("Connection", "close")]))
            answers = responses(client)
        assert {answer.status for answer in answers} == {200}
        # a request of the file may itself have ended the connection
        assert answers[-1].get("x-target") == SENTINEL or "close" in answers[-1].tokens
        assert any(answer.get("x-target") != SENTINEL for answer in answers)
        assert len(server.events) == len(answers)
        assert server.log == ""


def responses(client: Client) -> list[Response]:
    """All responses up to the end; a proper one, unless the last request asked for the end and
    more was sent behind it."""
    answers: list[Response] = []
    try:
        while not client.at_end():
            answers.append(client.response(None))
    except ConnectionResetError:
        assert answers
        assert answers[-1].status == 200
        assert "close" in answers[-1].tokens
    return answers


@pytest.mark.parametrize("path", INVALID, ids=lambda path: path.stem)
def test_invalid(server: Server, path: Path) -> None:
    name = path.name.split(".")[-2]
    for bytewise in pace(path):
        server.begin()
        with server.connect() as client:
            deliver(client, path.read_bytes(), bytewise)
            if name == "ERR_BODY_CUT":
                client.half_close()
            answers = responses(client)
        assert [answer.status for answer in answers[:-1]] == [200] * (len(answers) - 1)
        assert answers[-1].status == RULES[name].status
        assert answers[-1].tokens == {"close"}
        assert len(server.events) == len(answers) - 1
        server.await_log(RULES[name].text)
        assert "127.0.0.1" in server.log
        assert server.log.count("\n") == 1
