"""Sequence numbers of one subscription."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from truebook.book.sequence import Sequence


def verdicts(*frames: tuple[int, str], last: int | None = None) -> list[str]:
    sequence = Sequence(last)
    return [sequence.take(seq, text) for seq, text in frames]


def test_the_first_number_starts_the_sequence() -> None:
    assert verdicts((5, "a"), (6, "b"), (7, "c")) == ["next", "next", "next"]


def test_a_gap_is_reported_once() -> None:
    assert verdicts((1, "a"), (3, "c"), (4, "d"), (5, "e")) == ["next", "gap", "next", "next"]


def test_a_sequence_with_a_known_start_reports_a_lost_first() -> None:
    assert verdicts((2, "b"), last=0) == ["gap"]


def test_only_the_last_frame_again_is_a_repetition() -> None:
    assert verdicts((1, "a"), (2, "b"), (2, "b"), (3, "c")) == ["next", "next", "repeated", "next"]
    assert verdicts((1, "a"), (2, "b"), (1, "a"), (2, "b")) == ["next", "next", "restart", "next"]


def test_a_fallen_number_restarts_the_sequence() -> None:
    assert verdicts((7, "a"), (8, "b"), (1, "c"), (2, "d"), (3, "e")) == ["next", "next", "restart", "next", "next"]


def test_another_frame_with_the_last_number_is_a_restart() -> None:
    assert verdicts((1, "a"), (1, "b"), (2, "c")) == ["next", "restart", "next"]


@given(st.lists(st.integers(1, 30), min_size=1))
def test_without_gap_and_restart_every_number_was_taken(numbers: list[int]) -> None:
    sequence = Sequence()
    found = [sequence.take(seq, str(seq)) for seq in numbers]
    taken = [seq for seq, verdict in zip(numbers, found, strict=True) if verdict != "repeated"]
    is_whole = all(verdict in ("next", "repeated") for verdict in found)
    assert (taken == list(range(numbers[0], numbers[0] + len(taken)))) == is_whole


@given(st.lists(st.integers(1, 9), min_size=1))
def test_only_the_next_number_is_taken_alone_and_then_as_otherwise(numbers: list[int]) -> None:
    alone, whole = Sequence(), Sequence()
    for seq in numbers:
        verdict, is_first = whole.take(seq, str(seq)), alone.last is None
        assert alone.take_next(seq, str(seq)) == (verdict == "next" and not is_first)
        if verdict != "next" or is_first:
            assert alone.take(seq, str(seq)) == verdict
        assert alone.last == whole.last
