"""Order groups: the bound within fifteen seconds, what triggers a group, and what that does to its orders."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.simulated_exchange import ASK, BID, SECOND_US, START_US, TICKER, opened_exchange
from truebook.messages.envelope import BookSide
from truebook.simulation.events import GroupChanged, GroupEvent, OrderChanged, SimulationEvent
from truebook.simulation.exchange import SimulatedExchange
from truebook.simulation.order_groups import GroupChange
from truebook.simulation.orders import Rejected
from truebook.simulation.replay_market import CaptureMarket
from truebook.venue.account import CreateAnswer, ExchangeOrderGroup, OrderRequest, OrderStatus

BALANCE = 10_000_000_000
LIMIT = 1_000
_ids = itertools.count()


@pytest.fixture
def exchange() -> SimulatedExchange:
    return opened()


def opened() -> SimulatedExchange:
    return opened_exchange(BALANCE)


def group_of(exchange: SimulatedExchange, limit_centi: int = LIMIT) -> str:
    answer, events = exchange.create_group("me", limit_centi, START_US)
    assert isinstance(answer, ExchangeOrderGroup)
    assert told(events) == [GroupEvent.CREATED]
    return answer.group_id


def place(
    exchange: SimulatedExchange, account: str, side: BookSide, size_centi: int, at_us: int = START_US, **more: Any
) -> tuple[CreateAnswer | Rejected, list[SimulationEvent]]:
    request = OrderRequest(
        ticker=TICKER, client_order_id=f"c-{next(_ids)}", book_side=side, price_cc=more.pop("price_cc", 4_000),
        size_centi=size_centi, **more,
    )  # fmt: skip
    return exchange.place(account, request, at_us)


def told(events: list[SimulationEvent]) -> list[GroupEvent]:
    return [event.kind for event in events if isinstance(event, GroupChanged)]


def resting(exchange: SimulatedExchange) -> list[str]:
    return [order.exchange_order_id for order in exchange.orders("me", status=OrderStatus.RESTING)]


def refused(answer: object) -> str:
    assert isinstance(answer, Rejected), answer
    return answer.code


def test_a_group_that_trades_its_limit_is_triggered_and_its_orders_alone_are_cancelled(
    exchange: SimulatedExchange,
) -> None:
    group = group_of(exchange)
    free, _ = place(exchange, "me", BID, 500, price_cc=3_000)
    place(exchange, "me", BID, 900, order_group_id=group)
    place(exchange, "me", BID, 900, price_cc=3_900, order_group_id=group)
    _, events = place(exchange, "other", ASK, 900, price_cc=4_000)
    assert told(events) == []
    _, events = place(exchange, "other", ASK, 100, price_cc=3_900)
    assert told(events) == [GroupEvent.TRIGGERED]
    told_at = next(place for place, event in enumerate(events) if isinstance(event, GroupChanged))
    ended = [event.order for event in events[told_at:] if isinstance(event, OrderChanged)]
    assert [(order.status, order.filled_centi) for order in ended] == [(OrderStatus.CANCELED, 100)]
    assert isinstance(free, CreateAnswer)
    assert resting(exchange) == [free.exchange_order_id]
    (shown,) = exchange.groups("me")
    assert (shown.is_triggered, shown.orders, shown.limit_centi) == (True, (), LIMIT)


def test_a_triggered_group_takes_no_order_until_it_is_reset(exchange: SimulatedExchange) -> None:
    group = group_of(exchange)
    _, events = exchange.change_group("me", group, GroupChange.TRIGGER, START_US)
    assert told(events) == [GroupEvent.TRIGGERED]
    _, events = exchange.change_group("me", group, GroupChange.TRIGGER, START_US)
    assert told(events) == [], "it is triggered already"
    assert refused(place(exchange, "me", BID, 100, order_group_id=group)[0]) == "exceeded_order_group_risk_limit"
    _, events = exchange.change_group("me", group, GroupChange.RESET, START_US)
    assert told(events) == [GroupEvent.RESET]
    answer, _ = place(exchange, "me", BID, 100, order_group_id=group)
    assert isinstance(answer, CreateAnswer)
    assert exchange.groups("me")[0].orders == (answer.exchange_order_id,)


def test_what_was_traded_longer_ago_than_the_window_does_not_count(exchange: SimulatedExchange) -> None:
    group = group_of(exchange)
    for second in (0, 15, 30, 44):
        at_us = START_US + second * SECOND_US
        place(exchange, "me", BID, 500, at_us, order_group_id=group)
        _, events = place(exchange, "other", ASK, 500, at_us)
        assert told(events) == ([GroupEvent.TRIGGERED] if second == 44 else []), second


def test_the_taker_itself_may_reach_the_limit_and_ends(exchange: SimulatedExchange) -> None:
    group = group_of(exchange)
    place(exchange, "other", ASK, 1_200)
    answer, events = place(exchange, "me", BID, 2_000, order_group_id=group)
    assert isinstance(answer, CreateAnswer)
    assert (answer.filled_centi, answer.remaining_centi) == (1_200, 0), "one order may go beyond the limit"
    assert told(events) == [GroupEvent.TRIGGERED]
    assert resting(exchange) == []
    assert exchange.held_micros("me") == 0


def test_a_limit_that_is_reached_already_triggers_at_once(exchange: SimulatedExchange) -> None:
    group = group_of(exchange)
    place(exchange, "me", BID, 900, order_group_id=group)
    place(exchange, "other", ASK, 600)
    answer, events = exchange.change_group("me", group, GroupChange.LIMIT, START_US, limit_centi=2_000)
    assert told(events) == [GroupEvent.LIMIT_UPDATED]
    answer, events = exchange.change_group("me", group, GroupChange.LIMIT, START_US, limit_centi=600)
    assert told(events) == [GroupEvent.LIMIT_UPDATED, GroupEvent.TRIGGERED]
    assert isinstance(answer, ExchangeOrderGroup)
    assert answer.is_triggered
    assert resting(exchange) == []


def test_a_deleted_group_takes_its_orders_along_and_is_not_known_any_more(exchange: SimulatedExchange) -> None:
    group = group_of(exchange)
    place(exchange, "me", BID, 100, order_group_id=group)
    _, events = exchange.change_group("me", group, GroupChange.DELETE, START_US)
    assert told(events) == [GroupEvent.DELETED]
    assert resting(exchange) == []
    assert exchange.groups("me") == []
    assert refused(place(exchange, "me", BID, 100, order_group_id=group)[0]) == "order_group_not_found"
    for change in GroupChange:
        answer, events = exchange.change_group("me", group, change, START_US, limit_centi=100)
        assert (refused(answer), events) == ("not_found", [])


def test_a_group_is_its_accounts_own_and_has_a_limit_above_nothing(exchange: SimulatedExchange) -> None:
    group = group_of(exchange)
    assert exchange.groups("other") == []
    assert refused(place(exchange, "other", BID, 100, order_group_id=group)[0]) == "order_group_not_found"
    assert refused(exchange.change_group("other", group, GroupChange.TRIGGER, START_US)[0]) == "not_found"
    assert refused(exchange.create_group("me", 0, START_US)[0]) == "invalid_parameters"
    answer, _ = exchange.change_group("me", group, GroupChange.LIMIT, START_US, limit_centi=0)
    assert refused(answer) == "invalid_parameters"
    assert exchange.groups("me")[0].limit_centi == LIMIT


def test_a_recorded_market_triggers_a_group_as_well() -> None:
    market = CaptureMarket(7)
    market.open_account("me", BALANCE)
    market.feed(Snapshot(TICKER, ((3_900, 500),), ((4_100, 500),)), START_US)
    answer, _ = market.create_group("me", 300, START_US)
    assert isinstance(answer, ExchangeOrderGroup)
    request = OrderRequest(
        ticker=TICKER, client_order_id="mine", book_side=BID, price_cc=4_000, size_centi=400,
        order_group_id=answer.group_id,
    )  # fmt: skip
    assert isinstance(market.place("me", request, START_US)[0], CreateAnswer)
    events = market.feed(Snapshot(TICKER, ((3_700, 500),), ((3_800, 900),)), START_US + SECOND_US)
    assert told(events) == [GroupEvent.TRIGGERED]


class Snapshot:
    """A recorded book."""

    def __init__(
        self, ticker: str, bids: tuple[tuple[int, int], ...], asks: tuple[tuple[int, int], ...]
    ) -> None:  # fmt: skip
        self.ticker, self.bids, self.asks = ticker, bids, asks


@given(st.lists(st.tuples(st.integers(0, 8), st.integers(1, 900), st.booleans()), max_size=25))
def test_a_group_rests_nothing_while_it_is_triggered_and_has_traded_less_than_its_limit_while_it_is_not(
    steps: list[tuple[int, int, bool]],
) -> None:
    exchange, at_us, traded = opened(), START_US, list[tuple[int, int]]()
    group = group_of(exchange)
    for seconds, size_centi, resets in steps:
        at_us += seconds * SECOND_US
        if resets:
            exchange.change_group("me", group, GroupChange.RESET, at_us)
            traded.clear()
        place(exchange, "me", BID, size_centi, at_us, order_group_id=group)
        before = sum(fill.size_centi for fill in exchange.fills("me"))
        place(exchange, "other", ASK, size_centi, at_us)
        traded.append((at_us, sum(fill.size_centi for fill in exchange.fills("me")) - before))
        recent = sum(size for when, size in traded if when > at_us - 15 * SECOND_US)
        (shown,) = exchange.groups("me")
        if shown.is_triggered:
            assert shown.orders == ()
        else:
            assert recent < LIMIT
