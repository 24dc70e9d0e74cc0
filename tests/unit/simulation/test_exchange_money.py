"""Money of the simulated exchange: fees, held cash, netting, payouts, conservation under random commands."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.simulated_exchange import (
    ASK,
    BID,
    SECOND_US,
    START_US,
    TICKER,
    exchange,
    metadata,
    placed,
    request,
)
from truebook.messages.envelope import BookSide, TimeInForce
from truebook.messages.market_metadata import FeeType, MarketStatus, PriceRange
from truebook.simulation.venue.exchange import SimulatedExchange
from truebook.simulation.venue.orders import Rejected
from truebook.venue.account import OrderStatus, SelfTradePrevention
from truebook.venue.fees import worst_fee_micros

DOLLAR = 1_000_000
FINE = (PriceRange(0, 10_000, 1),)


def cash(venue: SimulatedExchange, account: str) -> int:
    return venue.queries.balance(account).balance_micros


def test_taker_and_maker_pay_the_fees_of_the_series() -> None:
    venue = exchange(metadata(fee_type=FeeType.QUADRATIC_WITH_MAKER_FEES))
    placed(venue, "alice", request(ASK, 5_000, 1_000))
    placed(venue, "bob", request(BID, 5_000, 1_000))
    # 10 contracts at 0.50: 0.07 x 10 x 0.25 = 0.175 for the taker, a quarter of it, aligned, for the maker.
    assert [fill.fee_micros for fill in venue.queries.fills("bob")] == [175_000]
    assert [fill.fee_micros for fill in venue.queries.fills("alice")] == [43_800]
    assert cash(venue, "bob") == 1_000 * DOLLAR - 5 * DOLLAR - 175_000
    assert cash(venue, "alice") == 1_000 * DOLLAR - 5 * DOLLAR - 43_800


@pytest.mark.parametrize(("side", "own_price_cc"), [(BID, 3_000), (ASK, 7_000)])
def test_a_resting_order_holds_its_worst_case_until_cancelled(side: BookSide, own_price_cc: int) -> None:
    venue = exchange()
    response, _ = placed(venue, "alice", request(side, 3_000, 1_000))
    held = 1_000 * own_price_cc + worst_fee_micros(1_000, 3_000, 70_000)
    assert venue.queries.held_micros("alice") == held
    assert cash(venue, "alice") == 1_000 * DOLLAR - held
    venue.cancel("alice", response.exchange_order_id, START_US)
    assert cash(venue, "alice") == 1_000 * DOLLAR


def test_an_order_is_affordable_up_to_the_last_micro() -> None:
    worst = 1_000 * 5_000 + worst_fee_micros(1_000, 5_000, 70_000)
    venue = exchange(accounts={"alice": worst, "bob": worst - 1})
    placed(venue, "alice", request(BID, 5_000, 1_000))
    refused, _ = venue.place("bob", request(BID, 5_000, 1_000), START_US)
    assert refused == Rejected(400, "insufficient_balance", "insufficient balance")


def test_holds_of_several_orders_add_up() -> None:
    one = 1_000 * 5_000 + worst_fee_micros(1_000, 5_000, 70_000)
    venue = exchange(metadata(), metadata("SIMTEST-1-B"), accounts={"alice": 2 * one})
    placed(venue, "alice", request(BID, 5_000, 1_000))
    placed(venue, "alice", request(BID, 5_000, 1_000, "SIMTEST-1-B"))
    refused, _ = venue.place("alice", request(BID, 100, 1), START_US)
    assert isinstance(refused, Rejected) and refused.code == "insufficient_balance"


def test_reducing_a_position_needs_no_cash() -> None:
    price = 1_000 * 6_000 + worst_fee_micros(1_000, 6_000, 70_000)
    venue = exchange(accounts={"alice": price, "bob": 1_000 * DOLLAR})
    placed(venue, "bob", request(ASK, 6_000, 1_000))
    placed(venue, "alice", request(BID, 6_000, 1_000))
    placed(venue, "alice", request(ASK, 7_000, 1_000))
    assert venue.queries.held_micros("alice") == 0
    refused, _ = venue.place("alice", request(ASK, 5_000, 1_000), START_US)
    assert isinstance(refused, Rejected) and refused.code == "insufficient_balance"


def test_a_position_covers_the_cheapest_orders_first() -> None:
    """A position of ten YES, twenty offered: held is the most expensive opening part, ten NO at 0.50."""
    venue = exchange()
    placed(venue, "bob", request(ASK, 4_000, 1_000))
    placed(venue, "alice", request(BID, 4_000, 1_000))
    placed(venue, "alice", request(ASK, 5_000, 1_000))
    placed(venue, "alice", request(ASK, 7_000, 1_000))
    assert venue.queries.held_micros("alice") == 1_000 * 5_000 + worst_fee_micros(1_000, 5_000, 70_000)


def test_yes_and_no_net_at_once_into_a_dollar() -> None:
    venue = exchange()
    placed(venue, "bob", request(ASK, 6_000, 1_000))
    placed(venue, "alice", request(BID, 6_000, 1_000))
    placed(venue, "bob", request(BID, 7_000, 1_500))
    placed(venue, "alice", request(ASK, 7_000, 1_500))
    fees = sum(fill.fee_micros for fill in venue.queries.fills("alice"))
    # Bought 10 at 0.60, sold 10 at 0.70; 5 NO at 0.30 remain.
    assert cash(venue, "alice") == 1_000 * DOLLAR + DOLLAR - 1_500_000 - fees
    position = venue.queries.positions("alice")[0]
    assert (position.position_centi, position.exposure_micros, position.fees_micros) == (-500, 1_500_000, fees)
    record = venue.queries.position("alice", TICKER)
    assert record is not None and record.realized_micros == DOLLAR


def test_costs_and_fees_of_an_order_are_kept_by_role() -> None:
    venue = exchange()
    placed(venue, "alice", request(ASK, 6_000, 100))
    response, _ = placed(venue, "bob", request(BID, 6_000, 300))
    placed(venue, "alice", request(ASK, 6_000, 200))
    costs = venue.queries.order_costs("bob", response.exchange_order_id)
    assert costs is not None
    assert (costs.taker_cost_micros, costs.maker_cost_micros) == (600_000, 1_200_000)
    assert costs.taker_fees_micros + costs.maker_fees_micros == sum(
        fill.fee_micros for fill in venue.queries.fills("bob")
    )


@pytest.mark.parametrize(("settlement_cc", "yes_micros"), [(10_000, 10 * DOLLAR), (0, 0), (2_500, 2_500_000)])
def test_a_settlement_pays_yes_the_value_and_no_its_complement(settlement_cc: int, yes_micros: int) -> None:
    venue = exchange()
    placed(venue, "bob", request(ASK, 5_000, 1_000))
    placed(venue, "alice", request(BID, 5_000, 1_000))
    before = {name: cash(venue, name) for name in ("alice", "bob")}
    venue.lifecycle.determine(TICKER, settlement_cc, START_US)
    venue.advance(START_US + 2 * SECOND_US)
    assert cash(venue, "alice") - before["alice"] == yes_micros
    assert cash(venue, "bob") - before["bob"] == 10 * DOLLAR - yes_micros


ACCOUNTS = ("alice", "bob", "carol")
MARKETS = (metadata(), metadata("SIMTEST-1-B", price_ranges=FINE, fee_type=FeeType.QUADRATIC_WITH_MAKER_FEES))


@st.composite
def commands(draw: st.DrawFn) -> list[tuple[Any, ...]]:
    order = st.tuples(
        st.just("place"),
        st.sampled_from(ACCOUNTS),
        st.sampled_from([one.ticker for one in MARKETS]),
        st.sampled_from([BID, ASK]),
        st.integers(40, 60),
        st.integers(1, 900),
        st.sampled_from(list(TimeInForce)),
        st.sampled_from(list(SelfTradePrevention)),
        st.booleans(),
    )
    cancel = st.tuples(st.just("cancel"), st.sampled_from(ACCOUNTS), st.integers(0, 5))
    rare = st.sampled_from([("cancel_all", "alice"), ("settle", MARKETS[0].ticker, 10_000)])
    return draw(st.lists(st.one_of(order, order, order, order, order, order, cancel, rare), min_size=15, max_size=60))


def execute(venue: SimulatedExchange, command: tuple[Any, ...], at_us: int) -> None:
    match command:
        case ("place", account, ticker, side, cents, size, time_in_force, prevention, reduce_only):
            rests = time_in_force is TimeInForce.GOOD_TILL_CANCELED
            fine = 7 if ticker == MARKETS[1].ticker else 0
            order = request(
                side,
                cents * 100 + fine,
                size,
                ticker,
                time_in_force=time_in_force,
                self_trade_prevention=prevention,
                reduce_only=reduce_only and time_in_force is TimeInForce.IMMEDIATE_OR_CANCEL,
                expiration_s=at_us // SECOND_US + 8 if size % 3 == 0 and rests else None,
            )
            venue.place(account, order, at_us)
        case ("cancel", account, index):
            resting = venue.queries.orders(account, status=OrderStatus.RESTING)
            if index < len(resting):
                venue.cancel(account, resting[index].exchange_order_id, at_us)
        case ("cancel_all", account):
            venue.cancel_all(account, at_us)
        case ("settle", ticker, value):
            market = venue.queries.market(ticker)
            if market is not None and market.settlement_cc is None:
                venue.lifecycle.determine(ticker, value, at_us)


def check(venue: SimulatedExchange, deposits: dict[str, int]) -> None:
    """Recompute every account's cash from its fills and settlements alone."""
    settled = {one.ticker for one in venue.queries.markets() if one.status is MarketStatus.FINALIZED}
    for account in ACCOUNTS:
        expected, held = deposits[account], dict.fromkeys([one.ticker for one in MARKETS], 0)
        bought: dict[tuple[str, BookSide], int] = {}
        for fill in venue.queries.fills(account):
            own_cc = fill.price_cc if fill.book_side is BID else 10_000 - fill.price_cc
            expected -= own_cc * fill.size_centi + fill.fee_micros
            key = (fill.ticker, fill.book_side)
            bought[key] = bought.get(key, 0) + fill.size_centi
        for ticker in held:
            yes, no = bought.get((ticker, BID), 0), bought.get((ticker, ASK), 0)
            expected += min(yes, no) * 10_000
            held[ticker] = 0 if ticker in settled else yes - no
        expected += sum(one.revenue_micros for one in venue.queries.settlements(account))
        # Total cash is available plus held cash.
        assert cash(venue, account) + venue.queries.held_micros(account) in (expected, expected + 1), account
        assert expected >= 0
        assert expected % 100 == 0
        positions = {one.ticker: one.position_centi for one in venue.queries.positions(account)}
        assert positions == {ticker: size for ticker, size in held.items() if size}
    for one in MARKETS:
        resting = [
            order
            for account in ACCOUNTS
            for order in venue.queries.orders(account, ticker=one.ticker, status=OrderStatus.RESTING)
        ]
        book = venue.queries.book(one.ticker)
        assert not book.is_crossed()
        for side in (BID, ASK):
            shown = sum(size for _, size in book.levels(side))
            assert shown == sum(order.remaining_centi for order in resting if order.book_side is side)
        if one.ticker not in settled:
            sides = [
                position.position_centi
                for account in ACCOUNTS
                for position in venue.queries.positions(account)
                if position.ticker == one.ticker
            ]
            assert sum(sides) == 0


