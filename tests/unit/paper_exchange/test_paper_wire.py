"""Bodies of rare cases: settled markets, one-sided books, fine price grids, scalar results."""

from __future__ import annotations

import re

import msgspec
import pytest

from support.kalshi_required import REST, STREAM, lacking
from support.simulated_exchange import metadata
from truebook.book.order_book import OrderBook
from truebook.kalshi.port import DeltaFrame
from truebook.kalshi.stream.frames import decode_frame
from truebook.messages.envelope import BookSide
from truebook.messages.market_metadata import MarketMetadata, MarketStatus, PriceRange
from truebook.simulation.events import LevelChanged, MarketChanged
from truebook.venue.account import ExchangeBalance, ExchangeSettlement
from truebook.venue.shards import ShardCash
from truebook_services.paper_exchange.engine.market_stats import MarketStats
from truebook_services.paper_exchange.rest import response_bodies
from truebook_services.paper_exchange.stream import frames

NOW_US = 1_764_000_000_123_456
FIXED = {"_dollars": re.compile(r"-?\d+\.\d{4}(\d\d)?"), "_fp": re.compile(r"-?\d+\.\d\d")}


def shown(market: MarketMetadata, book: OrderBook) -> dict[str, object]:
    body = response_bodies.market(market, book, MarketStats(), liquidity=False)
    assert lacking(REST, "Market", body) == []
    for name, value in body.items():
        for suffix, pattern in FIXED.items():
            if name.endswith(suffix):
                assert isinstance(value, str), name
                assert pattern.fullmatch(value), (name, value)
    return body


@pytest.mark.parametrize(
    ("book", "expected"),
    [
        (OrderBook([(4_700, 300)], [(5_200, 100)]), ("0.4700", "0.5200", "0.4800", "0.5300")),
        (OrderBook([(4_700, 300)]), ("0.4700", "1.0000", "0.0000", "0.5300")),
        (OrderBook([], [(9_800, 1)]), ("0.0000", "0.9800", "0.0200", "1.0000")),
        (OrderBook(), ("0.0000", "1.0000", "0.0000", "1.0000")),
    ],
)
def test_an_empty_side_has_the_exchanges_placeholder_prices(book: OrderBook, expected: tuple[str, ...]) -> None:
    body = shown(metadata(), book)
    names = ("yes_bid_dollars", "yes_ask_dollars", "no_bid_dollars", "no_ask_dollars")
    assert tuple(body[name] for name in names) == expected


@pytest.mark.parametrize(("value_cc", "result"), [(10_000, "yes"), (0, "no"), (3_750, "scalar")])
def test_a_determined_market_has_its_result_and_value(value_cc: int, result: str) -> None:
    market = metadata(status=MarketStatus.FINALIZED, settlement_cc=value_cc)
    body = shown(market, OrderBook())
    assert (body["result"], body["status"]) == (result, "finalized")
    assert body["settlement_value_dollars"] == f"{value_cc / 10_000:.4f}"
    outgoing = frames.lifecycle(MarketChanged(at_us=NOW_US, metadata=market, event_type="determined"))
    assert outgoing is not None
    assert f'"result":"{result}"'.encode() in outgoing.body(True, False)


def test_an_undetermined_market_has_no_result() -> None:
    body = shown(metadata(), OrderBook())
    assert body["result"] == ""
    assert "settlement_value_dollars" not in body


@pytest.mark.parametrize(
    ("ranges", "name"),
    [
        ((PriceRange(0, 10_000, 100),), "linear_cent"),
        ((PriceRange(0, 10_000, 10),), "deci_cent"),
        ((PriceRange(0, 1_000, 10), PriceRange(1_000, 9_000, 100), PriceRange(9_000, 10_000, 10)), "tapered_deci_cent"),
        ((PriceRange(0, 10_000, 20),), ""),
    ],
)
def test_a_price_grid_has_ranges_and_a_label_if_known(ranges: tuple[PriceRange, ...], name: str) -> None:
    body = shown(metadata(price_ranges=ranges), OrderBook())
    assert body["price_level_structure"] == name
    shown_ranges = body["price_ranges"]
    assert isinstance(shown_ranges, list)
    assert [lacking(REST, "PriceRange", one) for one in shown_ranges] == [[] for _ in ranges]
    assert shown_ranges[0]["start"] == "0.0000"
    assert shown_ranges[-1]["end"] == "1.0000"


