"""Injected faults, seen by a client."""

from __future__ import annotations

from itertools import pairwise

import httpx
import pytest
import websockets

from support.paper_client import order_body, paper_settings, running, until
from truebook.kalshi.wire.times import from_rfc3339
from truebook.simulation.faults import FaultError

ORDERS = "/portfolio/events/orders"


async def test_a_lost_acknowledgement_leaves_a_resting_order() -> None:
    async with running(paper_settings(faults=("lost_ack@every=2",))) as client:
        ticker = (await client.two_sided())["ticker"]
        await client.create(ticker, client_order_id="first")
        with pytest.raises(httpx.RemoteProtocolError):
            await client.call("POST", ORDERS, body=order_body(ticker, client_order_id="second"))
        orders = (await client.get("/portfolio/orders", status="resting"))["orders"]
        assert [order["client_order_id"] for order in orders] == ["second", "first"]
        again = await client.call("POST", ORDERS, body=order_body(ticker, client_order_id="second"))
        assert again.status_code == 409


async def test_a_dropped_socket_is_reset_and_can_be_reopened() -> None:
    async with running(paper_settings(faults=("drop_socket@every=60",))) as client:
        ticker = (await client.two_sided())["ticker"]
        async with client.socket() as listener:
            await listener.send("subscribe", channels=["orderbook_delta"], market_tickers=[ticker])
            await listener.until(lambda frame: frame["type"] == "orderbook_snapshot")
            with pytest.raises(websockets.ConnectionClosedError) as caught:
                while True:
                    await client.create(ticker)
                    await listener.next()
            assert caught.value.rcvd is None
        await until(lambda: not client.exchange.hub.sessions)
        async with client.socket() as listener:
            await listener.send("subscribe", channels=["orderbook_delta"], market_tickers=[ticker])
            assert (await listener.next())["msg"]["sid"] == 1


async def test_a_sequence_gap_skips_one_number_and_its_delta() -> None:
    async with running(paper_settings(faults=("sequence_gap@every=2",), markets=1)) as client:
        await client.two_sided()
        exchange = client.exchange
        ticker = exchange.state.engine.queries.markets()[0].ticker
        async with client.socket() as listener:
            await listener.send("subscribe", channels=["orderbook_delta"], market_tickers=[ticker])
            await listener.until(lambda frame: frame["type"] == "orderbook_snapshot")
            for _ in range(6):
                await client.create(ticker)
            await listener.until(lambda frame: frame["type"] == "orderbook_delta")
            await listener.until(lambda frame: frame["type"] == "orderbook_delta")
            numbers = [frame["seq"] for frame in listener.frames if "seq" in frame]
            assert numbers[0] == 1
            steps = [after - before for before, after in pairwise(numbers)]
            assert set(steps) <= {1, 2} and 2 in steps, numbers


async def test_a_sequence_restart_loses_a_delta_and_counts_from_one() -> None:
    async with running(paper_settings(faults=("sequence_restart@every=3",), markets=1)) as client:
        await client.two_sided()
        ticker = client.exchange.state.engine.queries.markets()[0].ticker
        async with client.socket() as listener:
            await listener.send("subscribe", channels=["orderbook_delta"], market_tickers=[ticker])
            await listener.until(lambda frame: frame["type"] == "orderbook_snapshot")
            for _ in range(6):
                await client.create(ticker)
            restarted = await listener.until(lambda frame: frame["type"] == "orderbook_delta" and frame["seq"] == 1)
            assert restarted["msg"]["clock"] > 2


async def test_a_late_fill_is_hidden_and_delays_the_data_timestamp() -> None:
    settings = paper_settings(faults=("late_fill@every=1",), late_fill_delay_ms=400)
    async with running(settings) as client, client.socket() as listener:
        market = await client.two_sided()
        await listener.send("subscribe", channels=["fill", "user_orders"])
        made = await client.create(market["ticker"], price="0.9900", time_in_force="immediate_or_cancel")
        assert made["fill_count"] == "2.00"
        order = await listener.until(lambda frame: frame["type"] == "user_order")
        assert order["msg"]["status"] == "executed"
        assert (await client.get("/portfolio/fills"))["fills"] == []
        stamp = from_rfc3339((await client.get("/exchange/user_data_timestamp"))["as_of_time"])
        assert stamp < made["ts_ms"] * 1000 + 1_000
        fill = await listener.until(lambda frame: frame["type"] == "fill")
        assert client.exchange.now_us() >= made["ts_ms"] * 1000 + 399_000
        fills = (await client.get("/portfolio/fills"))["fills"]
        assert fill["msg"]["trade_id"] in [one["trade_id"] for one in fills]
        assert fills[-1]["created_time"] < (await client.get("/exchange/user_data_timestamp"))["as_of_time"]


async def test_an_unknown_fault_is_refused_at_start() -> None:
    with pytest.raises(FaultError, match="earthquake"):
        async with running(paper_settings(faults=("earthquake@every=2",))):
            pass
