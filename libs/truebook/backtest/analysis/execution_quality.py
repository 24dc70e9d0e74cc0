"""How orders were executed: fill rates, time to fill, and how the price moved after the fills (mark-outs). Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from statistics import median_low
from typing import Final

import msgspec
import numpy as np

from truebook.backtest.analysis.attribution import role_of
from truebook.backtest.analysis.bootstrap import Interval, ratio_interval
from truebook.backtest.result import MARK_OUTS_S, Fill, Order, PassResult
from truebook.messages.envelope import BookSide

ALL: Final = "all"
HORIZONS_S: Final = (0, *MARK_OUTS_S)


class FillRate(msgspec.Struct, frozen=True, kw_only=True):
    """How many orders of one kind were filled. Ratios are null without an order."""

    kind: str
    """``rested``: it joined a queue; ``immediate``: it did not; ``both``: it did after a fill on arrival; ``all``."""
    orders: int
    with_fill: int
    """At least in part."""
    size_centi: int
    filled_centi: int
    order_rate: float | None
    size_rate: float | None
    median_us: int | None
    """Median time from the order's arrival at the exchange to its first fill, of those with a fill."""


class MarkOut(msgspec.Struct, frozen=True, kw_only=True):
    """The profit per contract against the mid price some time after the fill, before fees.

    Negative after a while means adverse selection: the price moved against the position. Weighted by size.
    """

    role: str
    after_s: int
    """0: at the fill."""
    fills: int
    """Those with a known mid price then."""
    mean_cc: float
    """In 1/100 cent per contract."""
    interval: Interval | None
    """Over resampled events; null for too few."""


def fill_rates(result: PassResult) -> tuple[FillRate, ...]:
    """Return the fill rates of all orders and of each kind.

    An order that was filled in part on arrival and then rested is a kind of its own: its first fill needed no queue.
    """
    first: dict[tuple[str, str], Fill] = {}
    for fill in result.fills:  # the exchange's ids repeat in another market's account
        first.setdefault((fill.ticker, fill.order_id), fill)
    orders = [(each, first.get((each.ticker, each.order_id))) for each in result.orders]
    kinds = (
        _fill_rate(kind, [one for one in orders if _kind(*one) == kind]) for kind in ("rested", "immediate", "both")
    )
    return (_fill_rate(ALL, orders), *kinds)


def _kind(order: Order, first: Fill | None) -> str:
    if order.queue_ahead_centi is None:
        return "immediate"
    return "both" if first is not None and first.is_taker else "rested"


def _fill_rate(kind: str, found: Sequence[tuple[Order, Fill | None]]) -> FillRate:
    orders = [order for order, _ in found]
    size_centi, filled_centi = sum(each.size_centi for each in orders), sum(each.filled_centi for each in orders)
    filled = [each for each in orders if each.filled_centi]
    waits_us = [first.at_us - order.created_us for order, first in found if first is not None]
    return FillRate(
        kind=kind,
        orders=len(orders),
        with_fill=len(filled),
        size_centi=size_centi,
        filled_centi=filled_centi,
        order_rate=len(filled) / len(orders) if orders else None,
        size_rate=filled_centi / size_centi if size_centi else None,
        median_us=median_low(waits_us) if waits_us else None,
    )


def mark_outs(result: PassResult) -> tuple[MarkOut, ...]:
    """Return the mark-outs by role, after each of ``HORIZONS_S``; those without a price are left out."""
    events = {market.ticker: market.event for market in result.markets}
    found = []
    for role in (ALL, "maker", "taker"):
        chosen = [fill for fill in result.fills if role in (ALL, role_of(fill))]
        found += [each for horizon in range(len(HORIZONS_S)) if (each := _mark_out(role, horizon, chosen, events))]
    return tuple(found)


def _mark_out(role: str, horizon: int, fills: Sequence[Fill], events: Mapping[str, str]) -> MarkOut | None:
    profit: dict[str, int] = defaultdict(int)  # per event, in half micro-dollars
    size: dict[str, int] = defaultdict(int)
    count = 0
    for fill in fills:
        mid_half_cc = _mid_half_cc(fill, horizon)
        if mid_half_cc is None:
            continue
        sign = 1 if fill.side is BookSide.BID else -1
        event = events[fill.ticker]
        profit[event] += sign * (mid_half_cc - 2 * fill.price_cc) * fill.size_centi
        size[event] += fill.size_centi
        count += 1
    if not count:
        return None
    names = sorted(size)
    return MarkOut(
        role=role,
        after_s=HORIZONS_S[horizon],
        fills=count,
        mean_cc=sum(profit.values()) / (2 * sum(size.values())),
        interval=ratio_interval(
            np.array([profit[name] / 2 for name in names]), np.array([size[name] for name in names], dtype=np.float64)
        ),
    )  # fmt: skip


def _mid_half_cc(fill: Fill, horizon: int) -> int | None:
    if horizon == 0:
        return fill.mid_half_cc
    return fill.mark_outs_half_cc[horizon - 1] if len(fill.mark_outs_half_cc) >= horizon else None
