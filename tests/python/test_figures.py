"""What workers count, as the supervisor reads it: the layout, sums, and the dead."""

from __future__ import annotations

import pytest

from freastal import _core, figures
from freastal.board import SIZE, Board
from freastal.figures import FIRST, PLACES, REASONS, ROWS, WORDS, Figures, Tally


def made(**rows: int | list[int]) -> Figures:
    words = [0] * WORDS
    for name, value in rows.items():
        values = value if isinstance(value, list) else [value]
        words[PLACES[name].start : PLACES[name].start + len(values)] = values
    return Figures(words)


class TestLayout:
    def test_rows_are_those_of_the_core(self) -> None:
        ours = [(name, FIRST + PLACES[name].start, words) for name, words in ROWS.items()]
        assert list(_core.FIGURES) == ours

    def test_reasons_are_those_of_the_core(self) -> None:
        worker = _core.Worker(lambda environ, start: [], [])
        names = [name.removeprefix("CLOSE_").lower() for name in worker.counters()["closed"]]
        worker.close()
        assert names == ["none", *REASONS[1:]]
        assert len(REASONS) <= figures.KILLED

    def test_a_board_is_read(self) -> None:
        board = Board()
        board.memory[FIRST * 8] = figures.VERSION
        board.memory[SIZE - 8] = 7  # the last word
        assert board.figures.one("handshakes_failed") == 7
        board.close()

    def test_a_worker_says_which_version_it_writes(self) -> None:
        board = Board()
        worker = _core.Worker(lambda environ, start: [], [], board=board.memory)
        assert board.figures.one("version") == figures.VERSION
        worker.close()
        board.close()

    def test_another_versions_words_count_as_nothing(self) -> None:
        board = Board()
        board.memory[FIRST * 8] = figures.VERSION + 1
        board.memory[(FIRST + 1) * 8] = 7
        assert board.figures.one("arrived") == 0
        board.close()


class TestDerived:
    def test_requests_by_where_they_are(self) -> None:
        found = made(arrived=10, started=7, dropped=1, aborted=2, answers=[0, 3])
        assert (found.queued, found.in_flight, found.answered) == (2, 2, 3)

    def test_connections_by_what_they_do(self) -> None:
        found = made(accepted=9, closed=[0, 2, 1], busy=2, tunnels=1, closing=1)
        assert found.states == {"idle": 2, "request": 2, "websocket": 1, "closing": 1}

    def test_words_of_different_moments_give_nothing_below_zero(self) -> None:
        found = made(arrived=1, started=2, answers=[3], accepted=1, closed=[0, 2], busy=1)
        assert (found.queued, found.in_flight, found.connections) == (0, 0, 0)
        assert min(found.states.values()) == 0


class TestTheDead:
    def test_what_it_was_at_has_ended(self) -> None:
        found = made(
            arrived=10, started=7, answers=[4], accepted=5, closed=[0, 1], busy=3, tunnels=1
        ).bury()
        assert (found.queued, found.in_flight, found.connections) == (0, 0, 0)
        assert (found.one("aborted"), found.one("dropped")) == (3, 3)
        assert found.closed["worker_died"] == 4
        assert sum(found.states.values()) == 0

    def test_counts_of_several_are_added(self) -> None:
        tally = Tally()
        for _ in range(2):
            tally.bury(3, made(arrived=2, started=2, answers=[2], bytes_in=50))
        tally.bury(1, made(bytes_in=7))
        assert tally.numbers == [1, 3]
        assert tally.of(3).answered == 4
        assert tally.of(3).one("bytes_in") == 100
        assert tally.of(2).answered == 0

    def test_only_known_reasons(self) -> None:
        with pytest.raises(KeyError):
            Tally().restarted("whim")
