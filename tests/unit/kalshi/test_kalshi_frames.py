"""Every documented frame becomes its event; an invalid frame keeps the sequence number that it used."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from truebook.kalshi import port
from truebook.kalshi.port import FrameError
from truebook.kalshi.stream.frames import decode_frame
from truebook.messages.envelope import BookSide
from truebook.messages.market_metadata import MarketStatus, PriceRange
from truebook.money import format_price, format_size
from truebook.venue.account import OrderStatus

TICKER = "FED-23DEC-T3.00"
SENT_MS = 1_669_149_841_234


def snapshot(**msg: Any) -> str:
    return json.dumps(
        {"type": "orderbook_snapshot", "sending_ts_ms": SENT_MS, "sid": 2, "seq": 2, "id": 127,
         "msg": {"market_ticker": TICKER, "market_id": "9b0f", "clock": 4182057, **msg}}
    )  # fmt: skip


def delta(**msg: Any) -> str:
    fields = {"market_ticker": TICKER, "market_id": "9b0f", "clock": 1, "price_dollars": "0.9600", "delta_fp": "-54.00",
            "side": "yes", "ts": "2022-11-22T20:44:01Z", "ts_ms": 1669149841000, **msg}  # fmt: skip
    fields = {key: value for key, value in fields.items() if value is not None}
    return json.dumps({"type": "orderbook_delta", "sending_ts_ms": SENT_MS, "sid": 2, "seq": 3, "msg": fields})


def test_a_snapshot_is_a_yes_leg_book_best_first() -> None:
    event = decode_frame(
        snapshot(
            yes_dollars_fp=[["0.0800", "300.00"], ["0.2200", "333.00"]],
            no_dollars_fp=[["0.5400", "20.00"], ["0.5600", "146.00"]],
        ),
        7,
    )
    assert event == port.SnapshotFrame(
        sid=2, seq=2, received_us=7, sent_us=SENT_MS * 1000, ticker=TICKER,
        bids=((2_200, 33_300), (800, 30_000)), asks=((4_400, 14_600), (4_600, 2_000)), exchange_us=SENT_MS * 1000,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("msg", "bids", "asks"),
    [
        ({}, (), ()),
        ({"yes_dollars_fp": [["0.0800", "1.00"]]}, ((800, 100),), ()),
        ({"no_dollars_fp": [["0.0800", "1.00"]]}, (), ((9_200, 100),)),
        ({"yes_dollars_fp": [], "no_dollars_fp": None}, (), ()),
    ],
)
def test_an_omitted_side_is_empty(msg: dict[str, Any], bids: tuple[Any, ...], asks: tuple[Any, ...]) -> None:
    event = decode_frame(snapshot(**msg), 0)
    assert isinstance(event, port.SnapshotFrame)
    assert (event.bids, event.asks) == (bids, asks)


@pytest.mark.parametrize(
    "other", [{"bid": [["4.8", "3.00"]], "ask": []}, {"yes": [[8, 300]]}, {"no_dollars": [["0.5", 3]]}]
)
def test_a_book_in_another_format_is_an_error_not_an_empty_book(other: dict[str, Any]) -> None:
    with pytest.raises(FrameError, match="the format of 2026") as caught:
        decode_frame(snapshot(**other), 0)
    assert (caught.value.sid, caught.value.seq) == (2, 2)


def test_both_conventions_of_no_levels_give_the_same_ask() -> None:
    at_no_price = decode_frame(snapshot(no_dollars_fp=[["0.4800", "2.00"]]), 0)
    at_yes_price = decode_frame(snapshot(no_dollars_fp=[["0.5200", "2.00"]]), 0, use_yes_price=True)
    assert at_no_price == at_yes_price
    changed = decode_frame(delta(side="no", price_dollars="0.4800"), 0)
    assert changed == decode_frame(delta(side="no", price_dollars="0.5200"), 0, use_yes_price=True)
    assert isinstance(changed, port.DeltaFrame)
    assert (changed.book_side, changed.price_cc) == (BookSide.ASK, 5_200)


def test_a_delta_is_signed_and_carries_its_time() -> None:
    assert decode_frame(delta(client_order_id="tb1-1"), 9) == port.DeltaFrame(
        sid=2, seq=3, received_us=9, sent_us=SENT_MS * 1000, ticker=TICKER, book_side=BookSide.BID, price_cc=9_600,
        delta_centi=-5_400, exchange_us=1_669_149_841_000_000, client_order_id="tb1-1",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("msg", "exchange_us"),
    [({"ts_ms": None}, 1_669_149_841_000_000), ({"ts_ms": None, "ts": None}, None), ({"ts_ms": 5, "ts": None}, 5_000)],
)
def test_a_deltas_time_is_read_from_either_field(msg: dict[str, Any], exchange_us: int | None) -> None:
    event = decode_frame(delta(**msg), 0)
    assert isinstance(event, port.DeltaFrame)
    assert event.exchange_us == exchange_us


@given(st.integers(1, 9_999), st.integers(-(10**9), 10**9), st.sampled_from(["yes", "no"]), st.booleans())
def test_every_price_and_size_of_a_delta_survives(price_cc: int, size_centi: int, side: str, yes_scale: bool) -> None:
    text = delta(price_dollars=format_price(price_cc), delta_fp=format_size(size_centi), side=side)
    event = decode_frame(text, 0, use_yes_price=yes_scale)
    assert isinstance(event, port.DeltaFrame)
    expected = price_cc if side == "yes" or yes_scale else 10_000 - price_cc
    assert (event.price_cc, event.delta_centi) == (expected, size_centi)


def test_a_trade_has_the_taker_side() -> None:
    text = json.dumps(
        {"type": "trade", "sid": 11, "seq": 2, "msg": {"trade_id": "d91b", "market_ticker": "H-B53.5",
         "yes_price_dollars": "0.3600", "no_price_dollars": "0.6400", "count_fp": "136.00", "taker_side": "no",
         "taker_outcome_side": "no", "taker_book_side": "ask", "is_block_trade": True, "ts": 1669149841,
         "ts_ms": 1669149841007}}
    )  # fmt: skip
    assert decode_frame(text, 1) == port.TradeFrame(
        sid=11, seq=2, received_us=1, ticker="H-B53.5", trade_id="d91b", price_cc=3_600, size_centi=13_600,
        taker_side=BookSide.ASK, exchange_us=1_669_149_841_007_000, block=True,
    )  # fmt: skip


def test_a_trade_of_early_2026_is_read_by_its_older_fields() -> None:
    text = json.dumps(
        {"type": "trade", "sid": 2, "seq": 10, "msg": {"trade_id": "f8", "market_ticker": "K", "yes_price": 77,
         "yes_price_dollars": "0.7700", "count": 75, "count_fp": "75.00", "taker_side": "yes", "ts": 1770897981}}
    )  # fmt: skip
    event = decode_frame(text, 0)
    assert isinstance(event, port.TradeFrame)
    assert (event.taker_side, event.exchange_us) == (BookSide.BID, 1_770_897_981_000_000)


FILL = {
    "trade_id": "d91b", "order_id": "ee58", "client_order_id": "tb1-1", "market_ticker": "H-B53.5", "exchange_index": 0,
    "is_taker": True, "side": "yes", "yes_price_dollars": "0.7500", "count_fp": "278.00", "fee_cost": "0.010000",
    "action": "buy", "ts": 1671899397, "ts_ms": 1671899397001, "post_position_fp": "500.00", "purchased_side": "yes",
    "outcome_side": "yes", "book_side": "bid", "subaccount": 0,
}  # fmt: skip


def test_a_fill_carries_the_true_fee_and_both_its_keys() -> None:
    event = decode_frame(json.dumps({"type": "fill", "sid": 13, "msg": {**FILL, "simulation_basis": "queue"}}), 0)
    assert isinstance(event, port.FillFrame)
    fill = event.fill
    assert (fill.trade_id, fill.exchange_order_id, fill.client_order_id) == ("d91b", "ee58", "tb1-1")
    assert (fill.book_side, fill.price_cc, fill.size_centi, fill.fee_micros) == (BookSide.BID, 7_500, 27_800, 10_000)
    assert (fill.created_us, fill.basis, event.seq) == (1_671_899_397_001_000, "queue", None)


@pytest.mark.parametrize(
    "missing", ["trade_id", "order_id", "yes_price_dollars", "count_fp", "fee_cost", "is_taker", "market_ticker"]
)
def test_a_fill_without_a_part_of_its_identity_or_money_is_an_error(missing: str) -> None:
    msg = {key: value for key, value in FILL.items() if key != missing}
    with pytest.raises(FrameError) as caught:
        decode_frame(json.dumps({"type": "fill", "sid": 13, "msg": msg}), 0)
    assert caught.value.sid == 13


USER_ORDER = {
    "order_id": "ee58", "user_id": "a1b2", "ticker": TICKER, "exchange_index": 0, "status": "resting", "side": "yes",
    "is_yes": True, "outcome_side": "yes", "book_side": "bid", "yes_price_dollars": "0.3500", "fill_count_fp": "0.00",
    "remaining_count_fp": "10.00", "initial_count_fp": "10.00", "client_order_id": "tb1-1",
    "created_time": "2024-12-01T10:00:00Z", "created_ts_ms": 1733047200000, "expiration_ts_ms": 1733050800000,
    "last_updated_ts_ms": 1733047200500, "last_update_reason": "Decrease", "subaccount_number": 0,
}  # fmt: skip


def test_an_order_update_is_read_by_ticker_and_reason() -> None:
    event = decode_frame(json.dumps({"type": "user_order", "sid": 22, "msg": USER_ORDER}), 0)
    assert isinstance(event, port.OrderFrame)
    order = event.order
    assert (order.ticker, order.status, order.last_update_reason) == (TICKER, OrderStatus.RESTING, "Decrease")
    assert (order.created_us, order.updated_us) == (1_733_047_200_000_000, 1_733_047_200_500_000)
    assert order.expires_us == 1_733_050_800_000_000


def test_an_order_of_unknown_status_gives_no_order_frame() -> None:
    event = decode_frame(json.dumps({"type": "user_order", "sid": 22, "msg": {**USER_ORDER, "status": "unknown"}}), 0)
    assert event == port.OtherFrame(sid=22, seq=None, received_us=0, type="user_order", known=True)


@pytest.mark.parametrize(
    ("msg", "status", "close_us", "settlement_cc"),
    [
        ({"event_type": "created", "close_ts": 1694721600}, MarketStatus.INITIALIZED, 1_694_721_600_000_000, None),
        ({"event_type": "activated"}, MarketStatus.ACTIVE, None, None),
        ({"event_type": "deactivated"}, MarketStatus.INACTIVE, None, None),
        ({"event_type": "deactivated", "is_deactivated": True}, MarketStatus.INACTIVE, None, None),
        ({"event_type": "deactivated", "is_deactivated": False}, MarketStatus.ACTIVE, None, None),
        ({"event_type": "close_date_updated", "close_ts": 5}, None, 5_000_000, None),
        ({"event_type": "close_date_updated", "close_ts": 0}, None, None, None),
        ({"event_type": "determined", "result": "yes"}, MarketStatus.DETERMINED, None, 10_000),
        ({"event_type": "determined", "result": "no", "settlement_value": ""}, MarketStatus.DETERMINED, None, 0),
        (
            {"event_type": "determined", "result": "scalar", "settlement_value": "0.4559"},
            MarketStatus.DETERMINED,
            None,
            4_559,
        ),
        ({"event_type": "settled", "settled_ts": 9}, MarketStatus.FINALIZED, None, None),
        ({"event_type": "price_level_structure_updated", "price_ranges": []}, None, None, None),
        ({"event_type": "metadata_updated", "floor_strike": 3.5}, None, None, None),
        ({"event_type": "something_new"}, None, None, None),
    ],
)
def test_a_lifecycle_event_gives_the_new_status(
    msg: dict[str, Any], status: MarketStatus | None, close_us: int | None, settlement_cc: int | None
) -> None:
    text = json.dumps({"type": "market_lifecycle_v2", "sid": 13, "seq": 3, "msg": {"market_ticker": "I", **msg}})
    event = decode_frame(text, 0)
    assert isinstance(event, port.LifecycleFrame)
    assert (event.event_type, event.status, event.close_us) == (msg["event_type"], status, close_us)
    assert (event.settlement_cc, event.seq, event.price_ranges) == (settlement_cc, 3, None)


def test_a_lifecycle_event_may_state_a_new_grid() -> None:
    ranges = [{"start": "0.0000", "end": "1.0000", "step": "0.0500"}]
    msg = {"market_ticker": "I", "event_type": "price_level_structure_updated", "price_ranges": ranges}
    event = decode_frame(json.dumps({"type": "market_lifecycle_v2", "sid": 13, "seq": 3, "msg": msg}), 0)
    assert isinstance(event, port.LifecycleFrame)
    assert event.price_ranges == (PriceRange(0, 10_000, 500),)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"type":"subscribed","id":1,"msg":{"channel":"trade","sid":2}}',
         port.Subscribed(sid=2, seq=None, received_us=0, command_id=1, channel="trade")),
        ('{"id":123,"sid":456,"seq":222,"type":"ok","sending_ts_ms":1,"msg":{"market_tickers":["A","B"]}}',
         port.CommandOk(sid=456, seq=222, received_us=0, sent_us=1000, command_id=123, tickers=("A", "B"))),
        ('{"id":123,"sid":456,"seq":222,"type":"ok"}',
         port.CommandOk(sid=456, seq=222, received_us=0, command_id=123, tickers=())),
        ('{"id":3,"type":"ok","msg":[{"channel":"orderbook_delta","sid":1}]}',
         port.CommandOk(sid=None, seq=None, received_us=0, command_id=3, tickers=())),
        ('{"id":102,"sid":2,"seq":7,"type":"unsubscribed"}',
         port.Unsubscribed(sid=2, seq=7, received_us=0, command_id=102)),
        ('{"id":123,"type":"error","msg":{"code":7,"msg":"Unknown sid"}}',
         port.StreamError(sid=None, seq=None, received_us=0, command_id=123, code=7, message="Unknown sid")),
        ('{"type":"error","sid":4,"seq":9,"msg":{"code":25,"msg":"overflow","market_ticker":"A"}}',
         port.StreamError(sid=4, seq=9, received_us=0, command_id=None, code=25, message="overflow")),
    ],
)  # fmt: skip
def test_a_reply_to_a_command_keeps_its_numbers(text: str, expected: port.StreamEvent) -> None:
    assert decode_frame(text, 0) == expected


@pytest.mark.parametrize(
    ("kind", "known"),
    [("ticker", True), ("market_position", True), ("order_group_updates", True), ("event_fee_update", True),
     ("event_lifecycle", True), ("a_type_of_2027", False)],
)  # fmt: skip
def test_a_type_that_is_not_used_still_counts(kind: str, known: bool) -> None:
    event = decode_frame(json.dumps({"type": kind, "sid": 5, "seq": 6, "msg": {"x": 1}}), 3)
    assert event == port.OtherFrame(sid=5, seq=6, received_us=3, type=kind, known=known)


@pytest.mark.parametrize("text", ["", "\n", " \r\n", b"", b"\n"])
def test_an_empty_line_is_nothing(text: str | bytes) -> None:
    assert decode_frame(text, 0) is None


def test_a_frame_with_a_trailing_newline_is_read() -> None:
    assert decode_frame(delta() + "\n", 0) == decode_frame(delta().encode() + b"\n", 0) == decode_frame(delta(), 0)


@pytest.mark.parametrize(
    ("text", "sid", "seq"),
    [
        ("not json", None, None),
        ('{"type":"orderbook_delta","sid":1,"seq":2', None, None),
        ("[1,2]", None, None),
        ("7", None, None),
        ('{"sid":1,"seq":2}', 1, 2),
        (delta(price_dollars="1.0000"), 2, 3),
        (delta(price_dollars="0.96001"), 2, 3),
        (delta(price_dollars=0.96), 2, 3),
        (delta(delta_fp="-1.005"), 2, 3),
        (delta(delta_fp=-54), 2, 3),
        (delta(side="maybe"), 2, 3),
        (delta(market_ticker=None), 2, 3),
        (delta(ts_ms=None, ts="yesterday"), 2, 3),
        (snapshot(yes_dollars_fp=[["0.1000", "1.00", "x"]]), 2, 2),
        (snapshot(yes_dollars_fp=[[0.1, 1]]), 2, 2),
        ('{"type":"trade","sid":1,"seq":2,"msg":{}}', 1, 2),
        ('{"type":"subscribed","id":1,"msg":{"channel":"trade"}}', None, None),
        ('{"type":"orderbook_delta","sid":1,"seq":"2","msg":{}}', None, None),
        ('{"type":"orderbook_delta","sid":1,"seq":2}', 1, 2),
        (b'{"type":"orderbook_delta","sid":1,"seq":2,"msg":{"market_ticker":"\xff"}}', 1, 2),
        (b'{"type":"\xff","sid":1,"seq":2}', None, None),
    ],
)
def test_an_invalid_frame_has_the_number_that_it_used(text: str | bytes, sid: int | None, seq: int | None) -> None:
    with pytest.raises(FrameError) as caught:
        decode_frame(text, 0)
    assert (caught.value.sid, caught.value.seq) == (sid, seq)


@given(st.binary(max_size=300))
def test_any_bytes_are_decoded_or_a_frame_error(raw: bytes) -> None:
    with contextlib.suppress(FrameError):
        decode_frame(raw, 0)


@given(st.text(max_size=40), st.recursive(st.none() | st.integers() | st.text(max_size=5), st.lists, max_leaves=5))
def test_any_field_is_decoded_or_a_frame_error(key: str, value: Any) -> None:
    for base in (delta(), snapshot(), json.dumps({"type": "fill", "msg": FILL})):
        frame = json.loads(base)
        for target in (frame, frame["msg"]):
            field = sorted(target)[len(key) % len(target)]
            before, target[field] = target[field], value
            with contextlib.suppress(FrameError):
                decode_frame(json.dumps(frame), 0)
            target[field] = before
