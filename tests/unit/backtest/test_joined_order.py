"""A virtual passive order is followed on recorded rows as an order of a replay would be."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.column_rows import ASK, BID, R, columns, snapshot
from truebook.backtest.calibration.market_rows import MarketRows, by_market, concatenated
from truebook.backtest.calibration.order import Join, JoinedOrder, NotCounted, fill_times, follow
from truebook.backtest.tape.tops import TopTracker
from truebook.capture.columns import Kind, Side
from truebook.messages.envelope import BookSide
from truebook.simulation.events import Basis
from truebook.simulation.recorded.engine import RecordedEngine
from truebook.simulation.recorded.queue import QueueModel
from truebook.simulation.venue.account_book import AccountBook
from truebook.simulation.venue.orders import LiveOrder
from truebook.venue.account import OrderRequest

PESSIMISTIC, REALISTIC, OPTIMISTIC = QueueModel.PESSIMISTIC, QueueModel.REALISTIC, QueueModel.OPTIMISTIC
BOOK = snapshot((BID, 4_000, 1_000), (BID, 3_900, 800), (ASK, 4_100, 500), (ASK, 4_200, 700))
JOIN = Join(0, 0, BookSide.BID)
MINUTE_US = 60_000_000
END = R(Kind.OTHER, at_ms=200_000)


def market_rows(rows: Sequence[R]) -> MarketRows:
    chunk = columns(rows)
    return concatenated([piece for _, piece in by_market(chunk, TopTracker().add(chunk))])


def followed(rows: Sequence[R], join: Join = JOIN, size_centi: int = 300) -> JoinedOrder | NotCounted:
    market = market_rows([*BOOK, *rows, END])
    return follow(market, market.trade_frames(), join, size_centi, MINUTE_US)


def joined(rows: Sequence[R], join: Join = JOIN) -> JoinedOrder:
    result = followed(rows, join)
    assert isinstance(result, JoinedOrder)
    return result


def traded(size_centi: int, at_ms: int, price_cc: int = 4_000, taker: Side = ASK) -> list[R]:
    """Return a trade after its delta."""
    maker = Side(-taker)
    return [
        R(Kind.DELTA, maker, price_cc, -size_centi, at_ms=at_ms, exchange_ms=at_ms),
        R(Kind.TRADE, taker, price_cc, size_centi, at_ms=at_ms + 2, exchange_ms=at_ms),
    ]


def cancelled(size_centi: int, at_ms: int) -> list[R]:
    return [R(Kind.DELTA, BID, 4_000, -size_centi, at_ms=at_ms, exchange_ms=at_ms)]


# An order of 300 behind 1,000 at the best bid; when it is wholly filled (ms), by model.
CASES = [
    ("nothing happens", [], (None, None, None)),
    ("the queue is traded, then the order",
     [*traded(1_000, 5_000), R(Kind.DELTA, BID, 4_000, 500, at_ms=7_000), *traded(300, 9_000)], (9_002,) * 3),
    ("a part of the order is traded", [R(Kind.TRADE, ASK, 4_000, 1_299, at_ms=7_000)], (None,) * 3),
    ("the queue and more is traded", [R(Kind.TRADE, ASK, 4_000, 1_300, at_ms=7_000)], (7_000,) * 3),
    ("cancelled, then traded",
     [*cancelled(800, 1_000), R(Kind.DELTA, BID, 4_000, 900, at_ms=2_000), *traded(500, 9_000)],
     (9_002, 9_002, 9_002)),
    ("a trade at a worse price", [R(Kind.TRADE, ASK, 3_900, 300, at_ms=6_000)], (6_000,) * 3),
    ("a trade by a buyer", [R(Kind.TRADE, BID, 4_100, 2_000, at_ms=6_000)], (None,) * 3),
    ("a block trade", [R(Kind.BLOCK_TRADE, ASK, 4_000, 2_000, at_ms=6_000)], (None,) * 3),
    ("an ask below the order", [R(Kind.DELTA, ASK, 3_950, 300, at_ms=4_000)], (4_000,) * 3),
    ("an ask at the order's price", [R(Kind.DELTA, ASK, 4_000, 300, at_ms=4_000)], (None,) * 3),
    ("traded after its minute", [R(Kind.TRADE, ASK, 4_000, 2_000, at_ms=60_001)], (None,) * 3),
    ("a snapshot without the queue, then a trade",
     [*snapshot((BID, 3_900, 10), (ASK, 4_200, 10), at_ms=3_000), R(Kind.TRADE, ASK, 4_000, 300, at_ms=5_000)],
     (5_000, 5_000, 5_000)),
]  # fmt: skip


@pytest.mark.parametrize(("rows", "filled_ms"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_when_an_order_is_filled(rows: list[R], filled_ms: tuple[int | None, ...]) -> None:
    order = joined(rows)
    assert order.ahead_centi == 1_000
    after_us = {model: order.followed[model].after_us for model in QueueModel}
    assert list(after_us.values()) == [None if one is None else one * 1_000 for one in filled_ms]
    assert fill_times(market_rows([*BOOK, *rows, END]), JOIN, 300, MINUTE_US) == after_us


def test_how_an_order_is_filled() -> None:
    for rows, basis in (
        ([R(Kind.TRADE, ASK, 4_000, 1_300, at_ms=7_000)], Basis.QUEUE),
        ([R(Kind.TRADE, ASK, 3_900, 300, at_ms=6_000)], Basis.TRADE_THROUGH),
        ([R(Kind.DELTA, ASK, 3_950, 300, at_ms=4_000)], Basis.BOOK_CROSS),
    ):
        assert {one.basis for one in joined(rows).followed.values()} == {basis}


def test_an_order_on_the_ask_side_mirrors_a_bid() -> None:
    ask = Join(0, 0, BookSide.ASK)
    order = joined([R(Kind.TRADE, BID, 4_200, 300, at_ms=6_000)], ask)
    assert order.ahead_centi == 500
    assert order.followed[PESSIMISTIC].basis is Basis.TRADE_THROUGH
    assert joined([R(Kind.TRADE, BID, 4_100, 799, at_ms=6_000)], ask).followed[OPTIMISTIC].filled_centi == 299


def test_only_trades_at_the_price_count_in_the_queue() -> None:
    through = joined([R(Kind.TRADE, ASK, 3_900, 300, at_ms=6_000)]).followed[REALISTIC]
    assert (through.after_us, through.queue_after_us, through.paired_after_us) == (6_000_000, None, None)
    at_price = joined([R(Kind.TRADE, ASK, 4_000, 1_300, at_ms=6_000)]).followed[REALISTIC]
    assert (at_price.queue_after_us, at_price.paired_after_us) == (6_000_000, 6_000_000)


@pytest.mark.parametrize(
    ("cancelled_centi", "paired_ms"), [(0, (None,) * 3), (1_000, (None, 9_002, 9_002)), (600, (None, None, 9_002))]
)
def test_a_decrease_without_a_trade_is_a_cancellation(cancelled_centi: int, paired_ms: tuple[int | None, ...]) -> None:
    # 1,000 ahead of the order of 300, as many join behind; a part is cancelled, then 800 are traded.
    joins = R(Kind.DELTA, BID, 4_000, 1_000, at_ms=1_000)
    order = joined([joins, *cancelled(cancelled_centi, 2_000), *traded(800, 9_000)])
    found = [order.followed[model].paired_after_us for model in QueueModel]
    assert found == [None if one is None else one * 1_000 for one in paired_ms]


def test_a_trade_that_was_over_before_does_not_fill() -> None:
    # 700 of 1,000 are traded; the order of 300 joins behind the other 300 before the frame of that trade is received.
    join = Join(0, 5_001_000, BookSide.BID)
    order = joined(traded(700, 5_000), join)
    assert order.ahead_centi == 300
    assert {one.paired_after_us for one in order.followed.values()} == {None}
    assert {one.queue_after_us for one in order.followed.values()} == {None}
    later = joined([*traded(700, 5_000), R(Kind.DELTA, BID, 4_000, 300, at_ms=6_000), *traded(600, 9_000)], join)
    assert {one.paired_after_us for one in later.followed.values()} == {4_001_000}


def test_mark_outs_are_mid_prices_less_the_fill_price() -> None:
    rows = [
        R(Kind.DELTA, BID, 4_000, -1_000, at_ms=5_000, exchange_ms=5_000),  # the mid price falls from 40.50 to 40.00
        R(Kind.TRADE, ASK, 4_000, 1_000, at_ms=5_001, exchange_ms=5_000),
        R(Kind.DELTA, BID, 4_000, 500, at_ms=5_500),
        R(Kind.DELTA, BID, 4_000, -300, at_ms=6_000, exchange_ms=6_000),
        R(Kind.TRADE, ASK, 4_000, 300, at_ms=6_001, exchange_ms=6_000),
        R(Kind.DELTA, BID, 4_000, -200, at_ms=6_500),
        R(Kind.DELTA, BID, 4_050, 100, at_ms=10_000),
        R(Kind.DELTA, BID, 4_050, -100, at_ms=30_000),
        R(Kind.DELTA, BID, 3_900, -800, at_ms=31_000),
    ]
    order = joined(rows).followed[REALISTIC]
    assert order.after_us == 6_001_000
    assert order.mark_outs_half_cc == (100, 0, 150, None)  # 40.50, 40.00 and 40.75 cents; then there is no bid
    assert joined(rows, Join(0, 0, BookSide.ASK)).followed[REALISTIC].mark_outs_half_cc == (None,) * 4


@pytest.mark.parametrize(
    ("rows", "join", "reason"),
    [
        ([], Join(0, -1, BookSide.BID), NotCounted.NO_MID),
        ([R(Kind.DELTA, BID, 4_100, 9)], JOIN, NotCounted.NO_MID),
        ([R(Kind.DELTA, ASK, 4_100, -500), R(Kind.DELTA, ASK, 4_200, -700)], JOIN, NotCounted.NO_MID),
        (snapshot((BID, 499, 10), (ASK, 600, 10)), JOIN, NotCounted.EXTREME_PRICE),
        (snapshot((BID, 9_400, 10), (ASK, 9_501, 10)), Join(0, 0, BookSide.ASK), NotCounted.EXTREME_PRICE),
        ([R(Kind.GAP, at_ms=59_999)], JOIN, NotCounted.GAP),
    ],
)
def test_orders_that_do_not_count(rows: list[R], join: Join, reason: NotCounted) -> None:
    assert followed(rows, join) is reason


def test_a_gap_after_the_time_of_an_order_does_not_matter() -> None:
    assert isinstance(followed([R(Kind.GAP, at_ms=60_001)]), JoinedOrder)


PRICES = st.sampled_from([3_900, 4_000, 4_050, 4_100])
EVENT = st.one_of(
    st.builds(lambda side, price, size: [R(Kind.DELTA, side, price, size)], st.sampled_from([BID, ASK]), PRICES,
              st.integers(-400, 400)),
    st.builds(lambda side, price, size: [R(Kind.TRADE, side, price, size)], st.sampled_from([BID, ASK]), PRICES,
              st.integers(1, 900)),
    st.builds(lambda bid, ask: snapshot((BID, 3_900, bid), (ASK, 4_200, ask)), st.integers(1, 9), st.integers(1, 9)),
)  # fmt: skip


@given(st.lists(EVENT, max_size=25), st.sampled_from(list(QueueModel)))
def test_rows_that_are_left_out_change_nothing(events: list[list[R]], model: QueueModel) -> None:
    rows = [row for event in events for row in event]
    rows = [row._replace(at_ms=100 * number) for number, row in enumerate(rows, 1)]
    result = followed(rows)
    if isinstance(result, JoinedOrder):
        after_us, filled_centi = matched_on_all_rows([*BOOK, *rows], model)
        assert (result.followed[model].after_us, result.followed[model].filled_centi) == (after_us, filled_centi)


def matched_on_all_rows(rows: Sequence[R], model: QueueModel) -> tuple[int | None, int]:
    """Match the same order on every row, the first snapshot included."""
    accounts = AccountBook(0)
    engine = RecordedEngine(accounts, model)
    engine.add_market("M")
    request = OrderRequest(ticker="M", client_order_id="order", book_side=BookSide.BID, price_cc=4_000, size_centi=300)
    order = LiveOrder.create("trader:test", request, 0)
    sides = {BID: BookSide.BID, ASK: BookSide.ASK}
    for number, row in enumerate(rows):
        at_us = row.at_ms * 1_000
        if row.kind is Kind.SNAPSHOT:
            levels = rows[number + 1 : number + 1 + row.size_centi]
            bids, asks = ([one[2:4] for one in levels if one.side is side] for side in (BID, ASK))
            engine.snapshot("M", bids, asks, at_us)
            if number == 0:
                accounts.accept(order)
                engine.execute(order, at_us)
        elif row.kind is Kind.DELTA:
            engine.delta("M", sides[row.side], row.price_cc, row.size_centi, at_us)
        elif row.kind is Kind.TRADE:
            engine.trade("M", row.price_cc, row.size_centi, sides[row.side], at_us)
        if not order.remaining_centi:
            return at_us, order.filled_centi
    return None, order.filled_centi
