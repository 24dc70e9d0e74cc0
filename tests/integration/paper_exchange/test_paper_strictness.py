"""Invalid requests are rejected, without effect on the exchange or on another account."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from support.paper_client import PaperClient, order_body, paper_settings, running, until

ORDERS = "/portfolio/events/orders"


@pytest_asyncio.fixture
async def client() -> AsyncIterator[PaperClient]:
    async with running(paper_settings()) as made:
        yield made


async def test_an_expiry_in_milliseconds_is_rejected(client: PaperClient) -> None:
    """Such a year is outside the calendar: once stored, every read of the order would fail."""
    ticker = (await client.two_sided())["ticker"]
    wrong = int(time.time() * 1000) + 60_000
    async with client.socket() as listener:
        await listener.send("subscribe", channels=["user_orders"])
        refused = await client.call("POST", ORDERS, body=order_body(ticker, expiration_time=wrong))
        assert (refused.status_code, refused.json()["error"]["code"]) == (400, "invalid_parameters")
        order_id = (await client.create(ticker))["order_id"]
        amended: dict[str, Any] = {"ticker": ticker, "side": "bid", "price": "0.0100", "count": "1.00"}
        refused = await client.call("POST", f"{ORDERS}/{order_id}/amend", body=amended | {"expiration_time": wrong})
        assert refused.status_code == 400, refused.text
    assert [order["order_id"] for order in (await client.get("/portfolio/orders"))["orders"]] == [order_id]


async def test_another_subaccount_is_rejected(client: PaperClient) -> None:
    ticker = (await client.two_sided())["ticker"]
    await client.create(ticker)
    for method, path in (("DELETE", ORDERS), ("GET", "/portfolio/orders"), ("GET", "/portfolio/balance")):
        assert (await client.call(method, path, subaccount=5)).status_code == 400
    assert len((await client.get("/portfolio/orders", status="resting", subaccount=0))["orders"]) == 1


async def test_combination_markets_are_not_listed(client: PaperClient) -> None:
    assert (await client.get("/markets", mve_filter="only"))["markets"] == []
    assert (await client.get("/markets", mve_filter="exclude"))["markets"] != []


@pytest.mark.parametrize("selected", [{"market_id": "x"}, {"market_ids": ["x"]}])
async def test_an_unknown_filter_does_not_select_all_markets(client: PaperClient, selected: dict[str, Any]) -> None:
    async with client.socket() as listener:
        await listener.send("subscribe", channels=["ticker"], **selected)
        refused = await listener.until(lambda frame: frame["type"] in ("error", "subscribed"))
        assert refused["msg"]["code"] == 11


async def test_a_fill_between_two_pages_hides_no_position(client: PaperClient) -> None:
    async def tradable() -> list[str] | None:
        listed = (await client.get("/markets", status="open"))["markets"]
        found = [one["ticker"] for one in listed if float(one["yes_ask_size_fp"]) > 5 and "FLASH" not in one["ticker"]]
        return found[:3] if len(found) >= 3 else None

    tickers = await until(tradable)
    for ticker in tickers:
        await client.create(ticker, price="0.9900", count="1.00", time_in_force="immediate_or_cancel")
    first = await client.get("/portfolio/positions", limit=2)
    await client.create(tickers[2], price="0.9900", count="1.00", time_in_force="immediate_or_cancel")
    second = await client.get("/portfolio/positions", limit=2, cursor=first["cursor"])
    shown = [row["ticker"] for page in (first, second) for row in page["market_positions"]]
    assert shown == tickers
