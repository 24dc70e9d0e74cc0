"""Exchange shards on the wire of the simulated exchange, at exact times, and over restarts."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from pydantic import ValidationError

from support.kalshi_required import REST, lacking
from support.manual_exchange import ACCOUNT, SECOND_US, ManualExchange, request
from support.manual_rest import ManualRest, manual_rest
from support.paper_client import order_body, paper_settings
from support.simulated_exchange import under_way
from truebook.messages.market_metadata import MarketMetadata
from truebook.simulation.events import Filled, MarketChanged, OrderChanged
from truebook.simulation.venue.accounts import CashMove
from truebook.simulation.venue.orders import OrderCosts
from truebook.simulation.venue.shard_plan import ShardChange
from truebook.venue.shards import MarginReservation, ShardShare, TargetAllocation
from truebook_services.paper_exchange.engine.commands import (
    CancelOrder,
    MoveCash,
    PlaceOrder,
    SetAllocation,
    SwitchShard,
)
from truebook_services.paper_exchange.engine.entries import Commanded, Configured, Entry
from truebook_services.paper_exchange.engine.journal_errors import ExchangeJournalMismatch
from truebook_services.paper_exchange.stream import private_frames
from truebook_services.paper_exchange.stream.frames import lifecycle
from truebook_services.paper_exchange.wire_fields import user_id

SHARDS = ("2:SIMCUP", "3")
TRANSFER = "/portfolio/intra_exchange_instance_transfer"
TARGET = "/portfolio/target_balance_allocation"
ORDERS = "/portfolio/events/orders"
DOLLAR = 1_000_000


@pytest.fixture
async def rest() -> AsyncIterator[ManualRest]:
    async with manual_rest(
        shards=SHARDS, markets=20, transfer_delay_ms=1_500, transfer_jitter_ms=0, operator_token="secret"
    ) as made:
        made.exchange.tick(5)
        yield made


def ticker_on(exchange: ManualExchange, shard: int) -> str:
    markets = exchange.engine.queries.markets()
    return next(one.ticker for one in markets if one.exchange_index == shard and one.series != "SIMFLASH")


def away_market(exchange: ManualExchange) -> MarketMetadata:
    found = exchange.engine.queries.market(ticker_on(exchange, 2))
    assert found is not None
    return found


def transfer_body(**changes: Any) -> dict[str, Any]:
    return {
        "source": "event_contract", "destination": "event_contract", "amount": 800_000, "source_exchange_shard": 0,
        "destination_exchange_shard": 2, "client_transfer_id": str(uuid.uuid4()),
    } | changes  # fmt: skip


async def fund(rest: ManualRest) -> str:
    """Move $80 to shard 2, and let it arrive."""
    accepted = await rest.call("POST", TRANSFER, body=transfer_body())
    assert accepted.status_code == 200, accepted.text
    rest.exchange.tick(2)
    return str(accepted.json()["transfer_id"])


async def placed(rest: ManualRest, shard: int, **changes: Any) -> str:
    body = order_body(ticker_on(rest.exchange, shard), **changes)
    response = await rest.call("POST", ORDERS, body=body)
    assert response.status_code == 201, response.text
    return str(response.json()["order_id"])


async def test_events_and_series_state_where_markets_live(rest: ManualRest) -> None:
    ticker = ticker_on(rest.exchange, 2)
    market = (await rest.get(f"/markets/{ticker}"))["market"]
    event = (await rest.get(f"/events/{market['event_ticker']}"))["event"]
    series = (await rest.get(f"/series/{event['series_ticker']}"))["series"]
    assert [one["exchange_index"] for one in (market, event, series)] == [2, 2, 2]


async def test_the_status_has_a_row_per_shard(rest: ManualRest) -> None:
    body = await rest.get("/exchange/status")
    assert lacking(REST, "ExchangeStatus", body) == []
    assert [lacking(REST, "ExchangeIndexStatus", one) for one in body["exchange_index_statuses"]] == [[], [], []]
    assert [(one["exchange_index"], one["description"]) for one in body["exchange_index_statuses"]] == [
        (0, "Default"), (2, "Crypto & Commodities"), (3, "Tennis, Baseball, Basketball"),
    ]  # fmt: skip
    change = {"exchange_index": 2, "trading_active": False}
    assert (await rest.operate("POST", "/simulated/shards", change)).status_code == 204
    body = await rest.get("/exchange/status")
    assert body["trading_active"] is True
    assert [one["trading_active"] for one in body["exchange_index_statuses"]] == [True, False, True]
    for body in ({"exchange_index": 9}, {"exchange_index": "2"}, {"index": 2}, []):
        assert (await rest.operate("POST", "/simulated/shards", body)).status_code == 400


async def test_shards_are_switched_by_the_operator_only(rest: ManualRest) -> None:
    change = {"exchange_index": 2, "trading_active": False}
    assert (await rest.operate("POST", "/simulated/shards", change, token="wrong")).status_code == 401
    assert (await rest.call("POST", "/exchange/simulated_shard_status", body=change)).status_code == 501
    assert all(one["trading_active"] for one in (await rest.get("/exchange/status"))["exchange_index_statuses"])


async def test_a_transfer_is_pending_until_it_arrives(rest: ManualRest) -> None:
    accepted = await rest.call("POST", TRANSFER, body=transfer_body())
    assert (accepted.status_code, list(accepted.json())) == (200, ["transfer_id"])
    transfer_id = accepted.json()["transfer_id"]
    body = await rest.get("/portfolio/balance")
    assert (body["balance"], body["balance_dollars"]) == (92_000, "920.0000")
    pending = (await rest.get(f"{TRANSFER}s/{transfer_id}"))["transfer"]
    assert lacking(REST, "IntraExchangeInstanceTransfer", pending) == []
    created_s = rest.exchange.server.now_us() // 1_000_000
    assert pending == {
        "transfer_id": transfer_id, "source": "event_contract", "destination": "event_contract",
        "source_exchange_shard": 0, "destination_exchange_shard": 2, "amount": "80.0000", "status": "pending",
        "created_ts": created_s,
    }  # fmt: skip
    rest.exchange.tick(1.49)
    assert (await rest.get("/portfolio/balance"))["balance"] == 92_000
    rest.exchange.tick(0.02)
    body = await rest.get("/portfolio/balance")
    assert body["balance_breakdown"] == [
        {"exchange_index": 0, "balance": "920.0000"}, {"exchange_index": 2, "balance": "80.0000"},
        {"exchange_index": 3, "balance": "0.0000"},
    ]  # fmt: skip
    assert body["balance"] == 100_000
    assert (await rest.get(f"{TRANSFER}s")) == {"transfers": [pending | {"status": "complete"}]}
    assert (await rest.call("GET", f"{TRANSFER}s/none")).status_code == 404


async def test_transfers_are_listed_in_pages(rest: ManualRest) -> None:
    ids = [await fund(rest) for _ in range(3)]
    first = await rest.get(f"{TRANSFER}s", limit=2)
    second = await rest.get(f"{TRANSFER}s", limit=2, cursor=first["cursor"])
    assert [one["transfer_id"] for one in first["transfers"] + second["transfers"]] == ids[::-1]
    assert "cursor" not in second
    assert (await rest.call("GET", f"{TRANSFER}s", limit=501)).status_code == 400


@pytest.mark.parametrize(
    "change",
    [
        {"amount": 0}, {"amount": "800000"}, {"amount": None}, {"source": "margined"}, {"destination": None},
        {"source_exchange_shard": 2}, {"destination_exchange_shard": 7}, {"client_transfer_id": "mine"},
        {"destination_subaccount": 1}, {"amount": 99_999_999_999},
    ],
)  # fmt: skip
async def test_an_invalid_transfer_is_refused(rest: ManualRest, change: dict[str, Any]) -> None:
    assert (await rest.call("POST", TRANSFER, body=transfer_body(**change))).status_code == 400
    assert (await rest.get("/portfolio/balance"))["balance"] == 100_000


@pytest.mark.parametrize("status", [400, 409])
async def test_a_used_transfer_id_is_refused_as_set(status: int) -> None:
    async with manual_rest(shards=SHARDS, used_transfer_id_status=status) as rest:
        body = transfer_body()
        responses = [await rest.call("POST", TRANSFER, body=body) for _ in range(2)]
        assert [one.status_code for one in responses] == [200, status]
        assert responses[1].json()["error"]["code"] == "transfer_already_exists"


@pytest.mark.parametrize(("status", "code"), [(400, f"user_not_found: {user_id(ACCOUNT)}"), (404, "user_not_found")])
async def test_a_shard_without_cash_is_refused_as_set(status: int, code: str) -> None:
    async with manual_rest(shards=SHARDS, unfunded_shard_status=status, markets=20) as rest:
        rest.exchange.tick(1)
        body = order_body(ticker_on(rest.exchange, 2))
        refused = await rest.call("POST", ORDERS, body=body)
        assert (refused.status_code, refused.json()["error"]["code"]) == (status, code)
        batch = await rest.call("POST", f"{ORDERS}/batched", body={"orders": [body]})
        assert batch.json()["orders"][0]["error"]["code"] == code


async def test_requests_about_an_order_are_routed(rest: ManualRest) -> None:
    await fund(rest)
    order_id, ticker = await placed(rest, 2, count="9.00"), ticker_on(rest.exchange, 2)
    path = f"{ORDERS}/{order_id}"
    amended = {"ticker": ticker, "side": "bid", "price": "0.0100", "count": "8.00"}
    for method, where, body, query, status in (
        ("DELETE", path, None, {}, 404), ("DELETE", path, None, {"exchange_index": 0}, 404),
        ("DELETE", path, None, {"exchange_index": -1}, 400), ("DELETE", path, None, {"exchange_index": 101}, 400),
        ("POST", f"{path}/decrease", {"reduce_by": "1.00"}, {}, 404),
        ("POST", f"{path}/decrease", {"reduce_by": "0.50", "market_ticker": ticker}, {}, 200),
        ("POST", f"{path}/decrease", {"reduce_by": "0.50", "exchange_index": 2}, {}, 200),
        ("POST", f"{path}/amend", amended | {"exchange_index": 3}, {}, 404),
        ("POST", f"{path}/amend", amended, {}, 200),
    ):  # fmt: skip
        response = await rest.call(method, where, body=body, **cast("Any", query))
        assert response.status_code == status, (method, where, body, query, response.text)
    cancels = [{"order_id": order_id}, {"order_id": order_id, "market_ticker": ticker}]
    batch = (await rest.call("DELETE", f"{ORDERS}/batched", body={"orders": cancels})).json()["orders"]
    assert ["error" in one for one in batch] == [True, False]


async def test_lists_are_filtered_by_shard(rest: ManualRest) -> None:
    await fund(rest)
    for shard in (0, 2):
        await placed(rest, shard)
        await placed(rest, shard, price="0.9900", time_in_force="immediate_or_cancel", count="1.00")
    for path, name in (
        ("/portfolio/orders", "orders"), ("/portfolio/fills", "fills"), ("/portfolio/positions", "market_positions"),
    ):  # fmt: skip
        every = (await rest.get(path))[name]
        assert {one["exchange_index"] for one in every} == {0, 2}, path
        for shard in (0, 2, 3):
            rows = (await rest.get(path, exchange_index=shard))[name]
            assert rows == [one for one in every if one["exchange_index"] == shard]
    value = await rest.get("/portfolio/summary/total_resting_order_value")
    assert lacking(REST, "GetPortfolioRestingOrderTotalValueResponse", value) == []
    assert [one["balance"] > "0.0000" for one in value["resting_order_value_breakdown"]] == [True, True, False]
    balances = [(await rest.get("/portfolio/balance", exchange_index=shard))["balance"] for shard in (0, 2, 3)]
    total = (await rest.get("/portfolio/balance"))["balance"]
    assert total - 2 <= sum(balances) <= total, "each is rounded down"
    assert balances[2] == 0


async def test_the_target_allocation_moves_free_cash(rest: ManualRest) -> None:
    body = {
        "allocations": [{"exchange_index": 0, "percent": 75}, {"exchange_index": 2, "percent": 25}],
        "resting_margin_reservation": "max",
    }
    assert await rest.get(TARGET) == {"allocations": [], "resting_margin_reservation": "sum"}
    response = await rest.call("POST", TARGET, body=body)
    assert (response.status_code, response.json()) == (200, {})
    assert await rest.get(TARGET) == body
    rest.exchange.tick(12)
    assert (await rest.get("/portfolio/balance", exchange_index=2))["balance"] == 25_000
    for odd in ({"allocations": [{"exchange_index": 0, "percent": 50}]}, {}, {"allocations": [{"percent": 100}]}):
        assert (await rest.call("POST", TARGET, body=odd)).status_code == 400, odd


async def test_frames_state_their_shard(rest: ManualRest) -> None:
    await fund(rest)
    rest.exchange.events.clear()
    await placed(rest, 2)
    await placed(rest, 2, price="0.9900", time_in_force="immediate_or_cancel", count="1.00")
    frames = [private_frames.fill(one) for one in rest.exchange.events if isinstance(one, Filled)]
    frames += [
        private_frames.user_order(one, OrderCosts(), request(one.order.ticker, 1))
        for one in rest.exchange.events
        if isinstance(one, OrderChanged)
    ]
    listed = MarketChanged(at_us=1, metadata=away_market(rest.exchange), event_type="created")
    frames += [frame for frame in (lifecycle(listed),) if frame is not None]
    bodies = [msgspec.json.decode(frame.body(True, False)) for frame in frames]
    assert {one["exchange_index"] for one in bodies} == {2}
    assert len(bodies) >= 4


# Write buckets


async def write_statuses(rest: ManualRest, count: int, **changes: Any) -> list[int]:
    ticker = ticker_on(rest.exchange, 2)
    return [
        (await rest.call("POST", ORDERS, body=order_body(ticker, count="1.00", **changes))).status_code
        for _ in range(count)
    ]


@pytest.mark.parametrize(("auto_route", "left"), [("unscoped", 10), ("all_shards", 7)])
async def test_writes_are_charged_to_the_bucket_of_their_shard(auto_route: str, left: int) -> None:
    """The tier ``basic`` has ten orders in each bucket."""
    async with manual_rest(shards=SHARDS, tier="basic", markets=20, auto_route=auto_route) as rest:
        rest.exchange.tick(1)
        [moved] = await rest.exchange.command(
            MoveCash(ACCOUNT, CashMove(from_shard=0, to_shard=2, amount_micros=80 * DOLLAR, delay_us=0))
        )
        rest.exchange.tick()
        assert moved is not None
        assert await write_statuses(rest, 3) == [201] * 3, "found by its market"
        assert await write_statuses(rest, left + 1, exchange_index=2) == [201] * left + [429]
        assert await write_statuses(rest, 8, exchange_index=0) == [404] * 7 + [429], "shard 0 is the unscoped bucket"
        assert (await rest.call("DELETE", ORDERS)).status_code == 429


# Restarts


def history(exchange: ManualExchange) -> dict[str, Any]:
    queries = exchange.engine.queries
    return exchange.state() | {
        "transfers": queries.shard_transfers(ACCOUNT), "under_way": under_way(exchange.engine, ACCOUNT),
        "allocation": queries.allocation(ACCOUNT), "shards": queries.shard_statuses(),
    }  # fmt: skip


@pytest.mark.parametrize("has_checkpoint", [True, False])
async def test_transfers_under_way_survive_a_kill(tmp_path: Path, has_checkpoint: bool) -> None:
    exchange = ManualExchange(tmp_path, shards=SHARDS, markets=20)
    exchange.tick(1)
    ticker = ticker_on(exchange, 2)
    first = CashMove(from_shard=0, to_shard=2, amount_micros=80 * DOLLAR, delay_us=0, client_transfer_id="a")
    await exchange.command(MoveCash(ACCOUNT, first))
    shares = (ShardShare(exchange_index=0, percent=50), ShardShare(exchange_index=2, percent=50))
    target = TargetAllocation(shares=shares, reservation=MarginReservation.NONE)
    await exchange.command(SetAllocation(ACCOUNT, target, 3 * SECOND_US))
    exchange.tick(8)
    await exchange.command(PlaceOrder(ACCOUNT, request(ticker, 1, price_cc=100)))
    if has_checkpoint:
        exchange.server.save_checkpoint()
    late = CashMove(
        from_shard=0, to_shard=3, amount_micros=10 * DOLLAR, delay_us=60 * SECOND_US, client_transfer_id="b"
    )
    await exchange.command(MoveCash(ACCOUNT, late), SwitchShard(ShardChange(exchange_index=3, trading_active=False)))
    exchange.tick(3)
    before = history(exchange)
    assert before["under_way"] == 10 * DOLLAR + before["transfers"][0].amount_micros
    assert len(before["transfers"]) == 3
    exchange.kill()
    again = ManualExchange(tmp_path, exchange.clock.now_us(), markets=20)
    assert history(again) == before
    again.tick(120)
    assert under_way(again.engine, ACCOUNT) == 0
    left = again.state()
    assert left["balance"].total_micros + left["held"] == 1_000 * DOLLAR
    again.kill()


async def test_the_shards_of_a_history_are_fixed(tmp_path: Path) -> None:
    exchange = ManualExchange(tmp_path, shards=SHARDS)
    exchange_id = exchange.server.state.exchange_id
    exchange.kill()
    again = ManualExchange(tmp_path, exchange.clock.now_us())
    assert [one.exchange_index for one in again.engine.queries.shard_statuses()] == [0, 2, 3]
    assert again.server.state.exchange_id == exchange_id
    again.kill()
    with pytest.raises(ExchangeJournalMismatch, match="started with shards"):
        ManualExchange(tmp_path, exchange.clock.now_us(), shards=("2",))
    with pytest.raises(ValidationError, match="invalid shard"):
        paper_settings(shards=("two",))


def test_entries_from_before_the_shards_are_read() -> None:
    old = b"""{"type":"commanded","at_us":3,"position":1,"command":{"type":"cancel","account":"a","order_id":"x"}}"""
    entry = msgspec.json.decode(old, type=Entry)
    assert entry == Commanded(at_us=3, position=1, command=CancelOrder("a", "x", None)), "looked for on all shards"
    first = Configured(start_us=1, account="a", balance_micros=5, seed=7, markets=3, tickers=(), settlement_delay_us=2)
    assert first.shards == ()


async def test_the_limit_of_order_groups_is_part_of_the_history(tmp_path: Path) -> None:
    exchange = ManualExchange(tmp_path, groups_trigger_above_limit=True)
    exchange.kill()
    again = ManualExchange(tmp_path, exchange.clock.now_us())
    assert again.engine.groups.triggers_above_limit
    again.kill()
