"""The ledger of a pass returns what the ledger of the rules returns, with views that it keeps."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from truebook.backtest.engine.pass_ledger import PassLedger
from truebook.ledger.rules.ledger import Ledger
from truebook.ledger.verbs import (
    Acknowledge,
    AdvanceWatermark,
    Close,
    OpenAccount,
    Reserve,
    SettleFill,
    SettleMarket,
    Verb,
)
from truebook.messages.envelope import BookSide

TICKERS = ("KXA-1", "KXA-2")
NOW_US = 1_000_000
ids = st.integers(1, 4).map(lambda number: f"tb1-{number}")
tickers = st.sampled_from(TICKERS)
sides = st.sampled_from(BookSide)
prices = st.sampled_from((2_000, 5_000, 8_000))
reserves = st.builds(
    lambda order_id, ticker, side, price_cc: Reserve(
        order_id=order_id, nonce="n", ticker=ticker, event="KXA", exclusive=True, book_side=side, price_cc=price_cc,
        size_centi=500, reduce_only=False, fee_rate_ppm=70_000, deadline_us=NOW_US + 10**9, now_us=NOW_US, partition=0,
        epoch=1, reference_cc=None,
    ),
    ids, tickers, sides, prices,
)  # fmt: skip
reports = st.one_of(
    st.builds(
        lambda order_id, ticker: Acknowledge(
            order_id=order_id, exchange_order_id=f"x{order_id}", ticker=ticker, filled_centi=0, remaining_centi=500
        ),
        ids, tickers,
    ),
    st.builds(lambda order_id, filled: Close(order_id=order_id, exchange_order_id=None, filled_centi=filled), ids,
              st.sampled_from((0, 300, 500))),
    st.builds(
        lambda trade, order_id, ticker, side, price_cc: SettleFill(
            trade_id=f"t{trade}", order_id=f"x{order_id}", ticker=ticker, book_side=side, price_cc=price_cc,
            size_centi=100, fee_micros=100,
        ),
        st.integers(1, 3), ids, tickers, sides, prices,
    ),
    st.builds(lambda ticker: SettleMarket(ticker=ticker, settlement_cc=10_000), tickers),
    st.builds(lambda to_us: AdvanceWatermark(name="swept", to_us=to_us), st.integers(1, 3)),
)  # fmt: skip


@given(st.lists(st.one_of(reserves, reports), max_size=25))
def test_results_and_views_equal_those_of_the_rules(verbs: list[Verb[Any]]) -> None:
    kept, plain = PassLedger("pass"), Ledger("pass")
    opening: Verb[Any] = OpenAccount(balance_micros=10_000_000, exchange="x")
    for verb in (opening, *verbs):
        assert kept.apply(verb) == plain.apply(verb)
        for tickers in (None, (), TICKERS[:1], TICKERS[::-1], ("unknown",)):
            assert kept.view(tickers) == plain.view(tickers)
            assert kept.view(tickers) is kept.view(tickers), "kept until the next change"
    assert (kept.seq, kept.state, kept.audit()) == (plain.seq, plain.state, plain.audit())
    assert kept.journal(0, 100) == ()
