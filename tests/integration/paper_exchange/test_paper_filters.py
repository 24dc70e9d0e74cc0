"""Every documented filter selects, or its value is refused with the recorded body: none is ignored silently."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from support.kalshi_required import PARAMETERS
from support.manual_exchange import START_US
from support.manual_rest import ManualRest, manual_rest
from truebook.kalshi.wire.times import from_rfc3339
from truebook_services.paper_exchange.rest.application import ENDPOINTS

START_S = START_US // 1_000_000
Row = dict[str, Any]


@pytest_asyncio.fixture
async def rest() -> AsyncIterator[ManualRest]:
    async with manual_rest(markets=8) as made:
        made.exchange.tick(200)
        yield made


def seconds(text: str) -> int:
    return from_rfc3339(text) // 1_000_000


SPANS = [
    ("created", "created_time", {}),
    ("updated", "updated_time", {}),
    ("close", "close_time", {}),
    ("settled", "settlement_ts", {}),
    ("settled", "settlement_ts", {"status": "settled"}),
    ("created", "created_time", {"status": "open"}),
]


@pytest.mark.parametrize(("kind", "field", "more"), SPANS)
async def test_a_span_of_markets_has_both_ends(rest: ManualRest, kind: str, field: str, more: Row) -> None:
    every = (await rest.get("/markets", limit=1000, **more))["markets"]
    known = sorted({seconds(one[field]) for one in every if field in one})
    low, high = known[len(known) // 4], known[len(known) * 3 // 4]
    query = {f"min_{kind}_ts": low, f"max_{kind}_ts": high}
    found = [one["ticker"] for one in (await rest.get("/markets", limit=1000, **query, **more))["markets"]]
    assert found == [one["ticker"] for one in every if field in one and low <= seconds(one[field]) <= high]
    assert found


@pytest.mark.parametrize(
    "query",
    [
        {"min_close_ts": 1, "min_settled_ts": 1},
        {"min_settled_ts": 1, "status": "open"},
        {"min_close_ts": 1, "status": "open"},
        {"min_updated_ts": 1, "status": "open"},
        {"min_updated_ts": 1, "tickers": "A"},
        {"status": "active"},
        {"mve_filter": "none"},
        {"min_close_ts": "soon"},
        {"limit": 1001},
        {"limit": 0},
    ],
)
async def test_an_unsupported_filter_is_a_400_with_its_field(rest: ManualRest, query: Row) -> None:
    response = await rest.call("GET", "/markets", **query)
    assert response.status_code == 400
    assert response.json()["msg"].startswith("Parameter validation failed for GetMarkets: Key: 'GetMarketsParams.")


async def test_more_books_than_one_response_has_are_refused(rest: ManualRest) -> None:
    ticker = (await rest.get("/markets", status="open"))["markets"][0]["ticker"]
    assert len((await rest.get("/markets/orderbooks", tickers=[ticker] * 100))["orderbooks"]) == 100
    assert (await rest.call("GET", "/markets/orderbooks", tickers=[ticker] * 101)).status_code == 400


@pytest.mark.parametrize("state", ["unopened", "open", "closed", "settled"])
async def test_events_are_selected_by_their_state(rest: ManualRest, state: str) -> None:
    every = (await rest.get("/events", with_nested_markets=True))["events"]
    found = [one["event_ticker"] for one in (await rest.get("/events", status=state))["events"]]
    expected = []
    for one in every:
        statuses = {market["status"] for market in one["markets"]}
        kind = "open" if "active" in statuses else "settled" if statuses == {"finalized"} else "closed"
        expected += [one["event_ticker"]] if kind == state else []
    assert found == expected
    assert found or state in ("unopened", "closed")


async def test_events_are_selected_by_ticker_close_and_update(rest: ManualRest) -> None:
    every = await rest.get("/events", with_nested_markets=True, with_milestones=True)
    rows = every["events"]
    assert every["milestones"] == []
    tickers = [one["event_ticker"] for one in rows][1:3]
    assert [one["event_ticker"] for one in (await rest.get("/events", tickers=",".join(tickers)))["events"]] == tickers
    late = START_S + 3_600
    found = {one["event_ticker"] for one in (await rest.get("/events", min_close_ts=late))["events"]}
    assert found == {
        one["event_ticker"] for one in rows if any(seconds(each["close_time"]) >= late for each in one["markets"])
    }
    since = START_S + 100
    found = {one["event_ticker"] for one in (await rest.get("/events", min_updated_ts=since))["events"]}
    assert found == {one["event_ticker"] for one in rows if seconds(one["last_updated_ts"]) >= since} != set()
    assert (await rest.call("GET", "/events", limit=201)).status_code == 400
    assert (await rest.call("GET", "/events", with_nested_markets="perhaps")).status_code == 400


async def test_series_are_selected_by_category_tags_and_update(rest: ManualRest) -> None:
    every = (await rest.get("/series", include_volume=True))["series"]
    assert all(one["volume_fp"] for one in every)
    assert (await rest.get("/series", category="Simulation"))["series"]
    assert (await rest.get("/series", category="simulation"))["series"] == []
    assert (await rest.get("/series", tags="Soccer"))["series"] == []
    assert (await rest.get("/series", min_updated_ts=START_S + 1_000))["series"] == []


async def test_trades_are_selected_by_kind_market_and_time(rest: ManualRest) -> None:
    every = await rest.all("/markets/trades", "trades", limit=1000)
    assert len(await rest.all("/markets/trades", "trades", is_block_trade=False)) == len(every)
    assert await rest.all("/markets/trades", "trades", is_block_trade=True) == []
    ticker = every[0]["ticker"]
    at = seconds(every[len(every) // 2]["created_time"])
    found = await rest.all("/markets/trades", "trades", ticker=ticker, min_ts=at - 20, max_ts=at)
    assert {one["trade_id"] for one in found} == {
        one["trade_id"] for one in every if one["ticker"] == ticker and at - 20 <= seconds(one["created_time"]) <= at
    }
    assert (await rest.call("GET", "/markets/trades", is_block_trade="x")).status_code == 400


VALUES: dict[str, Any] = {
    "limit": 5, "page_size": 5, "cursor": "x", "status": "open", "period_interval": 1, "depth": 1, "subaccount": 0,
    "exchange_index": 0, "mve_filter": "exclude", "settlement_status": "all", "count_filter": "position",
    "percentiles": "1000", "type": "all",
}  # fmt: skip
STATUSES = {"/portfolio/orders": "resting", "/incentive_programs": "active", "/communications": "open"}


SERVED = {endpoint.path for endpoint in ENDPOINTS if endpoint.method == "GET"}


@pytest.mark.parametrize("path", sorted(SERVED & PARAMETERS.keys()))
async def test_no_documented_parameter_is_ignored(rest: ManualRest, path: str) -> None:
    market = (await rest.get("/markets", status="open"))["markets"][0]
    made = path.format(
        ticker=market["ticker"], event=market["event_ticker"], series=market["ticker"].split("-")[0], city="nyc",
        order_id="x", order_group_id="x", id="x", quote_id="x", kind="x", milestone_id="x", transfer_id="x", type="x",
    )  # fmt: skip
    for name in PARAMETERS[path].split():
        value = VALUES.get(name, START_S if name.endswith("_ts") else "true")
        if name == "status":
            value = next((word for prefix, word in STATUSES.items() if path.startswith(prefix)), "open")
        query: dict[str, Any] = {name: value}
        if "candlesticks" in path or "forecast" in path:
            query |= {"start_ts": START_S, "end_ts": START_S + 60, "period_interval": 1, "percentiles": 1000}
            query |= {"market_tickers": market["ticker"]} if path == "/markets/candlesticks" else {}
        response = await rest.call("GET", made, **query)
        assert response.status_code in (200, 404), (name, response.text)
        assert f"?{name}" not in response.headers.get("truebook-ignored", "").split(", "), name
