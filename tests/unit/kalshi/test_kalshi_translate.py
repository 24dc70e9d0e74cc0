"""The exchange's strings to integers and back, without loss."""

from __future__ import annotations

from decimal import Decimal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from truebook.kalshi.wire import rest_bodies, translate
from truebook.messages.envelope import BookSide, TimeInForce
from truebook.messages.market_metadata import FeeType, MarketStatus, PriceRange
from truebook.money import WireFormatError, format_price, format_size
from truebook.venue.account import OrderRequest, OrderStatus

REQUEST = OrderRequest(
    ticker="KXHIGHNY-26NOV22-T60", client_order_id="tb1-00", book_side=BookSide.BID, price_cc=5_600, size_centi=1_000
)


@given(st.integers(1, 9_999), st.integers(1, 10**12))
def test_an_orders_price_and_size_round_trip(price_cc: int, size_centi: int) -> None:
    body = translate.write_order(msgspec.structs.replace(REQUEST, price_cc=price_cc, size_centi=size_centi))
    fields = msgspec.json.decode(body)
    assert translate.level_price_cc(fields["price"]) == price_cc
    assert translate.size_centi(fields["count"]) == size_centi
    assert len(fields["price"].partition(".")[2]) == 4
    assert len(fields["count"].partition(".")[2]) == 2


@given(st.lists(st.tuples(st.integers(1, 9_999), st.integers(1, 10**9)), unique_by=lambda level: level[0], max_size=30))
def test_no_bids_become_asks_at_the_complement_and_back(levels: list[tuple[int, int]]) -> None:
    fields = [(format_price(price), format_size(size)) for price, size in levels]
    bids, asks = translate.levels(fields, fields)
    assert bids == tuple(sorted(levels, reverse=True))
    assert asks == tuple(sorted((10_000 - price, size) for price, size in levels))
    on_yes_scale = [(format_price(price), format_size(size)) for price, size in asks]
    assert translate.levels(fields, on_yes_scale, no_on_yes_scale=True) == (bids, asks)


def test_levels_without_size_are_no_levels() -> None:
    assert translate.levels([("0.4700", "0.00")], None) == ((), ())


@pytest.mark.parametrize("price", ["0.0000", "1.0000", "1.5000", "-0.1000", "0.00005", "", "abc", "0,5"])
def test_a_level_outside_of_the_grid_of_prices_is_refused(price: str) -> None:
    with pytest.raises(WireFormatError):
        translate.levels([(price, "1.00")], None)


def test_an_orders_body_is_exactly_what_the_exchange_documents() -> None:
    request = msgspec.structs.replace(REQUEST, expiration_s=1_781_159_999, post_only=True, order_group_id="og-1")
    assert msgspec.json.decode(translate.write_order(request)) == {
        "ticker": "KXHIGHNY-26NOV22-T60",
        "client_order_id": "tb1-00",
        "side": "bid",
        "count": "10.00",
        "price": "0.5600",
        "time_in_force": "good_till_canceled",
        "self_trade_prevention_type": "taker_at_cross",
        "expiration_time": 1_781_159_999,
        "post_only": True,
        "order_group_id": "og-1",
    }


def test_reduce_only_is_sent_for_immediate_orders_only() -> None:
    resting = msgspec.structs.replace(REQUEST, reduce_only=True)
    immediate = msgspec.structs.replace(resting, time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL)
    assert "reduce_only" not in msgspec.json.decode(translate.write_order(resting))
    assert msgspec.json.decode(translate.write_order(immediate))["reduce_only"] is True