@settings(max_examples=120, deadline=None)
@given(commands(), st.lists(st.integers(10_000, 300_000), min_size=3, max_size=3))
def test_money_and_sizes_are_conserved_after_every_command(script: list[tuple[Any, ...]], cents: list[int]) -> None:
    """Cash equals fills, pairs and payouts; positions sum to zero; the book is the sum of the resting orders."""
    deposits = {name: amount * 100 for name, amount in zip(ACCOUNTS, cents, strict=True)}
    venue = exchange(*MARKETS, accounts=deposits)
    for number, command in enumerate(script):
        execute(venue, command, START_US + number * SECOND_US)
        check(venue, deposits)
    venue.advance(START_US + 4_000 * SECOND_US)
    check(venue, deposits)
    assert all(venue.queries.held_micros(account) == 0 for account in ACCOUNTS)


@settings(max_examples=60, deadline=None)
@given(commands())
def test_fills_add_up_and_never_exceed_the_order(script: list[tuple[Any, ...]]) -> None:
    venue = exchange(*MARKETS, accounts=dict.fromkeys(ACCOUNTS, 1_000_000_000))
    for number, command in enumerate(script):
        execute(venue, command, START_US + number)
    for account in ACCOUNTS:
        filled: dict[str, int] = {}
        for fill in venue.queries.fills(account):
            filled[fill.exchange_order_id] = filled.get(fill.exchange_order_id, 0) + fill.size_centi
        for order in venue.queries.orders(account):
            assert order.filled_centi == filled.get(order.exchange_order_id, 0)
            assert order.filled_centi + order.remaining_centi <= order.initial_centi
            if order.status is OrderStatus.EXECUTED:
                assert order.filled_centi == order.initial_centi
