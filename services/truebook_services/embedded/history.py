"""The history of a recording's run, as the exchange reports it: every order with its outcome, then every fill.

Two runs can be compared line by line, or by one digest, which covers sides, prices, sizes and outcomes in their order,
but neither ids nor times.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from truebook.kalshi.port import RestClient
from truebook.money import format_micros, format_price, format_size
from truebook.venue.account import ExchangeFill, ExchangeOrder

NOT_IN_DIGEST: Final = frozenset({"order_id", "client_order_id", "trade_id", "at_us"})


async def write_history(rest: RestClient, path: Path) -> str:
    """Write the account's orders and fills, oldest first, as JSON lines; returns the digest (SHA-256)."""
    orders, fills = await rest.orders(), await rest.fills()
    digest = hashlib.sha256()
    with path.open("w") as file:
        for line in (*_orders(orders), *_fills(fills)):
            file.write(json.dumps(line) + "\n")
            covered = {name: value for name, value in line.items() if name not in NOT_IN_DIGEST}
            digest.update(json.dumps(covered).encode() + b"\n")
    return digest.hexdigest()


def _orders(orders: list[ExchangeOrder]) -> Iterator[dict[str, Any]]:
    for order in reversed(orders):
        yield {
            "order": order.ticker,
            "side": order.book_side,
            "price": format_price(order.price_cc),
            "size": format_size(order.initial_centi),
            "filled": format_size(order.filled_centi),
            "outcome": order.status,
            "order_id": order.exchange_order_id,
            "client_order_id": order.client_order_id,
            "at_us": order.created_us,
        }


def _fills(fills: list[ExchangeFill]) -> Iterator[dict[str, Any]]:
    for fill in fills:
        yield {
            "fill": fill.ticker,
            "side": fill.book_side,
            "price": format_price(fill.price_cc),
            "size": format_size(fill.size_centi),
            "fee": format_micros(fill.fee_micros),
            "taker": fill.is_taker,
            "basis": fill.basis,
            "order_id": fill.exchange_order_id,
            "trade_id": fill.trade_id,
            "at_us": fill.created_us,
        }
