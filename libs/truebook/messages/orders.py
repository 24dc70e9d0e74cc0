"""Topic ``orders``: the outcome of each target of each action. Published by execution; no reader moves money."""

from __future__ import annotations

from enum import StrEnum

from truebook.messages.envelope import BookSide, Message
from truebook.messages.reasons import Reason


class OrderOutcome(StrEnum):
    """One step of an order, as execution observed it."""

    REFUSED = "refused"
    KEPT = "kept"
    SENT = "sent"
    ACKNOWLEDGED = "acknowledged"
    REJECTED = "rejected"
    UNKNOWN = "unknown"
    CANCEL_SENT = "cancel_sent"
    CANCELLED = "cancelled"
    RESOLVED = "resolved"


class OrderEvent(Message, frozen=True, kw_only=True, tag="order_event"):
    """What happened to the order ``client_order_id`` (empty if none was created)."""

    action_id: str
    client_order_id: str
    exchange_order_id: str
    outcome: OrderOutcome
    reason: Reason | None
    detail: str
    """The exchange's own code, or a number: for people, not for programs."""
    book_side: BookSide | None
    price_cc: int
    size_centi: int
    tick_to_send_us: int | None = None
    """Time from the frame that released the observation to the POST, without the throttle's wait."""
