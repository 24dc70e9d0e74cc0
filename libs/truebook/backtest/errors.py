"""Errors of backtests and of what reads their results. It imports nothing, so that a command can name them all."""

from __future__ import annotations


class UnreadableResult(Exception):
    """The file is no result of a backtest that this version reads."""


class NotComparable(Exception):
    """The results are not of the same data, or too many."""


class MissingLibrary(Exception):
    """plotly is not installed."""


class SplitError(ValueError):
    """The lengths do not make a split."""


class DatasetError(Exception):
    """A data set can't be made or written; the message has what, where, and what to do."""
