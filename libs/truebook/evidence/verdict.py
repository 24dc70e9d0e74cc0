"""One sentence about a funnel: where it runs dry, the reason that was told most often, and what to do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from truebook.evidence.records import Stage
from truebook.messages.reasons import Reason

NOTHING: Final[dict[str, str]] = {
    "seen": "no book change has arrived: is the exchange's market data feed connected, and is any market chosen?",
    "fresh": "no book could be trusted",
    "observed": "books change, but no market is observed",
    "decided": "markets are observed, but the policy decides nothing: see its log",
    "not hold": "every decision is to do nothing",
    "quotes wanted": "every decision is to do nothing",
    "not working already": "the quotes that are wanted are working already, or no decision has been carried out yet",
    "sent": "no order has been sent",
    "acknowledged": "the exchange has accepted none of the orders",
    "fills": "orders rest at the exchange, and nobody has met them yet",
}
"""What an empty stage means, when the one before it is not empty."""

ADVICE: Final[dict[str, str]] = {
    Reason.HOLD: "a hold is placed (`truebook status` names it); `truebook resume` releases the operator's",
    Reason.HOLD_ACTION: "the model chooses to hold: try another one with `--model`",
    Reason.NO_EDGE: "the model's price leaves no edge beyond the spread and the fee: lower its min_edge_cc, or wait",
    Reason.MODEL_FAILED: "the model fails: the log says how",
    Reason.MODEL_MISMATCH: "the model was made for another layout: set TRUEBOOK_OBSERVATION__LAYOUT to the model's",
    Reason.NO_SIZE: "there is nothing to sell or too little cash for a contract",
    Reason.CASH: "the cash does not suffice",
    Reason.RATE_BUDGET: "the account's rate limit is spent: a higher tier, fewer markets, or a longer throttle",
    Reason.ONE_SIDED_BOOK: "the books have only one side",
    Reason.NO_LEDGER: "the ledger can't be read: `truebook doctor`",
    Reason.NO_SNAPSHOT: "the exchange has not sent whole books yet",
    Reason.DISCONNECTED: "the connection to the exchange is lost: the log says why",
    Reason.SILENCE: "the exchange's feed is silent",
    Reason.STALE_BOOK: "books are confirmed too seldom, or the clock is off: `truebook doctor`",
    Reason.DEADLINE: "decisions are older than their deadline: the machine is too slow for so many markets",
    Reason.NEAR_CLOSE: "the markets are about to close",
    Reason.SIGNAL_MISSING: "the layout needs signals that nobody has published",
    Reason.SIGNAL_EXPIRED: "the signals that the layout needs have expired",
    Reason.BREAKER: "sends have failed too often and have been given a rest: the log says how they failed",
    Reason.NOT_OPEN: "the account has not been opened: the first reconciliation is not done",
    Reason.AWAITING_CANCEL: "an order that moves is cancelled first, and the next decision places it anew",
    Reason.SUPERSEDED: "newer decisions take the place of older ones before their turn comes",
}


def verdict(stages: Sequence[Stage]) -> str:
    """Say what a funnel means."""
    fills = stages[-1].count
    if fills:
        hindrance = _hindrance([stage for stage in stages if stage.name.startswith("past ")])
        return f"it trades: {fills} fills" + (f"; what held most quotes back is {hindrance}" if hindrance else "")
    for before, stage in zip((None, *stages), stages, strict=False):
        if stage.count == 0 and (before is None or before.count > 0):
            return _dry(stage)
    return _dry(stages[-1])


def _dry(stage: Stage) -> str:
    meaning = NOTHING.get(stage.name, f"every quote is refused at the gate `{stage.name.removeprefix('past ')}`")
    told = _hindrance([stage])
    return f"nothing was traded: {meaning}" + (f"; {told}" if told else "")


def _hindrance(stages: Sequence[Stage]) -> str:
    lost = {reason: count for stage in stages for reason, count in stage.lost.items()}
    if not lost:
        return ""
    reason, count = max(lost.items(), key=lambda item: item[1])
    advice = ADVICE.get(reason)
    return f"`{reason}` ({count} ×)" + (f": {advice}" if advice else ", see docs/reasons.md")
