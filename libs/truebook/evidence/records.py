"""What is recorded per market: its state, and its last decisions with the outcome of every gate. Bounded data."""

from __future__ import annotations

import msgspec

from truebook.messages.actions import Target
from truebook.messages.envelope import BookSide


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One event of a decision's target: what execution did with it, or a fill."""

    at_us: int
    outcome: str
    """An ``OrderOutcome``, or ``filled``."""
    reason: str | None = None
    detail: str = ""
    book_side: BookSide | None = None
    price_cc: int = 0
    size_centi: int = 0


class DecisionRecord(msgspec.Struct, kw_only=True):
    """One decision: the market at that time, the model's targets, and what happened to them."""

    at_us: int
    action_id: str
    model: str
    targets: tuple[Target, ...]
    reason: str | None
    """Why there are no targets, where there are none."""
    bid_cc: int | None = None
    ask_cc: int | None = None
    position_centi: int | None = None
    steps: list[Step] = []
    more_steps: int = 0
    """Steps beyond those that are kept."""


class MarketRecord(msgspec.Struct, kw_only=True):
    """One market. Times are exchange time, 0 for never."""

    ticker: str
    selected: bool = False
    exclusion: str | None = None
    """Why ingest does not select it; null where it does, or where no reason was published."""
    status: str = ""
    stale: str | None = "no_snapshot"
    """Why the book must not be traded on; null while it is fresh."""
    book_updates: int = 0
    """Since the start."""
    observed_us: int = 0
    refused: dict[str, int] = {}
    """Refusals by observation and policy since the start, by reason."""
    decisions: list[DecisionRecord] = []
    """Those that were published one by one; newest last."""
    counted: dict[str, int] = {}
    """Decisions since the start that change nothing and were only counted, by reason."""
    counted_us: int = 0
    counted_reason: str | None = None
    """When the newest of them was made, and its reason."""

    @property
    def last_reason(self) -> str | None:
        """Why the newest decision led to no order; None if it led to one, or is not known."""
        newest = self.decisions[-1] if self.decisions else None
        if newest is None or newest.at_us < self.counted_us:
            return self.counted_reason
        if newest.reason is not None:
            return str(newest.reason)
        return None if newest.more_steps or not newest.steps else newest.steps[-1].reason


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """One stage of the funnel: how many passed it, and why others did not, as far as it was reported."""

    name: str
    count: int
    lost: dict[str, int] = {}


class Funnel(msgspec.Struct, frozen=True, kw_only=True):
    """The stages of one window of time, from book updates to fills, and one sentence about them."""

    from_us: int
    to_us: int
    stages: tuple[Stage, ...]
    verdict: str


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The evidence as a file."""

    at_us: int
    funnel: Funnel
    markets: tuple[MarketRecord, ...]
    v: int = 2
