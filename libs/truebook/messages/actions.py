"""Topic ``actions``: decisions. A decision states the quotes wanted, per book side; HOLD is no target and ``keep``."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from truebook.messages.envelope import BookSide, Message, TimeInForce
from truebook.messages.reasons import Reason


class Unmentioned(StrEnum):
    """What becomes of a working order on a side that the action does not mention."""

    KEEP = "keep"
    PULL = "pull"


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """One quote that should be working; price on the YES leg."""

    book_side: BookSide
    price_cc: int
    size_centi: int
    time_in_force: TimeInForce = TimeInForce.GOOD_TILL_CANCELED
    post_only: bool = False
    reduce_only: bool = False
    expires_us: int = 0
    """Exchange time at which the order shall lapse; 0 lets execution choose its default life."""


class Action(Message, frozen=True, kw_only=True, tag="action"):
    """A decision for one market. ``id`` is ``ids.action_id``; at most one target per book side."""

    observation_id: str
    model: str
    targets: tuple[Target, ...]
    unmentioned: Unmentioned
    deadline_us: int
    """Exchange time after which no order may be reserved: descends from the book's ``confirmed_us``."""
    confirmed_us: int
    frame_us: int
    reference_cc: int
    """Mid price of the observed book, for the ledger's price collar."""
    edge_cc: int
    event: str
    exclusive: bool
    fee_rate_ppm: int
    """The worst fee rate that a fill of this market can pay (the taker's), for the ledger's promise."""
    reason: Reason | None = None
    """Why there are no targets, where there are none."""