@pytest.mark.parametrize(
    "change",
    [
        {"price_cc": 0}, {"price_cc": 10_000}, {"price_cc": -1}, {"size_centi": 0}, {"size_centi": -100},
        {"ticker": ""}, {"client_order_id": ""}, {"client_order_id": "a.b"},
        {"time_in_force": TimeInForce.IMMEDIATE_OR_CANCEL, "expiration_s": 1_781_159_999},
    ],
)  # fmt: skip
def test_an_order_that_the_exchange_would_refuse_is_not_written(change: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        translate.write_order(msgspec.structs.replace(REQUEST, **change))


ORDER = {
    "order_id": "o-1", "ticker": "T", "status": "resting", "yes_price_dollars": "0.3000", "fill_count_fp": "1.50",
    "remaining_count_fp": "8.50", "initial_count_fp": "10.00", "client_order_id": "tb1-1", "outcome_side": "no",
    "book_side": "ask", "side": "yes", "action": "sell", "created_time": "2026-06-11T06:29:20.866753Z",
}  # fmt: skip


def order(**change: object) -> rest_bodies.OrderBody:
    fields = {key: value for key, value in {**ORDER, **change}.items() if value is not ...}
    return msgspec.convert(fields, rest_bodies.OrderBody)


def test_an_order_on_the_no_side_keeps_its_yes_price() -> None:
    read = translate.order(order())
    assert (read.book_side, read.price_cc) == (BookSide.ASK, 3_000)
    assert (read.initial_centi, read.filled_centi, read.remaining_centi) == (1_000, 150, 850)
    assert (read.status, read.created_us) == (OrderStatus.RESTING, 1_781_159_360_866_753)


def test_the_outcome_side_gives_the_direction_without_a_book_side() -> None:
    assert translate.order(order(book_side=...)).book_side is BookSide.ASK
    assert translate.order(order(book_side=..., outcome_side="yes")).book_side is BookSide.BID


def test_the_deprecated_pair_gives_no_direction() -> None:
    with pytest.raises(WireFormatError, match="direction"):
        translate.order(order(book_side=..., outcome_side=...))


def test_an_undocumented_order_status_is_refused() -> None:
    with pytest.raises(WireFormatError, match="pending"):
        translate.order(order(status="pending"))


@pytest.mark.parametrize(
    ("result", "value", "exact_cc", "expected_cc"),
    [
        ("yes", 100, None, 10_000),
        ("no", 0, None, 0),
        ("yes", None, None, 10_000),
        ("scalar", 45, None, 4_500),
        ("scalar", 45, 4_559, 4_559),
    ],
)
def test_a_settlement_has_the_value_of_a_yes_contract(
    result: str, value: int | None, exact_cc: int | None, expected_cc: int
) -> None:
    fields = rest_bodies.SettlementBody(
        ticker="T", market_result=result, yes_count_fp="3.00", no_count_fp="0.00", revenue=300, value=value,
        settled_time="2026-06-12T00:00:00Z", event_ticker="E",
    )  # fmt: skip
    read = translate.settlement(fields, exact_cc)
    assert (read.settlement_cc, read.revenue_micros, read.yes_centi) == (expected_cc, 3_000_000, 300)


@pytest.mark.parametrize(("result", "value"), [("scalar", None), ("scalar", 101), ("scalar", -1), ("", None)])
def test_a_settlement_without_a_value_is_refused(result: str, value: int | None) -> None:
    fields = rest_bodies.SettlementBody(
        ticker="T", market_result=result, yes_count_fp="0.00", no_count_fp="0.00", revenue=0, value=value,
        settled_time="2026-06-12T00:00:00Z",
    )  # fmt: skip
    with pytest.raises(WireFormatError):
        translate.settlement(fields)


MARKET = rest_bodies.MarketBody(
    ticker="KXA-1-B", event_ticker="KXA-1", status="active", open_time="2026-06-11T00:00:00Z",
    close_time="2026-06-12T00:00:00Z",
    price_ranges=[rest_bodies.PriceRangeBody(start="0.0000", end="1.0000", step="0.0010")],
)  # fmt: skip
EVENT = rest_bodies.EventBody(event_ticker="KXA-1", series_ticker="KXA", mutually_exclusive=True)
SERIES = rest_bodies.SeriesBody(ticker="KXA", fee_type="quadratic_with_maker_fees", fee_multiplier=Decimal("0.5"))


def test_a_market_is_joined_with_its_event_and_series() -> None:
    facts = translate.market_metadata(MARKET, EVENT, SERIES)
    assert (facts.event, facts.series, facts.exclusive, facts.binary) == ("KXA-1", "KXA", True, True)
    assert (facts.fee_type, facts.fee_multiplier_ppm) == (FeeType.QUADRATIC_WITH_MAKER_FEES, 500_000)
    assert facts.price_ranges == (PriceRange(0, 10_000, 10),)
    assert facts.assumed == ()


def test_an_events_fee_override_precedes_the_series() -> None:
    event = rest_bodies.EventBody(
        event_ticker="KXA-1", series_ticker="KXA", fee_type_override="quadratic", fee_multiplier_override=Decimal(2)
    )
    facts = translate.market_metadata(MARKET, event, SERIES)
    assert (facts.fee_type, facts.fee_multiplier_ppm) == (FeeType.QUADRATIC, 2_000_000)


def test_a_market_without_a_known_fee_type_is_marked_assumed() -> None:
    assert translate.market_metadata(MARKET, None, None).fee_type is FeeType.UNKNOWN
    assert translate.market_metadata(MARKET, EVENT, None).assumed == ("fee_type", "fee_multiplier_ppm")
    unknown = rest_bodies.SeriesBody(ticker="KXA", fee_type="cubic", fee_multiplier=Decimal(1))
    assert translate.market_metadata(MARKET, EVENT, unknown).fee_type is FeeType.UNKNOWN


@pytest.mark.parametrize(
    ("fields", "ppm"), [("1", 1_000_000), ("0.5", 500_000), ("0.0000001", 1), ("0", 0), ("0.3333333", 333_334)]
)
def test_a_fee_multiplier_is_rounded_up(fields: str, ppm: int) -> None:
    assert translate.multiplier_ppm(Decimal(fields)) == ppm


def test_an_unknown_market_status_is_inactive() -> None:
    assert translate.market_status("halted_by_regulator") is MarketStatus.INACTIVE


def test_a_settlement_value_counts_only_once_the_market_is_determined() -> None:
    fields = {"result": "", "settlement_value_dollars": "0.4559"}
    assert translate.market_metadata(_market(status="active", **fields), EVENT, SERIES).settlement_cc is None
    assert translate.market_metadata(_market(status="finalized", **fields), EVENT, SERIES).settlement_cc == 4_559
    assert translate.market_metadata(_market(status="determined", result="yes"), EVENT, SERIES).settlement_cc == 10_000


def test_a_grid_without_a_step_is_refused() -> None:
    with pytest.raises(WireFormatError, match="grid"):
        translate.price_ranges([rest_bodies.PriceRangeBody(start="0.0000", end="1.0000", step="0.0000")])
    with pytest.raises(WireFormatError, match="grid"):
        translate.price_ranges([])


def test_a_response_for_another_order_is_refused() -> None:
    fields = rest_bodies.Created(
        order_id="o", fill_count="0.00", remaining_count="1.00", ts_ms=1, client_order_id="other"
    )
    with pytest.raises(WireFormatError, match="client_order_id"):
        translate.created(fields, "tb1-00")


def _market(**change: object) -> rest_bodies.MarketBody:
    return msgspec.structs.replace(MARKET, **change)
