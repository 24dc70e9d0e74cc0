"""Counts by minute, and the funnel that they add up to.

The gates stand in the order in which execution asks them. What a gate refused is known by its reason; what came past
it is what later gates refused plus what was sent, so that the numbers of one window add up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final

from truebook.evidence.records import Funnel, Stage
from truebook.evidence.verdict import verdict
from truebook.messages.reasons import Reason

MINUTE_US: Final = 60_000_000
WINDOW_MINUTES: Final = 60

FRESH: Final = "fresh"
OBSERVED: Final = "observed"
DECIDED: Final = "decided"
WANTED: Final = "wanted"
SENT: Final = "sent"
ACKNOWLEDGED: Final = "acknowledged"
FILLED: Final = "filled"
STALE: Final = "stale"
NOT_OBSERVED: Final = "not_observed"
NOT_DECIDED: Final = "not_decided"
HELD: Final = "held"
KEPT: Final = "kept"
REFUSED: Final = "refused"
NOT_ACCEPTED: Final = "not_accepted"

GATES: Final[tuple[tuple[str, frozenset[Reason]], ...]] = (
    ("newest", frozenset({Reason.SUPERSEDED})),
    ("deadline", frozenset({Reason.DEADLINE})),
    ("slot", frozenset({Reason.AWAITING_CANCEL, Reason.SLOT})),
    ("holds", frozenset({Reason.HOLD})),
    ("breaker", frozenset({Reason.BREAKER})),
    ("book", frozenset({Reason.STALE_BOOK})),
    ("throttle", frozenset({Reason.THROTTLE})),
    (
        "sizing",
        frozenset({
            Reason.NO_SIZE, Reason.NO_MARKET_FACTS, Reason.OFF_GRID, Reason.POST_ONLY_CROSS, Reason.NEAR_CLOSE,
            Reason.FEE_TYPE, Reason.SOURCE_MISMATCH, Reason.MARKET_NOT_TRADING,
        }),
    ),
    ("rate", frozenset({Reason.RATE_BUDGET})),
)  # fmt: skip
"""Execution's gates. A reason that stands in none of them is the ledger's."""
LEDGER: Final = "ledger"
_EXECUTION: Final = frozenset().union(*(reasons for _, reasons in GATES))


class Counts:
    """Counters of the last hour, in buckets of a minute: (what, reason) → how often."""

    def __init__(self) -> None:
        self._buckets: dict[int, Counter[tuple[str, str]]] = {}
        self._minute = -1
        self._current: Counter[tuple[str, str]] = Counter()

    def add(self, at_us: int, what: str, reason: str = "", amount: int = 1) -> None:
        """Count something that happened at ``at_us``; what is late counts as now, so that time never runs back."""
        minute = at_us // MINUTE_US
        if minute > self._minute:
            self._turn(minute)
        self._current[what, reason] += amount

    def total(self, now_us: int) -> Counter[tuple[str, str]]:
        """Add up the last hour before ``now_us``."""
        first = now_us // MINUTE_US - WINDOW_MINUTES
        total: Counter[tuple[str, str]] = Counter()
        for minute, bucket in self._buckets.items():
            if minute > first:
                total.update(bucket)
        return total

    def oldest_us(self, now_us: int) -> int:
        """When what ``total`` adds up began."""
        first = now_us // MINUTE_US - WINDOW_MINUTES
        return min((minute * MINUTE_US for minute in self._buckets if minute > first), default=now_us)

    def _turn(self, minute: int) -> None:
        self._minute = minute
        self._current = self._buckets[minute] = Counter()
        for old in [each for each in self._buckets if each <= minute - WINDOW_MINUTES]:
            del self._buckets[old]


def funnel_of(counts: Counts, now_us: int) -> Funnel:
    """Put the last hour into stages, and say in a sentence what they mean."""
    total = counts.total(now_us)
    kept, sent, refused = _by_reason(total, KEPT), total[SENT, ""], _by_reason(total, REFUSED)
    stages = [
        Stage(name="seen", count=total[FRESH, ""] + _sum(total, STALE)),
        Stage(name="fresh", count=total[FRESH, ""], lost=_by_reason(total, STALE)),
        Stage(name="observed", count=total[OBSERVED, ""], lost=_by_reason(total, NOT_OBSERVED)),
        Stage(name="decided", count=total[DECIDED, ""], lost=_by_reason(total, NOT_DECIDED)),
        Stage(name="not hold", count=total[DECIDED, ""] - _sum(total, HELD), lost=_by_reason(total, HELD)),
        Stage(name="quotes wanted", count=total[WANTED, ""]),
    ]
    left = sent + sum(refused.values())
    stages.append(Stage(name="not working already", count=left, lost=kept))
    for name, reasons in GATES:
        lost = {reason: count for reason, count in refused.items() if reason in reasons}
        left -= sum(lost.values())
        stages.append(Stage(name=f"past {name}", count=left, lost=lost))
    lost = {reason: count for reason, count in refused.items() if reason not in _EXECUTION}
    stages += [
        Stage(name=f"past {LEDGER}", count=left - sum(lost.values()), lost=lost),
        Stage(name="sent", count=sent),
        Stage(name="acknowledged", count=total[ACKNOWLEDGED, ""], lost=_by_reason(total, NOT_ACCEPTED)),
        Stage(name="fills", count=total[FILLED, ""]),
    ]
    return Funnel(
        from_us=counts.oldest_us(now_us), to_us=now_us, stages=tuple(stages), verdict=verdict(stages)
    )  # fmt: skip


def _by_reason(total: Mapping[tuple[str, str], int], what: str) -> dict[str, int]:
    found = {reason: count for (kind, reason), count in total.items() if kind == what}
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def _sum(total: Mapping[tuple[str, str], int], what: str) -> int:
    return sum(count for (kind, _), count in total.items() if kind == what)
