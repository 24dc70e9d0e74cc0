"""The running sum of an event's YES prices equals the one computed from scratch after every step."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from truebook.book.event_sums import EventSum

TICKERS = ("A", "B", "C")
steps = st.lists(
    st.tuples(
        st.sampled_from(("add", "remove", "price", "stale", "fresh")),
        st.sampled_from(TICKERS),
        st.none() | st.integers(2, 19_998),
    ),
    max_size=40,
)


@given(steps, st.sets(st.sampled_from(TICKERS)))
def test_the_running_sum_is_the_sum_of_all_mids_or_none(steps: list, members: set[str]) -> None:
    event_sum, mids, stale = EventSum(), dict[str, int | None](), set[str]()
    event_sum.set_members(frozenset(members))
    for step, ticker, bid_plus_ask_cc in steps:
        if step == "add":
            event_sum.add(ticker)
            mids.setdefault(ticker, None)
        elif step == "remove":
            event_sum.remove(ticker)
            mids.pop(ticker, None)
            stale.discard(ticker)
        elif ticker not in mids:
            continue
        elif step == "price":
            event_sum.set_price(ticker, bid_plus_ask_cc)
            mids[ticker] = bid_plus_ask_cc
        elif step == "stale":
            event_sum.mark_stale(ticker, 400)
            stale.add(ticker)
        else:
            event_sum.mark_fresh(ticker)
            stale.discard(ticker)
        known = [each for each in mids.values() if each is not None]
        is_whole = len(known) == len(mids) > 0 and members <= mids.keys()
        age_us = 600 if stale else 100
        assert event_sum.read(1_000, 900) == ((sum(known) // 2, age_us) if is_whole else (None, None))
        assert event_sum.is_empty == (not mids)
