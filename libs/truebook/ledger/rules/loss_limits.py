"""The limits of losses: marks of the account's profit, and the trading holds that a loss beyond a limit places.

The profit is the equity less all deposits: a deposit or a withdrawal changes both, so that it neither hides a loss nor
makes one. Only an operator's release ends such a hold; the loss is counted from the last mark on then.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from truebook.ledger.outcomes import MarkOutcome
from truebook.ledger.port import Marks
from truebook.ledger.rules.state import MAX_SINGLE_MICROS, MAX_TIME_US, LedgerState
from truebook.ledger.trading_holds import DAILY_LOSS, DRAWDOWN, TradingHold
from truebook.ledger.verbs import Limits, MarkEquity


def mark_equity(state: LedgerState, verb: MarkEquity) -> tuple[MarkOutcome, bool]:
    """Record a mark, and place the hold of each limit that the loss exceeds."""
    if not (0 < verb.day <= MAX_TIME_US and abs(verb.profit_micros) <= MAX_SINGLE_MICROS):
        return MarkOutcome.INVALID, False
    if not state.opened:
        return MarkOutcome.NOT_OPEN, False
    before = state.marks
    state.marks = advanced(before, verb.day, verb.profit_micros)
    placed = [hold for hold in exceeded(state.marks, state.limits) if hold.name not in state.holds]
    for hold in placed:
        state.holds[hold.name] = (hold.mode, hold.owner)
    return MarkOutcome.HALTED if placed else MarkOutcome.MARKED, bool(placed) or state.marks != before


def advanced(marks: Marks | None, day: int, profit_micros: int) -> Marks:
    """Return the marks after one more; a day starts with the last mark before it."""
    if marks is None:
        return Marks(day=day, day_start_micros=profit_micros, peak_micros=profit_micros, last_micros=profit_micros)
    start_micros = marks.last_micros if day > marks.day else marks.day_start_micros
    peak_micros = max(marks.peak_micros, profit_micros)
    return Marks(
        day=max(day, marks.day), day_start_micros=start_micros, peak_micros=peak_micros, last_micros=profit_micros
    )


def exceeded(marks: Marks, limits: Limits) -> Iterator[TradingHold]:
    """List the holds of the limits that the losses exceed."""
    if limits.daily_loss_micros is not None and marks.daily_loss_micros > limits.daily_loss_micros:
        yield DAILY_LOSS
    if limits.drawdown_micros is not None and marks.drawdown_micros > limits.drawdown_micros:
        yield DRAWDOWN


def after_release(marks: Marks | None, hold_name: str) -> Marks | None:
    """Return the marks after a hold was released: the loss that placed it is accepted."""
    if marks is not None and hold_name == DAILY_LOSS.name:
        return msgspec.structs.replace(marks, day_start_micros=marks.last_micros)
    if marks is not None and hold_name == DRAWDOWN.name:
        return msgspec.structs.replace(marks, peak_micros=marks.last_micros)
    return marks
