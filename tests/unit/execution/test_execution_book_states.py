"""What execution keeps of books: the newest state counts, an older epoch or a repetition never makes one fresh."""

from __future__ import annotations

import random
from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.samples import samples
from truebook.clock import ManualClock
from truebook.execution.book_states import BookStates
from truebook.messages.book_states import BookState
from truebook.messages.markets import MarketUpdated
from truebook.messages.reasons import Reason

SAMPLE = samples()["book_states.book_state"]
assert isinstance(SAMPLE, BookState)
NOW_US, TICKER = SAMPLE.produced_us, SAMPLE.ticker
EVER_US = 10**9
GAP = Reason.SEQUENCE_GAP


def state(version: int, stale: Reason | None = None, *, epoch: int = 1, confirmed_us: int = NOW_US) -> BookState:
    assert isinstance(SAMPLE, BookState)
    return msgspec.structs.replace(SAMPLE, epoch=epoch, version=version, stale=stale, confirmed_us=confirmed_us)


def update(*, selected: bool) -> MarketUpdated:
    message = samples()["markets.market_updated"]
    assert isinstance(message, MarketUpdated)
    return msgspec.structs.replace(message, ticker=TICKER, selected=selected)


def after(messages: Sequence[BookState]) -> BookStates:
    states = BookStates(ManualClock(NOW_US))
    for message in messages:
        states.apply(message)
    return states


@pytest.mark.parametrize(
    ("messages", "is_fresh"),
    [
        ([], False),
        ([state(1)], True),
        ([state(1), state(1, GAP)], False),
        ([state(1), state(1, GAP), state(2)], True),
        ([state(1), state(1, GAP), state(1)], False),
        ([state(2), state(1, GAP)], True),
        ([state(1, epoch=2), state(9, epoch=1)], False),
        ([state(1, epoch=2), state(9, epoch=1), state(1, epoch=2)], True),
        ([state(9), state(1, epoch=2)], True),
        ([state(9), state(1, GAP, epoch=2)], False),
        ([state(9, GAP), state(1, epoch=2), state(9)], False),
    ],
)
def test_the_newest_state_counts(messages: Sequence[BookState], is_fresh: bool) -> None:
    assert after(messages).is_fresh(TICKER, EVER_US) is is_fresh


@given(st.lists(st.booleans(), min_size=1, max_size=12), st.integers())
def test_repetitions_change_nothing(changes: list[bool], seed: int) -> None:
    """The bus is at-least-once: what could not be acknowledged is sent again, from any record on."""
    sent, version, is_stale = [state(1, confirmed_us=NOW_US - 100)], 1, False
    for number, becomes_stale in enumerate(changes):
        if becomes_stale and is_stale:
            continue
        version += not becomes_stale
        is_stale = becomes_stale
        sent.append(state(version, GAP if is_stale else None, confirmed_us=NOW_US - 99 + number))
    first = random.Random(seed).randrange(len(sent))
    once, twice = after(sent), after([*sent, *sent[first:]])
    assert twice.is_fresh(TICKER, EVER_US) == once.is_fresh(TICKER, EVER_US) == (not is_stale)
    assert twice.age_us(TICKER) == once.age_us(TICKER)


def test_the_age_is_the_time_since_the_book_was_last_fresh() -> None:
    clock = ManualClock(NOW_US)
    states = BookStates(clock)
    clock.set(NOW_US + 3_000_000)
    assert states.age_us(TICKER) == 3_000_000, "since the start: it was never seen"
    states.apply(state(1, confirmed_us=NOW_US + 2_000_000))
    states.apply(state(1, GAP, confirmed_us=NOW_US + 3_000_000))
    assert states.ages_us() == {TICKER: 1_000_000}
    states.apply(state(2, confirmed_us=NOW_US + 3_000_000))
    clock.set(NOW_US + 3_100_000)
    assert [states.is_fresh(TICKER, within_us) for within_us in (99_999, 100_000)] == [False, True]


def test_the_last_message_of_a_dropped_market_brings_no_state_back() -> None:
    """Topics have no common order: the book's last state may follow the market's."""
    states = after([state(1)])
    states.update_market(update(selected=False))
    states.apply(state(1, Reason.NO_SNAPSHOT))
    assert states.ages_us() == {}
    assert not states.is_fresh(TICKER, EVER_US)


def test_nothing_is_kept_of_a_deleted_market() -> None:
    states = after([state(1)])
    states.update_market(update(selected=True))
    states.drop(TICKER)
    assert (states.metadata(TICKER), states.ages_us()) == (None, {})
