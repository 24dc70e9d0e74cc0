"""The result of a backtest in plain words. A run that did nothing, or whose values do not add up, states that first."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from enum import StrEnum
from typing import Final

from truebook.backtest.analysis.bootstrap import min_units
from truebook.backtest.analysis.scores import Score
from truebook.backtest.analysis.statistics import EVENT, PassStatistics, Significance, common_sign
from truebook.backtest.report.numbers import UNKNOWN, dollars, moment, percent, plural, score, signed_dollars
from truebook.backtest.result import BacktestResult
from truebook.simulation.recorded.queue import QueueModel

BAND: Final = (
    "The band covers what a recording can't show: where in the queue other orders were cancelled. Pessimistic: behind"
    " our order; realistic: evenly spread; optimistic: ahead of it. Optimistic means more fills, which is not always"
    " more profit. The band does not cover luck: that is the interval."
)
ONE_PASS: Final = (
    "There is one queue model only, so no band: how much depends on the unknown queue ahead of our resting orders is"
    " not shown. Run the backtest with `--queue all`."
)


SEPARATE: Final = (
    "Each market was traded separately, with cash and limits of its own (`--by-market`), and the results are added up."
    " One account for all of these markets would have another result: its cash is shared."
)


class Verdict(StrEnum):
    """What the result shows. A sign counts only if every queue model has it beyond chance."""

    NOTHING_TRADED = "nothing_traded"
    PROFIT = "profit"
    LOSS = "loss"
    NOT_DISTINGUISHABLE = "not_distinguishable"
    """From zero."""
    TOO_FEW = "too_few"
    """There are too few independent events or blocks of time for an interval, or they hardly differ."""


_BY_SIGN: Final = {1: Verdict.PROFIT, -1: Verdict.LOSS, 0: Verdict.NOT_DISTINGUISHABLE, None: Verdict.TOO_FEW}


def verdict_of(passes: Sequence[PassStatistics]) -> Verdict:
    """Judge the profit of all passes together."""
    if not any(one.fills for one in passes):
        return Verdict.NOTHING_TRADED
    return _BY_SIGN[common_sign([one.significance for one in passes])]


def central(passes: Sequence[PassStatistics]) -> PassStatistics:
    """Return the realistic pass, or the first one where it is missing."""
    return next((one for one in passes if one.queue is QueueModel.REALISTIC), passes[0])


def sentences_of(result: BacktestResult, passes: Sequence[PassStatistics]) -> tuple[str, ...]:
    """Return the result in sentences, the most important first."""
    verdict = verdict_of(passes)
    sentences = [f"{_capital(central(passes).verdict)}."] if verdict is Verdict.NOTHING_TRADED else []
    sentences += _warnings(result, passes)
    if result.settings.accounts > 1:
        sentences.append(SEPARATE)
    if verdict is not Verdict.NOTHING_TRADED:
        sentences += [_profit(result, passes), _chance(verdict, passes), BAND if len(passes) > 1 else ONE_PASS]
    scores = central(passes).scores
    if scores is not None:
        sentences.append(_probabilities(scores.brier, scores.events))
    return tuple(sentences)


def _profit(result: BacktestResult, passes: Sequence[PassStatistics]) -> str:
    middle = central(passes)
    nets = [one.net_micros for one in passes]
    where = f"on {plural(len(middle.markets), 'market')} with {dollars(result.settings.balance_micros)} at the start"
    share = percent(middle.return_ratio, 2)
    if result.settings.accounts > 1:
        where += f" ({plural(result.settings.accounts, 'account')} of their own, added up)"
    if len(passes) == 1:
        return f"Profit after fees {where}: {signed_dollars(nets[0])} ({share}; {middle.queue} queue)."
    low, high = signed_dollars(min(nets)), signed_dollars(max(nets))
    if low == high:
        return f"Profit after fees {where}: {low} ({share}) {under_models([one.queue for one in passes])}."
    return (
        f"Profit after fees {where}: {signed_dollars(middle.net_micros)} ({share}) if the queue is {middle.queue},"
        f" between {low} and {high} over all queue models."
    )


def _chance(verdict: Verdict, passes: Sequence[PassStatistics]) -> str:
    found = central(passes).significance
    if verdict is Verdict.TOO_FEW:
        least = min(
            (one.significance for one in passes if one.significance.interval is None), key=lambda each: each.units
        )
        needed = min_units(least.confidence)
        if least.units >= needed:
            return f"Whether this differs from zero can't be stated: the profits of {_units(least)} hardly differ."
        return (
            f"Whether this differs from zero can't be stated: {_units(least)} {'is' if least.units == 1 else 'are'} too"
            f" few for an interval (at least {needed} are needed); use data of more events."
        )
    over = f"{percent(found.confidence, 0)} interval over {_units(found)}: {interval_text(found)}"
    if verdict is Verdict.NOT_DISTINGUISHABLE:
        return f"Not distinguishable from zero: a model without skill could have had this result by luck ({over})."
    kind = "a profit" if verdict is Verdict.PROFIT else "a loss"
    return f"Distinguishable from zero, {under_models([one.queue for one in passes])}: {kind} beyond luck ({over})."


def under_models(queues: Sequence[QueueModel], kind: str = "queue model") -> str:
    """Return that something holds under each of these queue models; they are named where one is missing."""
    if len(queues) == len(QueueModel):
        return f"under every {kind}"
    return f"under the only {kind}, {queues[0]}" if len(queues) == 1 else f"under both {kind}s, {' and '.join(queues)}"


def interval_text(found: Significance) -> str:
    """Return the interval's bounds in dollars."""
    if found.interval is None:
        return UNKNOWN
    return f"{signed_dollars(found.interval.low_micros)} to {signed_dollars(found.interval.high_micros)}"


def _units(found: Significance) -> str:
    return plural(found.units, "traded event" if found.unit == EVENT else "time block")


def _probabilities(brier: Score, events: int) -> str:
    both = f"Brier score {score(brier.model)} against {score(brier.market)}, lower is better"
    over = f"over {plural(events, 'event')}"
    interval = brier.difference_interval
    if interval is None:
        return f"Model's probabilities against the market's own price: {both}; {over}, too few to compare them."
    if interval.sign == 0:
        return f"The model's probabilities are not distinguishable from the market's own price ({both}, {over})."
    which = "worse" if interval.sign > 0 else "better"
    return f"The model's probabilities are {which} than the market's own price ({both}, {over})."


def _warnings(result: BacktestResult, passes: Sequence[PassStatistics]) -> list[str]:
    warnings = []
    if result.partial:
        warnings.append(
            f"This backtest was interrupted: it ends at {moment(result.data.reached_us)}, before the end of its data."
        )
    if any(not one.ledger_equals_exchange or one.unattributed_micros for one in passes):
        wrong = ", ".join(one.queue for one in passes if not one.ledger_equals_exchange or one.unattributed_micros)
        warnings.append(f"The values do not add up ({wrong}): don't use this result, and report a bug.")
    unvalued = {ticker for one in passes for ticker in one.unvalued_markets}
    others = {ticker for one in passes for ticker in one.left_out_markets} - unvalued
    if unvalued:
        rest = f", and {plural(len(others), 'other market')} of the same event or events: {_names(others)}"
        warnings.append(
            f"The profit leaves out {plural(len(unvalued), 'market')} whose open position has no known value:"
            f" {_names(unvalued)}{rest if others else ''}."
        )
    return warnings


def _names(tickers: Collection[str]) -> str:
    return ", ".join(sorted(tickers)[:3]) + (", …" if len(tickers) > 3 else "")


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
