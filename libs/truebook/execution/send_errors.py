"""Classifies a failed send: a pure table from the error to what may be done about the order."""

from __future__ import annotations

import msgspec

from truebook.kalshi.port import AlreadyExists, ExchangeError, RateLimited, Refused, Unreachable
from truebook.messages.orders import OrderOutcome
from truebook.messages.reasons import Reason

PAUSED_CODES = frozenset({"exchange_is_paused", "trading_is_paused", "exchange_paused", "trading_paused"})

GROUP_TRIGGERED = "exceeded_order_group_risk_limit"
GROUP_NOT_FOUND = "order_group_not_found"

NO_GROUP = frozenset({GROUP_TRIGGERED, GROUP_NOT_FOUND})
"""Codes that are about our order group and not about the order: a market's breaker does not count them."""


class SendFailure(msgspec.Struct, frozen=True, kw_only=True):
    """What a failed send means for its order."""

    outcome: OrderOutcome
    reason: Reason | None = None
    proven: bool = False
    """The exchange certainly has no order: its reservation may be released at once."""
    counts: bool = True
    """Whether the market's breaker counts it."""
    paused: bool = False


def classify(error: ExchangeError) -> SendFailure:
    """Sort an error into proof that the exchange has no order, or unknown: the latter for all that is not named."""
    match error:
        case AlreadyExists():
            return SendFailure(outcome=OrderOutcome.UNKNOWN)
        case RateLimited():
            return SendFailure(outcome=OrderOutcome.REFUSED, reason=Reason.RATE_BUDGET, proven=True, counts=False)
        case Refused():
            code = error.code.lower()
            return SendFailure(
                outcome=OrderOutcome.REJECTED, reason=Reason.REJECTED, proven=True, paused=code in PAUSED_CODES,
                counts=code not in NO_GROUP,
            )  # fmt: skip
        case Unreachable():
            return SendFailure(outcome=OrderOutcome.REJECTED, reason=Reason.REJECTED, proven=True)
        case _:
            return SendFailure(outcome=OrderOutcome.UNKNOWN)
