"""Topic ``actions``: decisions. A decision states a target per book side; no action is no target and ``keep``."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from truebook.messages.envelope import BookSide, Message, TimeInForce
from truebook.messages.reasons import Reason


class OmittedSides(StrEnum):
    """What to do with a working order on a side for which the action has no target."""

    KEEP = "keep"
    CANCEL = "cancel"


class Target(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One quote that should be working; its price is on the YES leg."""

    book_side: BookSide
    price_cc: int
    size_centi: int
    time_in_force: TimeInForce = TimeInForce.GOOD_TILL_CANCELED
    post_only: bool = False
    reduce_only: bool = False
    expires_us: int = 0
    """Exchange time at which the order expires; 0 lets execution choose its default lifetime."""


class Action(Message, frozen=True, kw_only=True, tag="action"):
    """A decision for one market. ``id`` is ``ids.action_id``; at most one target per book side."""

    observation_id: str
    model: str
    targets: tuple[Target, ...]
    omitted_sides: OmittedSides
    deadline_us: int
    """Exchange time after which no order may be reserved: derived from the book's ``confirmed_us``."""
    confirmed_us: int
    frame_us: int
    reference_cc: int
    """Mid price of the observed book, for the ledger's price collar."""
    best_bid_cc: int | None = None
    """Best bid of the observed book net of our own orders; null where no such bid was seen."""
    best_ask_cc: int | None = None
    """Best ask of the observed book net of our own orders; null where no such ask was seen."""
    edge_cc: int
    event: str
    exclusive: bool
    fee_rate_ppm: int
    """The highest fee rate that a fill in this market can pay (the taker's), for the ledger's reservation."""
    reason: Reason | None = None
    """Why there are no targets, if there are none."""
    model_sha256: str = ""
    """Digest of the model's file, which its name alone does not determine; empty where it is not known."""
    fair_ppm: int | None = None
    """The model's probability of YES in millionths; null for a model without one, or where it gave none."""
