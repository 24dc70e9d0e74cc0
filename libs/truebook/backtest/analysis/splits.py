"""Walk-forward splits: windows of time to train in, each followed by a later one to test in.

A market whose life reaches into both windows belongs to neither: its outcome, known at its end, is the label of its
beginning. An embargo between the two keeps prices that are still correlated out of the test.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from truebook.backtest.errors import SplitError
from truebook.capture.columns import Columns


class Window(NamedTuple):
    """A window of time in microseconds, without its end."""

    from_us: int
    to_us: int


class Split(NamedTuple):
    """One window to train in and one to test in; ``test.from_us - train.to_us`` is the embargo."""

    train: Window
    test: Window


class MarketSpan(NamedTuple):
    """The time of a market's data, from its first to its last event."""

    ticker: str
    first_us: int
    last_us: int


def walk_forward(
    span: Window, *, train_us: int, test_us: int, embargo_us: int = 0, is_expanding: bool = False
) -> tuple[Split, ...]:
    """Split a span of time; each split tests where the one before it ended its test, so that tests never overlap.

    ``is_expanding``: every split trains from the span's start on, else on the newest ``train_us`` only. A rest that is
    shorter than ``test_us`` is left out. Raises ``SplitError`` where the span has no room for one split.
    """
    if train_us <= 0 or test_us <= 0 or embargo_us < 0:
        raise SplitError("the lengths of train and test must be positive, and the embargo at least 0")
    needed_us = train_us + embargo_us + test_us
    if span.to_us - span.from_us < needed_us:
        raise SplitError(
            f"the data cover {span.to_us - span.from_us} us, but one split needs {needed_us} us"
            " (train + embargo + test); use shorter windows"
        )
    splits = []
    for test_from_us in range(span.from_us + train_us + embargo_us, span.to_us - test_us + 1, test_us):
        train_to_us = test_from_us - embargo_us
        train_from_us = span.from_us if is_expanding else train_to_us - train_us
        splits.append(Split(Window(train_from_us, train_to_us), Window(test_from_us, test_from_us + test_us)))
    return tuple(splits)


def market_spans(tickers: Sequence[str], chunks: Iterable[Columns]) -> tuple[MarketSpan, ...]:
    """Return the time of the first and the last event of each market that has one; see ``capture.columns``."""
    first_us = np.full(len(tickers), np.iinfo(np.int64).max)
    last_us = np.full(len(tickers), -1, dtype=np.int64)
    for rows in chunks:
        of_market = rows.market >= 0
        np.minimum.at(first_us, rows.market[of_market], rows.at_us[of_market])
        np.maximum.at(last_us, rows.market[of_market], rows.at_us[of_market])
    return tuple(
        MarketSpan(ticker, int(first), int(last))
        for ticker, first, last in zip(tickers, first_us, last_us, strict=True)
        if last >= 0
    )


def markets_within(markets: Iterable[MarketSpan], window: Window) -> Sequence[str]:
    """Return the tickers of the markets whose whole life is in the window, before its end; sorted."""
    return sorted(
        market.ticker for market in markets if window.from_us <= market.first_us and market.last_us < window.to_us
    )
