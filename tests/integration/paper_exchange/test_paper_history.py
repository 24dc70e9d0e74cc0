"""The moving cutoff: each settled market, trade, fill, ended order and position is live or historical, not both."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from support.manual_rest import ManualRest, manual_rest
from support.paper_client import order_body
from truebook.kalshi.wire.times import from_rfc3339

ORDERS = "/portfolio/events/orders"


@pytest_asyncio.fixture
async def rest() -> AsyncIterator[ManualRest]:
    async with manual_rest(markets=8, history_after_s=60) as made:
        made.exchange.tick(30)
        yield made


async def flash(rest: ManualRest) -> dict[str, Any]:
    """Return an open market that ends soon, with an ask."""
    for _ in range(60):
        for one in (await rest.get("/markets", status="open"))["markets"]:
            if one["ticker"].startswith("SIMFLASH") and one["yes_ask_size_fp"] > "0.00":
                return dict(one)
        rest.exchange.tick(1)
    raise AssertionError("no short-lived market with an ask")


async def take(rest: ManualRest, ticker: str) -> dict[str, Any]:
    body = order_body(ticker, price="0.9900", count="1.00", time_in_force="immediate_or_cancel")
    response = await rest.call("POST", ORDERS, body=body)
    assert response.status_code == 201, response.text
    return dict(response.json())


LISTS = (
    ("/markets", "/historical/markets", "markets", "ticker"),
    ("/markets/trades", "/historical/trades", "trades", "trade_id"),
    ("/portfolio/fills", "/historical/fills", "fills", "fill_id"),
    ("/portfolio/orders", "/historical/orders", "orders", "order_id"),
    ("/portfolio/positions?settlement_status=all", "/historical/positions", "market_positions", "ticker"),
)


@pytest.mark.parametrize(("live", "historical", "name", "key"), LISTS)
async def test_an_item_moves_once_and_is_never_lost(
    rest: ManualRest, live: str, historical: str, name: str, key: str
) -> None:
    path, _, choice = live.partition("?")
    query = {"settlement_status": "all"} if choice else {}
    await take(rest, (await flash(rest))["ticker"])
    for _ in range(10):
        rest.exchange.tick(20)
        now = {row[key] for row in await rest.all(path, name, limit=1000, **query)}
        old = {row[key] for row in await rest.all(historical, name, limit=7)}
        assert not now & old
        if name in ("fills", "orders", "market_positions"):
            assert now | old
    assert old, "nothing became historical"


async def test_a_historical_item_is_found_at_its_own_path(rest: ManualRest) -> None:
    ticker = (await flash(rest))["ticker"]
    order_id = (await take(rest, ticker))["order_id"]
    rest.exchange.tick(200)
    assert (await rest.call("GET", f"/markets/{ticker}")).status_code == 404
    assert (await rest.call("GET", f"/portfolio/orders/{order_id}")).status_code == 404
    market = (await rest.get(f"/historical/markets/{ticker}"))["market"]
    assert (market["status"], market["result"] in ("yes", "no")) == ("finalized", True)
    span: dict[str, Any] = {"start_ts": from_rfc3339(market["open_time"]) // 10**6, "period_interval": 1}
    body = await rest.get(f"/historical/markets/{ticker}/candlesticks", **span, end_ts=span["start_ts"] + 300)
    row = body["candlesticks"][0]
    assert set(row) == {"end_period_ts", "yes_bid", "yes_ask", "price", "volume", "open_interest"}
    assert set(row["price"]) == {"open", "low", "high", "close", "mean", "previous"}
    live = await rest.call("GET", f"/series/SIMFLASH/markets/{ticker}/candlesticks", **span, end_ts=span["start_ts"])
    assert live.status_code == 404


async def test_a_resting_order_stays_live(rest: ManualRest) -> None:
    market = next(one for one in (await rest.get("/markets"))["markets"] if not one["ticker"].startswith("SIMFLASH"))
    made = (await rest.call("POST", ORDERS, body=order_body(market["ticker"]))).json()
    rest.exchange.tick(600)
    assert [one["order_id"] for one in (await rest.get("/portfolio/orders"))["orders"]] == [made["order_id"]]
    assert (await rest.get("/historical/orders"))["orders"] == []


async def test_the_cutoff_moves_with_time(rest: ManualRest) -> None:
    first = await rest.get("/historical/cutoff", signed=False)
    rest.exchange.tick(45)
    second = await rest.get("/historical/cutoff", signed=False)
    assert {from_rfc3339(second[name]) - from_rfc3339(first[name]) for name in first} == {45_000_000}


async def test_a_cutoff_of_days_is_a_midnight() -> None:
    async with manual_rest(markets=2) as rest:
        cutoff = await rest.get("/historical/cutoff")
        assert all(text.endswith("T00:00:00Z") for text in cutoff.values())
        age_us = rest.exchange.server.now_us() - from_rfc3339(cutoff["market_settled_ts"])
        assert 60 <= age_us / 86_400e6 < 61
        age_us = rest.exchange.server.now_us() - from_rfc3339(cutoff["orders_updated_ts"])
        assert 14 <= age_us / 86_400e6 < 15


async def test_a_settled_position_has_what_it_earned(rest: ManualRest) -> None:
    ticker = (await flash(rest))["ticker"]
    await take(rest, ticker)
    before = (await rest.get("/portfolio/positions", ticker=ticker))["market_positions"][0]
    while not (await rest.get("/portfolio/settlements"))["settlements"]:
        rest.exchange.tick(5)
    assert (await rest.get("/portfolio/positions", ticker=ticker))["market_positions"] == []
    settled = await rest.get("/portfolio/positions", ticker=ticker, settlement_status="settled")
    (row,) = settled["market_positions"]
    paid = (await rest.get("/portfolio/settlements"))["settlements"][0]["revenue"] * 10_000
    earned = paid - round(float(before["market_exposure_dollars"]) * 1e6)
    assert round(float(row["realized_pnl_dollars"]) * 1e6) == earned
    assert (row["position_fp"], row["market_exposure_dollars"]) == ("0.00", "0.000000")
    assert settled["event_positions"][0]["total_cost_shares_fp"] == "1.00"
    both = await rest.get("/portfolio/positions", settlement_status="all", count_filter="total_traded")
    assert [one["ticker"] for one in both["market_positions"]] == [ticker]
    assert (await rest.get("/portfolio/positions", settlement_status="all", count_filter="position"))[
        "market_positions"
    ] == []


async def test_a_settled_market_has_its_value_and_time(rest: ManualRest) -> None:
    while not (settled := (await rest.get("/markets", status="settled"))["markets"]):
        rest.exchange.tick(5)
    for one in settled:
        assert one["expiration_value"] == one["result"] in ("yes", "no")
        assert one["settlement_value_dollars"] == {"yes": "1.0000", "no": "0.0000"}[one["result"]]
        assert one["close_time"] <= one["settlement_ts"] == one["updated_time"]
    unsettled = (await rest.get("/markets", status="open"))["markets"]
    assert all("settlement_ts" not in one and one["expiration_value"] == "" for one in unsettled)
