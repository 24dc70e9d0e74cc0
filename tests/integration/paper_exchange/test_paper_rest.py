"""REST over a real socket: every body has the fields that its schema requires; every rejection has its code."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from support.kalshi_required import REST, lacking
from support.paper_client import KEY_ID, PREFIX, SIGNER, PaperClient, order_body, paper_settings, running, until
from truebook.kalshi.wire.times import from_rfc3339

ORDERS = "/portfolio/events/orders"


@pytest_asyncio.fixture
async def client() -> AsyncIterator[PaperClient]:
    async with running(paper_settings()) as made:
        yield made


def check(schema: str, *bodies: dict[str, Any]) -> None:
    assert bodies, f"no {schema} to check"
    for body in bodies:
        assert lacking(REST, schema, body) == [], body


async def test_public_bodies_have_every_required_field(client: PaperClient) -> None:
    market = await client.two_sided()
    ticker = market["ticker"]
    check("ExchangeStatus", await client.get("/exchange/status"))
    listed = await client.get("/markets", limit=1000)
    assert listed["cursor"] == ""
    check("Market", *listed["markets"], (await client.get(f"/markets/{ticker}"))["market"])
    check("PriceRange", *market["price_ranges"])
    check("OrderbookCountFp", (await client.get(f"/markets/{ticker}/orderbook"))["orderbook_fp"])
    event = await client.get(f"/events/{market['event_ticker']}")
    check("EventData", event["event"], *(await client.get("/events", limit=5))["events"])
    assert ticker in [one["ticker"] for one in event["markets"]]
    check("Series", (await client.get(f"/series/{event['event']['series_ticker']}"))["series"])
    await client.create(ticker, price=market["yes_ask_dollars"])
    check("Trade", *(await client.get("/markets/trades", ticker=ticker))["trades"])


async def test_account_bodies_have_every_required_field(client: PaperClient) -> None:
    market = await client.two_sided()
    ticker = market["ticker"]
    taken = await client.create(ticker, price="0.9900", time_in_force="immediate_or_cancel")
    rested = await client.create(ticker)
    check("CreateOrderV2Response", taken, rested)
    assert {"average_fill_price", "average_fee_paid"} <= taken.keys()
    assert "average_fill_price" not in rested
    orders = (await client.get("/portfolio/orders"))["orders"]
    assert [order["order_id"] for order in orders] == [rested["order_id"], taken["order_id"]]
    check("Order", *orders, (await client.get(f"/portfolio/orders/{rested['order_id']}"))["order"])
    fills = (await client.get("/portfolio/fills"))["fills"]
    check("Fill", *fills)
    assert {fill["simulation_basis"] for fill in fills} == {"synthetic"}
    positions = await client.get("/portfolio/positions")
    check("MarketPosition", *positions["market_positions"])
    check("EventPosition", *positions["event_positions"])
    assert positions["market_positions"][0]["position_fp"] == "2.00"
    balance = await client.get("/portfolio/balance")
    check("GetBalanceResponse", balance)
    check("IndexedBalance", *balance["balance_breakdown"])
    check("GetAccountApiLimitsResponse", await client.get("/account/limits"))
    queue = await client.get("/portfolio/orders/queue_positions", market_tickers=ticker)
    assert [one["order_id"] for one in queue["queue_positions"]] == [rested["order_id"]]
    assert (await client.get("/portfolio/subaccounts/netting"))["netting_configs"][0]["enabled"] is False
    cancelled = (await client.cancel(rested["order_id"])).json()
    check("CancelOrderV2Response", cancelled)
    assert cancelled["reduced_by"] == "2.00"


async def test_account_endpoints_require_a_signature(client: PaperClient) -> None:
    for method, path in (
        ("GET", "/portfolio/balance"),
        ("POST", ORDERS),
        ("DELETE", ORDERS),
        ("GET", "/account/limits"),
    ):
        response = await client.call(method, path, signed=False)
        assert response.status_code == 401
        assert response.json()["error"]["code"] == "signature_is_missing_from_headers"
    headers = SIGNER.headers("GET", PREFIX + "/portfolio/balance", 1_000)
    response = await client.http.get(PREFIX + "/portfolio/balance", headers=headers)
    assert (response.status_code, response.json()["error"]["code"]) == (401, "header_timestamp_expired")
    assert (await client.call("GET", "/markets", signed=False)).status_code == 200
    assert client.exchange.key_id == KEY_ID


async def test_a_signature_covers_the_path_without_the_query(client: PaperClient) -> None:
    assert (await client.get("/portfolio/orders", status="resting", limit=5))["orders"] == []


async def test_a_client_order_id_is_accepted_only_once(client: PaperClient) -> None:
    ticker = (await client.two_sided())["ticker"]
    made = await client.create(ticker, client_order_id="once")
    for _ in range(2):
        again = await client.call("POST", ORDERS, body=order_body(ticker, client_order_id="once"))
        assert again.status_code == 409
        assert again.json() == {
            "error": {"code": "order_already_exists", "message": "order already exists", "service": "exchange"}
        }
        await client.cancel(made["order_id"])


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"price": "0.0000"}, 400, "invalid_price"),
        ({"price": "1.0000"}, 400, "invalid_price"),
        ({"price": "0.4701"}, 400, "invalid_price"),
        ({"count": "0.00"}, 400, "invalid_order_size"),
        ({"count": "9999999.00", "price": "0.5000"}, 400, "insufficient_balance"),
        ({"post_only": True, "price": "0.9900"}, 400, "invalid_order"),
        ({"count": "999999.00", "price": "0.0100", "time_in_force": "fill_or_kill"}, 0, ""),
        ({"ticker": "NOWHERE-1"}, 404, "market_not_found"),
        ({"order_group_id": "some-group"}, 404, "order_group_not_found"),
    ],
)
async def test_orders_are_rejected_with_the_exchanges_codes(
    client: PaperClient, changes: dict[str, Any], status: int, code: str
) -> None:
    ticker = (await client.two_sided())["ticker"]
    response = await client.call("POST", ORDERS, body=order_body(ticker) | changes)
    if not code:
        status, code = 409, "fill_or_kill_insufficient_resting_volume"
        changes = order_body(ticker, count="900.00", price="0.0100", time_in_force="fill_or_kill")
        response = await client.call("POST", ORDERS, body=changes)
    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert error["code"] == code
    assert error.keys() == {"code", "message", "details" if "details" in error else "service"}
    if code == "invalid_order":
        assert error["details"] == "post only cross"


async def test_json_numbers_for_money_are_rejected_in_the_flat_shape(client: PaperClient) -> None:
    response = await client.call("POST", ORDERS, body=order_body("T", count=1))
    assert response.status_code == 400
    assert response.json()["code"] == "bad_request"
    assert "CreateOrderV2Request.count of type string" in response.json()["details"]


async def test_a_cancelled_order_is_not_found_by_any_change(client: PaperClient) -> None:
    market = await client.two_sided()
    cancelled = await client.create(market["ticker"])
    await client.cancel(cancelled["order_id"])
    executed = await client.create(market["ticker"], count="1.00", price="0.9900", time_in_force="immediate_or_cancel")
    for order_id in (cancelled["order_id"], executed["order_id"], "2597b999-f887-4195-8bac-c3f97a1f2021"):
        response = await client.cancel(order_id)
        assert response.status_code == 404
        assert response.json() == {"error": {"code": "not_found", "message": "not found", "service": "exchange"}}


async def test_an_order_is_decreased_and_amended(client: PaperClient) -> None:
    market = await client.two_sided()
    made = await client.create(market["ticker"], count="5.00")
    path = f"{ORDERS}/{made['order_id']}"
    response = await client.call("POST", f"{path}/decrease", body={"reduce_by": "1.00"})
    assert (response.status_code, response.json()["remaining_count"]) == (200, "4.00")
    response = await client.call("POST", f"{path}/decrease", body={"reduce_by": "1.00", "reduce_to": "1.00"})
    assert (response.status_code, response.json()["error"]["code"]) == (400, "invalid_parameters")
    wanted = {"ticker": market["ticker"], "side": "bid", "price": "0.0200", "count": "8.00"}
    response = await client.call("POST", f"{path}/amend", body=wanted | {"updated_client_order_id": "renamed"})
    assert response.status_code == 200
    amended = response.json()
    assert (amended["order_id"], amended["client_order_id"]) == (made["order_id"], "renamed")
    assert (amended["remaining_count"], amended["fill_count"]) == ("8.00", "0.00")
    response = await client.call("POST", f"{path}/amend", body=wanted | {"price": "0.9900", "count": "2.00"})
    assert response.status_code == 200
    assert (response.json()["fill_count"], response.json()["remaining_count"]) == ("2.00", "0.00")
    assert {"average_fill_price", "average_fee_paid"} <= response.json().keys()
    shown = (await client.get(f"/portfolio/orders/{made['order_id']}"))["order"]
    assert (shown["status"], shown["client_order_id"]) == ("executed", "renamed")
    response = await client.call("POST", f"{path}/amend", body=wanted)
    assert response.status_code == 404


async def test_the_removed_order_endpoints_return_410(client: PaperClient) -> None:
    for method, path in (
        ("POST", "/portfolio/orders"),
        ("DELETE", "/portfolio/orders/some-id"),
        ("POST", "/portfolio/orders/batched"),
        ("POST", "/portfolio/orders/some-id/amend"),
    ):
        response = await client.call(method, path, body={})
        assert response.status_code == 410
        assert response.json()["error"]["code"] == "deprecated_v1_order_endpoint"


async def test_an_unknown_item_is_a_404_with_a_json_body(client: PaperClient) -> None:
    for path in ("/portfolio/order_groups/none", "/events/NOWHERE", "/series/NOWHERE", "/markets/NOWHERE"):
        response = await client.call("GET", path)
        assert response.status_code == 404
        assert response.json()["error"]["code"] in ("not_found", "market_not_found")


async def test_cancel_all_cancels_every_resting_order(client: PaperClient) -> None:
    ticker = (await client.two_sided())["ticker"]
    for _ in range(3):
        await client.create(ticker)
    response = await client.call("DELETE", ORDERS)
    assert (response.status_code, response.content) == (204, b"")
    assert (await client.get("/portfolio/orders", status="resting"))["orders"] == []
    assert {order["status"] for order in (await client.get("/portfolio/orders"))["orders"]} == {"canceled"}
    assert (await client.get("/portfolio/balance"))["balance_dollars"] == "1000.0000"


async def test_a_batch_returns_a_result_per_item(client: PaperClient) -> None:
    ticker = (await client.two_sided())["ticker"]
    items = [order_body(ticker), order_body(ticker, count=5), order_body("NOWHERE"), order_body(ticker)]
    response = await client.call("POST", f"{ORDERS}/batched", body={"orders": items})
    assert response.status_code == 201
    made = response.json()["orders"]
    assert [("order_id" in one, one.get("error", {}).get("code")) for one in made] == [
        (True, None),
        (False, "bad_request"),
        (False, "market_not_found"),
        (True, None),
    ]
    wanted = [{"order_id": made[0]["order_id"]}, {"order_id": "unknown"}]
    headers = SIGNER.headers("DELETE", f"{PREFIX}{ORDERS}/batched", client.exchange.now_us() // 1000)
    deleted = await client.http.request("DELETE", f"{PREFIX}{ORDERS}/batched", headers=headers, json={"orders": wanted})
    assert deleted.status_code == 200
    first, second = deleted.json()["orders"]
    assert (first["reduced_by"], second["reduced_by"], second["error"]["code"]) == ("2.00", "0.00", "not_found")


async def test_pages_of_orders_are_complete_and_filtered(client: PaperClient) -> None:
    market = await client.two_sided()
    made = [(await client.create(market["ticker"]))["order_id"] for _ in range(7)]
    for order_id in made[:3]:
        await client.cancel(order_id)
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = await client.get("/portfolio/orders", limit=2, **cursor)
        seen += [order["order_id"] for order in page["orders"]]
        if not page["cursor"]:
            break
        cursor = {"cursor": page["cursor"]}
    assert seen == made[::-1]

    async def ids(**query: Any) -> set[str]:
        return {order["order_id"] for order in (await client.get("/portfolio/orders", **query))["orders"]}

    assert await ids(status="resting") == set(made[3:])
    assert await ids(status="canceled", ticker=f"OTHER,{market['ticker']}") == set(made[:3])
    assert await ids(event_ticker=market["event_ticker"]) == set(made)
    assert await ids(ticker="OTHER") == set()
    later = client.exchange.now_us() // 1_000_000 + 5
    assert await ids(min_ts=later) == set()
    assert await ids(max_ts=later) == set(made)


async def test_markets_are_filtered_by_status_tickers_event_and_series(client: PaperClient) -> None:
    market = await client.two_sided()

    async def tickers(**query: Any) -> list[str]:
        return [one["ticker"] for one in (await client.get("/markets", **query))["markets"]]

    every = await tickers()
    assert await tickers(tickers=f"{every[1]},{every[0]}") == every[:2]
    assert market["ticker"] in await tickers(event_ticker=market["event_ticker"])
    assert await tickers(series_ticker="NOWHERE") == []
    assert await tickers(status="settled") == []
    refused = await client.call("GET", "/markets", status="active")
    assert refused.status_code == 400
    assert "msg" in refused.json()
    refused = await client.call("GET", "/markets", limit=1001)
    assert refused.json()["msg"].startswith("Parameter validation failed for GetMarkets")


async def test_depth_limits_levels_and_books_can_be_batched(client: PaperClient) -> None:
    ticker = (await client.two_sided())["ticker"]
    both = await client.get("/markets/orderbooks", tickers=[ticker, "NOWHERE"])
    assert [one["ticker"] for one in both["orderbooks"]] == [ticker]
    whole = both["orderbooks"][0]["orderbook_fp"]
    best = (await client.get(f"/markets/{ticker}/orderbook", depth=1))["orderbook_fp"]
    assert len(best["yes_dollars"]) == 1
    prices = [level[0] for level in whole["yes_dollars"]]
    assert prices == sorted(prices)


async def test_an_empty_bucket_is_a_429_and_cancels_cost_less() -> None:
    async with running(paper_settings(tier="basic")) as client:
        ticker = (await client.two_sided())["ticker"]
        responses = await asyncio.gather(*(client.call("POST", ORDERS, body=order_body(ticker)) for _ in range(15)))
        refused = [response for response in responses if response.status_code == 429]
        assert refused
        assert refused[0].json() == {"error": "too many requests"}
        assert "retry-after" not in refused[0].headers
        made = [response.json()["order_id"] for response in responses if response.status_code == 201]
        for order_id in made[:4]:
            response = await until(lambda order_id=order_id: _cancelled(client, order_id))
            assert response.status_code == 200


async def _cancelled(client: PaperClient, order_id: str) -> Any:
    response = await client.cancel(order_id)
    return None if response.status_code == 429 else response


async def test_events_before_the_data_timestamp_are_visible(client: PaperClient) -> None:
    market = await client.two_sided()
    made = await client.create(market["ticker"], price="0.9900", time_in_force="immediate_or_cancel")
    stamp = from_rfc3339((await client.get("/exchange/user_data_timestamp"))["as_of_time"])
    assert stamp >= made["ts_ms"] * 1000
    assert [fill["order_id"] for fill in (await client.get("/portfolio/fills", order_id=made["order_id"]))["fills"]]


async def test_an_order_expires_at_its_second(client: PaperClient) -> None:
    ticker = (await client.two_sided())["ticker"]
    now_s = client.exchange.now_us() // 1_000_000
    past = await client.call("POST", ORDERS, body=order_body(ticker, expiration_time=now_s - 5))
    assert past.status_code == 400
    made = await client.create(ticker, expiration_time=now_s + 3)

    async def gone() -> bool:
        shown = (await client.get(f"/portfolio/orders/{made['order_id']}"))["order"]
        return bool(shown["status"] == "canceled")

    await until(gone)
    assert client.exchange.now_us() >= (now_s + 3) * 1_000_000


async def test_a_latency_delays_every_order() -> None:
    async with running(paper_settings(order_latency_us=150_000)) as client:
        ticker = (await client.two_sided())["ticker"]
        sent_us = client.exchange.now_us()
        made = await client.create(ticker)
        assert made["ts_ms"] * 1000 >= sent_us + 149_000
