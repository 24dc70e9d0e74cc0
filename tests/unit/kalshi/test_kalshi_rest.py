"""The requests of the REST client: every page, no second write, one signature per order."""

from __future__ import annotations

import base64
import json
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from support.fake_rest import BASE_URL, ScriptedExchange, event, market, ok, raw, series
from truebook.clock import ManualClock
from truebook.kalshi import port
from truebook.kalshi.rest import calls
from truebook.kalshi.rest.client import HttpRestClient
from truebook.kalshi.rest.market_metadata import BULK_FROM, CACHE_S
from truebook.kalshi.signing import Ed25519Signer, StubSigner
from truebook.messages.envelope import BookSide
from truebook.messages.market_metadata import FeeType, MarketStatus
from truebook.venue.account import OrderRequest, OrderStatus

NOW_US = 1_781_159_387_427_000
REQUEST = OrderRequest(
    ticker="KXA-1-B", client_order_id="tb1-00", book_side=BookSide.BID, price_cc=5_600, size_centi=1_000
)
ORDERS = "/portfolio/events/orders"
CREATED = {"order_id": "o-1", "client_order_id": "tb1-00", "fill_count": "1.00", "remaining_count": "9.00", "ts_ms": 7}


@pytest.fixture
def exchange() -> ScriptedExchange:
    return ScriptedExchange()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW_US)


@pytest.fixture
def rest(exchange: ScriptedExchange, clock: ManualClock) -> HttpRestClient:
    return HttpRestClient(BASE_URL, StubSigner(), clock, transport=exchange, read_attempts=1)


def fill(trade_id: str, created: str) -> dict[str, Any]:
    return {
        "trade_id": trade_id, "order_id": "o-1", "ticker": "T", "yes_price_dollars": "0.5200", "count_fp": "1.00",
        "fee_cost": "0.017500", "is_taker": True, "book_side": "bid", "created_time": created,
    }  # fmt: skip


def transfer(transfer_id: str, **changed: Any) -> dict[str, Any]:
    values = {"status": "applied", "type": "ach", "amount_cents": 2_500, "fee_cents": 50, "created_ts": 1_000}
    return {"id": transfer_id, "finalized_ts": None, **values, **changed}


async def test_deposits_and_withdrawals_are_read_from_every_page(
    exchange: ScriptedExchange, rest: HttpRestClient
) -> None:
    early, pending = transfer("early"), transfer("pending", status="pending", created_ts=2_003)
    exchange.on("GET", "/portfolio/deposits", ok({"deposits": [early, pending], "cursor": "c"}), ok({
        "deposits": [transfer("d", finalized_ts=2_001)], "cursor": "",
    }))  # fmt: skip
    exchange.on("GET", "/portfolio/withdrawals", ok({"withdrawals": [
        transfer("w", status="pending", created_ts=2_000), transfer("back", status="returned", created_ts=2_002),
    ]}))  # fmt: skip
    found = await rest.transfers(min_us=1_500_000_000)
    assert [(one.transfer_id, one.amount_micros, one.fee_micros) for one in found] == [
        ("w", -25_000_000, 500_000), ("d", 25_000_000, 500_000),
    ]  # fmt: skip


async def test_an_exchange_that_lists_no_transfers_has_none(rest: HttpRestClient) -> None:
    assert await rest.transfers(min_us=0) == []


def order(order_id: str, **change: Any) -> dict[str, Any]:
    return {
        "order_id": order_id, "client_order_id": "tb1-00", "ticker": "T", "book_side": "bid", "status": "resting",
        "yes_price_dollars": "0.5600", "initial_count_fp": "10.00", "fill_count_fp": "0.00",
        "remaining_count_fp": "10.00", **change,
    }  # fmt: skip


async def test_every_page_is_fetched_and_fills_are_oldest_first(
    exchange: ScriptedExchange, rest: HttpRestClient
) -> None:
    exchange.on(
        "GET", "/portfolio/fills",
        ok({"cursor": "c1", "fills": [fill("t3", "2026-06-11T06:00:03Z"), fill("t2b", "2026-06-11T06:00:02Z")]}),
        ok({"cursor": "", "fills": [fill("t2a", "2026-06-11T06:00:02Z"), fill("t1", "2026-06-11T06:00:01Z")]}),
    )  # fmt: skip
    fills = await rest.fills(min_us=NOW_US, exchange_order_id="o-1")
    assert [one.trade_id for one in fills] == ["t1", "t2a", "t2b", "t3"]
    first, second = (dict(request.url.params) for request in exchange.requests)
    assert first == {"limit": "1000", "subaccount": "0", "min_ts": "1781159386", "order_id": "o-1"}
    assert second == {**first, "cursor": "c1"}