def test_a_balance_is_rounded_down_to_cents_and_dollars() -> None:
    row = ShardCash(exchange_index=0, balance_micros=98_018_699)
    held = ExchangeBalance(balance_micros=98_018_699, updated_us=NOW_US, by_shard=(row,))
    body = response_bodies.balance(held, 1_989_999, NOW_US)
    assert lacking(REST, "GetBalanceResponse", body) == []
    assert (body["balance"], body["balance_dollars"], body["portfolio_value"]) == (9_801, "98.0186", 198)
    assert body["balance_breakdown"] == [{"balance": "98.0186", "exchange_index": 0}]


def test_a_balance_is_that_of_all_shards_or_of_one() -> None:
    rows = ShardCash(exchange_index=0, balance_micros=98_018_699), ShardCash(exchange_index=2, balance_micros=1_000_150)
    held = ExchangeBalance(balance_micros=98_018_699, updated_us=NOW_US, by_shard=rows)
    bodies = [response_bodies.balance(held, 0, NOW_US, shard) for shard in (None, 0, 2, 3)]
    assert [body["balance_dollars"] for body in bodies] == ["99.0188", "98.0186", "1.0001", "0.0000"]
    assert [body["balance"] for body in bodies] == [9_901, 9_801, 100, 0]
    breakdown = [{"balance": "98.0186", "exchange_index": 0}, {"balance": "1.0001", "exchange_index": 2}]
    assert all(body["balance_breakdown"] == breakdown for body in bodies)


@pytest.mark.parametrize(("value_cc", "result", "cents"), [(10_000, "yes", 100), (0, "no", 0), (3_700, "scalar", 37)])
def test_a_settlement_has_its_value_in_cents(value_cc: int, result: str, cents: int) -> None:
    paid = ExchangeSettlement(
        ticker="T",
        event="E",
        settlement_cc=value_cc,
        settled_us=NOW_US,
        yes_centi=300,
        no_centi=0,
        revenue_micros=2_999_999,
    )
    body = response_bodies.settlement(paid, (2_500_000, 0, 18_900))
    assert lacking(REST, "Settlement", body) == []
    assert (body["market_result"], body["value"], body["revenue"]) == (result, cents, 299)
    assert body["yes_total_cost_dollars"] == "2.500000"


@pytest.mark.parametrize("use_yes_price", [False, True])
@pytest.mark.parametrize("side", list(BookSide))
def test_a_delta_is_decoded_to_the_engines_event(side: BookSide, use_yes_price: bool) -> None:
    event = LevelChanged(at_us=NOW_US, ticker="T", book_side=side, price_cc=4_321, delta_centi=-75, clock=3)
    body = frames.delta(event).body(True, use_yes_price)
    text = b'{"type":"orderbook_delta","sid":1,"seq":2,"msg":' + body + b"}"
    decoded = decode_frame(text, 0, use_yes_price=use_yes_price)
    assert isinstance(decoded, DeltaFrame)
    assert (decoded.book_side, decoded.price_cc, decoded.delta_centi) == (side, 4_321, -75)
    assert lacking(STREAM, "orderbook_delta", msgspec.json.decode(body)) == []


def test_the_close_of_a_market_is_not_announced() -> None:
    assert frames.lifecycle(MarketChanged(at_us=NOW_US, metadata=metadata(), event_type="closed")) is None


@pytest.mark.parametrize(
    ("event_type", "field"),
    [
        ("created", "open_ts"),
        ("close_date_updated", "close_ts"),
        ("deactivated", "is_deactivated"),
        ("determined", "determination_ts"),
        ("settled", "settled_ts"),
    ],
)
def test_each_lifecycle_event_has_its_fields(event_type: str, field: str) -> None:
    market = metadata(settlement_cc=10_000)
    outgoing = frames.lifecycle(MarketChanged(at_us=NOW_US, metadata=market, event_type=event_type))
    assert outgoing is not None
    body = msgspec.json.decode(outgoing.body(True, False))
    assert lacking(STREAM, "market_lifecycle_v2", body) == []
    assert body[field] is not None
