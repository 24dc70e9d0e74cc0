"""Every recorded REST body is read by the client as it would be live, or refused; none is misread."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from support.fake_rest import BASE_URL, ScriptedExchange, raw
from support.recordings import recording
from truebook.clock import ManualClock
from truebook.kalshi import port
from truebook.kalshi.rest import errors
from truebook.kalshi.rest.client import HttpRestClient
from truebook.kalshi.signing import StubSigner
from truebook.kalshi.wire import rest_bodies, translate
from truebook.messages.envelope import BookSide
from truebook.messages.market_metadata import FeeType, MarketStatus
from truebook.venue.account import OrderRequest, OrderStatus

DEMO = ("rest", "fortuna_demo_20260611")
OLD = ("rest", "obstacle_20260112")
PRODUCTION = ("rest", "cockpit_prod_202608")


def body(*parts: str) -> bytes:
    return recording(*parts).read_bytes()


def client(*responses: tuple[str, str, int, bytes]) -> HttpRestClient:
    exchange = ScriptedExchange()
    for method, path, status, content in responses:
        exchange.on(method, path, raw(status, content))
    return HttpRestClient(BASE_URL, StubSigner(), ManualClock(), transport=exchange, read_attempts=1)


def demo_calls() -> list[tuple[str, dict[str, Any], bytes]]:
    folder = recording(*DEMO)
    calls = []
    for note in sorted(folder.glob("*.meta.json")):
        content = Path(str(note).removesuffix(".meta.json") + ".json")
        if content.exists():
            calls.append((content.stem, json.loads(note.read_text()), content.read_bytes()))
    return calls


def test_every_recorded_error_body_gives_its_code() -> None:
    codes = {}
    for name, call, content in demo_calls():
        if call["status"] >= 400:
            error = errors.status_failure(call["status"], content, name)
            assert isinstance(error, port.Refused), name
            codes[name] = (type(error).__name__, error.code, error.detail)
    assert len(codes) >= 19
    assert codes["auth__bad_signature"] == ("Refused", "authentication_error", "INCORRECT_API_KEY_SIGNATURE")
    assert codes["auth__skew_minus30s"] == ("Refused", "header_timestamp_expired", "")
    assert codes["orders__duplicate_client_order_id"][:2] == ("AlreadyExists", "order_already_exists")
    assert codes["orders__reuse_canceled_client_id"][:2] == ("AlreadyExists", "order_already_exists")
    assert codes["orders__cancel_executed"] == codes["orders__cancel_unknown_id"] == ("NotFound", "not_found", "")
    assert codes["orders__insufficient_balance"][1] == "insufficient_balance"
    assert codes["orders__invalid_price_structure"][1] == "invalid_price"
    assert codes["orders__post_only_cross"][1:] == ("invalid_order", "post only cross")
    assert codes["orders__numeric_field_types"][1] == "bad_request"
    assert "CreateOrderV2Request" in codes["orders__numeric_field_types"][2]
    assert codes["markets__limit_over_max"][1] == "http_400"
    assert "GetMarketsParams.Limit" in codes["markets__limit_over_max"][2]


def test_every_recorded_market_list_is_read() -> None:
    decoder = msgspec.json.Decoder(rest_bodies.MarketsPage)
    count = 0
    for name, call, content in demo_calls():
        if call["path"].startswith("/trade-api/v2/markets?") and call["status"] == 200:
            for raw in decoder.decode(content).markets:
                facts = translate.market_metadata(msgspec.json.decode(raw, type=rest_bodies.MarketBody), None, None)
                assert facts.open_us < facts.close_us, name
                assert facts.fee_type is FeeType.UNKNOWN
                count += 1
    assert count > 100


async def test_a_recorded_market_is_read_with_its_grid() -> None:
    ticker = "KXWTACHALLENGERMATCH-26JUN11JIMLEP-LEP"
    rest = client(("GET", f"/markets/{ticker}", 200, body(*DEMO, "markets__single.json")))
    facts = await rest.market(ticker)
    assert (facts.event, facts.status) == ("KXWTACHALLENGERMATCH-26JUN11JIMLEP", MarketStatus.ACTIVE)
    assert [(band.start_cc, band.end_cc, band.step_cc) for band in facts.price_ranges] == [(0, 10_000, 100)]


async def test_the_recorded_book_is_read_on_the_yes_leg() -> None:
    rest = client(("GET", "/markets/T/orderbook", 200, body(*DEMO, "orderbook__base.json")))
    assert await rest.book("T") == port.RestBook(ticker="T", bids=((4_700, 300),), asks=((5_200, 300),))


async def test_the_recorded_account_is_read() -> None:
    rest = client(
        ("GET", "/portfolio/balance", 200, body(*DEMO, "auth__balance_ok.json")),
        ("GET", "/portfolio/positions", 200, body(*DEMO, "portfolio__positions.json")),
        ("GET", "/portfolio/fills", 200, body(*DEMO, "fills__after_taker.json")),
        ("GET", "/portfolio/orders", 200, body(*DEMO, "portfolio__orders_list.json")),
        ("GET", "/portfolio/settlements", 200, body(*DEMO, "settlements__page.json")),
        ("GET", "/exchange/status", 200, body(*DEMO, "exchange__status.json")),
    )
    assert (await rest.balance()).balance_micros == 98_018_600
    (position,) = await rest.positions()
    assert (position.position_centi, position.exposure_micros, position.fees_micros) == (300, 2_500_000, 18_900)
    fills = await rest.fills()
    assert [fill.created_us for fill in fills] == sorted(fill.created_us for fill in fills)
    assert (fills[-1].price_cc, fills[-1].fee_micros, fills[-1].client_order_id) == (5_200, 17_500, None)
    # The position and its fees are the sum of the fills, to the micro-dollar.
    assert sum(fill.size_centi for fill in fills) == position.position_centi
    assert sum(fill.fee_micros for fill in fills) == position.fees_micros
    assert sum(fill.size_centi * fill.price_cc for fill in fills) == position.exposure_micros
    orders = await rest.orders()
    assert {order.status for order in orders} == {OrderStatus.CANCELED, OrderStatus.EXECUTED}
    improved = next(order for order in orders if order.exchange_order_id.startswith("97ec18b7"))
    assert (improved.price_cc, improved.filled_centi, improved.remaining_centi) == (9_900, 100, 0)
    assert await rest.settlements() == []
    assert await rest.status() == port.ExchangeStatus(exchange_active=True, trading_active=True)


async def test_the_recorded_life_of_an_order_is_read() -> None:
    orders = "/portfolio/events/orders"
    request = OrderRequest(
        ticker="KXWTACHALLENGERMATCH-26JUN11JIMLEP-LEP", client_order_id="4a75a66e-ca85-4187-93cd-aac5e01ad982",
        book_side=BookSide.BID, price_cc=100, size_centi=100,
    )  # fmt: skip
    rest = client(
        ("POST", orders, 201, body(*DEMO, "orders__create_v2_maker.json")),
        ("GET", "/portfolio/orders/o", 200, body(*DEMO, "orders__get_after_create.json")),
        ("DELETE", f"{orders}/o", 200, body(*DEMO, "orders__cancel_v2.json")),
    )
    created = await rest.create_order(rest.sign_order(request), 1.0)
    assert (created.filled_centi, created.remaining_centi) == (0, 100)
    assert created.processed_us == 1_781_159_360_866_000
    order = await rest.order("o")
    assert (order.status, order.book_side, order.price_cc) == (OrderStatus.RESTING, BookSide.BID, 100)
    assert order.created_us == 1_781_159_360_866_753
    assert (await rest.cancel_order("o", request.ticker)).reduced_centi == 100


def test_our_create_body_is_the_recorded_one_without_its_defaults() -> None:
    fields = json.loads(recording(*DEMO, "orders__create_v2_maker.meta.json").read_text())["request_body"]
    request = OrderRequest(
        ticker=fields["ticker"], client_order_id=fields["client_order_id"], book_side=BookSide.BID, price_cc=100,
        size_centi=100,
    )  # fmt: skip
    assert fields.pop("post_only") is False
    assert json.loads(translate.write_order(request)) == fields


@pytest.mark.parametrize(
    ("name", "path", "read"),
    [
        ("portfolio_balance", "/portfolio/balance", HttpRestClient.balance),
        ("portfolio_positions", "/portfolio/positions", HttpRestClient.positions),
        ("portfolio_fills", "/portfolio/fills", HttpRestClient.fills),
        ("portfolio_orders", "/portfolio/orders", HttpRestClient.orders),
        ("portfolio_settlements", "/portfolio/settlements", HttpRestClient.settlements),
    ],
)
async def test_money_in_the_integers_of_january_is_refused_and_not_guessed(name: str, path: str, read: Any) -> None:
    content = json.loads(body(*OLD, f"{name}_response.json"))["response"]
    try:
        listing = await read(client(("GET", path, 200, json.dumps(content).encode())))
    except port.BadResponse:
        return
    assert list(listing) == [] and listing.unreadable, "each item is unreadable"


async def test_bodies_whose_shape_has_not_changed_since_january_are_read() -> None:
    def old(name: str) -> bytes:
        return json.dumps(json.loads(body(*OLD, f"{name}_response.json"))["response"]).encode()

    rest = client(
        ("GET", "/exchange/status", 200, old("exchange_status")),
        ("GET", "/exchange/user_data_timestamp", 200, old("user_data_timestamp")),
        ("GET", "/markets/T/orderbook", 200, old("orderbook")),
    )
    assert (await rest.status()).trading_active
    assert await rest.data_time_us() == 1_768_485_738_848_643
    assert await rest.book("T") == port.RestBook(ticker="T", bids=(), asks=())
    event = msgspec.json.decode(old("event_single"), type=rest_bodies.EventResponse).event
    assert (event.event_ticker, event.series_ticker, event.mutually_exclusive) == ("KXELONMARS-99", "KXELONMARS", False)
    series = msgspec.json.decode(old("series_single"), type=rest_bodies.SeriesResponse).series
    assert translate.fee_type(series.fee_type) is FeeType.QUADRATIC


def test_recorded_series_have_fee_types_and_multipliers() -> None:
    payloads = json.loads(body(*PRODUCTION, "series_fee_fields.json"))["payloads"]
    read = {}
    for ticker, fields in payloads.items():
        series = msgspec.json.decode(json.dumps(fields), type=rest_bodies.SeriesResponse).series
        read[ticker] = (translate.fee_type(series.fee_type), translate.multiplier_ppm(series.fee_multiplier))
    assert read["KXMLBGAME"] == (FeeType.QUADRATIC_WITH_MAKER_FEES, 500_000)
    assert all(kind is not FeeType.UNKNOWN for kind, _ in read.values())


def test_recorded_settled_markets_have_a_value() -> None:
    fields = json.loads(body(*PRODUCTION, "markets_settled.json"))
    markets = [market for market in _objects(fields) if "price_ranges" in market]
    assert len(markets) >= 40
    for one in markets:
        facts = translate.market_metadata(msgspec.convert(one, rest_bodies.MarketBody), None, None)
        if facts.status is MarketStatus.FINALIZED:
            assert facts.settlement_cc == {"yes": 10_000, "no": 0}.get(one["result"], facts.settlement_cc)
            assert facts.settlement_cc is not None


async def test_recorded_settlements_pay_their_value() -> None:
    payload = json.loads(body(*PRODUCTION, "portfolio_settlements_redacted.json"))["payload"]
    rest = client(("GET", "/portfolio/settlements", 200, json.dumps({**payload, "cursor": ""}).encode()))
    settlements = await rest.settlements()
    assert len(settlements) == len(payload["settlements"])
    for one in settlements:
        paid = one.yes_centi * one.settlement_cc + one.no_centi * (10_000 - one.settlement_cc)
        assert abs(paid - one.revenue_micros) < 10_000, one


def test_recorded_grids_are_read() -> None:
    for grid in json.loads(body(*PRODUCTION, "price_grids.json"))["grids"]:
        assert translate.price_ranges(msgspec.convert(grid["price_ranges"], list[rest_bodies.PriceRangeBody]))


def _objects(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, dict):
        return [value, *(found for inner in value.values() for found in _objects(inner))]
    return [found for inner in value for found in _objects(inner)] if isinstance(value, list) else []
