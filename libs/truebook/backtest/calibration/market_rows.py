"""Consecutive rows of one recorded market, with the best prices after each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from truebook.backtest.tape.pairing import TradePairing
from truebook.backtest.tape.tops import Bools, Ints, Prices, Tops
from truebook.capture.columns import Columns, Kind, Side
from truebook.messages.envelope import BookSide

SIDES: Final = {int(Side.BID): BookSide.BID, int(Side.ASK): BookSide.ASK}


@dataclass(frozen=True, slots=True)
class MarketRows:
    """Rows of one market; arrays of equal length, the first six as in ``Columns``."""

    at_us: Ints
    exchange_us: Ints
    kind: NDArray[np.int8]
    side: NDArray[np.int8]
    price_cc: NDArray[np.int32]
    size_centi: Ints
    bid_cc: Prices
    ask_cc: Prices
    bid_centi: Ints
    ask_centi: Ints
    is_two_sided: Bools
    is_valid: Bools

    def __len__(self) -> int:
        return len(self.at_us)

    def row_at(self, at_us: int) -> int:
        """Return the last row received by this time; -1 if there is none."""
        return int(np.searchsorted(self.at_us, at_us, side="right")) - 1

    def since(self, at_us: int) -> MarketRows:
        """Return a copy of the rows from a time on, after the last row before it; a snapshot is not divided."""
        first = max(0, self.row_at(at_us - 1))
        while first and self.kind[first] == Kind.LEVEL:
            first -= 1
        return MarketRows(*(getattr(self, one.name)[first:].copy() for one in fields(MarketRows)))

    def mid_half_cc(self, row: int) -> int | None:
        """Return the mid price after a row in 1/200 cent; None unless a bid is below an ask."""
        if row < 0 or not self.is_two_sided[row]:
            return None
        return int(self.bid_cc[row]) + int(self.ask_cc[row])

    def best(self, side: BookSide, row: int) -> tuple[int, int]:
        """Return the best price of a side after a row, and its size."""
        if side is BookSide.BID:
            return int(self.bid_cc[row]), int(self.bid_centi[row])
        return int(self.ask_cc[row]), int(self.ask_centi[row])

    def trade_frames(self) -> TradeFrames:
        """Pair the trades with their deltas."""
        pairs = TradePairing().add(self._columns())
        first, partner = np.arange(len(self)), np.full(len(self), -1)
        first[pairs.trades] = np.minimum(pairs.trades, pairs.deltas)
        partner[pairs.trades], partner[pairs.deltas] = pairs.deltas, pairs.trades
        return TradeFrames(first=first, partner=partner)

    def _columns(self) -> Columns:
        return Columns(
            at_us=self.at_us, exchange_us=self.exchange_us, market=np.zeros(len(self), np.int32), kind=self.kind,
            side=self.side, price_cc=self.price_cc, size_centi=self.size_centi,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class TradeFrames:
    """Which rows of a market belong to one trade."""

    first: Ints
    """By row: the first frame of its event; of a trade the delta, if that was received before."""
    partner: Ints
    """By row: of a trade the row of its delta, and of that the trade's; -1: none."""


def concatenated(pieces: Sequence[MarketRows]) -> MarketRows:
    """Return the rows of consecutive pieces as one."""
    return MarketRows(*(np.concatenate([getattr(piece, one.name) for piece in pieces]) for one in fields(MarketRows)))


def by_market(rows: Columns, tops: Tops) -> Iterator[tuple[int, MarketRows]]:
    """Divide a chunk by market; rows without a market are left out."""
    order = np.argsort(rows.market, kind="stable")
    market = rows.market[order]
    bounds = [0, *(np.flatnonzero(market[1:] != market[:-1]) + 1).tolist(), len(market)]
    bid_centi, ask_centi = tops.best_sizes()
    is_two_sided = tops.is_two_sided
    for first, end in pairwise(bounds):
        if first < end and market[first] >= 0:
            here = order[first:end]
            yield int(market[first]), MarketRows(
                at_us=rows.at_us[here], exchange_us=rows.exchange_us[here], kind=rows.kind[here], side=rows.side[here],
                price_cc=rows.price_cc[here], size_centi=rows.size_centi[here], bid_cc=tops.bid_cc[here],
                ask_cc=tops.ask_cc[here], bid_centi=bid_centi[here], ask_centi=ask_centi[here],
                is_two_sided=is_two_sided[here], is_valid=tops.is_valid[here],
            )  # fmt: skip