async def test_a_repeated_cursor_is_an_error(exchange: ScriptedExchange, rest: HttpRestClient) -> None:
    exchange.on("GET", "/portfolio/orders", ok({"cursor": "c1", "orders": [order("o-1")]}))
    with pytest.raises(port.BadResponse, match="was repeated"):
        await rest.orders()
    assert len(exchange.requests) == 2


async def test_orders_are_filtered_by_the_exchange(exchange: ScriptedExchange, rest: HttpRestClient) -> None:
    exchange.on(
        "GET", "/portfolio/orders", ok({"cursor": "", "orders": [order("o-1"), order("o-2", status="canceled")]})
    )
    orders = await rest.orders(ticker="T", status=OrderStatus.RESTING, min_us=0)
    assert [one.exchange_order_id for one in orders] == ["o-1", "o-2"]
    assert dict(exchange.requests[0].url.params) == {
        "limit": "1000", "subaccount": "0", "min_ts": "0", "ticker": "T", "status": "resting",
    }  # fmt: skip


async def test_a_null_list_is_an_empty_one(exchange: ScriptedExchange, rest: HttpRestClient) -> None:
    exchange.on("GET", "/portfolio/positions", ok({"cursor": "", "market_positions": None}))
    assert await rest.positions() == []


async def test_a_body_without_its_list_is_never_read_as_flat(exchange: ScriptedExchange, rest: HttpRestClient) -> None:
    exchange.on("GET", "/portfolio/positions", ok({"cursor": ""}))
    exchange.on("GET", "/portfolio/orders", ok({}))
    for read in (rest.positions, rest.orders):
        with pytest.raises(port.BadResponse):
            await read()


async def test_an_order_is_signed_once_and_sent_as_it_was_signed(
    exchange: ScriptedExchange, clock: ManualClock
) -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    rest = HttpRestClient(BASE_URL, Ed25519Signer("k", key), clock, transport=exchange, signature_life_s=30)
    exchange.on("POST", ORDERS, ok(CREATED, status=201))
    signed = rest.sign_order(REQUEST)
    await clock.advance(5)
    response = await rest.create_order(signed, 2.0)
    sent = exchange.requests[0]
    assert (sent.content, sent.headers["content-type"]) == (signed.body, "application/json")
    assert sent.headers["kalshi-access-timestamp"] == str(NOW_US // 1000)
    key.public_key().verify(
        base64.b64decode(sent.headers["kalshi-access-signature"]),
        f"{NOW_US // 1000}POST/trade-api/v2{ORDERS}".encode(),
    )
    assert signed.valid_until_us == NOW_US + 30_000_000
    assert (response.exchange_order_id, response.filled_centi, response.remaining_centi) == ("o-1", 100, 900)


async def test_the_query_is_not_signed(exchange: ScriptedExchange, clock: ManualClock) -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    rest = HttpRestClient(BASE_URL, Ed25519Signer("k", key), clock, transport=exchange)
    exchange.on("DELETE", f"{ORDERS}/o-1", ok({"order_id": "o-1", "reduced_by": "9.00", "ts_ms": 8}))
    response = await rest.cancel_order("o-1", "KXA-1-B")
    sent = exchange.requests[0]
    assert dict(sent.url.params) == {"market_ticker": "KXA-1-B"}
    key.public_key().verify(
        base64.b64decode(sent.headers["kalshi-access-signature"]),
        f"{NOW_US // 1000}DELETE/trade-api/v2{ORDERS}/o-1".encode(),
    )
    assert (response.reduced_centi, response.processed_us) == (900, 8_000)


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        (raw(409, b'{"error":{"code":"order_already_exists","message":"x"}}'), port.AlreadyExists),
        (raw(400, b'{"error":{"code":"insufficient_balance"}}'), port.Refused),
        (raw(410, b'{"error":{"code":"deprecated_v1_order_endpoint"}}'), port.Refused),
        (raw(429, b'{"error":"too many requests"}'), port.RateLimited),
        (raw(502, b"<html>", "text/html"), port.OutcomeUnknown),
        (raw(201, b"<html>", "text/html"), port.BadResponse),
        (raw(201, b""), port.BadResponse),
        (raw(201, b'{"order_id":"o-1","fill_count":1,"remaining_count":"9.00","ts_ms":1}'), port.BadResponse),
        (raw(201, b'{"order_id":"o-1","fill_count":"x","remaining_count":"9.00","ts_ms":1}'), port.BadResponse),
        (ok({**CREATED, "client_order_id": "another"}, status=201), port.BadResponse),
        (httpx.ConnectError("refused"), port.Unreachable),
        (httpx.ReadTimeout("late"), port.OutcomeUnknown),
        (httpx.RemoteProtocolError("reset"), port.OutcomeUnknown),
    ],
)
async def test_a_create_is_sent_exactly_once_after_any_failure(
    exchange: ScriptedExchange, clock: ManualClock, response: Any, kind: type[port.ExchangeError]
) -> None:
    rest = HttpRestClient(BASE_URL, StubSigner(), clock, transport=exchange, read_attempts=5)
    exchange.on("POST", ORDERS, response)
    with pytest.raises(port.ExchangeError) as caught:
        await rest.create_order(rest.sign_order(REQUEST), 1.0)
    assert type(caught.value) is kind
    assert len(exchange.requests) == 1


