"""All statistics of one pass of a backtest: what the report shows per queue model. Pure; money stays integers.

Three passes side by side are the band of every value. The band is about one assumption only, the queue ahead of resting
orders; what luck could have done is the interval of ``Significance``.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import numpy as np

from truebook.backtest.analysis.attribution import (
    Group,
    MarketProfit,
    by_basis,
    by_hour,
    by_role,
    by_side,
    fill_profits,
    market_profits,
    net_by_event,
    unvalued_events,
)
from truebook.backtest.analysis.bootstrap import CONFIDENCE, Ints, MoneyInterval, min_units, total_interval
from truebook.backtest.analysis.curve import Drawdown, Exposure, drawdown_of, exposure_of, profit_by_block
from truebook.backtest.analysis.execution_quality import FillRate, MarkOut, fill_rates, mark_outs
from truebook.backtest.analysis.scores import Predictions, Scores, scores_of
from truebook.backtest.result import BacktestResult, PassResult, PassSummary
from truebook.evidence.records import Stage
from truebook.evidence.verdict import verdict
from truebook.messages.orders import OrderOutcome
from truebook.money import ONE_DOLLAR_CC
from truebook.simulation.recorded.queue import QueueModel

EVENT = "event"
TIME_BLOCK = "time block"


class Significance(msgspec.Struct, frozen=True, kw_only=True):
    """The interval of the profit, by resampling independent draws.

    Null where there are too few of them, or they hardly differ.
    """

    unit: str
    """``event``, or ``time block`` where few events were traded and each of them has a known profit."""
    units: int
    confidence: float
    interval: MoneyInterval | None


class PassStatistics(msgspec.Struct, frozen=True, kw_only=True):
    """One pass. ``net``, ``gross`` and ``fees`` are of all events whose value is known in the end.

    ``net``: the profit after fees. The outcomes of an event's markets depend on each other, and a position in one may
    hedge that in another: so an event counts as a whole or not at all, here, in the interval and in all groups.
    """

    queue: QueueModel
    net_micros: int
    gross_micros: int
    fees_micros: int
    return_ratio: float
    """``net`` by the cash at the start."""
    unvalued_markets: tuple[str, ...]
    """Markets whose open position has no known value."""
    left_out_markets: tuple[str, ...]
    """All traded markets of their events, those with a known value too: not in ``net`` and its parts."""
    unattributed_micros: int
    """What the fills of the valued events do not explain of ``net``: 0, or the result does not add up."""
    significance: Significance
    drawdown: Drawdown | None
    exposure: Exposure
    turnover_micros: int
    turnover_ratio: float
    """Turnover by the cash at the start."""
    fills: int
    ledger_equals_exchange: bool
    markets: tuple[MarketProfit, ...]
    sides: tuple[Group, ...]
    roles: tuple[Group, ...]
    hours: tuple[Group, ...]
    bases: tuple[Group, ...]
    fill_rates: tuple[FillRate, ...]
    mark_outs: tuple[MarkOut, ...]
    funnel: tuple[Stage, ...]
    """From observations to fills."""
    verdict: str
    """One sentence about the funnel."""
    refusals: dict[str, int]
    """Most frequent first."""
    scores: Scores | None
    """Null for a model without probabilities, or without a market whose outcome is recorded."""


def statistics_of(result: BacktestResult, one: PassResult) -> PassStatistics:
    """Compute the statistics of one of the result's passes."""
    balance_micros = result.settings.balance_micros
    markets = market_profits(one)
    unvalued = unvalued_events(one.markets)
    known = [each for each in markets if each.event not in unvalued]
    net_micros = sum(each.net_micros or 0 for each in known)
    profits = fill_profits(one)
    turnover_micros = sum(each.turnover_micros for each in markets)
    stages = funnel_of_pass(one)
    return PassStatistics(
        queue=one.queue,
        net_micros=net_micros,
        gross_micros=sum(each.gross_micros or 0 for each in known),
        fees_micros=sum(each.fees_micros for each in known),
        return_ratio=net_micros / balance_micros,
        unvalued_markets=tuple(each.ticker for each in markets if each.net_micros is None),
        left_out_markets=tuple(each.ticker for each in markets if each.event in unvalued),
        unattributed_micros=net_micros - sum(each.gross_micros - each.fill.fee_micros for each in profits),
        significance=significance_of(result, one),
        drawdown=drawdown_of(one.equity),
        exposure=exposure_of(one.equity),
        turnover_micros=turnover_micros,
        turnover_ratio=turnover_micros / balance_micros,
        fills=len(one.fills),
        ledger_equals_exchange=one.account.ledger_equals_exchange,
        markets=markets,
        sides=by_side(profits),
        roles=by_role(profits),
        hours=by_hour(profits),
        bases=by_basis(profits),
        fill_rates=fill_rates(one),
        mark_outs=mark_outs(one),
        funnel=stages,
        verdict=verdict(stages),
        refusals=dict(sorted(one.refusals.items(), key=lambda item: (-item[1], item[0]))),
        scores=scores_of(predictions_of(one)),
    )


