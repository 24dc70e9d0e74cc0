"""Adds up the results of markets that were traded separately, each with an account of its own.

The sum is not the result of one account that trades all of these markets: cash that a market does not use is not there
for another, limits of the account apply to each market alone, and nothing is compared between the markets of an event.
"""

from __future__ import annotations

import heapq
import itertools
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from truebook.backtest.result import (
    AccountResult,
    BacktestResult,
    BacktestSettings,
    EquityPoint,
    MarketResult,
    PassResult,
    PassSummary,
    VariantResult,
)


def merge(results: Sequence[BacktestResult]) -> BacktestResult:
    """Return the sum of results of the same recording, model and settings, at least one, that share no market."""
    first = results[0]
    data = msgspec.structs.replace(
        first.data,
        from_us=min(one.data.from_us for one in results),
        to_us=max(one.data.to_us for one in results),
        reached_us=max(one.data.reached_us for one in results),
        markets=tuple(sorted(ticker for one in results for ticker in one.data.markets)),
        events=sum(one.data.events for one in results),
    )
    return msgspec.structs.replace(
        first,
        data=data,
        settings=_settings([one.settings for one in results]),
        passes=tuple(_pass(own) for own in zip(*(one.passes for one in results), strict=True)),
        variants=tuple(
            VariantResult(
                settings=_settings([one.settings for one in variants]),
                passes=tuple(_summary(own) for own in zip(*(one.passes for one in variants), strict=True)),
            )
            for variants in zip(*(one.variants for one in results), strict=True)
        ),
        partial=any(one.partial for one in results),
        seconds=round(sum(one.seconds for one in results), 3),
    )


def _settings(settings: Sequence[BacktestSettings]) -> BacktestSettings:
    return msgspec.structs.replace(
        settings[0], balance_micros=sum(one.balance_micros for one in settings), accounts=len(settings)
    )


def _pass(passes: Sequence[PassResult]) -> PassResult:
    return PassResult(
        queue=passes[0].queue,
        account=_account([one.account for one in passes]),
        equity=tuple(_equity([one.equity for one in passes])),
        orders=tuple(heapq.merge(*(one.orders for one in passes), key=lambda order: order.created_us)),
        fills=tuple(heapq.merge(*(one.fills for one in passes), key=lambda fill: fill.at_us)),
        markets=_markets(passes),
        refusals=_added(one.refusals for one in passes),
        outcomes=_added(one.outcomes for one in passes),
        observations=sum(one.observations for one in passes),
        decisions=sum(one.decisions for one in passes),
        targets=sum(one.targets for one in passes),
        predictions=tuple(heapq.merge(*(one.predictions for one in passes), key=lambda each: each.at_us)),
        switches=tuple(heapq.merge(*(one.switches for one in passes), key=lambda each: each.at_us)),
    )


def _summary(passes: Sequence[PassSummary]) -> PassSummary:
    return PassSummary(
        queue=passes[0].queue,
        account=_account([one.account for one in passes]),
        equity=tuple(_equity([one.equity for one in passes])),
        markets=_markets(passes),
        refusals=_added(one.refusals for one in passes),
        orders=sum(one.orders for one in passes),
        orders_with_fill=sum(one.orders_with_fill for one in passes),
        size_centi=sum(one.size_centi for one in passes),
        filled_centi=sum(one.filled_centi for one in passes),
        fills=sum(one.fills for one in passes),
    )


def _markets(passes: Sequence[PassResult] | Sequence[PassSummary]) -> tuple[MarketResult, ...]:
    return tuple(sorted((each for one in passes for each in one.markets), key=lambda market: market.ticker))


def _account(accounts: Sequence[AccountResult]) -> AccountResult:
    return AccountResult(
        deposits_micros=sum(one.deposits_micros for one in accounts),
        cash_micros=sum(one.cash_micros for one in accounts),
        reserved_micros=sum(one.reserved_micros for one in accounts),
        position_cost_micros=sum(one.position_cost_micros for one in accounts),
        realized_micros=sum(one.realized_micros for one in accounts),
        unrealized_micros=_sum([one.unrealized_micros for one in accounts]),
        fees_micros=sum(one.fees_micros for one in accounts),
        equity_micros=_sum([one.equity_micros for one in accounts]),
        unvalued_markets=tuple(sorted(ticker for one in accounts for ticker in one.unvalued_markets)),
        ledger_equals_exchange=all(one.ledger_equals_exchange for one in accounts),
    )


def _equity(curves: Sequence[Sequence[EquityPoint]]) -> Iterable[EquityPoint]:
    """Yield the sum at each time of a point; before its first point and after its last one a curve has their values."""
    total = _Total()
    for curve in curves:
        total.add(curve[0], 1)
    current = [curve[0] for curve in curves]
    steps = heapq.merge(*(_numbered(number, curve) for number, curve in enumerate(curves)))
    for at_us, together in itertools.groupby(steps, key=lambda step: step[0]):
        for _, number, index in together:
            total.add(current[number], -1)
            current[number] = curves[number][index]
            total.add(current[number], 1)
        yield total.at(at_us)


def _numbered(number: int, curve: Sequence[EquityPoint]) -> Iterable[tuple[int, int, int]]:
    return ((point.at_us, number, index) for index, point in enumerate(curve))


class _Total:
    """The sum of one point of each curve."""

    def __init__(self) -> None:
        self._equity = self._unknown = self._cash = self._reserved = self._exposure = self._fees = 0

    def add(self, point: EquityPoint, sign: int) -> None:
        self._equity += sign * (point.equity_micros or 0)
        self._unknown += sign * (point.equity_micros is None)
        self._cash += sign * point.cash_micros
        self._reserved += sign * point.reserved_micros
        self._exposure += sign * point.exposure_micros
        self._fees += sign * point.fees_micros

    def at(self, at_us: int) -> EquityPoint:
        return EquityPoint(
            at_us=at_us, equity_micros=None if self._unknown else self._equity, cash_micros=self._cash,
            reserved_micros=self._reserved, exposure_micros=self._exposure, fees_micros=self._fees,
        )  # fmt: skip


def _sum(values: Sequence[int | None]) -> int | None:
    """Return the sum; None where one is not known."""
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def _added(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for one in counts:
        total.update(one)
    return dict(sorted(total.items()))
