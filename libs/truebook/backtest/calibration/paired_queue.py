"""The queue ahead of an order with the whole recording known: the measure for ``LevelQueue``.

Both pair each trade exactly with its delta and move the order by the same functions. A replay does not know the
future: until a trade is received its delta counts as a cancellation. Here a decrease with a trade is that trade and
nothing else from the start. Counted are trades at exactly the order's price. A trade whose delta was received before
the order joined was over by then: it is left out, since the size displayed ahead of the order no longer has it.
"""

from __future__ import annotations

from typing import Final

from truebook.backtest.calibration.market_rows import MarketRows, TradeFrames
from truebook.backtest.tape.tops import Ints
from truebook.capture.columns import Kind, Side
from truebook.messages.envelope import BookSide
from truebook.simulation.recorded.queue import Place, QueueModel, after_cancellation
from truebook.venue.account import OrderRequest

_OWN: Final = {BookSide.BID: int(Side.BID), BookSide.ASK: int(Side.ASK)}


def paired_fill(
    rows: MarketRows, frames: TradeFrames, at_price: Ints, order: OrderRequest, ahead_centi: int, *, model: QueueModel
) -> int | None:
    """Return the row whose trade fills the order wholly; None if none does.

    ``at_price`` are the rows to apply: snapshots, trades at the order's price that were not over when it joined, and
    changes of its level.
    """
    level_centi, place = ahead_centi, Place(ahead_centi)
    own = _OWN[order.book_side]
    columns = (rows.kind, rows.size_centi, frames.partner)
    for row, kind, size_centi, partner in zip(
        at_price.tolist(), *(column[at_price].tolist() for column in columns), strict=True
    ):
        if kind == Kind.SNAPSHOT:
            level_centi = _displayed(rows, row, own, order.price_cc)
            place = place.capped(level_centi)
        elif kind == Kind.DELTA:
            before_centi = level_centi
            level_centi += size_centi
            if partner > row:
                place = place.after_trade(-size_centi)
            elif partner >= 0:
                place = place.capped(max(0, level_centi))
            elif size_centi < 0:
                place = place.moved(after_cancellation(model, place.ahead_centi, before_centi, level_centi))
        elif not 0 <= partner < row:
            place = place.after_trade(size_centi)
        if place.reached_centi >= order.size_centi:
            filled = max(int(row), partner)
            return filled if filled <= at_price[-1] else None
    return None


def _displayed(rows: MarketRows, snapshot: int, own: int, price_cc: int) -> int:
    """Return the size of the order's level in a snapshot, whose levels follow it."""
    levels = slice(snapshot + 1, snapshot + 1 + int(rows.size_centi[snapshot]))
    is_own = (rows.side[levels] == own) & (rows.price_cc[levels] == price_cc)
    return int(rows.size_centi[levels][is_own].sum())