def significance_of(result: BacktestResult, one: PassResult | PassSummary) -> Significance:
    """Return the interval of a pass's profit."""
    by_event = np.array(list(net_by_event(one.markets).values()), dtype=np.int64)
    return significance(by_event, blocks_of(result, one))


def blocks_of(result: BacktestResult, one: PassResult | PassSummary) -> Ints | None:
    """Return a pass's profit by blocks of time; None for a short span, or a position whose value is not known.

    The equity contains what was paid for such a position, the profit by event does not.
    """
    if unvalued_events(one.markets):
        return None
    return profit_by_block(one.equity, result.data.from_us, result.data.reached_us)


def significance(by_event: Ints, by_block: Ints | None, confidence: float = CONFIDENCE) -> Significance:
    """Return the interval of a sum over events, or over blocks of time where the events are too few.

    Events that are enough but hardly differ have no interval: blocks of time do not show a rare large loss either.
    ``by_block`` is None where the blocks do not add up to the same sum.
    """
    interval = total_interval(by_event, confidence)
    if len(by_event) < min_units(confidence) and by_block is not None and by_block.any():
        interval = total_interval(by_block, confidence)
        return Significance(unit=TIME_BLOCK, units=len(by_block), confidence=confidence, interval=interval)
    return Significance(unit=EVENT, units=len(by_event), confidence=confidence, interval=interval)


def common_sign(found: Sequence[Significance]) -> int | None:
    """Return 1 or -1 where every interval is on that side of zero, else 0; None where an interval is not known."""
    signs = {None if each.interval is None else each.interval.sign for each in found}
    if None in signs or not signs:
        return None
    return (signs.pop() or 0) if len(signs) == 1 else 0


def funnel_of_pass(one: PassResult) -> tuple[Stage, ...]:
    """Return the stages from observations to fills; all refusals are at the first stage that nothing passed."""
    counts = (
        ("observed", one.observations),
        ("decided", one.decisions),
        ("targets", one.targets),
        ("sent", one.outcomes.get(OrderOutcome.SENT, 0)),
        ("acknowledged", one.outcomes.get(OrderOutcome.ACKNOWLEDGED, 0)),
        ("fills", len(one.fills)),
    )
    empty = next((name for name, count in counts if not count), None)
    return tuple(Stage(name=name, count=count, lost=one.refusals if name == empty else {}) for name, count in counts)


def predictions_of(one: PassResult) -> Predictions:
    """Return the predictions of markets with a recorded outcome as columns."""
    known = [each for each in one.predictions if each.outcome_cc is not None]
    numbers = {event: number for number, event in enumerate(sorted({each.event for each in one.markets}))}
    events = {each.ticker: numbers[each.event] for each in one.markets}
    return Predictions(
        event=np.array([events[each.ticker] for each in known], dtype=np.int64),
        model=np.array([each.probability_ppm for each in known], dtype=np.float64) / 1_000_000,
        price=np.array([each.mid_half_cc for each in known], dtype=np.float64) / (2 * ONE_DOLLAR_CC),
        outcome=np.array([each.outcome_cc for each in known], dtype=np.float64) / ONE_DOLLAR_CC,
    )
