"""What simulators get wrong: sales from flat, prints, amendments that cross, killed orders, fees."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.simulated_exchange import ASK, BID, START_US, TICKER, exchange, metadata, of_kind, placed, request
from truebook.messages.envelope import BookSide, TimeInForce
from truebook.simulation.events import Filled, Traded
from truebook.simulation.recorded.queue import QueueModel
from truebook.simulation.recorded.replay import MarketReplay
from truebook.simulation.venue.exchange import SimulatedExchange
from truebook.simulation.venue.order_changes import Amendment, ChangeResponse
from truebook.simulation.venue.orders import Rejected

SETTLED_US = START_US + 10_000_000


def money(venue: SimulatedExchange, *accounts: str) -> int:
    return sum(venue.queries.balance(name).balance_micros for name in accounts)


@pytest.mark.parametrize("settlement_cc", [0, 10_000, 4_200])
def test_a_sale_from_flat_and_both_outcomes_add_up_to_zero(settlement_cc: int) -> None:
    """The seller of YES holds NO; what one account gains the other loses, and the fees are all that is missing."""
    venue = exchange()
    before = money(venue, "alice", "bob")
    placed(venue, "bob", request(BID, 6_300, 1_000))
    _, events = placed(venue, "alice", request(ASK, 6_300, 1_000))
    fees = sum(one.fill.fee_micros for one in of_kind(events, Filled))
    assert {one.account: one.post_position_centi for one in of_kind(events, Filled)} == {"bob": 1_000, "alice": -1_000}
    assert venue.queries.balance("alice").balance_micros == 1_000_000_000 - 3_700 * 1_000 - fees, "the sale costs NO"
    venue.lifecycle.determine(TICKER, settlement_cc, START_US + 1_000_000)
    venue.advance(SETTLED_US)
    assert money(venue, "alice", "bob") == before - fees
    gain = venue.queries.balance("bob").balance_micros - 1_000_000_000
    assert gain == (settlement_cc - 6_300) * 1_000
    assert venue.queries.positions("alice") == venue.queries.positions("bob") == []


@given(
    orders=st.lists(
        st.tuples(
            st.sampled_from(["alice", "bob"]), st.sampled_from([BID, ASK]), st.integers(1, 99), st.integers(1, 900)
        ),
        max_size=30,
    ),
    settlement_cc=st.integers(0, 10_000),
)
def test_money_only_leaves_as_fees(orders: list[tuple[str, BookSide, int, int]], settlement_cc: int) -> None:
    venue = exchange()
    fees = 0
    for account, side, cents, size_centi in orders:
        _, events = venue.place(account, request(side, cents * 100, size_centi), START_US)
        fees += sum(one.fill.fee_micros for one in of_kind(events, Filled))
    venue.lifecycle.determine(TICKER, settlement_cc, START_US + 1)
    venue.advance(SETTLED_US)
    assert money(venue, "alice", "bob") == 2_000_000_000 - fees


def replay_with(side: BookSide, price_cc: int, size_centi: int, queue: QueueModel) -> MarketReplay:
    """A recorded book of 45/55 cents, and a resting order of alice."""
    replay = MarketReplay(1, [metadata()], queue=queue)
    replay.begin(START_US)
    replay.exchange.open_account("alice", 1_000_000_000)
    replay.snapshot(TICKER, ((4_500, 1_000),), ((5_500, 1_000),), START_US)
    placed(replay.exchange, "alice", request(side, price_cc, size_centi))
    return replay


def printed(replay: MarketReplay, price_cc: int, sizes: list[int], taker: BookSide) -> int:
    """Print trades; the size that alice was filled."""
    filled_centi = 0
    for number, size_centi in enumerate(sizes):
        at_us = START_US + 1_000 * (number + 1)
        trade = Traded(
            at_us=at_us, ticker=TICKER, trade_id=f"t{number}", price_cc=price_cc, size_centi=size_centi,
            taker_side=taker,
        )  # fmt: skip
        events = replay.trade(trade, exchange_us=at_us)
        filled_centi += sum(one.fill.size_centi for one in of_kind(events, Filled))
    return filled_centi


@pytest.mark.parametrize("queue", list(QueueModel))
@pytest.mark.parametrize(("side", "price_cc", "through_cc"), [(BID, 4_500, 4_400), (ASK, 5_500, 5_600)])
def test_a_print_through_a_resting_level_fills_it(
    queue: QueueModel, side: BookSide, price_cc: int, through_cc: int
) -> None:
    replay = replay_with(side, price_cc, 300, queue)
    assert printed(replay, through_cc, [500], side.other) == 300


@given(cuts=st.sets(st.integers(1, 1_599), max_size=6), queue=st.sampled_from(list(QueueModel)))
def test_the_same_volume_in_other_prints_fills_the_same(cuts: set[int], queue: QueueModel) -> None:
    """Sixteen contracts at the price: ten were ahead, so six fill, however the volume is cut."""
    sizes = [second - first for first, second in pairwise([0, *sorted(cuts), 1_600])]
    assert printed(replay_with(BID, 4_500, 900, queue), 4_500, sizes, ASK) == 600


def test_an_edit_that_crosses_trades() -> None:
    venue = exchange()
    placed(venue, "bob", request(ASK, 5_000, 400))
    resting, _ = placed(venue, "alice", request(BID, 4_000, 1_000))
    amendment = Amendment(ticker=TICKER, book_side=BID, price_cc=5_100, total_centi=1_000)
    response, events = venue.amend("alice", resting.exchange_order_id, amendment, START_US)
    assert isinstance(response, ChangeResponse)
    assert [(one.price_cc, one.size_centi) for one in of_kind(events, Traded)] == [(5_000, 400)]
    book = venue.queries.book(TICKER)
    assert (book.best(BID), book.best(ASK)) == ((5_100, 600), None)


def test_a_killed_fill_or_kill_leaves_the_book_as_it_was() -> None:
    venue = exchange()
    placed(venue, "bob", request(ASK, 5_000, 400))
    placed(venue, "bob", request(ASK, 5_100, 300))
    before, clock, cash = venue.queries.book(TICKER), venue.queries.clock_of(TICKER), money(venue, "alice")
    killed = request(BID, 5_100, 701, time_in_force=TimeInForce.FILL_OR_KILL)
    response, events = venue.place("alice", killed, START_US)
    assert isinstance(response, Rejected) and events == []
    assert (venue.queries.book(TICKER), venue.queries.clock_of(TICKER), money(venue, "alice")) == (before, clock, cash)
    exact = request(BID, 5_100, 700, time_in_force=TimeInForce.FILL_OR_KILL)
    assert sum(one.size_centi for one in of_kind(placed(venue, "alice", exact)[1], Traded)) == 700


def test_four_contracts_at_half_a_dollar_cost_seven_cents() -> None:
    """0.07 x 4 x 0.50 x 0.50 is 0.07; in floats it is a little more, and would be rounded up."""
    venue = exchange()
    placed(venue, "bob", request(ASK, 5_000, 400))
    _, events = placed(venue, "alice", request(BID, 5_000, 400))
    taker = next(one.fill for one in of_kind(events, Filled) if one.account == "alice")
    assert taker.fee_micros == 70_000
