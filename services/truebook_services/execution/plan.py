"""What an action means for one side of a market, given what works there: pure.

A working order that already is what the action asks for is kept (it has its place in the queue). One that is not is
cancelled, and a *later* action places the new one, after the terminal state is known: two orders of one intent can then
never both fill. There is no amend.
"""

from __future__ import annotations

from collections.abc import Container, Sequence

import msgspec

from truebook.ledger.port import OrderView
from truebook.messages.actions import Target, Unmentioned
from truebook.messages.envelope import BookSide
from truebook.messages.reasons import Reason

HOLDS_SLOT = ("reserved", "unknown", "acknowledged")


class Keep(msgspec.Struct, frozen=True):
    """The working order is what is wanted."""

    target: Target
    order: OrderView


class Cancel(msgspec.Struct, frozen=True):
    """The working order goes; a target that asked for another one waits for a later action."""

    order: OrderView
    target: Target | None


class Wait(msgspec.Struct, frozen=True):
    """The slot is not free and nothing can be done about it now."""

    target: Target
    reason: Reason


class Place(msgspec.Struct, frozen=True):
    """The slot is free: send an order, if every guard lets it pass."""

    target: Target


Step = Keep | Cancel | Wait | Place


class Tolerance(msgspec.Struct, frozen=True):
    """How far a working order may be from its target and still be kept."""

    price_cc: int = 0
    keep_share: float = 0.5


def plan_side(
    target: Target | None,
    size_centi: int,
    working: OrderView | None,
    cancelling: Container[str],
    unmentioned: Unmentioned,
    *,
    tolerance: Tolerance,
) -> Step | None:
    """Decide one side. ``size_centi`` is the target's size after sizing (0: it can't be placed)."""
    if target is None:
        pulls = unmentioned is Unmentioned.PULL and working is not None and working.state == "acknowledged"
        return Cancel(working, None) if pulls and working is not None and working.order_id not in cancelling else None
    if working is None:
        return Place(target)
    if working.order_id in cancelling:
        return Wait(target, Reason.AWAITING_CANCEL)
    if working.state != "acknowledged":
        return Wait(target, Reason.UNKNOWN_ORDER if working.state == "unknown" else Reason.SLOT)
    if _fits(working, target, size_centi, tolerance):
        return Keep(target, working)
    return Cancel(working, target)


def working_on(side: BookSide, orders: Sequence[OrderView]) -> OrderView | None:
    """Pick the order that holds the slot of a side; the ledger allows one."""
    return next((order for order in orders if order.book_side is side and order.state in HOLDS_SLOT), None)


def _fits(order: OrderView, target: Target, size_centi: int, tolerance: Tolerance) -> bool:
    outlives = target.expires_us and order.expires_us > whole_second_us(target.expires_us)
    loosens = target.reduce_only and not order.reduce_only
    near = abs(order.price_cc - target.price_cc) <= tolerance.price_cc
    sized = tolerance.keep_share * size_centi <= order.remaining_centi <= size_centi
    return near and sized and not outlives and not loosens


def whole_second_us(us: int) -> int:
    """Round up to the whole second that the wire can say."""
    return -(-us // 1_000_000) * 1_000_000
