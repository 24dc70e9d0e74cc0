"""The result of a calibration, with intervals: shares of filled orders, times to fill, and prices after the fills.

An interval is a bootstrap over markets (over blocks of five minutes where there are few): orders of one market share
its trades and are not independent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from truebook.backtest.analysis.bootstrap import MIN_UNITS, Floats, Interval, Ints, ratio_interval
from truebook.backtest.calibration.order import HORIZONS_S, MICROS_PER_S, Followed, JoinedOrder, NotCounted
from truebook.backtest.calibration.sampling import OrderFollower, draw, spans_of
from truebook.backtest.tape.pairing import TradePairing
from truebook.capture.columns import Columns
from truebook.simulation.events import Basis
from truebook.simulation.recorded.queue import QueueModel

MIN_PAIRED: Final = 0.9
"""The share of trades with their delta from which on exact pairing is a measure."""
_BLOCK_US: Final = 300 * MICROS_PER_S
_QUARTILES: Final = (0.25, 0.5, 0.75)
_AHEAD: Final = (0.1, 0.25, 0.5, 0.75, 0.9)


class NothingToCalibrate(Exception):
    """The recording has no book for long enough, no trades, or no order could join."""


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What was drawn: ``samples`` times, at each an order of ``size_centi`` on both sides, followed for ``seconds``."""

    seed: int = 1
    samples: int = 2_000
    seconds: int = 60
    size_centi: int = 1_000


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """A share or a mean over ``count`` orders, with the interval of 95 %; null where it can't be computed."""

    count: int
    value: float | None
    interval: Interval | None


class PriceAfterFill(msgspec.Struct, frozen=True, kw_only=True):
    """The mid price ``after_s`` seconds after whole fills, in favour of the position, in 1/100 cent per contract."""

    after_s: int
    mark_out_cc: Estimate
    """Less the price of the fill: profit per contract at the mid price, before fees."""
    change_cc: Estimate
    """Less the mid price just before the fill: negative if prices moved against the position."""


class FillsByBasis(msgspec.Struct, frozen=True, kw_only=True):
    """Whole fills of one cause."""

    basis: Basis
    share: float
    """Of all whole fills."""
    mark_outs_cc: tuple[Estimate, ...]
    """As ``PriceAfterFill.mark_out_cc``, for the same times."""


class ModelResult(msgspec.Struct, frozen=True, kw_only=True):
    """The orders by one queue model."""

    queue: QueueModel
    filled: Estimate
    """Share of orders that were wholly filled in time."""
    only_in_part: int
    """Orders filled in part at the end of their time."""
    fill_s: tuple[float, ...] | None
    """Quartiles of the time to the whole fill in seconds; null without a fill."""
    in_queue: Estimate
    """Share filled if only trades at exactly the order's price count: none through it, and no crossing book."""
    in_queue_s: tuple[float, ...] | None
    paired: Estimate
    """The same with the whole recording known (``paired_queue``): the measure for ``in_queue``. Null
    where less than ``MIN_PAIRED`` of the trades have their delta: others would count twice, as trade and cancellation.
    """
    paired_s: tuple[float, ...] | None
    bases: tuple[FillsByBasis, ...]
    prices: tuple[PriceAfterFill, ...]


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """The result for one recording."""

    terms: Terms
    markets: int
    orders: int
    not_counted: dict[NotCounted, int]
    interval_unit: str
    """``market``, or ``five minutes`` where there are few markets."""
    interval_units: int
    ahead_centi: tuple[int, ...]
    """Quantiles 10, 25, 50, 75 and 90 % of the size ahead when the orders joined."""
    trades: int
    trades_with_delta: int
    """Trades whose change of the book was found; the queue models need all of them."""
    trades_after_delta: int
    """Those whose delta was received first."""
    models: tuple[ModelResult, ...]


def calibrate(read: Callable[[], Iterable[Columns]], terms: Terms, progress: Callable[[int, int], None]) -> Calibration:
    """Calibrate on a recording, which is read twice; raises ``NothingToCalibrate``.

    ``progress`` is called after each order with the number of finished ones and of all.
    """
    for_us = terms.seconds * MICROS_PER_S
    joins = draw(spans_of(read()), terms.samples, for_us, terms.seed)
    if not joins:
        raise NothingToCalibrate(f"no market's book was recorded for more than {terms.seconds} s; record for longer")
    follower, pairing = OrderFollower(joins, terms.size_centi, for_us), TradePairing()
    orders: list[JoinedOrder] = []

    def keep(found: Iterable[JoinedOrder]) -> None:
        for order in found:
            orders.append(order)
            progress(len(orders) + follower.not_counted.total(), len(joins))

    for rows in read():
        pairing.add(rows)
        keep(follower.add(rows))
    keep(follower.finish())
    progress(len(joins), len(joins))
    if not pairing.trades:
        raise NothingToCalibrate("no trades were recorded: without them no queue advances; record the channel `trade`")
    if not orders:
        reasons = ", ".join(f"{reason} {count}" for reason, count in follower.not_counted.items())
        raise NothingToCalibrate(f"no order could join ({reasons}); use a recording of open markets with both sides")
    return summarize(orders, terms, follower.not_counted, pairing)


