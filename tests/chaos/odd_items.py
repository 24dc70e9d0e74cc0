"""Odd items in the account's lists and frames: some orders, fills, positions and settlements can't be read for a while.

Which ones is a function of their ids, so that one item stays odd for as long as the fault lasts.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import Any, Final

import msgspec

from support.in_memory_rest import Shown
from truebook.venue.account import UnreadableItem

EVERY: Final = 3
"""Each third item is odd."""
LISTS: Final = (Shown.ORDERS, Shown.FILLS, Shown.POSITIONS, Shown.SETTLEMENTS)
WRONG_MICROS: Final = 100_000_000
"""By how much the balance is shown too low while it is wrong."""
_BODIES: Final[dict[str, tuple[str, str, Any]]] = {
    "/portfolio/orders": ("orders", "order_id", {"status": "paused"}),
    "/portfolio/fills": ("fills", "trade_id", {"yes_price_dollars": "1.0000"}),
    "/portfolio/positions": ("market_positions", "ticker", {"position_fp": None}),
    "/portfolio/settlements": ("settlements", "ticker", {"revenue": "none"}),
}
"""By path: the list's name, the items' id, and what is odd about them."""


def is_odd(item_id: str) -> bool:
    return zlib.crc32(item_id.encode()) % EVERY == 0


def odd_item(what: Shown, one: Any) -> UnreadableItem | None:
    """Return what can still be read of an item that is odd, else None."""
    names = {Shown.ORDERS: "exchange_order_id", Shown.FILLS: "trade_id"}
    if what not in LISTS or not is_odd(getattr(one, names.get(what, "ticker"))):
        return None
    return UnreadableItem(
        ticker=one.ticker, client_order_id=getattr(one, "client_order_id", None) or "",
        exchange_order_id=getattr(one, "exchange_order_id", ""), why="odd",
    )  # fmt: skip


def odd_body(path: str, body: bytes) -> bytes:
    """Change the odd items of a list's response."""
    for suffix, (name, item_id, change) in _BODIES.items():
        if path.endswith(suffix):
            return _changed(body, lambda read, name=name, item_id=item_id, change=change: read | {
                name: [one | change if is_odd(one[item_id]) else one for one in read[name] or ()]
            })  # fmt: skip
    return body


def wrong_balance(path: str, body: bytes) -> bytes:
    """Lower the balance in its response."""
    if not path.endswith("/portfolio/balance"):
        return body

    def lower(read: dict[str, Any]) -> dict[str, Any]:
        text = f"{float(read['balance_dollars']) - WRONG_MICROS / 1e6:.4f}"
        return read | {"balance_dollars": text, "balance_breakdown": [{"balance": text, "exchange_index": 0}]}

    return _changed(body, lower)


def odd_frame(text: str) -> str:
    """Make a private frame's price unreadable."""
    return text.replace('"yes_price_dollars":"', '"yes_price_dollars":"9', 1)


def _changed(body: bytes, change: Callable[[dict[str, Any]], dict[str, Any]]) -> bytes:
    return msgspec.json.encode(change(msgspec.json.decode(body)))
