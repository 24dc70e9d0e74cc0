"""One passive order of a calibration: joined at a recorded best price and followed on the tape, by each queue model.

The order is matched by ``RecordedEngine``, which also matches the orders of a replay. Only rows that can affect it are
applied: trades that reach its price, changes of its own level, changes of opposite levels that cross it, and snapshots;
a test compares the result with that of all rows. The order has no influence on what was recorded.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from typing import Final, NamedTuple

import msgspec
import numpy as np

from truebook.backtest.calibration.market_rows import SIDES, MarketRows, TradeFrames
from truebook.backtest.calibration.paired_queue import paired_fill
from truebook.backtest.tape.tops import Ints
from truebook.capture.columns import Kind, Side
from truebook.messages.envelope import BookSide
from truebook.simulation.events import Basis
from truebook.simulation.recorded.engine import RecordedEngine
from truebook.simulation.recorded.pairing import PAIRED_WITHIN_US
from truebook.simulation.recorded.queue import QueueModel
from truebook.simulation.venue.account_book import AccountBook
from truebook.simulation.venue.orders import TRADER_PREFIX, LiveOrder
from truebook.venue.account import OrderRequest

MIN_JOIN_CC: Final = 500
MAX_JOIN_CC: Final = 9_500
"""Orders join at prices from 5 to 95 cents: beyond, a market is nearly decided and hardly trades."""
HORIZONS_S: Final = (0, 1, 10, 60)
"""Times after a fill at which the mid price is compared."""
UNKNOWN: Final = (None,) * len(HORIZONS_S)
MICROS_PER_S: Final = 1_000_000
_MARKET: Final = "calibrated"
_ACCOUNT: Final = f"{TRADER_PREFIX}calibration"
"""The account of a synthetic trader needs no cash."""


class NotCounted(StrEnum):
    """Why an order does not count."""

    NO_MID = "no_two_sided_book"
    EXTREME_PRICE = "price_below_5_or_above_95_cents"
    GAP = "book_unknown_meanwhile"


class Join(NamedTuple):
    """When and on which side an order joins the best price of a market (an index into the recording's tickers)."""

    market: int
    at_us: int
    side: BookSide


class Followed(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an order by one queue model."""

    filled_centi: int
    after_us: int | None = None
    """Time from joining to the whole fill; None: not wholly filled."""
    queue_after_us: int | None = None
    """The same if only trades at exactly the order's price could fill it, as if none had gone through it."""
    paired_after_us: int | None = None
    """The same with the whole recording known, which a replay does not know: see ``paired_queue``."""
    basis: Basis | None = None
    """What caused the last part of a whole fill."""
    mark_outs_half_cc: tuple[int | None, ...] = UNKNOWN
    """By ``HORIZONS_S``: the mid price then less the fill's price, in favour of the position, in 1/200 cent; None: not
    known. The mid price at 0 is the one before the first frame of the event that filled the order."""


class JoinedOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order that joined a best price, and what became of it by queue model."""

    join: Join
    ahead_centi: int
    """Displayed size at its price when it joined."""
    followed: dict[QueueModel, Followed]


class _Placed(NamedTuple):
    """An order at the best price of its side, and the rows that can affect it."""

    begin: int
    request: OrderRequest
    ahead_centi: int
    recent: Ints
    """Rows before it, of its level: trades whose other frame may follow."""
    relevant: Ints


def follow(rows: MarketRows, frames: TradeFrames, join: Join, size_centi: int, for_us: int) -> JoinedOrder | NotCounted:
    """Join the best price at a time and follow the order for ``for_us``, which ``rows`` must cover."""
    placed = _place(rows, join, size_centi, for_us, prices_cc=(MIN_JOIN_CC, MAX_JOIN_CC))
    if isinstance(placed, NotCounted):
        return placed
    begin, request, ahead_centi, _, relevant = placed
    price_cc = request.price_cc
    in_queue = relevant[(rows.price_cc[relevant] == price_cc) | (rows.kind[relevant] == Kind.SNAPSHOT)]
    not_over = in_queue[frames.first[in_queue] > begin]
    followed = {}
    for model in QueueModel:
        _, queue_row = _match(rows, placed, join.at_us, in_queue, model=model)
        order, row = _match(rows, placed, join.at_us, relevant, model=model)
        followed[model] = Followed(
            filled_centi=order.filled_centi, after_us=_after(rows, row, join),
            queue_after_us=_after(rows, queue_row, join),
            paired_after_us=_after(
                rows, paired_fill(rows, frames, not_over, request, ahead_centi, model=model), join
            ),
            basis=None if row is None else _basis(rows, row, price_cc),
            mark_outs_half_cc=UNKNOWN if row is None else _mark_outs(rows, int(frames.first[row]), row, request),
        )  # fmt: skip
    return JoinedOrder(join=join, ahead_centi=ahead_centi, followed=followed)


def fill_times(rows: MarketRows, join: Join, size_centi: int, for_us: int) -> dict[QueueModel, int | None] | NotCounted:
    """Join as ``follow`` does, at any price; return the time to the whole fill by queue model, None: not in time."""
    placed = _place(rows, join, size_centi, for_us)
    if isinstance(placed, NotCounted):
        return placed
    return {
        model: _after(rows, _match(rows, placed, join.at_us, placed.relevant, model=model)[1], join)
        for model in QueueModel
    }


def _place(
    rows: MarketRows, join: Join, size_centi: int, for_us: int, *, prices_cc: tuple[int, int] | None = None
) -> _Placed | NotCounted:
    """Place an order at the best price of its side, if that is within ``prices_cc``."""
    begin = rows.row_at(join.at_us)
    if begin < 0 or not rows.is_two_sided[begin]:
        return NotCounted.NO_MID
    price_cc, ahead_centi = rows.best(join.side, begin)
    if prices_cc is not None and not prices_cc[0] <= price_cc <= prices_cc[1]:
        return NotCounted.EXTREME_PRICE
    end = rows.row_at(join.at_us + for_us) + 1
    if not rows.is_valid[begin:end].all():
        return NotCounted.GAP
    request = OrderRequest(
        ticker=_MARKET, client_order_id="order", book_side=join.side, price_cc=price_cc, size_centi=size_centi
    )
    since = rows.row_at(join.at_us - PAIRED_WITHIN_US) + 1
    recent = since + relevant_rows(rows, since, begin + 1, request)
    at_price = recent[(rows.price_cc[recent] == price_cc) & (rows.kind[recent] != Kind.SNAPSHOT)]
    return _Placed(begin, request, ahead_centi, at_price, begin + 1 + relevant_rows(rows, begin + 1, end, request))


def relevant_rows(rows: MarketRows, begin: int, end: int, order: OrderRequest) -> Ints:
    """Return the rows that can affect a resting order, as numbers from ``begin``."""
    kind, side, price_cc = (array[begin:end] for array in (rows.kind, rows.side, rows.price_cc))
    own = Side.BID if order.book_side is BookSide.BID else Side.ASK
    worse = price_cc < order.price_cc if own is Side.BID else price_cc > order.price_cc
    at_price, opposite = price_cc == order.price_cc, side == -own
    trades = (kind == Kind.TRADE) & opposite & (at_price | worse)
    changes = (kind == Kind.DELTA) & (((side == own) & at_price) | (opposite & worse))
    return np.flatnonzero(trades | changes | (kind == Kind.SNAPSHOT))


def _match(
    rows: MarketRows, placed: _Placed, at_us: int, relevant: Ints, *, model: QueueModel
) -> tuple[LiveOrder, int | None]:
    """Match the order; returns it with the row that filled it wholly, if one did."""
    request = placed.request
    accounts = AccountBook(0)
    engine = RecordedEngine(accounts, model)
    engine.add_market(_MARKET)
    _show(engine, request, placed.ahead_centi + int(np.abs(rows.size_centi[placed.recent]).sum()), at_us)
    for event in _events(rows, placed.recent):
        _apply(engine, rows, event)
    _show(engine, request, placed.ahead_centi, at_us)
    order = LiveOrder.create(_ACCOUNT, request, at_us)
    accounts.accept(order)
    engine.execute(order, at_us)
    for event in _events(rows, relevant):
        _apply(engine, rows, event)
        if not order.remaining_centi:
            return order, event[0]
    return order, None


def _show(engine: RecordedEngine, request: OrderRequest, size_centi: int, at_us: int) -> None:
    """Make the order's level the only one."""
    own = [(request.price_cc, size_centi)]
    is_bid = request.book_side is BookSide.BID
    engine.snapshot(_MARKET, own if is_bid else [], [] if is_bid else own, at_us)


def _events(rows: MarketRows, chosen: Ints) -> Iterator[tuple[int, ...]]:
    """Iterate over rows: number, times of receipt and of the exchange, kind, side, price and size."""
    columns = (rows.at_us, rows.exchange_us, rows.kind, rows.side, rows.price_cc, rows.size_centi)
    return zip(chosen.tolist(), *(column[chosen].tolist() for column in columns), strict=True)


def _apply(engine: RecordedEngine, rows: MarketRows, event: tuple[int, ...]) -> None:
    row, at_us, exchange_us, kind, side, price_cc, size_centi = event
    if kind == Kind.DELTA:
        engine.delta(_MARKET, SIDES[side], price_cc, size_centi, at_us, exchange_us=exchange_us)
    elif kind == Kind.TRADE:
        engine.trade(_MARKET, price_cc, size_centi, SIDES[side], at_us, exchange_us=exchange_us)
    else:
        engine.snapshot(_MARKET, *_levels(rows, row), at_us)


def _levels(rows: MarketRows, snapshot: int) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Return the bids and asks of a snapshot; its levels follow it."""
    levels = slice(snapshot + 1, snapshot + 1 + int(rows.size_centi[snapshot]))
    side, prices, sizes = rows.side[levels], rows.price_cc[levels], rows.size_centi[levels]
    bids, asks = (
        list(zip(prices[side == one].tolist(), sizes[side == one].tolist(), strict=True))
        for one in (Side.BID, Side.ASK)
    )
    return bids, asks


def _after(rows: MarketRows, row: int | None, join: Join) -> int | None:
    return None if row is None else int(rows.at_us[row]) - join.at_us


def _basis(rows: MarketRows, row: int, price_cc: int) -> Basis:
    if rows.kind[row] != Kind.TRADE:
        return Basis.BOOK_CROSS
    return Basis.QUEUE if rows.price_cc[row] == price_cc else Basis.TRADE_THROUGH


def _mark_outs(rows: MarketRows, first_frame: int, row: int, order: OrderRequest) -> tuple[int | None, ...]:
    sign = 1 if order.book_side is BookSide.BID else -1
    found: list[int | None] = []
    for horizon_s in HORIZONS_S:
        then_us = int(rows.at_us[row]) + horizon_s * MICROS_PER_S
        then = rows.row_at(then_us) if horizon_s else first_frame - 1
        mid_half_cc = rows.mid_half_cc(then) if then_us <= rows.at_us[-1] else None
        found.append(None if mid_half_cc is None else sign * (mid_half_cc - 2 * order.price_cc))
    return tuple(found)
