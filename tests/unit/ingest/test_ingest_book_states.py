"""When the state of a book is published: seldom while it is fresh, at once when that changes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from support.followed_books import BooksHarness, delta, snapshot
from truebook.book.state_pace import EVERY_US, NOT_PUBLISHED, is_due, last_due
from truebook.messages.book_states import BookState
from truebook.messages.envelope import BookSide
from truebook.messages.reasons import Reason

BID = BookSide.BID


def wait(harness: BooksHarness, us: int) -> None:
    harness.clock.set(harness.clock.now_us() + us)
    harness.books.confirm(None)


def of(states: list[BookState]) -> list[tuple[int, Reason | None]]:
    return [(state.version, state.stale) for state in states]


def test_a_state_is_due_after_the_interval() -> None:
    now_us = 10**15
    assert is_due(NOT_PUBLISHED, now_us)
    assert [is_due(now_us, now_us + us) for us in (0, EVERY_US - 1, EVERY_US, -1)] == [False, False, True, True]


@given(st.lists(st.integers(10**15, 10**15 + 2_000_000)), st.sampled_from([NOT_PUBLISHED, 10**15, 10**15 - EVERY_US]))
def test_many_changes_give_the_states_of_one_by_one(changes_us: list[int], published_us: int) -> None:
    changes_us.sort()
    expected_us = published_us
    for now_us in changes_us:
        if is_due(expected_us, now_us):
            expected_us = now_us
    assert last_due(published_us, changes_us) == expected_us


def test_a_busy_book_has_four_states_a_second() -> None:
    harness = BooksHarness()
    harness.books.apply_snapshot(snapshot())
    for _ in range(200):
        wait(harness, 10_000)
        harness.books.apply_delta(delta("A", BID, 4_000, 100))
    assert len(harness.states) == 1 + 2 * 4
    assert [state.version for state in harness.states] == [1, *range(26, 202, 25)]
    assert harness.states[-1].confirmed_us == harness.clock.now_us()


def test_a_change_between_fresh_and_stale_is_published_at_once() -> None:
    harness = BooksHarness()
    harness.books.apply_snapshot(snapshot())
    harness.books.invalidate_all(Reason.SEQUENCE_GAP, frame_us=1)
    harness.books.invalidate_all(Reason.DISCONNECTED, frame_us=1)
    harness.books.apply_snapshot(snapshot())
    harness.books.apply_snapshot(snapshot())
    assert of(harness.states) == [(1, None), (1, Reason.SEQUENCE_GAP), (2, None)]
    harness.books.unfollow("A")
    assert of(harness.states[3:]) == [(2, Reason.NO_SNAPSHOT)]


def test_a_quiet_book_has_a_state_with_each_periodic_snapshot() -> None:
    harness = BooksHarness()
    harness.books.apply_snapshot(snapshot())
    for number in range(1, 4):
        wait(harness, 2_000_000)
        harness.books.publish_due_snapshots(2_000_000, frame_us=1)
        assert len(harness.states) == 1 + number
        assert harness.states[-1].confirmed_us == harness.clock.now_us()


steps = st.lists(
    st.tuples(st.sampled_from(["delta", "snapshot", "stale", "due"]), st.integers(0, 400_000)), max_size=60
)


@given(steps)
def test_the_newest_state_is_that_of_the_book_and_little_older(steps: list[tuple[str, int]]) -> None:
    harness = BooksHarness()
    for step, us in steps:
        wait(harness, us)
        match step:
            case "delta":
                harness.books.apply_delta(delta("A", BID, 4_000, 1))
            case "snapshot":
                harness.books.apply_snapshot(snapshot())
            case "stale":
                harness.books.invalidate("A", Reason.SEQUENCE_GAP, frame_us=1)
            case _:
                harness.books.publish_due_snapshots(2_000_000, frame_us=1)
        replica = harness.replica()
        if harness.states:
            assert harness.states[-1].stale is replica.stale
            if replica.stale is None:
                assert 0 <= replica.confirmed_us - harness.states[-1].confirmed_us < EVERY_US
    fresh_us = [state.produced_us for state in harness.states if state.stale is None]
    for state, after in zip(harness.states, harness.states[1:], strict=False):
        if state.stale is None and after.stale is None:
            assert after.produced_us - state.produced_us >= EVERY_US
    assert fresh_us == sorted(fresh_us)
    assert len({state.id for state in harness.states}) == len(harness.states)
