"""Faults that an operator switches on, as a client meets them."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import httpx
import pytest

from support.paper_client import PaperClient, order_body, paper_settings, running, until

ORDERS = "/portfolio/events/orders"
TOKEN = {"authorization": "Bearer secret"}


async def switch_on(client: PaperClient, *faults: str) -> None:
    response = await client.http.post("/simulated/faults", headers=TOKEN, json={"faults": list(faults)})
    assert response.status_code == 200, response.text


async def clear(client: PaperClient) -> None:
    assert (await client.http.delete("/simulated/faults", headers=TOKEN)).json()["faults"] == []


async def resting(client: PaperClient) -> list[str]:
    return [one["order_id"] for one in (await client.get("/portfolio/orders", status="resting"))["orders"]]


async def send(client: PaperClient, ticker: str, **changes: Any) -> httpx.Response:
    return await client.call("POST", ORDERS, body=order_body(ticker, **changes))


async def test_faults_are_switched_on_and_off_by_their_operator() -> None:
    async with running(paper_settings(operator_token="secret")) as client:
        assert (await client.http.get("/simulated/faults")).status_code == 401
        wrong = await client.http.post("/simulated/faults", headers=TOKEN, json={"faults": ["earthquake@t=1"]})
        assert wrong.status_code == 400 and "earthquake" in wrong.json()["error"]
        for fault, statuses in (
            ("rate_limited", {429}), ("server_errors", {500, 503}), ("bad_requests", {400}), ("clock_skew", {401}),
        ):  # fmt: skip
            await switch_on(client, f"{fault}@t=0..60")
            assert {(await client.call("GET", "/portfolio/balance")).status_code for _ in range(2)} == statuses
            await clear(client)
        assert (await client.call("GET", "/portfolio/balance")).status_code == 200


async def test_a_fault_of_a_market_that_is_not_listed_is_refused() -> None:
    async with running(paper_settings(operator_token="secret")) as client:
        faults = ["early_close@t=0", "paused@t=0..9:TYPO"]
        refused = await client.http.post("/simulated/faults", headers=TOKEN, json={"faults": faults})
        assert refused.status_code == 400 and "TYPO" in refused.json()["error"]
        assert (await client.http.get("/simulated/faults", headers=TOKEN)).json()["faults"] == []


async def test_a_batch_that_trades_may_get_its_response_after_its_fill() -> None:
    async with running(paper_settings(operator_token="secret")) as client, client.socket() as listener:
        ticker = (await client.two_sided())["ticker"]
        await listener.send("subscribe", channels=["fill"])
        await listener.until(lambda frame: frame["type"] == "subscribed")
        injected: list[str] = []
        client.exchange.state.faults.on_injected = lambda one: injected.append(one.kind)
        await switch_on(client, "early_fill@t=0..60")
        orders = [order_body(ticker), order_body(ticker, price="0.9900", time_in_force="immediate_or_cancel")]
        batch = asyncio.create_task(client.call("POST", f"{ORDERS}/batched", body={"orders": orders}))
        await listener.until(lambda frame: frame["type"] == "fill")
        assert not batch.done()
        assert (await batch).status_code == 201
        assert injected == ["early_fill"]


async def test_without_a_token_there_is_no_fault_control() -> None:
    async with running(paper_settings()) as client:
        assert (await client.http.get("/simulated/faults", headers=TOKEN)).status_code == 501


async def test_an_executed_order_may_have_another_response() -> None:
    async with running(paper_settings(operator_token="secret")) as client:
        ticker = (await client.two_sided())["ticker"]
        for fault, status in (("ok_ack", 200), ("failed_ack", 502), ("duplicated_request", 409)):
            await switch_on(client, f"{fault}@t=0")
            assert (await send(client, ticker)).status_code == status
        assert len(await resting(client)) == 3
        await switch_on(client, "shard_refusal@t=0")
        refused = await send(client, ticker)
        assert refused.status_code == 400 and refused.json()["error"]["code"].startswith("user_not_found")
        assert len(await resting(client)) == 3


async def test_stale_lists_keep_a_cancelled_order_and_hide_a_new_one() -> None:
    async with running(paper_settings(operator_token="secret")) as client:
        ticker = (await client.two_sided())["ticker"]
        first = (await client.create(ticker))["order_id"]
        await until(lambda: client.exchange.now_us() > client.exchange.state.core.reached_us)
        await switch_on(client, "stale_reads@t=0..60")
        second = (await client.create(ticker))["order_id"]
        bought = await client.create(ticker, price="0.9900", time_in_force="immediate_or_cancel")
        assert (await client.cancel(first)).status_code == 200
        assert await resting(client) == [first]
        assert (await client.get("/portfolio/fills"))["fills"] == []
        assert (await client.get("/portfolio/positions"))["market_positions"] == []
        assert (await client.cancel(first)).status_code == 404
        await clear(client)
        assert await resting(client) == [second]
        assert {one["order_id"] for one in (await client.get("/portfolio/fills"))["fills"]} == {bought["order_id"]}
        assert len((await client.get("/portfolio/positions"))["market_positions"]) == 1


async def test_lists_lag_by_the_latency_profile() -> None:
    async with running(paper_settings(latency_profile="hosted", order_latency_us=0)) as client:
        ticker = (await client.two_sided())["ticker"]
        order = (await client.create(ticker))["order_id"]
        assert await resting(client) == []
        assert (await client.get(f"/portfolio/orders/{order}"))["order"]["status"] == "resting"
        await until(lambda: resting(client))
        await client.cancel(order)
        assert await resting(client) == [order]


async def test_a_mute_socket_loses_frames_and_goes_on() -> None:
    async with running(paper_settings(operator_token="secret", markets=1)) as client, client.socket() as listener:
        await client.two_sided()
        ticker = client.exchange.state.engine.queries.markets()[0].ticker
        await listener.send("subscribe", channels=["orderbook_delta"], market_tickers=[ticker])
        await listener.until(lambda frame: frame["type"] == "orderbook_snapshot")
        await client.create(ticker)
        await listener.until(lambda frame: frame["type"] == "orderbook_delta")
        await switch_on(client, "mute_socket@t=0..60")
        silent = (await client.create(ticker))["order_id"]
        await client.cancel(silent)
        await clear(client)
        await client.create(ticker)

        def is_after_a_gap(_: object) -> bool:
            numbers = [frame["seq"] for frame in listener.of_type("orderbook_delta")]
            return any(later - earlier >= 3 for earlier, later in pairwise(numbers))

        await listener.until(is_after_a_gap)


async def test_fills_and_deltas_may_be_sent_twice() -> None:
    async with running(paper_settings(operator_token="secret", markets=1)) as client, client.socket() as listener:
        ticker = (await client.two_sided())["ticker"]
        await listener.send("subscribe", channels=["fill"])
        await listener.send("subscribe", channels=["orderbook_delta"], market_tickers=[ticker])
        await listener.until(lambda frame: frame["type"] == "orderbook_snapshot")
        await switch_on(client, "doubled_fill@t=0..60", "sequence_repeat@t=0..60")
        await client.create(ticker, price="0.9900", time_in_force="immediate_or_cancel", count="1.00")
        await listener.until(lambda frame: listener.of_type("fill")[1:] != [] and frame["type"] == "fill")
        fills = [frame["msg"]["trade_id"] for frame in listener.of_type("fill")]
        assert fills[0] == fills[1]
        await client.create(ticker)

        def is_repeated(_: object) -> bool:
            numbers = [frame["seq"] for frame in listener.of_type("orderbook_delta")]
            return len(set(numbers)) < len(numbers)

        await listener.until(is_repeated)


@pytest.mark.parametrize(
    ("fault", "shown", "afterwards"),
    [
        ("paused@t=0..0.4", "inactive", "active"), ("reopened@t=0..0.4", "closed", "active"),
        ("early_close@t=0", "closed", ""), ("scalar_outcome@t=0", "finalized", ""),
    ],
)  # fmt: skip
async def test_a_market_may_pause_close_reopen_or_settle(fault: str, shown: str, afterwards: str) -> None:
    settings = paper_settings(operator_token="secret", settlement_delay_ms=0)
    async with running(settings) as client:
        ticker = (await client.two_sided())["ticker"]

        async def status() -> str:
            return str((await client.get(f"/markets/{ticker}"))["market"]["status"])

        async def becomes(wanted: str) -> bool:
            return await status() == wanted

        await client.create(ticker)
        await switch_on(client, f"{fault}:{ticker}")
        await until(lambda: becomes(shown))
        if afterwards:
            await until(lambda: becomes(afterwards))
            assert (await send(client, ticker)).status_code == 201
        else:
            assert (await send(client, ticker)).status_code == 409


async def test_grid_and_fees_change_for_a_while() -> None:
    async with running(paper_settings(operator_token="secret")) as client:
        ticker = (await client.two_sided())["ticker"]
        queries = client.exchange.state.engine.queries
        before = queries.market(ticker)
        assert before is not None
        await switch_on(client, f"grid_change@t=0..60:{ticker}", f"fee_change@t=0..60:{ticker}")

        async def changed() -> bool:
            ranges = (await client.get(f"/markets/{ticker}"))["market"]["price_ranges"]
            return bool(ranges[0]["step"] == "0.0500")

        await until(changed)
        assert (await send(client, ticker, price="0.0100")).status_code == 400
        now = queries.market(ticker)
        assert now is not None and now.fee_multiplier_ppm == 2 * before.fee_multiplier_ppm
