"""Order groups: the limit within fifteen seconds, what triggers a group, and the effect on its orders."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.simulated_exchange import ASK, BID, SECOND_US, START_US, TICKER, opened_exchange
from truebook.messages.envelope import BookSide
from truebook.simulation.events import GroupChanged, GroupEvent, OrderChanged, SimulationEvent
from truebook.simulation.recorded.replay import MarketReplay
from truebook.simulation.venue.exchange import SimulatedExchange
from truebook.simulation.venue.order_groups import GroupChange
from truebook.simulation.venue.orders import Rejected
from truebook.venue.account import CreateResponse, ExchangeOrderGroup, OrderRequest, OrderStatus

BALANCE = 10_000_000_000
LIMIT = 1_000
_ids = itertools.count()


@pytest.fixture
def exchange() -> SimulatedExchange:
    return opened()


def opened() -> SimulatedExchange:
    return opened_exchange(BALANCE)


def group_of(exchange: SimulatedExchange, limit_centi: int = LIMIT) -> str:
    response, events = exchange.groups.create("me", limit_centi, START_US)
    assert isinstance(response, ExchangeOrderGroup)
    assert group_events(events) == [GroupEvent.CREATED]
    return response.group_id


def place(
    exchange: SimulatedExchange, account: str, side: BookSide, size_centi: int, at_us: int = START_US, **more: Any
) -> tuple[CreateResponse | Rejected, list[SimulationEvent]]:
    request = OrderRequest(
        ticker=TICKER, client_order_id=f"c-{next(_ids)}", book_side=side, price_cc=more.pop("price_cc", 4_000),
        size_centi=size_centi, **more,
    )  # fmt: skip
    return exchange.place(account, request, at_us)


def group_events(events: list[SimulationEvent]) -> list[GroupEvent]:
    return [event.kind for event in events if isinstance(event, GroupChanged)]


def resting(exchange: SimulatedExchange) -> list[str]:
    return [order.exchange_order_id for order in exchange.queries.orders("me", status=OrderStatus.RESTING)]


def rejection(response: object) -> str:
    assert isinstance(response, Rejected), response
    return response.code


def test_a_group_at_its_limit_is_triggered_and_cancelled(
    exchange: SimulatedExchange,
) -> None:
    group = group_of(exchange)
    free, _ = place(exchange, "me", BID, 500, price_cc=3_000)
    place(exchange, "me", BID, 900, order_group_id=group)
    place(exchange, "me", BID, 900, price_cc=3_900, order_group_id=group)
    _, events = place(exchange, "other", ASK, 900, price_cc=4_000)
    assert group_events(events) == []
    _, events = place(exchange, "other", ASK, 100, price_cc=3_900)
    assert group_events(events) == [GroupEvent.TRIGGERED]
    first_group_event = next(index for index, event in enumerate(events) if isinstance(event, GroupChanged))
    ended = [event.order for event in events[first_group_event:] if isinstance(event, OrderChanged)]
    assert [(order.status, order.filled_centi) for order in ended] == [(OrderStatus.CANCELED, 100)]
    assert isinstance(free, CreateResponse)
    assert resting(exchange) == [free.exchange_order_id]
    (shown,) = exchange.groups.of_account("me")
    assert (shown.is_triggered, shown.orders, shown.limit_centi) == (True, (), LIMIT)


def test_a_triggered_group_takes_no_order_until_it_is_reset(exchange: SimulatedExchange) -> None:
    group = group_of(exchange)
    _, events = exchange.groups.change("me", group, GroupChange.TRIGGER, START_US)
    assert group_events(events) == [GroupEvent.TRIGGERED]
    _, events = exchange.groups.change("me", group, GroupChange.TRIGGER, START_US)
    assert group_events(events) == [], "it is triggered already"
    assert rejection(place(exchange, "me", BID, 100, order_group_id=group)[0]) == "exceeded_order_group_risk_limit"
    _, events = exchange.groups.change("me", group, GroupChange.RESET, START_US)
    assert group_events(events) == [GroupEvent.RESET]
    response, _ = place(exchange, "me", BID, 100, order_group_id=group)
    assert isinstance(response, CreateResponse)
    assert exchange.groups.of_account("me")[0].orders == (response.exchange_order_id,)


def test_fills_before_the_window_do_not_count(exchange: SimulatedExchange) -> None:
    group = group_of(exchange)
    for second in (0, 15, 30, 44):
        at_us = START_US + second * SECOND_US
        place(exchange, "me", BID, 500, at_us, order_group_id=group)
        _, events = place(exchange, "other", ASK, 500, at_us)
        assert group_events(events) == ([GroupEvent.TRIGGERED] if second == 44 else []), second


def test_a_taker_that_reaches_the_limit_ends(exchange: SimulatedExchange) -> None:
    group = group_of(exchange)
    place(exchange, "other", ASK, 1_200)
    response, events = place(exchange, "me", BID, 2_000, order_group_id=group)
    assert isinstance(response, CreateResponse)
    assert (response.filled_centi, response.remaining_centi) == (1_200, 0), "one order may exceed the limit"
    assert group_events(events) == [GroupEvent.TRIGGERED]
    assert resting(exchange) == []
    assert exchange.queries.held_micros("me") == 0


def test_a_new_limit_that_is_reached_triggers_at_once(exchange: SimulatedExchange) -> None:
    group = group_of(exchange)
    place(exchange, "me", BID, 900, order_group_id=group)
    place(exchange, "other", ASK, 600)
    response, events = exchange.groups.change("me", group, GroupChange.LIMIT, START_US, limit_centi=2_000)
    assert group_events(events) == [GroupEvent.LIMIT_UPDATED]
    response, events = exchange.groups.change("me", group, GroupChange.LIMIT, START_US, limit_centi=600)
    assert group_events(events) == [GroupEvent.LIMIT_UPDATED, GroupEvent.TRIGGERED]
    assert isinstance(response, ExchangeOrderGroup)
    assert response.is_triggered
    assert resting(exchange) == []


def test_a_deleted_group_cancels_its_orders(exchange: SimulatedExchange) -> None:
    group = group_of(exchange)
    place(exchange, "me", BID, 100, order_group_id=group)
    _, events = exchange.groups.change("me", group, GroupChange.DELETE, START_US)
    assert group_events(events) == [GroupEvent.DELETED]
    assert resting(exchange) == []
    assert exchange.groups.of_account("me") == []
    assert rejection(place(exchange, "me", BID, 100, order_group_id=group)[0]) == "order_group_not_found"
    for change in GroupChange:
        response, events = exchange.groups.change("me", group, change, START_US, limit_centi=100)
        assert (rejection(response), events) == ("not_found", [])


def test_a_group_belongs_to_one_account_and_has_a_limit(exchange: SimulatedExchange) -> None:
    group = group_of(exchange)
    assert exchange.groups.of_account("other") == []
    assert rejection(place(exchange, "other", BID, 100, order_group_id=group)[0]) == "order_group_not_found"
    assert rejection(exchange.groups.change("other", group, GroupChange.TRIGGER, START_US)[0]) == "not_found"
    assert rejection(exchange.groups.create("me", 0, START_US)[0]) == "invalid_parameters"
    response, _ = exchange.groups.change("me", group, GroupChange.LIMIT, START_US, limit_centi=0)
    assert rejection(response) == "invalid_parameters"
    assert exchange.groups.of_account("me")[0].limit_centi == LIMIT


def test_a_recorded_market_triggers_a_group() -> None:
    replay = MarketReplay(7)
    exchange = replay.exchange
    exchange.open_account("me", BALANCE)
    replay.snapshot(TICKER, ((3_900, 500),), ((4_100, 500),), START_US)
    response, _ = exchange.groups.create("me", 300, START_US)
    assert isinstance(response, ExchangeOrderGroup)
    request = OrderRequest(
        ticker=TICKER, client_order_id="mine", book_side=BID, price_cc=4_000, size_centi=400,
        order_group_id=response.group_id,
    )  # fmt: skip
    assert isinstance(exchange.place("me", request, START_US)[0], CreateResponse)
    events = replay.snapshot(TICKER, ((3_700, 500),), ((3_800, 900),), START_US + SECOND_US)
    assert group_events(events) == [GroupEvent.TRIGGERED]


@given(st.lists(st.tuples(st.integers(0, 8), st.integers(1, 900), st.booleans()), max_size=25))
def test_a_group_has_no_orders_or_traded_less_than_its_limit(
    steps: list[tuple[int, int, bool]],
) -> None:
    exchange, at_us, traded = opened(), START_US, list[tuple[int, int]]()
    group = group_of(exchange)
    for seconds, size_centi, resets in steps:
        at_us += seconds * SECOND_US
        if resets:
            exchange.groups.change("me", group, GroupChange.RESET, at_us)
            traded.clear()
        place(exchange, "me", BID, size_centi, at_us, order_group_id=group)
        before = sum(fill.size_centi for fill in exchange.queries.fills("me"))
        place(exchange, "other", ASK, size_centi, at_us)
        traded.append((at_us, sum(fill.size_centi for fill in exchange.queries.fills("me")) - before))
        recent = sum(size for when, size in traded if when > at_us - 15 * SECOND_US)
        (shown,) = exchange.groups.of_account("me")
        if shown.is_triggered:
            assert shown.orders == ()
        else:
            assert recent < LIMIT


@pytest.mark.parametrize(("above_limit", "is_triggered"), [(False, [True, True]), (True, [False, True])])
def test_a_group_is_triggered_at_or_above_its_limit(above_limit: bool, is_triggered: list[bool]) -> None:
    exchange = opened()
    exchange.groups.triggers_above_limit = above_limit
    group_id = group_of(exchange)
    place(exchange, "me", BID, LIMIT + 100, order_group_id=group_id)
    seen = []
    for size_centi in (LIMIT, 1):
        place(exchange, "other", ASK, size_centi)
        (group,) = exchange.groups.of_account("me")
        seen.append(group.is_triggered)
    assert seen == is_triggered
