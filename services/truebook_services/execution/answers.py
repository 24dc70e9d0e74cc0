"""What a failed send means: a pure table from the error to what may be done about the order."""

from __future__ import annotations

import msgspec

from truebook.kalshi.port import AlreadyExists, ExchangeError, RateLimited, Refused, Unreachable
from truebook.messages.orders import OrderOutcome
from truebook.messages.reasons import Reason

PAUSED_CODES = frozenset({"exchange_is_paused", "trading_is_paused", "exchange_paused", "trading_paused"})


class Meaning(msgspec.Struct, frozen=True, kw_only=True):
    """``proven``: the exchange certainly holds no order, so its promise may be released at once."""

    outcome: OrderOutcome
    reason: Reason | None
    proven: bool
    counts: bool = True
    """Whether the market's breaker counts it."""
    paused: bool = False


def meaning_of(error: ExchangeError) -> Meaning:
    """Sort a failure into proof (nothing was done) and not knowing; what is not named here is not known."""
    match error:
        case AlreadyExists():
            return Meaning(outcome=OrderOutcome.UNKNOWN, reason=None, proven=False)
        case RateLimited():
            return Meaning(outcome=OrderOutcome.REFUSED, reason=Reason.RATE_BUDGET, proven=True, counts=False)
        case Refused():
            paused = error.code.lower() in PAUSED_CODES
            return Meaning(outcome=OrderOutcome.REJECTED, reason=Reason.REJECTED, proven=True, paused=paused)
        case Unreachable():
            return Meaning(outcome=OrderOutcome.REJECTED, reason=Reason.REJECTED, proven=True)
        case _:
            return Meaning(outcome=OrderOutcome.UNKNOWN, reason=None, proven=False)
