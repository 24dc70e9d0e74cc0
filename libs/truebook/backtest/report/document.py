"""The report as values: what ``report.json`` contains and the HTML page shows. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

import msgspec

from truebook.backtest.analysis.attribution import market_profits, net_by_event
from truebook.backtest.analysis.bootstrap import MoneyInterval
from truebook.backtest.analysis.comparison import Named, check_same_data
from truebook.backtest.analysis.curve import exposure_of
from truebook.backtest.analysis.statistics import PassStatistics, significance_of, statistics_of
from truebook.backtest.errors import NotComparable
from truebook.backtest.report.headline import Verdict, sentences_of, verdict_of
from truebook.backtest.result import (
    BacktestResult,
    BacktestSettings,
    DataInfo,
    ModelInfo,
    PassSummary,
    VariantResult,
)
from truebook.simulation.recorded.queue import QueueModel

FORMAT: Final = 1
_PPM: Final = 1_000_000


class Dimension(StrEnum):
    """What differs between the report's result and its variants."""

    CAPACITY = "capacity"
    """The factor of the model's sizes and of the cash."""
    LATENCY = "latency"
    """The latency of orders and cancels."""


class VariantPass(msgspec.Struct, frozen=True, kw_only=True):
    """One pass of a variant, in short."""

    queue: QueueModel
    net_micros: int
    return_ratio: float
    """``net`` by the cash at the start."""
    interval: MoneyInterval | None
    orders: int
    order_rate: float | None
    """Share of the orders with a fill; null without an order."""
    size_rate: float | None
    """Share of the orders' size that was filled."""
    fills: int
    turnover_micros: int
    max_exposure_micros: int
    refused: int
    """Refused observations, decisions and targets."""


class Variant(msgspec.Struct, frozen=True, kw_only=True):
    """The report's result, or another one that differs in one dimension."""

    label: str
    is_this: bool
    """Whether it is the report's own result."""
    size_ppm: int
    balance_micros: int
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
    """Compute the report; each variant, besides those in ``result``, differs from it in its sizes or its latency only.

    Raises ``NotComparable`` for another variant, or for a result without a pass.
    """
    if not result.passes:
        raise NotComparable("the result has no pass: the backtest was interrupted before its first event")
    passes = tuple(statistics_of(result, one) for one in result.passes)
    by_dimension = variants_of(result, variants)
    return Report(
        verdict=verdict_of(passes), sentences=sentences_of(result, passes), data=result.data, model=result.model,
        settings=result.settings, partial=result.partial, passes=passes,
        capacity=by_dimension[Dimension.CAPACITY], latency=by_dimension[Dimension.LATENCY],
    )  # fmt: skip


def variants_of(result: BacktestResult, others: Sequence[Named] = ()) -> dict[Dimension, tuple[Variant, ...]]:
    """Return the result's variants and ``others`` by what differs, with the result itself where there are any.

    Raises ``NotComparable`` for one that differs otherwise.
    """
    own = VariantResult(settings=result.settings, passes=tuple(one.summary() for one in result.passes))
    variants = list(result.variants)
    for other in others:
        _check_variant(Named("this result", result), other)
        variants.append(
            VariantResult(
                settings=other.result.settings, passes=tuple(one.summary() for one in other.result.passes)
            )
        )  # fmt: skip
    by_dimension: dict[Dimension, list[Variant]] = {each: [] for each in Dimension}
    for each in variants:
        dimension = _dimension(own.settings, each.settings)
        assert dimension is not None, "checked, or made by this program"
        by_dimension[dimension].append(_variant(result, each, dimension, is_this=False))
    for dimension, found in by_dimension.items():
        if found:
            found.append(_variant(result, own, dimension, is_this=True))
            found.sort(key=lambda each: (each.size_ppm, each.order_latency_us))
    return {dimension: tuple(found) for dimension, found in by_dimension.items()}


def _check_variant(own: Named, other: Named) -> None:
    check_same_data(own, other)
    if own.result.model.sha256 != other.result.model.sha256:
        raise NotComparable(
            f"{other.name}: another model: a variant differs in size or latency; use `truebook compare`"
        )
    if _dimension(own.result.settings, other.result.settings) is None:
        raise NotComparable(f"{other.name}: a variant differs in size or in latency, and in no other setting")


def _dimension(one: BacktestSettings, two: BacktestSettings) -> Dimension | None:
    """Return in what the two differ; None where that is nothing or something else."""
    sized = {"size_ppm": one.size_ppm, "balance_micros": one.balance_micros}
    # The balance of each account is rounded down, before those of several are added up.
    rounded_micros = one.balance_micros * two.size_ppm // one.size_ppm - two.balance_micros
    is_scaled = 0 <= rounded_micros < max(one.accounts, 1)
    if is_scaled and msgspec.structs.replace(two, **sized) == one != two:
        return Dimension.CAPACITY
    latency = {name: getattr(one, name) for name in ("order_latency_us", "cancel_latency_us", "jitter_us", "latency")}
    if msgspec.structs.replace(two, **latency) == one != two:
        return Dimension.LATENCY
    return None


def _variant(result: BacktestResult, variant: VariantResult, dimension: Dimension, *, is_this: bool) -> Variant:
    settings = variant.settings
    if dimension is Dimension.CAPACITY:
        label = f"{settings.size_ppm / _PPM:g} ×"
    else:
        time = f"{settings.order_latency_us / 1_000:g} ms"
        is_named = settings.latency not in ("", time.replace(" ", ""))
        label = f"{time} ({settings.latency})" if is_named else time
    return Variant(
        label=label, is_this=is_this, size_ppm=settings.size_ppm, balance_micros=settings.balance_micros,
        order_latency_us=settings.order_latency_us,
        passes=tuple(_variant_pass(result, settings.balance_micros, one) for one in variant.passes),
    )  # fmt: skip


def _variant_pass(result: BacktestResult, balance_micros: int, one: PassSummary) -> VariantPass:
    net_micros = sum(net_by_event(one.markets).values())
    return VariantPass(
        queue=one.queue, net_micros=net_micros, return_ratio=net_micros / balance_micros,
        interval=significance_of(result, one).interval, orders=one.orders,
        order_rate=one.orders_with_fill / one.orders if one.orders else None,
        size_rate=one.filled_centi / one.size_centi if one.size_centi else None, fills=one.fills,
        turnover_micros=sum(each.turnover_micros for each in market_profits(one)),
        max_exposure_micros=exposure_of(one.equity).max_micros, refused=sum(one.refusals.values()),
    )  # fmt: skip
