"""What life-cycle frames report about markets between two reads of their metadata."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from truebook.clock import MICROS
from truebook.kalshi.port import LifecycleFrame
from truebook.messages.market_metadata import MarketMetadata
from truebook.venue.lifecycle import may_become, takes_orders

NEW_MARKET_EVENTS: Final = frozenset({"created", "activated"})
GRID_CHANGED: Final = "price_level_structure_updated"
REST_LAG_US: Final = 10 * MICROS
"""A REST response may be older than a life-cycle frame received so long before the request (lists lag by 1.5 s)."""


class ReportedChanges:
    """The newest reported value of each field of each market, with its time (monotonic)."""

    def __init__(self) -> None:
        self._reported: dict[str, dict[str, tuple[int, Any]]] = {}

    def apply(self, market: MarketMetadata, frame: LifecycleFrame, at_us: int) -> MarketMetadata:
        """Return the metadata with the frame's changes; a status that can't follow the market's is left out."""
        stated = {
            "status": frame.status if frame.status and may_become(market.status, frame.status) else None,
            "close_us": frame.close_us, "settlement_cc": frame.settlement_cc, "price_ranges": frame.price_ranges,
        }  # fmt: skip
        changes: dict[str, Any] = {name: value for name, value in stated.items() if value is not None}
        self._reported.setdefault(market.ticker, {}).update({name: (at_us, changes[name]) for name in changes})
        return msgspec.structs.replace(market, **changes)

    def newer(self, read: MarketMetadata, begun_us: int) -> MarketMetadata:
        """Keep what was reported shortly before a request of ``begun_us``, unless the response has a later status."""
        reported = self._reported.get(read.ticker, {})
        newer = {name: value for name, (at_us, value) in reported.items() if at_us >= begun_us - REST_LAG_US}
        status = newer.get("status")
        if status is not None and may_become(status, read.status) and not may_become(read.status, status):
            del newer["status"]
        return msgspec.structs.replace(read, **newer) if newer else read

    def drop(self, ticker: str) -> None:
        self._reported.pop(ticker, None)


def is_to_be_read(changed: MarketMetadata, frame: LifecycleFrame) -> bool:
    """Return whether a changed market's metadata are to be read soon: its end to be confirmed, its grid to be known."""
    is_incomplete = frame.event_type == GRID_CHANGED and frame.price_ranges is None
    return not takes_orders(changed.status) or is_incomplete
