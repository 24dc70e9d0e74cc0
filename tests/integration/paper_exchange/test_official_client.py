"""The exchange's official client, with each of its operations: it accepts every response, or is refused as documented.

The client is no dependency of the project. `make clients` installs the pinned version beside it and runs these tests.
"""

from __future__ import annotations

import inspect
import time
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from support.paper_client import PaperClient, paper_settings, running
from truebook_services.paper_exchange.rest.absent import ABSENT
from truebook_services.paper_exchange.rest.requests import ServedRequest

official = pytest.importorskip(
    "kalshi_python_async", reason="the official client is not installed (it needs Python 3.13): make clients"
)

NO_ITEMS = {
    "get_milestone", "get_structured_target", "get_multivariate_event_collection", "get_event_live_data",
    "get_live_data", "get_live_data_by_milestone", "get_game_stats", "get_rfq", "get_rfq_quote", "get_quote",
    "get_historical_market", "get_market_candlesticks_historical", "get_intra_exchange_instance_transfer",
}  # fmt: skip
"""Operations that read one item of a kind that this exchange has none of, or none yet: not found."""


class Official:
    """The official client on a running exchange."""

    def __init__(self, exchange: PaperClient, client: Any) -> None:
        self.exchange = exchange
        self.client = client

    def operations(self) -> dict[str, Callable[..., Any]]:
        apis = [api for name, api in vars(self.client).items() if name.endswith("_api")]
        return {
            name: function
            for api in apis
            for name, function in inspect.getmembers(api, inspect.iscoroutinefunction)
            if not name.startswith("_") and not name.endswith(("_with_http_info", "_without_preload_content"))
        }

    async def status_of(self, call: Any) -> tuple[int, Any]:
        try:
            return 200, await call
        except official.exceptions.ApiException as error:
            return int(error.status or 0), error.body


@pytest_asyncio.fixture
async def session(tmp_path: Path) -> AsyncIterator[Official]:
    async with running(paper_settings(tmp_path, key_id=None, public_key_file=None, shards=("2:SIMCUP",))) as exchange:
        await_file = exchange.exchange.private_key_file
        assert await_file is not None
        configuration = official.Configuration(host=exchange.exchange.url + "/trade-api/v2")
        configuration.api_key_id, configuration.private_key_pem = exchange.exchange.key_id, await_file.read_text()
        client = official.KalshiClient(configuration)
        try:
            yield Official(exchange, client)
        finally:
            await client.close()


async def values(session: Official) -> dict[str, Any]:
    """Return an argument for each name of a required parameter."""
    (market, *_) = (await session.client.get_markets(status="open", limit=1000)).markets
    order = await session.client.create_order_v2(
        ticker=market.ticker, side="bid", count="3.00", price="0.0100", time_in_force="good_till_canceled",
        self_trade_prevention_type="taker_at_cross", client_order_id=str(uuid.uuid4()),
    )  # fmt: skip
    group = await session.client.create_order_group(contracts_limit_fp="150.00")
    now_s = int(time.time())
    return {
        "ticker": market.ticker, "event_ticker": market.event_ticker, "series_ticker": market.ticker.split("-")[0],
        "tickers": [market.ticker], "market_tickers": market.ticker, "start_ts": now_s - 600, "end_ts": now_s,
        "period_interval": 1, "percentiles": [1000, 5000], "order_id": order.order_id, "limit": 10,
        "order_group_id": group.order_group_id, "milestone_ids": ["m"], "type": "t", "city": "nyc",
    }  # fmt: skip


async def test_every_read_is_accepted_by_the_official_client(session: Official) -> None:
    known = await values(session)
    absent = {name.lower() for _, _, name in ABSENT}
    read, refused = [], []
    for name, function in session.operations().items():
        if not name.startswith(("get_", "batch_get_", "list_")):
            continue
        needed = [
            one.name for one in inspect.signature(function).parameters.values()
            if one.default is inspect.Parameter.empty
        ]  # fmt: skip
        arguments = {one: known.get(one, "none") for one in needed}
        if "_by_event" in name or "forecast" in name:
            arguments |= {"ticker": known["event_ticker"]} if "ticker" in arguments else {}
        status, response = await session.status_of(function(**arguments))
        if name.replace("_", "") in absent:
            assert (status, "not_simulated" in response) == (501, True), name
            refused.append(name)
        else:
            assert status == (404 if name in NO_ITEMS else 200), (name, status, response)
            read.append(name)
    assert len(read) >= 60
    assert len(refused) >= 8


async def test_a_session_of_the_official_client_has_no_error(session: Official) -> None:
    client, known = session.client, await values(session)
    served: list[ServedRequest] = []
    session.exchange.exchange.state.observer = served.append
    order_id, ticker = known["order_id"], known["ticker"]
    decreased = await client.decrease_order_v2(order_id, reduce_by="1.00")
    assert decreased.remaining_count == "2.00"
    amended = await client.amend_order_v2(order_id, ticker=ticker, side="bid", price="0.0200", count="4.00")
    assert amended.order_id == order_id
    assert (await client.get_order(order_id)).order.initial_count_fp == "4.00"
    assert (await client.cancel_order_v2(order_id, market_ticker=ticker)).reduced_by == "4.00"
    fields = {"ticker": ticker, "side": "bid", "count": "1.00", "time_in_force": "good_till_canceled",
              "self_trade_prevention_type": "maker"}  # fmt: skip
    orders = [official.CreateOrderV2Request(**fields, price=price) for price in ("0.0100", "0.0200")]
    ids = [one.order_id for one in (await client.batch_create_orders_v2(orders=orders)).orders]
    named = [{"order_id": one, "market_ticker": ticker} for one in ids]
    cancelled = await client.batch_cancel_orders_v2(
        orders=official.BatchCancelOrdersV2Request.from_dict({"orders": named}).orders
    )
    assert [one.reduced_by for one in cancelled.orders] == ["1.00", "1.00"]
    group = known["order_group_id"]
    await client.update_order_group_limit(group, contracts_limit_fp="10.00")
    await client.trigger_order_group(group)
    await client.reset_order_group(group)
    await client.delete_order_group(group)
    await trade(session, known["ticker"])
    await client.cancel_all_orders()
    key = await client.generate_api_key(name="second", key_type="ed25519")
    assert key.api_key_id in [one.api_key_id for one in (await client.get_api_keys()).api_keys]
    await client.delete_api_key(key.api_key_id)
    moved = await client.intra_exchange_instance_transfer(
        source="event_contract", destination="event_contract", amount=10_000, destination_exchange_shard=2
    )
    assert (await client.get_intra_exchange_instance_transfer(moved.transfer_id)).transfer.amount == "1.0000"
    assert [(one.operation, one.status) for one in served if not 200 <= one.status < 300] == []


async def trade(session: Official, known_ticker: str) -> None:
    client, ticker = session.client, (await session.exchange.two_sided())["ticker"]
    taken = await client.create_order_v2(
        ticker=ticker, side="bid", count="1.00", price="0.9900", time_in_force="immediate_or_cancel",
        self_trade_prevention_type="taker_at_cross", client_order_id=str(uuid.uuid4()),
    )  # fmt: skip
    assert taken.fill_count == "1.00"
    assert [one.order_id for one in (await client.get_fills(ticker=ticker)).fills] == [taken.order_id]
    held = (await client.get_positions()).market_positions
    assert [(one.ticker, one.position_fp) for one in held] == [(ticker, "1.00")]
    assert 0 < (await client.get_balance()).balance < 100_000
    assert known_ticker in [one.ticker for one in (await client.get_orders()).orders]
