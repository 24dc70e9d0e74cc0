"""Bodies in corners that a running exchange shows rarely: settled markets, one-sided books, fine grids, scalars."""

from __future__ import annotations

import re

import msgspec
import pytest

from support.kalshi_required import REST, STREAM, lacking
from support.simulated_exchange import facts
from truebook.book.order_book import OrderBook
from truebook.kalshi.frames import decode_frame
from truebook.kalshi.port import DeltaFrame
from truebook.messages.envelope import BookSide
from truebook.messages.facts import MarketFacts, MarketStatus, PriceRange
from truebook.simulation.events import LevelChanged, MarketChanged
from truebook.venue.account import ExchangeBalance, ExchangeSettlement
from truebook_services.paper_exchange import frames, wire_out
from truebook_services.paper_exchange.market_stats import MarketStats

NOW_US = 1_764_000_000_123_456
FIXED = {"_dollars": re.compile(r"-?\d+\.\d{4}(\d\d)?"), "_fp": re.compile(r"-?\d+\.\d\d")}


def shown(told: MarketFacts, book: OrderBook) -> dict[str, object]:
    body = wire_out.market(told, book, MarketStats(), liquidity=False)
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
def test_the_prices_of_an_empty_side_are_the_exchanges_none(book: OrderBook, expected: tuple[str, ...]) -> None:
    body = shown(facts(), book)
    names = ("yes_bid_dollars", "yes_ask_dollars", "no_bid_dollars", "no_ask_dollars")
    assert tuple(body[name] for name in names) == expected


@pytest.mark.parametrize(("value_cc", "result"), [(10_000, "yes"), (0, "no"), (3_750, "scalar")])
def test_a_determined_market_tells_its_result_and_value(value_cc: int, result: str) -> None:
    told = facts(status=MarketStatus.FINALIZED, settlement_cc=value_cc)
    body = shown(told, OrderBook())
    assert (body["result"], body["status"]) == (result, "finalized")
    assert body["settlement_value_dollars"] == f"{value_cc / 10_000:.4f}"
    outgoing = frames.lifecycle(MarketChanged(at_us=NOW_US, facts=told, event_type="determined"))
    assert outgoing is not None
    assert f'"result":"{result}"'.encode() in outgoing.body("me", False)


def test_a_market_before_its_result_has_none() -> None:
    body = shown(facts(), OrderBook())
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
def test_the_grid_is_told_by_its_ranges_and_named_where_it_has_a_name(
    ranges: tuple[PriceRange, ...], name: str
) -> None:
    body = shown(facts(price_ranges=ranges), OrderBook())
    assert body["price_level_structure"] == name
    told = body["price_ranges"]
    assert isinstance(told, list)
    assert [lacking(REST, "PriceRange", one) for one in told] == [[] for _ in ranges]
    assert told[0]["start"] == "0.0000"
    assert told[-1]["end"] == "1.0000"


def test_whole_cents_of_a_balance_are_cut_off_and_dollars_keep_four_decimals() -> None:
    held = ExchangeBalance(balance_micros=98_018_699, updated_us=NOW_US)
    body = wire_out.balance(held, 1_989_999, NOW_US)
    assert lacking(REST, "GetBalanceResponse", body) == []
    assert (body["balance"], body["balance_dollars"], body["portfolio_value"]) == (9_801, "98.0186", 198)
    assert body["balance_breakdown"] == [{"balance": "98.0186", "exchange_index": 0}]


@pytest.mark.parametrize(("value_cc", "result", "cents"), [(10_000, "yes", 100), (0, "no", 0), (3_700, "scalar", 37)])
def test_a_settlement_tells_its_value_in_cents(value_cc: int, result: str, cents: int) -> None:
    paid = ExchangeSettlement(
        ticker="T",
        event="E",
        settlement_cc=value_cc,
        settled_us=NOW_US,
        yes_centi=300,
        no_centi=0,
        revenue_micros=2_999_999,
    )
    body = wire_out.settlement(paid, (2_500_000, 0, 18_900))
    assert lacking(REST, "Settlement", body) == []
    assert (body["market_result"], body["value"], body["revenue"]) == (result, cents, 299)
    assert body["yes_total_cost_dollars"] == "2.500000"


@pytest.mark.parametrize("use_yes_price", [False, True])
@pytest.mark.parametrize("side", list(BookSide))
def test_a_delta_means_to_our_own_decoder_what_the_engine_meant(side: BookSide, use_yes_price: bool) -> None:
    event = LevelChanged(at_us=NOW_US, ticker="T", book_side=side, price_cc=4_321, delta_centi=-75, clock=3)
    body = frames.delta(event).body("me", use_yes_price)
    text = b'{"type":"orderbook_delta","sid":1,"seq":2,"msg":' + body + b"}"
    decoded = decode_frame(text, 0, use_yes_price=use_yes_price)
    assert isinstance(decoded, DeltaFrame)
    assert (decoded.book_side, decoded.price_cc, decoded.delta_centi) == (side, 4_321, -75)
    assert lacking(STREAM, "orderbook_delta", msgspec.json.decode(body)) == []


def test_the_close_itself_is_not_announced() -> None:
    assert frames.lifecycle(MarketChanged(at_us=NOW_US, facts=facts(), event_type="closed")) is None


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
def test_each_step_of_a_markets_life_tells_what_belongs_to_it(event_type: str, field: str) -> None:
    told = facts(settlement_cc=10_000)
    outgoing = frames.lifecycle(MarketChanged(at_us=NOW_US, facts=told, event_type=event_type))
    assert outgoing is not None
    body = msgspec.json.decode(outgoing.body("me", False))
    assert lacking(STREAM, "market_lifecycle_v2", body) == []
    assert body[field] is not None
