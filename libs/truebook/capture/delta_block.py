"""Consecutive changes of one market's book, as columns: they are read, and can be applied, without an object each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from truebook.capture.event_types import CapturedEvent
from truebook.kalshi.port import DeltaFrame
from truebook.messages.envelope import BookSide

MIN_ROWS: Final = 8
"""Changes from which on they are one block."""
MAX_ROWS: Final = 4_096


class DeltaBlock(msgspec.Struct, frozen=True, kw_only=True):
    """Changes of ``ticker``, between which nothing else was recorded; the columns are of equal length."""

    ticker: str
    at_us: list[int]
    """Times of receipt; they never decrease."""
    exchange_us: list[int]
    """The exchange's times; 0: unknown."""
    level_cc: list[int]
    """The price of the changed level on the YES leg; an ask's is negative."""
    delta_centi: list[int]
    """The signed change, 1/100 contract."""
    grown_bid_cc: list[int]
    """The price of a bid that grew, else 0."""
    grown_ask_cc: list[int]
    """The negative price of an ask that grew, else -10,000."""

    def __len__(self) -> int:
        return len(self.at_us)

    def frame(self, number: int) -> DeltaFrame:
        """Return one change as an event."""
        at_us, level_cc = self.at_us[number], self.level_cc[number]
        return DeltaFrame(
            sid=None, seq=None, received_us=at_us, ticker=self.ticker,
            book_side=BookSide.BID if level_cc > 0 else BookSide.ASK, price_cc=abs(level_cc),
            delta_centi=self.delta_centi[number], exchange_us=self.exchange_us[number] or None,
        )  # fmt: skip

    def events(self) -> Iterator[CapturedEvent]:
        """Iterate over the changes as events."""
        for number, at_us in enumerate(self.at_us):
            yield CapturedEvent(at_us, 0, self.frame(number))
