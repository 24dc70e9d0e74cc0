"""Words, ids and groups of fields that REST and WebSocket bodies share; no engine, no socket."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

from truebook.kalshi.wire.times import to_rfc3339
from truebook.messages.envelope import BookSide
from truebook.messages.market_metadata import PriceRange
from truebook.money import format_fixed, format_micros, format_price, format_size, no_price
from truebook.simulation.events import Traded
from truebook.simulation.venue.orders import OrderCosts
from truebook.simulation.venue.subaccount_names import number_of, owner_of
from truebook.venue.account import ExchangeFill, ExchangeOrder, OrderRequest
from truebook.venue.shards import ShardCash

_NAMESPACE: Final = uuid.UUID("5f0c9c1e-7d5b-5a53-9a43-6d1c2f1b7e10")

_STRUCTURES: Final[dict[tuple[tuple[int, int, int], ...], str]] = {
    ((0, 10_000, 100),): "linear_cent",
    ((0, 10_000, 10),): "deci_cent",
    ((0, 1_000, 10), (1_000, 9_000, 100), (9_000, 10_000, 10)): "tapered_deci_cent",
    ((0, 10_000, 1),): "center_centi_edge_centi_cent",
}


@lru_cache(maxsize=4_096)  # a digest for every frame otherwise
def market_id(ticker: str) -> str:
    """Return the market's UUID: a function of its ticker."""
    return str(uuid.uuid5(_NAMESPACE, f"market:{ticker}"))


def user_id(account: str) -> str:
    """Return the account holder's UUID, the same for all subaccounts: a function of the account's name."""
    return str(uuid.uuid5(_NAMESPACE, f"user:{owner_of(account)}"))


def outcome_side(side: BookSide) -> str:
    """Return the outcome that an order on this side of the YES book buys."""
    return "yes" if side is BookSide.BID else "no"


def dollars_down(micros: int) -> str:
    """Write micro-dollars with the four decimals of a balance, rounded toward minus infinity."""
    return format_fixed(micros // 100, 4)


def shard_rows(rows: Sequence[ShardCash]) -> list[dict[str, Any]]:
    """Write amounts per shard, in dollars with four decimals."""
    return [{"exchange_index": one.exchange_index, "balance": dollars_down(one.balance_micros)} for one in rows]


def sum_by_shard(lists: Sequence[Sequence[ShardCash]]) -> list[ShardCash]:
    """Add up the amounts of several subaccounts, each with all shards of the exchange in the same order."""
    return [
        ShardCash(exchange_index=rows[0].exchange_index, balance_micros=sum(one.balance_micros for one in rows))
        for rows in zip(*lists, strict=True)
    ]


def price_structure(ranges: Sequence[PriceRange]) -> str:
    """Return the exchange's label for a price grid; empty if it has none: only ``price_ranges`` is binding."""
    return _STRUCTURES.get(tuple((band.start_cc, band.end_cc, band.step_cc) for band in ranges), "")


def price_ranges(ranges: Sequence[PriceRange]) -> list[dict[str, str]]:
    return [
        {"start": format_price(band.start_cc), "end": format_price(band.end_cc), "step": format_price(band.step_cc)}
        for band in ranges
    ]


def market_result(settlement_cc: int | None) -> str:
    """Return a market's result: yes, no, scalar, or empty before it is determined."""
    match settlement_cc:
        case None:
            return ""
        case 10_000:
            return "yes"
        case 0:
            return "no"
        case _:
            return "scalar"


def trade_fields(event: Traded) -> dict[str, Any]:
    """Write the common fields of a public trade."""
    side = outcome_side(event.taker_side)
    return {
        "trade_id": event.trade_id,
        "count_fp": format_size(event.size_centi),
        "yes_price_dollars": format_price(event.price_cc),
        "no_price_dollars": format_price(no_price(event.price_cc)),
        "taker_side": side,
        "taker_outcome_side": side,
        "taker_book_side": event.taker_side.value,
        "is_block_trade": event.block,
    }


def fill_fields(fill: ExchangeFill) -> dict[str, Any]:
    """Write the common fields of an account's fill."""
    side = outcome_side(fill.book_side)
    return {
        "trade_id": fill.trade_id,
        "exchange_index": fill.exchange_index,
        "order_id": fill.exchange_order_id,
        "market_ticker": fill.ticker,
        "side": side,
        "action": "buy",
        "outcome_side": side,
        "book_side": fill.book_side.value,
        "count_fp": format_size(fill.size_centi),
        "yes_price_dollars": format_price(fill.price_cc),
        "is_taker": fill.is_taker,
        "fee_cost": format_micros(fill.fee_micros),
        "ts": fill.created_us // 1_000_000,
    }


def order_fields(
    account: str, order: ExchangeOrder, costs: OrderCosts, request: OrderRequest, at_us: int
) -> dict[str, Any]:
    """Write the common fields of an account's order; ``at_us`` replaces missing times."""
    body = {
        "order_id": order.exchange_order_id,
        "user_id": user_id(account),
        "client_order_id": order.client_order_id,
        "ticker": order.ticker,
        "outcome_side": outcome_side(order.book_side),
        "book_side": order.book_side.value,
        "status": order.status.value,
        "yes_price_dollars": format_price(order.price_cc),
        "fill_count_fp": format_size(order.filled_centi),
        "remaining_count_fp": format_size(order.remaining_centi),
        "initial_count_fp": format_size(order.initial_centi),
        "taker_fill_cost_dollars": format_micros(costs.taker_cost_micros),
        "maker_fill_cost_dollars": format_micros(costs.maker_cost_micros),
        "taker_fees_dollars": format_micros(costs.taker_fees_micros),
        "maker_fees_dollars": format_micros(costs.maker_fees_micros),
        "created_time": to_rfc3339(order.created_us or at_us),
        "last_update_time": to_rfc3339(order.updated_us or at_us),
        "self_trade_prevention_type": request.self_trade_prevention.value,
        "subaccount_number": number_of(account),
        "exchange_index": order.exchange_index,
    }
    if order.expires_us is not None:
        body["expiration_time"] = to_rfc3339(order.expires_us)
    if request.order_group_id is not None:
        body["order_group_id"] = request.order_group_id
    return body