async def test_cancel_all_expects_no_body(exchange: ScriptedExchange, rest: HttpRestClient) -> None:
    exchange.on("DELETE", ORDERS, raw(204, b""))
    await rest.cancel_all()
    assert exchange.counts() == {f"DELETE {ORDERS}": 1}


async def test_a_cancel_of_a_missing_order_is_not_found(rest: HttpRestClient) -> None:
    with pytest.raises(port.NotFound):
        await rest.cancel_order("o-1", "T")


@pytest.mark.parametrize(
    "failure", [raw(503, b""), raw(429, b""), httpx.ConnectError("refused"), httpx.ReadTimeout("late")]
)
async def test_a_read_is_retried_where_that_may_help(
    exchange: ScriptedExchange, clock: ManualClock, failure: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calls, "RATE_LIMITED_S", 0.001)
    rest = HttpRestClient(BASE_URL, StubSigner(), clock, transport=exchange, read_attempts=2)
    exchange.on("GET", "/exchange/status", failure, ok({"exchange_active": True, "trading_active": False}))
    assert await rest.status() == port.ExchangeStatus(exchange_active=True, trading_active=False)
    assert len(exchange.requests) == 2


@pytest.mark.parametrize("failure", [raw(401, b""), raw(404, b""), raw(200, b"<html>"), raw(200, b"{}")])
async def test_a_read_is_not_retried_if_the_result_would_be_the_same(
    exchange: ScriptedExchange, clock: ManualClock, failure: Any
) -> None:
    rest = HttpRestClient(BASE_URL, StubSigner(), clock, transport=exchange, read_attempts=3)
    exchange.on("GET", "/exchange/status", failure)
    with pytest.raises(port.ExchangeError):
        await rest.status()
    assert len(exchange.requests) == 1


async def test_the_retries_of_a_read_end(exchange: ScriptedExchange, clock: ManualClock) -> None:
    rest = HttpRestClient(BASE_URL, StubSigner(), clock, transport=exchange, read_attempts=3)
    exchange.on("GET", "/exchange/status", raw(503, b""))
    with pytest.raises(port.OutcomeUnknown):
        await rest.status()
    assert len(exchange.requests) == 3


async def test_a_market_is_joined_with_event_and_series_once(exchange: ScriptedExchange, rest: HttpRestClient) -> None:
    exchange.on("GET", "/markets/KXA-1-B", ok({"market": market()}))
    exchange.on("GET", "/events/KXA-1", ok({"event": event(), "markets": []}))
    exchange.on("GET", "/series/KXA", ok(series()))
    for _ in range(2):
        facts = await rest.market("KXA-1-B")
        assert (facts.series, facts.exclusive, facts.fee_type, facts.fee_multiplier_ppm) == (
            "KXA", True, FeeType.QUADRATIC, 500_000,
        )  # fmt: skip
        assert (facts.status, facts.volume_centi, facts.strike) == (MarketStatus.ACTIVE, 1_250, 3.5)
    assert exchange.counts() == {"GET /markets/KXA-1-B": 2, "GET /events/KXA-1": 1, "GET /series/KXA": 1}


