"""Sequence numbers of one subscription."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from truebook.book.sequence import Sequence


def test_the_first_number_starts_the_count_and_the_following_one_is_next() -> None:
    sequence = Sequence()
    assert [sequence.take(seq) for seq in (5, 6, 7)] == ["next", "next", "next"]


def test_a_gap_is_told_once_and_a_repetition_is_old() -> None:
    sequence = Sequence()
    assert [sequence.take(seq) for seq in (1, 3, 4, 4, 2, 5)] == ["next", "gap", "next", "old", "old", "next"]


def test_a_count_that_is_known_to_start_at_one_sees_a_loss_of_the_first() -> None:
    assert Sequence(last=0).take(2) == "gap"


@given(st.lists(st.integers(1, 30), min_size=1))
def test_without_a_gap_every_number_from_first_to_last_was_taken(numbers: list[int]) -> None:
    sequence = Sequence()
    answers = [sequence.take(seq) for seq in numbers]
    taken = [seq for seq, answer in zip(numbers, answers, strict=True) if answer != "old"]
    lost = sum(answer == "gap" for answer in answers)
    assert (taken == list(range(numbers[0], taken[-1] + 1))) == (lost == 0)
