"""asyncio inside requests: tasks, contexts, and the habits of applications."""

import json
from typing import Any

import pytest

from .client import Client, request
from .harness import Server

pytestmark = pytest.mark.matrix("loop")


def ask(client: Client, target: str) -> Any:
    """The JSON that is answered."""
    answer = client.exchange(request("GET", target))
    assert answer.status == 200, answer
    return json.loads(answer.body)


def test_each_request_has_a_context_and_a_task_of_its_own(asgi: Server) -> None:
    with asgi.connect() as client, asgi.connect() as other:
        values = [ask(which, "/context") for which in (client, client, other, client)]
        client.send(request("GET", "/context") * 10)
        values += [json.loads(client.response().body) for _ in range(10)]
    for value in values:
        assert value["inherited"] == -1
        assert value["kept"]
        assert value["child"]
        assert value["loop"]
    assert len({value["number"] for value in values}) == 14


HABITS = {
    "executor": True,
    "subprocess": ["CHILD", 3],
    "streams": "STREAM\n",
    "reader": ["watched", "writable"],
    "time": ["timed out", "done"],
    "threadsafe": "from a thread",
    "tasks": [4950, "ValueError('on purpose')", True],
    "generator": [True],
}


@pytest.mark.parametrize("name", HABITS)
def test_habits(asgi: Server, name: str) -> None:
    with asgi.connect() as client:
        for _ in range(5):
            assert ask(client, f"/habits?name={name}") == HABITS[name]


def test_habits_beside_each_other(asgi: Server) -> None:
    names = [name for name in HABITS for _ in range(4)]
    clients = [asgi.connect() for _ in names]
    for client, name in zip(clients, names, strict=True):
        client.send(request("GET", f"/habits?name={name}"))
    for client, name in zip(clients, names, strict=True):
        with client:
            assert json.loads(client.response().body) == HABITS[name]
