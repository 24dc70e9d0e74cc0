"""Shifts a recording in time, so that clients which compare its times with their own clock find open markets.

Every time moves by the same whole number of seconds: receipt, the exchange's stamps, openings and closes. Tickers and
outcomes stay as recorded.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from truebook.capture.events import CapturedEvent
from truebook.clock import MICROS
from truebook.kalshi.port import DeltaFrame, LifecycleFrame, SnapshotFrame, TradeFrame
from truebook.messages.market_metadata import MarketMetadata


def shift_us(start_us: int, first_us: int) -> int:
    """Return the shift by which the first event is at most a second before ``start_us``."""
    return (start_us - first_us) // MICROS * MICROS


def shifted_metadata(markets: Iterable[MarketMetadata], by_us: int) -> Iterator[MarketMetadata]:
    """Yield the markets with shifted openings and closes."""
    for one in markets:
        yield msgspec.structs.replace(one, open_us=one.open_us + by_us, close_us=one.close_us + by_us)


def shifted_events(events: Iterable[CapturedEvent], by_us: int) -> Iterator[CapturedEvent]:
    """Yield the events with shifted times; frames without a time are passed on as they are."""
    for captured in events:
        event = captured.event
        match event:
            case SnapshotFrame(exchange_us=int(at_us)) | DeltaFrame(exchange_us=int(at_us)):
                event = msgspec.structs.replace(event, exchange_us=at_us + by_us)
            case TradeFrame(exchange_us=at_us):
                event = msgspec.structs.replace(event, exchange_us=at_us + by_us)
            case LifecycleFrame(close_us=int(at_us)):
                event = msgspec.structs.replace(event, close_us=at_us + by_us)
        yield CapturedEvent(captured.at_us + by_us, captured.connection, event)