async def test_metadata_is_fetched_again_when_cleared_or_expired(
    exchange: ScriptedExchange, rest: HttpRestClient, clock: ManualClock
) -> None:
    exchange.on("GET", "/markets/KXA-1-B", ok({"market": market()}))
    exchange.on("GET", "/events/KXA-1", ok({"event": event()}), ok({"event": event(fee_type_override="flat")}))
    exchange.on("GET", "/series/KXA", ok(series()))
    assert (await rest.market("KXA-1-B")).fee_type is FeeType.QUADRATIC
    rest.clear_metadata_cache()
    assert (await rest.market("KXA-1-B")).fee_type is FeeType.FLAT
    await clock.advance(CACHE_S)
    await rest.market("KXA-1-B")
    assert exchange.counts()["GET /events/KXA-1"] == 3


async def test_a_market_whose_event_is_not_found_stays_in_the_list(
    exchange: ScriptedExchange, rest: HttpRestClient
) -> None:
    exchange.on("GET", "/markets", ok({"cursor": "", "markets": [market()]}))
    (facts,) = await rest.markets(status="open", series="KXA")
    assert (facts.ticker, facts.fee_type) == ("KXA-1-B", FeeType.UNKNOWN)
    assert "fee_type" in facts.assumed
    assert dict(exchange.requests[0].url.params) == {
        "limit": "1000", "status": "open", "series_ticker": "KXA", "mve_filter": "exclude",
    }  # fmt: skip


async def test_a_failed_event_read_fails_the_list(exchange: ScriptedExchange, rest: HttpRestClient) -> None:
    exchange.on("GET", "/markets", ok({"cursor": "", "markets": [market()]}))
    exchange.on("GET", "/events/KXA-1", raw(503, b""))
    with pytest.raises(port.OutcomeUnknown):
        await rest.markets()


async def test_many_unknown_events_are_fetched_as_a_list(exchange: ScriptedExchange, rest: HttpRestClient) -> None:
    names = [f"KXA-{number}" for number in range(BULK_FROM)]
    exchange.on("GET", "/markets", ok({"cursor": "", "markets": [market(f"{name}-B", name) for name in names]}))
    exchange.on("GET", "/events", ok({"cursor": "", "events": [event(name) for name in names[1:]]}))
    exchange.on("GET", f"/events/{names[0]}", ok({"event": event(names[0])}))
    exchange.on("GET", "/series/KXA", ok(series()))
    facts = await rest.markets(status="open")
    assert {one.fee_type for one in facts} == {FeeType.QUADRATIC}
    assert exchange.counts() == {
        "GET /markets": 1,
        "GET /events": 1,
        f"GET /events/{names[0]}": 1,
        "GET /series/KXA": 1,
    }


async def test_without_a_list_of_events_each_is_fetched(exchange: ScriptedExchange, rest: HttpRestClient) -> None:
    names = [f"KXA-{number}" for number in range(BULK_FROM)]
    exchange.on("GET", "/markets", ok({"cursor": "", "markets": [market(f"{name}-B", name) for name in names]}))
    for name in names:
        exchange.on("GET", f"/events/{name}", ok({"event": event(name)}))
    exchange.on("GET", "/series/KXA", ok(series()))
    assert len(await rest.markets()) == BULK_FROM


async def test_many_tickers_are_requested_in_parts(exchange: ScriptedExchange, rest: HttpRestClient) -> None:
    exchange.on("GET", "/markets", ok({"cursor": "", "markets": []}))
    await rest.markets(tickers=[f"T{number}" for number in range(101)])
    requested = [request.url.params["tickers"].split(",") for request in exchange.requests]
    assert [len(part) for part in requested] == [100, 1]
    assert all("mve_filter" not in request.url.params for request in exchange.requests)


