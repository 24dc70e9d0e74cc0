"""Recorded bodies and frames beside those of the simulated exchange: every field of one that the other lacks is known.

Recordings before August 2026 have fields that the exchange has removed since: `REMOVED`; the new ones are in `LATER`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from support.kalshi_required import REST, STREAM
from support.manual_rest import ManualRest, manual_rest
from support.paper_client import order_body
from support.recordings import recording

DEMO = ("rest", "fortuna_demo_20260611")
REMOVED = {
    "Market": "fractional_trading_enabled response_price_units tick_size",
    "MarketPosition": "resting_orders_count",
}
"""Fields of recordings that the exchange has removed."""
NOT_SENT = {
    "Market": (
        "custom_strike early_close_condition occurrence_datetime strike_type is_provisional mve_collection_ticker "
        "mve_selected_legs primary_participant_key floor_strike cap_strike settlement_ts settlement_value_dollars "
        "liquidity_dollars fee_waiver_expiration_time"
    ),
    "Order": "expiration_time order_group_id",
}
"""Optional fields that the simulated exchange sends never, or not in this session."""
LATER = {
    "Market": "exchange_index settlement_bounds_type liquidity_dollars subtitle",
    "Order": "exchange_index cancel_order_on_pause",
    "Fill": "exchange_index simulation_basis",
    "MarketPosition": "exchange_index",
    "Trade": "taker_book_side taker_outcome_side is_block_trade",
    "ExchangeStatus": (
        "intra_exchange_transfers_active exchange_index_statuses simulated_exchange_id exchange_estimated_resume_time"
    ),
    "CancelOrderV2Response": "client_order_id",
}
"""Fields that came after a recording, or that only the simulated exchange sends."""


def recorded(name: str) -> Any:
    return json.loads(recording(*DEMO, f"{name}.json").read_text())


def objects() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Yield the recorded objects of each schema."""
    yield "Market", [one for page in ("markets__page1", "markets__status_settled") for one in recorded(page)["markets"]]
    yield "Order", recorded("portfolio__orders_list")["orders"]
    yield "Fill", recorded("fills__after_taker")["fills"]
    yield "MarketPosition", recorded("portfolio__positions")["market_positions"]
    yield "EventPosition", recorded("portfolio__positions")["event_positions"]
    yield "GetBalanceResponse", [recorded("auth__balance_ok")]
    yield "Trade", recorded("trades__public_recorded")["trades"]
    yield "ExchangeStatus", [recorded("exchange__status")]
    yield "CreateOrderV2Response", [recorded("orders__create_v2_maker"), recorded("orders__create_v2_taker_ioc")]
    yield "CancelOrderV2Response", [recorded("orders__cancel_v2")]
    yield "OrderbookCountFp", [recorded("orderbook__base")["orderbook_fp"]]


async def simulated() -> dict[str, list[dict[str, Any]]]:
    """Return the same objects of the simulated exchange."""
    async with manual_rest(markets=6) as rest:
        rest.exchange.tick(90)
        return await _session(rest)


async def _session(rest: ManualRest) -> dict[str, list[dict[str, Any]]]:
    orders = "/portfolio/events/orders"
    ticker = (await rest.get("/markets", status="open"))["markets"][0]["ticker"]
    taken = (await rest.call("POST", orders, body=order_body(ticker, price="0.9900"))).json()
    rested = (await rest.call("POST", orders, body=order_body(ticker))).json()
    cancelled = (await rest.call("DELETE", f"{orders}/{rested['order_id']}")).json()
    positions = await rest.get("/portfolio/positions")
    return {
        "Market": (await rest.get("/markets"))["markets"],
        "Order": (await rest.get("/portfolio/orders"))["orders"],
        "Fill": (await rest.get("/portfolio/fills"))["fills"],
        "MarketPosition": positions["market_positions"],
        "EventPosition": positions["event_positions"],
        "GetBalanceResponse": [await rest.get("/portfolio/balance")],
        "Trade": (await rest.get("/markets/trades"))["trades"],
        "ExchangeStatus": [await rest.get("/exchange/status")],
        "CreateOrderV2Response": [taken, rested],
        "CancelOrderV2Response": [cancelled],
        "OrderbookCountFp": [(await rest.get(f"/markets/{ticker}/orderbook"))["orderbook_fp"]],
    }


async def test_recorded_bodies_and_ours_have_the_same_fields() -> None:
    ours, differences = await simulated(), []
    for schema, bodies in objects():
        assert bodies and ours[schema], schema
        theirs, mine = ({name for body in each for name in body} for each in (bodies, ours[schema]))
        unsent, later = ({name for table in tables for name in table.get(schema, "").split()}
                         for tables in ((REMOVED, NOT_SENT), (LATER,)))  # fmt: skip
        differences += [f"{schema}.{name}: only recorded" for name in theirs - mine - unsent]
        differences += [f"{schema}.{name}: only ours" for name in mine - theirs - later]
    assert sorted(differences) == []


async def test_recorded_values_have_the_forms_of_ours() -> None:
    """Texts of digits have equal numbers of decimals; every value is of one JSON type."""
    ours, differences = await simulated(), set()
    for schema, bodies in objects():
        for body in bodies:
            for name, value in body.items():
                forms = {_form(one[name]) for one in ours[schema] if name in one}
                if forms - {"text"} and value not in (None, []) and _form(value) not in forms:
                    differences.add(f"{schema}.{name}: recorded {_form(value)}, ours {sorted(forms)}")
    assert sorted(differences) == []


def _form(value: Any) -> str:
    if isinstance(value, str):
        whole, point, part = value.removeprefix("-").partition(".")
        is_number = whole.isdigit() and (not point or part.isdigit())
        return f"text of {len(part)} decimals" if is_number else "text"
    return type(value).__name__


STREAMS = [
    "fortuna_demo_20260611_ws__orderbook_trade_yes.jsonl", "fortuna_demo_20260611_ws__orderbook_trade_noleg.jsonl",
    "jfreun123_demo_20260701_session.jsonl",
]  # fmt: skip
LATER_FRAMES = {
    "orderbook_snapshot": "clock", "orderbook_delta": "clock", "fill": "exchange_index outcome_side book_side",
    "trade": "taker_book_side taker_outcome_side is_block_trade",
}  # fmt: skip
"""Fields that newer frames have."""


@pytest.mark.parametrize("name", STREAMS)
def test_recorded_frames_have_the_required_fields(name: str) -> None:
    differences, seen = set(), 0
    for line in recording("ws", name).read_text().splitlines():
        frame: Any = json.loads(line) if line.strip() else {}
        frame = frame.get("raw", frame.get("frame", frame)) if isinstance(frame, dict) else {}
        frame = json.loads(frame) if isinstance(frame, str) else frame
        kind = frame.get("type", "")
        if kind in STREAM:
            seen += 1
            later = set(LATER_FRAMES.get(kind, "").split())
            lacking = {one for one in STREAM[kind].split() if one not in frame["msg"]} - later
            differences |= {f"{kind}.{one}" for one in lacking}
    assert seen and sorted(differences) == []


def test_recorded_bodies_have_the_required_fields() -> None:
    differences = set()
    for schema, bodies in objects():
        required = set(REST.get(schema, "").split()) - set(LATER.get(schema, "").split())
        differences |= {f"{schema}.{name}" for body in bodies for name in required - body.keys()}
    assert sorted(differences) == []
