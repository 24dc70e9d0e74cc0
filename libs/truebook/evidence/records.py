"""What is kept of each market: its state, and its last decisions with what every gate said. Plain data, bounded."""

from __future__ import annotations

import msgspec

from truebook.messages.actions import Target
from truebook.messages.envelope import BookSide


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened to a target of a decision: what execution did, or a fill."""

    at_us: int
    outcome: str
    """A word of ``OrderOutcome``, or ``filled``."""
    reason: str | None = None
    detail: str = ""
    book_side: BookSide | None = None
    price_cc: int = 0
    size_centi: int = 0


class DecisionRecord(msgspec.Struct, kw_only=True):
    """One decision: what the market looked like, what the model wanted, what became of it."""

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
    """One market as its readers know it. Times are exchange time, 0 for never."""

    ticker: str
    chosen: bool = False
    status: str = ""
    stale: str | None = "no_snapshot"
    """Why the book can't be trusted; null while it can."""
    seen: int = 0
    """Book changes since the start."""
    observed_us: int = 0
    decisions: list[DecisionRecord] = []
    """Newest last."""


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """One step of the funnel: how many came through, and what held the others back, as far as it was told."""

    name: str
    count: int
    lost: dict[str, int] = {}


class Funnel(msgspec.Struct, frozen=True, kw_only=True):
    """The funnel of one window of time, from book changes to fills, and what it says in a sentence."""

    from_us: int
    to_us: int
    stages: tuple[Stage, ...]
    verdict: str


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known, for a file: who reads it needs nothing else."""

    at_us: int
    funnel: Funnel
    markets: tuple[MarketRecord, ...]
    v: int = 1