async def test_a_book_is_best_first_on_the_yes_leg(exchange: ScriptedExchange, rest: HttpRestClient) -> None:
    exchange.on(
        "GET", "/markets/T/orderbook",
        ok({"orderbook_fp": {"yes_dollars": [["0.4600", "1.00"], ["0.4700", "3.00"]],
                             "no_dollars": [["0.4800", "3.00"]]}}),
        ok({"orderbook": {}}),
        ok({"orderbook_fp": {"yes_dollars": None}}),
    )  # fmt: skip
    assert await rest.book("T") == port.RestBook(ticker="T", bids=((4_700, 300), (4_600, 100)), asks=((5_200, 300),))
    assert await rest.book("T") == await rest.book("T") == port.RestBook(ticker="T", bids=(), asks=())


async def test_the_balance_is_read_to_a_hundredth_of_a_cent(exchange: ScriptedExchange, rest: HttpRestClient) -> None:
    exchange.on(
        "GET", "/portfolio/balance",
        ok({"balance": 9801, "balance_dollars": "98.0186", "portfolio_value": 198, "updated_ts": 1781159348}),
    )  # fmt: skip
    balance = await rest.balance()
    assert (balance.balance_micros, balance.updated_us) == (98_018_600, 1_781_159_348_000_000)


async def test_a_scalars_settlement_takes_its_exact_value_from_the_market(
    exchange: ScriptedExchange, rest: HttpRestClient
) -> None:
    settled = {
        "event_ticker": "E", "yes_count_fp": "1.00", "no_count_fp": "0.00", "revenue": 45, "value": 45,
        "settled_time": "2026-06-12T00:00:00Z",
    }  # fmt: skip
    exchange.on(
        "GET", "/portfolio/settlements",
        ok({"cursor": "", "settlements": [
            {**settled, "ticker": "S", "market_result": "scalar"},
            {**settled, "ticker": "ARCHIVED", "market_result": "scalar"},
            {**settled, "ticker": "Y", "market_result": "yes", "settled_time": "2026-06-11T00:00:00Z"},
        ]}),
    )  # fmt: skip
    exchange.on("GET", "/markets/S", ok({"market": market("S", status="finalized", settlement_value_dollars="0.4559")}))
    found = await rest.settlements()
    assert [(one.ticker, one.settlement_cc) for one in found] == [("Y", 10_000), ("ARCHIVED", 4_500), ("S", 4_559)]


async def test_netting_is_on_if_any_subaccount_nets(exchange: ScriptedExchange, rest: HttpRestClient) -> None:
    assert await rest.cross_market_netting() is False
    path = "/portfolio/subaccounts/netting"
    exchange.on("GET", path, ok({"netting_configs": [{"subaccount_number": 0, "enabled": False}]}))
    assert await rest.cross_market_netting() is False
    exchange.on("GET", path, ok({"netting_configs": [{"enabled": False}, {"subaccount_number": 3, "enabled": True}]}))
    assert await rest.cross_market_netting() is True
    exchange.on("GET", path, raw(403, b""))
    with pytest.raises(port.Refused):
        await rest.cross_market_netting()


async def test_the_exchanges_two_times_are_distinguished(exchange: ScriptedExchange, rest: HttpRestClient) -> None:
    exchange.on(
        "GET", "/exchange/user_data_timestamp",
        ok({"as_of_time": "2026-06-11T06:29:40.5Z"}, date="Thu, 11 Jun 2026 06:29:47 GMT"),
    )  # fmt: skip
    assert await rest.data_time_us() == 1_781_159_380_500_000
    assert await rest.exchange_time_us() == 1_781_159_387_500_000


async def test_a_ticker_is_escaped_in_the_path(exchange: ScriptedExchange, rest: HttpRestClient) -> None:
    with pytest.raises(port.NotFound):
        await rest.market("../portfolio/balance?x=1")
    assert exchange.requests[0].url.raw_path == b"/trade-api/v2/markets/..%2Fportfolio%2Fbalance%3Fx%3D1"


async def test_an_invalid_order_is_not_signed(rest: HttpRestClient) -> None:
    with pytest.raises(ValueError, match="price_cc"):
        rest.sign_order(OrderRequest(ticker="T", client_order_id="c", book_side=BookSide.BID, price_cc=0, size_centi=1))


async def test_the_body_of_a_signed_order_is_json_without_floats(rest: HttpRestClient) -> None:
    body = json.loads(rest.sign_order(REQUEST).body)
    assert (body["price"], body["count"]) == ("0.5600", "10.00")
