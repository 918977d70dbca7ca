"""Groups of sockets on one port, and which of them the kernel chooses."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import pytest

from freastal.reuseport import Group

TRIES = 60
"""Of 60 connections, each of four sockets gets one but once in 10 million runs."""


@pytest.fixture
def group() -> Iterator[Group]:
    made = Group(socket.AF_INET, ("127.0.0.1", 0), count=4, backlog=100)
    yield made
    made.close()


def chosen(group: Group) -> set[int]:
    """Which sockets get new connections."""
    seen = set()
    for _ in range(TRIES):
        with socket.create_connection(group.sockets[0].getsockname()):
            for number, each in enumerate(group.sockets):
                with contextlib.suppress(BlockingIOError):
                    each.accept()[0].close()
                    seen.add(number)
    return seen


def test_all_at_first(group: Group) -> None:
    assert chosen(group) == {0, 1, 2, 3}


@pytest.mark.parametrize("some", [{0}, {3}, {1, 2}, {0, 2, 3}])
def test_some_and_all_again(group: Group, some: set[int]) -> None:
    group.steer(some)
    assert chosen(group) == some
    group.steer({0, 1, 2, 3})
    assert chosen(group) == {0, 1, 2, 3}


def test_none_of_them_is_all(group: Group) -> None:
    group.steer({1})
    group.steer(set())
    assert chosen(group) == {0, 1, 2, 3}


def test_a_new_one_gets_none_before_it_is_chosen(group: Group) -> None:
    group.add()
    assert chosen(group) == {0, 1, 2, 3}
    group.steer({0, 1, 2, 3, 4})
    assert chosen(group) == {0, 1, 2, 3, 4}


def test_a_new_one_while_others_are_not_chosen(group: Group) -> None:
    group.steer({2})
    group.add()
    assert chosen(group) == {2}
    group.steer({2, 4})
    assert chosen(group) == {2, 4}


def test_who_is_chosen_when_some_have_gone_and_come(group: Group) -> None:
    for _ in range(2):
        group.steer({0, 1, 2})
        group.remove()
        assert chosen(group) == {0, 1, 2}
        group.steer({0, 1})
        group.remove()
        assert chosen(group) == {0, 1}
        group.steer({1})
        assert chosen(group) == {1}
        group.add()
        group.add()
        group.steer({1, 3})
        assert chosen(group) == {1, 3}


def test_what_is_queued_stays_when_it_is_not_chosen_any_more(group: Group) -> None:
    group.steer({3})
    with socket.create_connection(group.sockets[0].getsockname()):
        group.steer({0, 1, 2})
        assert chosen(group) == {0, 1, 2, 3}, "the first look takes it out of 3"
        assert chosen(group) == {0, 1, 2}


def test_many(group: Group) -> None:
    for _ in range(300):
        group.add()
    some = set(range(0, 304, 50))
    group.steer(some)
    assert chosen(group) <= some