def summarize(
    orders: Sequence[JoinedOrder], terms: Terms, not_counted: Mapping[NotCounted, int], pairing: TradePairing
) -> Calibration:
    """Compute the statistics of followed orders."""
    units, unit = _units(orders)
    is_paired = pairing.paired >= MIN_PAIRED * pairing.trades
    return Calibration(
        terms=terms, markets=len({order.join.market for order in orders}), orders=len(orders),
        not_counted=dict(not_counted), interval_unit=unit, interval_units=int(units.max()) + 1,
        ahead_centi=tuple(np.quantile([order.ahead_centi for order in orders], _AHEAD).astype(np.int64).tolist()),
        trades=pairing.trades, trades_with_delta=pairing.paired, trades_after_delta=pairing.delta_first,
        models=tuple(
            _model_result(model, [order.followed[model] for order in orders], terms, units, is_paired=is_paired)
            for model in QueueModel
        ),
    )  # fmt: skip


def _units(orders: Sequence[JoinedOrder]) -> tuple[Ints, str]:
    """Return the number of each order's unit, and what the unit is."""
    markets = {order.join.market for order in orders}
    if len(markets) >= MIN_UNITS:
        names, unit = [(order.join.market, 0) for order in orders], "market"
    else:
        names, unit = [(order.join.market, order.join.at_us // _BLOCK_US) for order in orders], "five minutes"
    numbers = {name: number for number, name in enumerate(sorted(set(names)))}
    return np.array([numbers[name] for name in names], np.int64), unit


def _model_result(
    model: QueueModel, followed: Sequence[Followed], terms: Terms, units: Ints, *, is_paired: bool
) -> ModelResult:
    in_time = [one.after_us for one in followed]
    in_queue = [one.queue_after_us for one in followed]
    paired = [one.paired_after_us for one in followed] if is_paired else []
    bases = np.array([one.basis or "" for one in followed])
    marks = np.array([one.mark_outs_half_cc for one in followed], np.float64) / 2  # None becomes NaN
    return ModelResult(
        queue=model, filled=_share(in_time, units), fill_s=_quartiles_s(in_time),
        only_in_part=sum(0 < one.filled_centi < terms.size_centi for one in followed),
        in_queue=_share(in_queue, units), in_queue_s=_quartiles_s(in_queue),
        paired=_share(paired, units) if is_paired else Estimate(count=0, value=None, interval=None),
        paired_s=_quartiles_s(paired),
        bases=tuple(_fills_by(basis, bases, marks, units) for basis in Basis if (bases == basis).any()),
        prices=tuple(
            PriceAfterFill(
                after_s=after_s, mark_out_cc=_estimate(marks[:, index], units),
                change_cc=_estimate(marks[:, index] - marks[:, 0], units),
            )
            for index, after_s in enumerate(HORIZONS_S)
        ),
    )  # fmt: skip


def _fills_by(basis: Basis, bases: NDArray[np.str_], marks: Floats, units: Ints) -> FillsByBasis:
    chosen = bases == basis
    mark_outs = tuple(_estimate(np.where(chosen, marks[:, index], np.nan), units) for index in range(len(HORIZONS_S)))
    return FillsByBasis(basis=basis, share=float(chosen.sum() / (bases != "").sum()), mark_outs_cc=mark_outs)


def _share(after_us: Sequence[int | None], units: Ints) -> Estimate:
    """Return the share of orders with a fill."""
    return _estimate(np.array([one is not None for one in after_us], np.float64), units)


def _quartiles_s(after_us: Sequence[int | None]) -> tuple[float, ...] | None:
    known = [one for one in after_us if one is not None]
    return tuple((np.quantile(known, _QUARTILES) / MICROS_PER_S).tolist()) if known else None


def _estimate(values: Floats, units: Ints) -> Estimate:
    """Return the mean of the known values and its interval."""
    known = ~np.isnan(values)
    count = int(known.sum())
    sums = np.bincount(units, weights=np.where(known, values, 0.0))
    counts = np.bincount(units, weights=known)
    return Estimate(
        count=count, value=float(values[known].mean()) if count else None, interval=ratio_interval(sums, counts)
    )
