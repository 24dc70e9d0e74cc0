"""Shards of the simulated exchange: where orders go, cash per shard, transfers, the target allocation, pauses."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.simulated_exchange import ASK, BID, SECOND_US, START_US, metadata, placed, request, under_way
from truebook.simulation.venue.accounts import CashMove
from truebook.simulation.venue.exchange import SimulatedExchange, synthetic_exchange
from truebook.simulation.venue.order_groups import GroupChange
from truebook.simulation.venue.orders import Rejected
from truebook.simulation.venue.shard_plan import Route, ShardChange, ShardPlan, ShardPlanError
from truebook.venue.account import ExchangeOrderGroup, OrderStatus
from truebook.venue.shards import MarginReservation, ShardShare, ShardTransfer, TargetAllocation, TransferStatus

DOLLAR = 1_000_000
HOME, AWAY = "HOME-1-A", "AWAY-1-A"
PLAN = ShardPlan.parse(("2:AWAY", "3"))


def market(ticker: str) -> Any:
    return metadata(ticker, event=ticker.rpartition("-")[0], series=ticker.partition("-")[0])


def exchange(*funded: int) -> SimulatedExchange:
    """Markets on shards 0 and 2; alice and bob have $1,000 on shard 0, and $100 on each of ``funded``."""
    made = synthetic_exchange(7, plan=PLAN)
    for ticker in (HOME, AWAY):
        made.lifecycle.add_market(market(ticker), START_US)
    for name in ("alice", "bob"):
        made.open_account(name, 1_000 * DOLLAR)
        for index in funded:
            moved(made, name, to_shard=index, amount_micros=100 * DOLLAR)
    made.advance(START_US)
    return made


def move(number: int = 0, **changes: Any) -> CashMove:
    fields: dict[str, Any] = {
        "from_shard": 0, "to_shard": 2, "amount_micros": 10 * DOLLAR, "delay_us": 0,
        "client_transfer_id": f"m-{number}",
    }  # fmt: skip
    return CashMove(**(fields | changes))


def moved(venue: SimulatedExchange, account: str, at_us: int = START_US, **changes: Any) -> ShardTransfer:
    result, _ = venue.cash.move(account, move(len(venue.queries.shard_transfers(account)), **changes), at_us)
    assert isinstance(result, ShardTransfer), result
    return result


def cash(venue: SimulatedExchange, account: str = "alice") -> list[int]:
    return [one.balance_micros for one in venue.queries.balance(account).by_shard]


def code(result: object) -> str:
    assert isinstance(result, Rejected), result
    return result.code


# The plan


def test_a_series_decides_where_its_markets_live() -> None:
    venue = exchange()
    shards = {one.ticker: one.exchange_index for one in venue.queries.markets()}
    assert shards == {HOME: 0, AWAY: 2}
    stated = metadata("OTHER-1-A", exchange_index=3), metadata("OTHER-2-A", exchange_index=7)
    assert [PLAN.shard_of(one) for one in stated] == [3, 0], "a recorded shard that does not exist is the default one"


@pytest.mark.parametrize("texts", [("x",), ("101",), ("2", "2:A"), ("2:A", "3:A"), ("2:",), ("-1",)])
def test_an_invalid_list_of_shards_is_refused(texts: tuple[str, ...]) -> None:
    with pytest.raises(ShardPlanError, match=r"invalid shard|assigned to two"):
        ShardPlan.parse(texts)


# Routing


@pytest.mark.parametrize("pinned", [None, -1, 2])
def test_an_order_reaches_the_shard_of_its_market(pinned: int | None) -> None:
    venue = exchange(2)
    response, _ = placed(venue, "alice", request(BID, 4_000, 100, AWAY, exchange_index=pinned))
    order = venue.queries.order("alice", response.exchange_order_id)
    assert order is not None and order.exchange_index == 2


@pytest.mark.parametrize("pinned", [0, 3, 99])
def test_an_order_pinned_to_another_shard_finds_no_market(pinned: int) -> None:
    venue = exchange(2)
    result, _ = venue.place("alice", request(BID, 4_000, 100, AWAY, exchange_index=pinned), START_US)
    assert (code(result), venue.queries.orders("alice")) == ("market_not_found", [])


@pytest.mark.parametrize(
    ("route", "is_found"),
    [
        (Route(), False), (Route(2), True), (Route(0), False), (Route(ticker=AWAY), True), (Route(-1, AWAY), True),
        (Route(ticker=HOME), False), (Route(2, HOME), True), (Route(ticker="NONE-1-A"), False), (None, True),
    ],
)  # fmt: skip
def test_a_cancel_looks_where_it_is_routed(route: Route | None, is_found: bool) -> None:
    venue = exchange(2)
    order_id = placed(venue, "alice", request(BID, 4_000, 200, AWAY))[0].exchange_order_id
    decreased, _ = venue.decrease("alice", order_id, START_US, to_centi=100, route=route)
    result, _ = venue.cancel("alice", order_id, START_US, route=route)
    assert isinstance(result, Rejected) is isinstance(decreased, Rejected) is not is_found
    assert is_found or code(result) == "not_found"


def test_a_cancel_of_all_reaches_every_shard() -> None:
    venue = exchange(2)
    for ticker in (HOME, AWAY):
        placed(venue, "alice", request(BID, 4_000, 100, ticker))
    venue.cancel_all("alice", START_US)
    assert venue.queries.orders("alice", status=OrderStatus.RESTING) == []


def test_an_order_group_is_local_to_its_shard() -> None:
    venue = exchange(2)
    group, _ = venue.groups.create("alice", 1_000, START_US, shard=2)
    assert isinstance(group, ExchangeOrderGroup) and group.exchange_index == 2
    grouped = {"order_group_id": group.group_id}
    assert code(venue.place("alice", request(BID, 4_000, 100, HOME, **grouped), START_US)[0]) == "order_group_not_found"
    placed(venue, "alice", request(BID, 4_000, 100, AWAY, **grouped))
    changes = [venue.groups.change("alice", group.group_id, GroupChange.TRIGGER, START_US, shard=n)[0] for n in (0, 2)]
    assert code(changes[0]) == "not_found" and not isinstance(changes[1], Rejected)
    assert code(venue.groups.create("alice", 1_000, START_US, shard=9)[0]) == "invalid_parameters"


# Cash per shard


def test_a_shard_without_cash_does_not_know_the_account() -> None:
    venue = exchange()
    assert code(venue.place("alice", request(BID, 4_000, 100, AWAY), START_US)[0]) == "user_not_found"
    moved(venue, "alice", amount_micros=100, delay_us=0)
    venue.advance(START_US)
    assert code(venue.place("alice", request(BID, 4_000, 100, AWAY), START_US)[0]) == "insufficient_balance"


def test_an_order_is_paid_with_its_shards_cash_only() -> None:
    venue = exchange(2)
    too_much = request(BID, 5_000, 20_100, AWAY)
    assert code(venue.place("alice", too_much, START_US)[0]) == "insufficient_balance", "$900 are on shard 0"
    placed(venue, "alice", request(BID, 5_000, 10_000, AWAY))
    held = venue.queries.held_by_shard("alice")
    assert [one.balance_micros > 0 for one in held] == [False, True, False]
    assert cash(venue) == [900 * DOLLAR, 100 * DOLLAR - held[1].balance_micros, 0]


def test_fills_positions_and_payouts_stay_on_their_shard() -> None:
    venue = exchange(2)
    placed(venue, "alice", request(BID, 4_000, 1_000, AWAY))
    placed(venue, "bob", request(ASK, 4_000, 1_000, AWAY))
    assert cash(venue) == [900 * DOLLAR, 96 * DOLLAR, 0]
    venue.lifecycle.determine(AWAY, 10_000, START_US)
    reports: list[Any] = [*venue.queries.fills("alice"), *venue.queries.positions("alice")]
    venue.advance(START_US + 10 * SECOND_US)
    reports += venue.queries.settlements("alice")
    assert [one.exchange_index for one in reports] == [2, 2, 2]
    assert cash(venue) == [900 * DOLLAR, 106 * DOLLAR, 0]


# Transfers


def test_a_transfer_arrives_after_its_delay() -> None:
    venue = exchange()
    transfer = moved(venue, "alice", delay_us=SECOND_US)
    assert (transfer.status, cash(venue)) == (TransferStatus.PENDING, [990 * DOLLAR, 0, 0])
    assert under_way(venue, "alice") == 10 * DOLLAR
    venue.advance(START_US + SECOND_US - 1)
    assert cash(venue)[1] == 0
    venue.advance(START_US + SECOND_US)
    assert (cash(venue), under_way(venue, "alice")) == ([990 * DOLLAR, 10 * DOLLAR, 0], 0)
    assert venue.queries.shard_transfers("alice") == [transfer.completed()]


def test_a_transfer_is_accepted_once_by_the_callers_id() -> None:
    venue = exchange()
    moved(venue, "alice")
    again = [venue.cash.move("alice", move(**change), START_US)[0] for change in ({}, {"amount_micros": 100})]
    assert [code(one) for one in again] == ["transfer_already_exists", "invalid_parameters"]
    assert isinstance(venue.cash.move("alice", move(to_shard=3), START_US)[0], ShardTransfer), "another route"
    assert isinstance(venue.cash.move("bob", move(), START_US)[0], ShardTransfer), "another account"
    assert cash(venue)[0] == 980 * DOLLAR


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"to_shard": 0}, "invalid_parameters"), ({"to_shard": 9}, "invalid_parameters"),
        ({"amount_micros": 0}, "invalid_parameters"), ({"amount_micros": 150}, "invalid_parameters"),
        ({"amount_micros": 1_001 * DOLLAR}, "insufficient_balance"), ({"from_shard": 3}, "insufficient_balance"),
    ],
)  # fmt: skip
def test_a_refused_transfer_moves_nothing(change: dict[str, Any], expected: str) -> None:
    venue = exchange()
    assert code(venue.cash.move("alice", move(**change), START_US)[0]) == expected
    assert (cash(venue), venue.queries.shard_transfers("alice")) == ([1_000 * DOLLAR, 0, 0], [])


def test_cash_that_orders_hold_is_not_transferred() -> None:
    venue = exchange()
    placed(venue, "alice", request(BID, 9_000, 100_000, HOME))
    left = cash(venue)[0] // 100 * 100
    assert code(venue.cash.move("alice", move(amount_micros=left + 100), START_US)[0]) == "insufficient_balance"
    moved(venue, "alice", amount_micros=left)


# Pauses


def test_a_pause_holds_for_its_shard_only() -> None:
    venue = exchange(2)
    order_id = placed(venue, "alice", request(BID, 4_000, 100, AWAY))[0].exchange_order_id
    requested = placed(venue, "alice", request(BID, 3_000, 100, AWAY, cancel_order_on_pause=True))[0].exchange_order_id
    venue.switch_shard(ShardChange(exchange_index=2, trading_active=False), START_US)
    assert code(venue.place("alice", request(BID, 4_000, 100, AWAY), START_US)[0]) == "trading_is_paused"
    placed(venue, "alice", request(BID, 4_000, 100, HOME))
    cancelled = venue.queries.order("alice", requested)
    assert cancelled is not None and cancelled.status is OrderStatus.CANCELED
    venue.switch_shard(ShardChange(exchange_index=2, exchange_active=False), START_US)
    assert code(venue.cancel("alice", order_id, START_US)[0]) == "exchange_is_paused"
    venue.switch_shard(ShardChange(exchange_index=2, exchange_active=True), START_US)
    assert not isinstance(venue.cancel("alice", order_id, START_US)[0], Rejected), "trading alone is paused"
    assert [one.trading_active for one in venue.queries.shard_statuses()] == [True, False, True]


def test_transfers_can_be_switched_off_on_a_shard() -> None:
    venue = exchange()
    venue.switch_shard(ShardChange(exchange_index=2, transfers_active=False), START_US)
    assert code(venue.cash.move("alice", move(), START_US)[0]) == "intra_exchange_transfers_inactive"
    assert isinstance(venue.cash.move("alice", move(to_shard=3), START_US)[0], ShardTransfer)
    assert venue.switch_shard(ShardChange(exchange_index=9), START_US)[0] is not None


# The target allocation


def allocate(venue: SimulatedExchange, rule: MarginReservation, **percents: int) -> TargetAllocation | Rejected:
    shares = tuple(ShardShare(exchange_index=int(name[1:]), percent=share) for name, share in percents.items())
    return venue.cash.set_allocation("alice", TargetAllocation(shares=shares, reservation=rule), 0, START_US)[0]


def test_free_cash_follows_the_target_every_ten_seconds() -> None:
    venue = exchange()
    allocate(venue, MarginReservation.SUM, s0=60, s2=40)
    venue.advance(START_US + 10 * SECOND_US - 1)
    assert cash(venue) == [1_000 * DOLLAR, 0, 0]
    venue.advance(START_US + 10 * SECOND_US)
    assert cash(venue) == [600 * DOLLAR, 400 * DOLLAR, 0]
    allocate(venue, MarginReservation.SUM)
    assert venue.queries.allocation("alice").shares == ()
    moved(venue, "alice", START_US + 11 * SECOND_US, amount_micros=100 * DOLLAR)
    venue.advance(START_US + 60 * SECOND_US)
    assert cash(venue) == [500 * DOLLAR, 500 * DOLLAR, 0], "turned off"


@pytest.mark.parametrize(
    ("rule", "moved_dollars"),
    # The bids hold $90.63 with their fee, the asks $53.69: half of $855.68, of $909.37, or of $1,000.
    [(MarginReservation.SUM, 427), (MarginReservation.MAX, 454), (MarginReservation.NONE, 500)],
)
def test_the_reservation_rule_decides_what_is_free(rule: MarginReservation, moved_dollars: int) -> None:
    venue = exchange()
    placed(venue, "alice", request(BID, 9_000, 10_000, HOME))
    placed(venue, "alice", request(ASK, 9_600, 100_000, HOME))
    allocate(venue, rule, s0=50, s2=50)
    venue.advance(START_US + 10 * SECOND_US)
    assert cash(venue)[1] // DOLLAR == moved_dollars
    assert cash(venue)[0] >= 0, "what orders hold stays"


@pytest.mark.parametrize("percents", [{"s0": 50}, {"s0": 50, "s9": 50}, {"s0": 110, "s2": -10}])
def test_an_invalid_target_is_refused(percents: dict[str, int]) -> None:
    assert code(allocate(exchange(), MarginReservation.SUM, **percents)) == "invalid_parameters"


# Conservation

ACTIONS = st.lists(
    st.one_of(
        st.tuples(
            st.just("order"), st.sampled_from(["alice", "bob"]), st.sampled_from([HOME, AWAY]),
            st.sampled_from([BID, ASK]), st.sampled_from([1_000, 5_000, 9_000]), st.integers(1, 5_000),
        ),
        st.tuples(
            st.just("move"), st.sampled_from(["alice", "bob"]), st.sampled_from([0, 2, 3]), st.sampled_from([0, 2, 3]),
            st.integers(1, 6_000_000), st.integers(0, 8_000_000),
        ),
        st.tuples(st.just("allocate"), st.sampled_from(list(MarginReservation)), st.integers(0, 100)),
        st.tuples(st.just("cancel"), st.sampled_from(["alice", "bob"])),
        st.tuples(st.just("wait"), st.integers(1, 12_000_000)),
        st.tuples(st.just("settle"), st.sampled_from([HOME, AWAY]), st.sampled_from([0, 3_456, 10_000])),
    ),
    max_size=40,
)  # fmt: skip


def total(venue: SimulatedExchange) -> int:
    """All cash of both accounts: on shards, held, under way, in pairs of positions, and paid as fees."""
    found = 0
    for name in ("alice", "bob"):
        queries = venue.queries
        found += queries.balance(name).total_micros + queries.held_micros(name) + under_way(venue, name)
        found += sum(fill.fee_micros for fill in queries.fills(name))
    yes = [venue.queries.positions("alice"), venue.queries.positions("bob")]
    longs = {one.ticker: max(0, one.position_centi) for side in yes for one in side if one.position_centi > 0}
    return found + sum(longs.values()) * 10_000


@settings(max_examples=60, deadline=None)
@given(ACTIONS)
def test_cash_is_conserved_over_shards_and_transfers(actions: list[tuple[Any, ...]]) -> None:
    venue, now_us, settled = exchange(2, 3), START_US, set()
    for number, (kind, *values) in enumerate(actions):
        if kind == "order":
            account, ticker, side, price_cc, size_centi = values
            venue.place(account, request(side, price_cc, size_centi, ticker), now_us)
        elif kind == "move":
            account, source, to_shard, units, delay_us = values
            wanted = move(
                1_000 + number, from_shard=source, to_shard=to_shard, amount_micros=units * 100, delay_us=delay_us
            )
            venue.cash.move(account, wanted, now_us)
        elif kind == "allocate":
            rule, percent = values
            allocate(venue, rule, s0=percent, s2=100 - percent)
        elif kind == "cancel":
            venue.cancel_all(values[0], now_us)
        elif kind == "wait":
            now_us += values[0]
            venue.advance(now_us)
        elif values[0] not in settled:
            settled.add(values[0])
            venue.lifecycle.determine(values[0], values[1], now_us)
        assert total(venue) == 2_000 * DOLLAR
        assert all(micros >= 0 for name in ("alice", "bob") for micros in cash(venue, name))
        assert all(one.balance_micros >= 0 for one in venue.queries.held_by_shard("alice"))
    for name in ("alice", "bob"):
        venue.cancel_all(name, now_us)
        assert venue.queries.held_micros(name) == 0
