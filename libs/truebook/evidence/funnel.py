"""Counts per minute, and the funnel computed from them.

The gates are in the order in which execution checks them. What a gate refused is counted by reason; what passed it is
what later gates refused plus what was sent, so that the numbers of one window add up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from enum import Enum, auto
from typing import Final

from truebook.evidence.records import Funnel, Stage
from truebook.evidence.verdict import PASSED, verdict
from truebook.messages.reasons import Reason

MINUTE_US: Final = 60_000_000
WINDOW_MINUTES: Final = 60


class Event(Enum):
    """What is counted; events with reasons are what a stage loses."""

    FRESH = auto()
    STALE = auto()
    OBSERVED = auto()
    NOT_OBSERVED = auto()
    DECIDED = auto()
    NOT_DECIDED = auto()
    NO_TARGETS = auto()
    TARGET = auto()
    KEPT = auto()
    REFUSED = auto()
    SENT = auto()
    NOT_ACCEPTED = auto()
    ACKNOWLEDGED = auto()
    FILLED = auto()


OF_ORDERS: Final = frozenset({Event.SENT, Event.NOT_ACCEPTED, Event.ACKNOWLEDGED, Event.FILLED})
"""What becomes of orders: the ledger's journal has it too, and lacks none of it."""
GATES: Final[tuple[tuple[str, frozenset[Reason]], ...]] = (
    ("newest decision", frozenset({Reason.SUPERSEDED})),
    ("deadline", frozenset({Reason.DEADLINE})),
    ("free slot", frozenset({Reason.AWAITING_CANCEL, Reason.SLOT})),
    ("trading holds", frozenset({Reason.HOLD})),
    ("breaker", frozenset({Reason.BREAKER})),
    ("fresh book", frozenset({Reason.STALE_BOOK})),
    ("throttle", frozenset({Reason.THROTTLE})),
    (
        "sizing",
        frozenset({
            Reason.ZERO_SIZE, Reason.NO_MARKET_METADATA, Reason.OFF_GRID, Reason.POST_ONLY_CROSS, Reason.NEAR_CLOSE,
            Reason.FEE_TYPE, Reason.SOURCE_MISMATCH, Reason.MARKET_NOT_TRADING,
        }),
    ),
    ("rate budget", frozenset({Reason.RATE_BUDGET})),
)  # fmt: skip
"""Execution's gates, in the order of its guards. Any other reason is the ledger's."""
LEDGER: Final = "ledger"
_EXECUTION: Final = frozenset().union(*(reasons for _, reasons in GATES))

Total = Counter[tuple[Event, str]]


class Counts:
    """Counters of the last hour, in buckets of a minute: (event, reason) → count."""

    def __init__(self, from_us: int = 0) -> None:
        """Events before ``from_us`` are not counted."""
        self._from_us = from_us
        self._buckets: dict[int, Total] = {}
        self._minute = -1
        self._current: Total = Counter()

    def add(self, at_us: int, event: Event, reason: str = "", amount: int = 1) -> None:
        """Count an event of ``at_us``; a late one counts in the current minute, so that buckets only move forward."""
        if at_us < self._from_us:
            return
        minute = at_us // MINUTE_US
        if minute > self._minute:
            self._start_minute(minute)
        self._current[event, reason] += amount

    def total(self, now_us: int) -> Total:
        """Add up the hour before ``now_us``."""
        first = now_us // MINUTE_US - WINDOW_MINUTES
        total: Total = Counter()
        for minute, bucket in self._buckets.items():
            if minute > first:
                total.update(bucket)
        return total

    def oldest_us(self, now_us: int) -> int:
        """Return the start of the oldest minute that ``total`` adds up."""
        first = now_us // MINUTE_US - WINDOW_MINUTES
        return min((minute * MINUTE_US for minute in self._buckets if minute > first), default=now_us)

    def _start_minute(self, minute: int) -> None:
        self._minute = minute
        self._current = self._buckets[minute] = Counter()
        for old in [each for each in self._buckets if each <= minute - WINDOW_MINUTES]:
            del self._buckets[old]


def funnel_of(counts: Counts, now_us: int, exclusions: Mapping[str, int], orders: Counts | None = None) -> Funnel:
    """Compute the stages of the hour before ``now_us``, and one sentence about them (see ``verdict``).

    ``orders``, where given, has the events of ``OF_ORDERS`` from a source that loses none.
    """
    total = counts.total(now_us)
    if orders is not None:
        total = Counter({each: count for each, count in total.items() if each[0] not in OF_ORDERS})
        total.update(orders.total(now_us))

    def lost(event: Event) -> dict[str, int]:
        found = {reason: count for (kind, reason), count in total.items() if kind is event}
        return dict(sorted(found.items(), key=lambda item: -item[1]))

    stale, no_targets, refused = lost(Event.STALE), lost(Event.NO_TARGETS), lost(Event.REFUSED)
    fresh, decided, sent = (total[event, ""] for event in (Event.FRESH, Event.DECIDED, Event.SENT))
    left = sent + sum(refused.values())
    stages = [
        Stage(name="book updates", count=fresh + sum(stale.values())),
        Stage(name="fresh", count=fresh, lost=stale),
        Stage(name="observed", count=total[Event.OBSERVED, ""], lost=lost(Event.NOT_OBSERVED)),
        Stage(name="decided", count=decided, lost=lost(Event.NOT_DECIDED)),
        Stage(name="with targets", count=decided - sum(no_targets.values()), lost=no_targets),
        Stage(name="targets", count=total[Event.TARGET, ""]),
        Stage(name="not already working", count=left, lost=lost(Event.KEPT)),
    ]
    for name, reasons in GATES:
        stopped = {reason: count for reason, count in refused.items() if reason in reasons}
        left -= sum(stopped.values())
        stages.append(Stage(name=f"{PASSED}{name}", count=left, lost=stopped))
    stopped = {reason: count for reason, count in refused.items() if reason not in _EXECUTION}
    stages += [
        Stage(name=f"{PASSED}{LEDGER}", count=left - sum(stopped.values()), lost=stopped),
        Stage(name="sent", count=sent),
        Stage(name="acknowledged", count=total[Event.ACKNOWLEDGED, ""], lost=lost(Event.NOT_ACCEPTED)),
        Stage(name="fills", count=total[Event.FILLED, ""]),
    ]
    return Funnel(
        from_us=counts.oldest_us(now_us), to_us=now_us, stages=tuple(stages), verdict=verdict(stages, exclusions)
    )  # fmt: skip
