"""The labels of observations: what the recording shows after them. Null is unknown, never zero.

Nothing after the window's end is used, so that a data set of an earlier window has no label of a later one.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from truebook.backtest.calibration.market_rows import MarketRows
from truebook.backtest.calibration.order import MICROS_PER_S, Join, NotCounted, fill_times
from truebook.backtest.dataset.request import FILL_S, FILL_SIZE_CENTI, DatasetRequest, Label
from truebook.backtest.dataset.tape import KnownData, Tape
from truebook.capture.columns import read_columns, tickers
from truebook.messages.envelope import BookSide
from truebook.messages.market_metadata import MarketMetadata
from truebook.messages.observations import Observation
from truebook.simulation.recorded.queue import QueueModel

Values = dict[str, list[Any]]
"""A list per column, as long as the block."""


def mid_column(horizon_s: int) -> str:
    return f"mid_move_{horizon_s}s_half_cc"


def fill_column(side: BookSide, queue: QueueModel) -> str:
    return f"{side}_filled_{FILL_S}s_{queue}"


OUTCOME_COLUMN = "outcome_cc"


class Labeller:
    """Labels blocks of observations in the order of their times; reads the recording twice."""

    def __init__(self, request: DatasetRequest, markets: Iterable[MarketMetadata]) -> None:
        self._request = request
        self._ahead_us = request.ahead_s * MICROS_PER_S
        self._indices = {ticker: index for index, ticker in enumerate(tickers(request.recording))}
        self._known = KnownData(read_columns(request.recording), request.window)
        self._tape = Tape(read_columns(request.recording))
        to_us = request.window.to_us
        listed = {one.ticker: one.settlement_cc for one in markets if to_us is None or one.close_us <= to_us}
        self._outcomes: dict[str, int | None] = {**listed, **self._known.outcomes_cc}

    def label(self, observations: Sequence[Observation]) -> Values:
        """Return the labels of a block, in its order."""
        count, labels = len(observations), self._request.labels
        found: Values = {name: [None] * count for name in label_columns(self._request)}
        if not observations:
            return found
        if Label.OUTCOME in labels:
            found[OUTCOME_COLUMN] = [self._outcomes.get(one.ticker) for one in observations]
        if self._ahead_us:
            last_us = observations[-1].produced_us
            self._tape.read(observations[0].produced_us, last_us + self._ahead_us)
            of_market: dict[int, list[int]] = {}
            for place, one in enumerate(observations):
                of_market.setdefault(self._indices[one.ticker], []).append(place)
            for market, places in of_market.items():
                self._label_market(market, places, observations, found)
            self._tape.release(last_us)
        return found

    def _label_market(
        self, market: int, places: Sequence[int], observations: Sequence[Observation], found: Values
    ) -> None:  # fmt: skip
        rows, end_us = self._tape.rows(market), self._known.end_us(market)
        if rows is None or end_us is None:
            return
        if Label.MID in self._request.labels:
            for horizon_s in self._request.horizons_s:
                column = found[mid_column(horizon_s)]
                moves = _mid_moves(rows, [observations[place] for place in places], horizon_s, end_us)
                for place, move in zip(places, moves, strict=True):
                    column[place] = move
        if Label.FILL in self._request.labels:
            for place in places:
                _label_fills(rows, market, observations[place], end_us, place=place, found=found)


def label_columns(request: DatasetRequest) -> tuple[str, ...]:
    """Return the names of the requested labels' columns, in the order of the file."""
    return (
        *(mid_column(each) for each in request.horizons_s if Label.MID in request.labels),
        *(
            fill_column(side, queue)
            for side in BookSide
            for queue in QueueModel
            if Label.FILL in request.labels
        ),
        *((OUTCOME_COLUMN,) if Label.OUTCOME in request.labels else ()),
    )  # fmt: skip


def _mid_moves(
    rows: MarketRows, observations: Sequence[Observation], horizon_s: int, end_us: int
) -> list[int | None]:  # fmt: skip
    """Return by observation the mid price after the horizon less that of the observation, in 1/200 cent."""
    then_us = np.array([one.produced_us for one in observations], np.int64) + horizon_s * MICROS_PER_S
    then = np.searchsorted(rows.at_us, then_us, side="right") - 1
    is_known = (then >= 0) & (then_us <= end_us) & rows.is_two_sided[then]
    mid_half_cc = rows.bid_cc[then].astype(np.int64) + rows.ask_cc[then]
    return [
        mid - one.best_bid_cc - one.best_ask_cc if known else None
        for one, mid, known in zip(observations, mid_half_cc.tolist(), is_known.tolist(), strict=True)
    ]


def _label_fills(
    rows: MarketRows, market: int, observation: Observation, end_us: int, *, place: int, found: Values
) -> None:  # fmt: skip
    """Set whether an order that joins each side's best price at the time of the observation is filled in time."""
    at_us, for_us = observation.produced_us, FILL_S * MICROS_PER_S
    if at_us + for_us > end_us:
        return
    for side in BookSide:
        times = fill_times(rows, Join(market, at_us, side), FILL_SIZE_CENTI, for_us)
        if not isinstance(times, NotCounted):
            for queue, after_us in times.items():
                found[fill_column(side, queue)][place] = after_us is not None
