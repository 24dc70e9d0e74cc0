"""The report as values: what ``report.json`` contains and the HTML page shows. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

import msgspec

from truebook.backtest.analysis.attribution import market_profits
from truebook.backtest.analysis.bootstrap import MoneyInterval
from truebook.backtest.analysis.comparison import Named, NotComparable, check_same_data
from truebook.backtest.analysis.curve import exposure_of
from truebook.backtest.analysis.statistics import PassStatistics, significance_of, statistics_of
from truebook.backtest.report.headline import Verdict, sentences_of, verdict_of
from truebook.backtest.result import BacktestResult, BacktestSettings, DataInfo, ModelInfo, PassResult
from truebook.simulation.recorded.queue import QueueModel

FORMAT: Final = 1
_PPM: Final = 1_000_000


class Dimension(StrEnum):
    """What differs between the report's result and its variants."""

    CAPACITY = "capacity"
    """The factor of the model's sizes."""
    LATENCY = "latency"
    """The latency of orders and cancels."""


class VariantPass(msgspec.Struct, frozen=True, kw_only=True):
    """One pass of a variant, in short."""

    queue: QueueModel
    net_micros: int
    interval: MoneyInterval | None
    fills: int
    turnover_micros: int
    max_exposure_micros: int


class Variant(msgspec.Struct, frozen=True, kw_only=True):
    """The report's result, or another one that differs in one dimension."""

    label: str
    is_this: bool
    """Whether it is the report's own result."""
    size_ppm: int
    order_latency_us: int
    passes: tuple[VariantPass, ...]


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The whole report. ``capacity`` and ``latency`` are empty without variants."""

    format: int = FORMAT
    verdict: Verdict
    sentences: tuple[str, ...]
    """The result in plain words, the most important first."""
    data: DataInfo
    model: ModelInfo
    settings: BacktestSettings
    partial: bool
    passes: tuple[PassStatistics, ...]
    capacity: tuple[Variant, ...]
    latency: tuple[Variant, ...]


def build_report(result: BacktestResult, variants: Sequence[Named] = ()) -> Report:
    """Compute the report; each variant differs from ``result`` in its sizes or its latency only.

    Raises ``NotComparable`` for another variant, or for a result without a pass.
    """
    if not result.passes:
        raise NotComparable("the result has no pass: the backtest was interrupted before its first event")
    passes = tuple(statistics_of(result, one) for one in result.passes)
    by_dimension: dict[Dimension, list[Variant]] = {each: [] for each in Dimension}
    for named in variants:
        dimension = _dimension(Named("this result", result), named)
        by_dimension[dimension].append(_variant(named.result, dimension, is_this=False))
    for dimension, others in by_dimension.items():
        if others:
            others.append(_variant(result, dimension, is_this=True))
            others.sort(key=lambda each: (each.size_ppm, each.order_latency_us))
    return Report(
        verdict=verdict_of(passes), sentences=sentences_of(result, passes), data=result.data, model=result.model,
        settings=result.settings, partial=result.partial, passes=passes,
        capacity=tuple(by_dimension[Dimension.CAPACITY]), latency=tuple(by_dimension[Dimension.LATENCY]),
    )  # fmt: skip


def _dimension(own: Named, other: Named) -> Dimension:
    check_same_data(own, other)
    if own.result.model.sha256 != other.result.model.sha256:
        raise NotComparable(
            f"{other.name}: another model: a variant differs in size or latency; use `truebook compare`"
        )
    one, two = own.result.settings, other.result.settings
    if msgspec.structs.replace(two, size_ppm=one.size_ppm) == one != two:
        return Dimension.CAPACITY
    latency = {name: getattr(one, name) for name in ("order_latency_us", "cancel_latency_us", "jitter_us", "latency")}
    if msgspec.structs.replace(two, **latency) == one != two:
        return Dimension.LATENCY
    raise NotComparable(f"{other.name}: a variant differs in size or in latency, and in no other setting")


def _variant(result: BacktestResult, dimension: Dimension, *, is_this: bool) -> Variant:
    settings = result.settings
    if dimension is Dimension.CAPACITY:
        label = f"{settings.size_ppm / _PPM:g} ×"
    else:
        label = f"{settings.order_latency_us / 1_000:g} ms" + (f" ({settings.latency})" if settings.latency else "")
    return Variant(
        label=label, is_this=is_this, size_ppm=settings.size_ppm, order_latency_us=settings.order_latency_us,
        passes=tuple(_variant_pass(result, one) for one in result.passes),
    )  # fmt: skip


def _variant_pass(result: BacktestResult, one: PassResult) -> VariantPass:
    markets = market_profits(one)
    return VariantPass(
        queue=one.queue, net_micros=sum(each.net_micros or 0 for each in markets),
        interval=significance_of(result, one).interval, fills=len(one.fills),
        turnover_micros=sum(each.turnover_micros for each in markets),
        max_exposure_micros=exposure_of(one.equity).max_micros,
    )  # fmt: skip
