"""The queue ahead of an order where each trade is exactly paired with its delta: the measure for ``LevelQueue``.

``LevelQueue`` pairs trades and decreases by their amounts, as a replay has to, which does not know the future. Here the
whole recording is known: a decrease with a trade is that trade and nothing else, and every other decrease is a
cancellation, whose place in the queue is the only assumption left (``QueueModel``). Counted are trades at exactly the
order's price. A trade whose delta was received before the order joined was over by then: it is left out, since the size
displayed ahead of the order no longer has it.
"""

from __future__ import annotations

from typing import Final

from truebook.backtest.calibration.market_rows import MarketRows, TradeFrames
from truebook.backtest.tape.tops import Ints
from truebook.capture.columns import Kind, Side
from truebook.messages.envelope import BookSide
from truebook.simulation.recorded.queue import QueueModel
from truebook.venue.account import OrderRequest

_OWN: Final = {BookSide.BID: int(Side.BID), BookSide.ASK: int(Side.ASK)}


def paired_fill(
    rows: MarketRows, frames: TradeFrames, at_price: Ints, order: OrderRequest, ahead_centi: int, *, model: QueueModel
) -> int | None:
    """Return the row whose trade fills the order wholly; None if none does.

    ``at_price`` are the rows to apply: snapshots, trades at the order's price that were not over when it joined, and
    changes of its level.
    """
    level_centi, left_centi = ahead_centi, order.size_centi
    own = _OWN[order.book_side]
    columns = (rows.kind, rows.size_centi, frames.is_traded)
    for row, kind, size_centi, is_traded in zip(
        at_price.tolist(), *(column[at_price].tolist() for column in columns), strict=True
    ):
        if kind == Kind.TRADE:
            left_centi -= max(0, size_centi - ahead_centi)
            ahead_centi = max(0, ahead_centi - size_centi)
            if left_centi <= 0:
                return int(row)
        elif kind == Kind.SNAPSHOT:
            level_centi = _displayed(rows, row, own, order.price_cc)
            ahead_centi = min(ahead_centi, level_centi)
        else:
            if size_centi < 0 and not is_traded:
                ahead_centi -= _cancelled_ahead(ahead_centi, -size_centi, level_centi, model)
                ahead_centi = min(ahead_centi, max(0, level_centi + size_centi))
            level_centi += size_centi
    return None


def _cancelled_ahead(ahead_centi: int, cancelled_centi: int, level_centi: int, model: QueueModel) -> int:
    match model:
        case QueueModel.PESSIMISTIC:
            return 0
        case QueueModel.REALISTIC:
            return cancelled_centi * ahead_centi // level_centi if level_centi > 0 else 0
        case QueueModel.OPTIMISTIC:
            return min(ahead_centi, cancelled_centi)


def _displayed(rows: MarketRows, snapshot: int, own: int, price_cc: int) -> int:
    """Return the size of the order's level in a snapshot, whose levels follow it."""
    levels = slice(snapshot + 1, snapshot + 1 + int(rows.size_centi[snapshot]))
    is_own = (rows.side[levels] == own) & (rows.price_cc[levels] == price_cc)
    return int(rows.size_centi[levels][is_own].sum())
