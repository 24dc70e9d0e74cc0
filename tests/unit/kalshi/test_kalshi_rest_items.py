"""One odd item of a list costs itself, not its list; another subaccount's items are skipped."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest

from support.fake_rest import BASE_URL, ScriptedExchange, event, market, ok, series
from truebook.clock import ManualClock
from truebook.kalshi.port import BadResponse, ExchangeError
from truebook.kalshi.rest.client import HttpRestClient
from truebook.kalshi.signing import StubSigner
from truebook.kalshi.stream.frames import decode_frame
from truebook.messages.market_metadata import FeeType
from truebook.venue.account import UnreadableItem

TIME = "2026-06-11T06:29:30Z"


def fill(trade_id: str) -> dict[str, Any]:
    return {
        "trade_id": trade_id, "order_id": "o-1", "ticker": "T", "yes_price_dollars": "0.5200", "count_fp": "1.00",
        "fee_cost": "0.017500", "is_taker": True, "book_side": "bid", "created_time": TIME,
    }  # fmt: skip


def order(order_id: str, **change: Any) -> dict[str, Any]:
    return {
        "order_id": order_id, "client_order_id": "tb1-00", "ticker": "T", "book_side": "bid", "status": "resting",
        "yes_price_dollars": "0.5600", "initial_count_fp": "10.00", "fill_count_fp": "0.00",
        "remaining_count_fp": "10.00", **change,
    }  # fmt: skip


@pytest.fixture
def exchange() -> ScriptedExchange:
    return ScriptedExchange()


@pytest.fixture
def rest(exchange: ScriptedExchange) -> HttpRestClient:
    return HttpRestClient(BASE_URL, StubSigner(), ManualClock(), transport=exchange, read_attempts=1)


@pytest.mark.parametrize(
    "odd",
    [
        {"client_order_id": "another", "status": "paused"},
        {"client_order_id": None, "fill_count_fp": "x"},
        {"subaccount_number": 3},
        {"client_order_id": 7},
    ],
)
async def test_an_odd_order_that_is_not_ours_is_skipped(
    rest: HttpRestClient, exchange: ScriptedExchange, odd: dict[str, Any]
) -> None:
    exchange.on("GET", "/portfolio/orders", ok({"orders": [order("odd", **odd), order("a")], "cursor": ""}))
    assert [one.exchange_order_id for one in await rest.orders()] == ["a"]


async def test_an_order_without_a_client_id_is_foreign(rest: HttpRestClient, exchange: ScriptedExchange) -> None:
    exchange.on("GET", "/portfolio/orders", ok({"orders": [order("a", client_order_id=None)], "cursor": ""}))
    assert [one.client_order_id for one in await rest.orders()] == [""]


async def test_an_unreadable_order_of_ours_is_no_absence(rest: HttpRestClient, exchange: ScriptedExchange) -> None:
    exchange.on("GET", "/portfolio/orders", ok({"orders": [order("a", status="paused"), order("b")], "cursor": ""}))
    orders = await rest.orders()
    assert [one.exchange_order_id for one in orders] == ["b"]
    assert orders.unreadable == (
        UnreadableItem(ticker="T", client_order_id="tb1-00", exchange_order_id="a", why="order.status: 'paused'"),
    )


async def test_an_odd_fill_is_skipped(rest: HttpRestClient, exchange: ScriptedExchange) -> None:
    fills = [
        fill("odd") | {"yes_price_dollars": "1.0000"},
        fill("other") | {"subaccount": 3},
        fill("t"),
    ]
    exchange.on("GET", "/portfolio/fills", ok({"fills": fills, "cursor": ""}))
    found = await rest.fills()
    assert [one.trade_id for one in found] == ["t"]
    assert [(one.ticker, one.exchange_order_id) for one in found.unreadable] == [("T", "o-1")]


@pytest.mark.parametrize(
    ("change", "ticker"),
    [
        ({"position_fp": None}, "T"),
        ({"market_exposure_dollars": "1.0000000001"}, "T"),
        ({"fees_paid_dollars": 0.5}, "T"),
        ({"ticker": None}, ""),
    ],
)
async def test_an_odd_position_does_not_hide_the_others(
    rest: HttpRestClient, exchange: ScriptedExchange, change: dict[str, Any], ticker: str
) -> None:
    one = {
        "ticker": "T", "position_fp": "3.00", "market_exposure_dollars": "1.500000", "fees_paid_dollars": "0.018900",
    }  # fmt: skip
    listed = [one | change, one | {"ticker": "S"}, one | {"ticker": "O", "subaccount": 3, "position_fp": None}]
    exchange.on("GET", "/portfolio/positions", ok({"market_positions": listed, "cursor": ""}))
    positions = await rest.positions()
    assert [position.ticker for position in positions] == ["S"]
    assert [odd.ticker for odd in positions.unreadable] == [ticker]


@pytest.mark.parametrize("change", [{"revenue": "3"}, {"yes_count_fp": None}, {"settled_time": ""}, {"value": "x"}])
async def test_an_odd_settlement_does_not_hide_the_others(
    rest: HttpRestClient, exchange: ScriptedExchange, change: dict[str, Any]
) -> None:
    one = {
        "ticker": "T", "market_result": "yes", "yes_count_fp": "1.00", "no_count_fp": "0.00", "revenue": 100,
        "settled_time": TIME,
    }  # fmt: skip
    listed = [one | change, one | {"ticker": "S"}, one | {"ticker": "O", "subaccount_number": 3}]
    exchange.on("GET", "/portfolio/settlements", ok({"settlements": listed, "cursor": ""}))
    settlements = await rest.settlements()
    assert [settled.ticker for settled in settlements] == ["S"]
    assert [odd.ticker for odd in settlements.unreadable] == ["T"]


@pytest.mark.parametrize("read", ["orders", "fills", "positions", "settlements", "balance", "cancel_all"])
async def test_requests_name_the_primary_subaccount(
    rest: HttpRestClient, exchange: ScriptedExchange, read: str
) -> None:
    with suppress(ExchangeError):
        await getattr(rest, read)()
    assert exchange.requests[0].url.params["subaccount"] == "0"


async def test_the_balance_is_that_of_the_default_shard(rest: HttpRestClient, exchange: ScriptedExchange) -> None:
    body = {"balance_dollars": "150.0000", "updated_ts": 1, "balance": 15_000, "portfolio_value": 0}
    shards = [{"exchange_index": 0, "balance": "98.0186"}, {"exchange_index": 2, "balance": "51.9814"}]
    exchange.on("GET", "/portfolio/balance", ok(body | {"balance_breakdown": shards}))
    assert (await rest.balance()).balance_micros == 98_018_600
    exchange.on("GET", "/portfolio/balance", ok(body))
    assert (await rest.balance()).balance_micros == 150_000_000
    exchange.on("GET", "/portfolio/balance", ok(body | {"balance_breakdown": shards[1:]}))
    with pytest.raises(BadResponse, match="no balance of shard 0"):
        await rest.balance()


async def test_a_void_settlement_without_a_value_is_skipped(rest: HttpRestClient, exchange: ScriptedExchange) -> None:
    one = {
        "ticker": "T", "market_result": "yes", "yes_count_fp": "0.00", "no_count_fp": "0.00", "revenue": 0,
        "settled_time": TIME,
    }  # fmt: skip
    void = one | {"ticker": "V", "market_result": "void"}
    exchange.on("GET", "/portfolio/settlements", ok({"settlements": [void, one], "cursor": ""}))
    assert [settled.ticker for settled in await rest.settlements()] == ["T"]


def test_a_fill_frame_of_another_subaccount_is_not_ours() -> None:
    text = json.dumps({"type": "fill", "sid": 1, "seq": 1, "msg": fill("t") | {"subaccount": 3}})
    assert type(decode_frame(text, 1)).__name__ == "OtherFrame"


async def test_a_series_without_a_multiplier_has_unknown_fees(rest: HttpRestClient, exchange: ScriptedExchange) -> None:
    exchange.on(
        "GET", "/markets", ok({"markets": [market("KXA-1-B", "KXA-1"), market("KXB-1-B", "KXB-1")], "cursor": ""})
    )
    for name in ("KXA", "KXB"):
        exchange.on("GET", f"/events/{name}-1", ok({"event": event(f"{name}-1", series=name)}))
    exchange.on("GET", "/series/KXA", ok(series("KXA")))
    exchange.on("GET", "/series/KXB", ok({"series": series("KXB")["series"] | {"fee_multiplier": None}}))
    fees = {one.ticker: one.fee_type for one in await rest.markets()}
    assert fees["KXB-1-B"] is FeeType.UNKNOWN
    assert fees["KXA-1-B"] is not FeeType.UNKNOWN


async def test_a_settlement_without_an_exact_value_yet_is_not_rounded(
    rest: HttpRestClient, exchange: ScriptedExchange
) -> None:
    one = {
        "ticker": "S", "market_result": "scalar", "value": 45, "yes_count_fp": "1.00", "no_count_fp": "0.00",
        "revenue": 45, "settled_time": TIME,
    }  # fmt: skip
    exchange.on("GET", "/portfolio/settlements", ok({"settlements": [one], "cursor": ""}))
    exchange.on(
        "GET", "/markets/S", ok({"market": market("S", "KXA-1", status="closed")}),
        ok({"market": market("S", "KXA-1", status="finalized", settlement_value_dollars="0.4559")}),
    )  # fmt: skip
    exchange.on("GET", "/events/KXA-1", ok({"event": event("KXA-1", series="KXA")}))
    exchange.on("GET", "/series/KXA", ok(series("KXA")))
    assert [odd.ticker for odd in (await rest.settlements()).unreadable] == ["S"]
    for _ in range(3):
        assert [settled.settlement_cc for settled in await rest.settlements()] == [4_559]
    assert sum(request.url.path.endswith("/markets/S") for request in exchange.requests) == 2, "read once"
