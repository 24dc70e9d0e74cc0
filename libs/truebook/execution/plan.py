"""What a target means for one side of a market, given the order that works there: pure.

A working order that fits its target is kept, with its place in the queue. One that does not is cancelled, and a *later*
action places the new one, after the terminal state is known: two orders of one intent can then never both fill. There
is no amend.
"""

from __future__ import annotations

from collections.abc import Container, Sequence

import msgspec

from truebook.execution.guards import whole_second_us
from truebook.ledger.port import OrderView
from truebook.ledger.verbs import OrderState
from truebook.messages.actions import OmittedSides, Target
from truebook.messages.envelope import BookSide
from truebook.messages.reasons import Reason


class Keep(msgspec.Struct, frozen=True):
    """The working order fits the target."""

    target: Target
    order: OrderView


class Cancel(msgspec.Struct, frozen=True):
    """The working order is to be cancelled; its target, if any, is not placed now, for ``reason``."""

    order: OrderView
    target: Target | None = None
    reason: Reason | None = None


class Wait(msgspec.Struct, frozen=True):
    """The slot is not free and there is nothing to do."""

    target: Target
    reason: Reason


class Place(msgspec.Struct, frozen=True):
    """The slot is free: an order is sent if every guard permits."""

    target: Target


Step = Keep | Cancel | Wait | Place


class Tolerance(msgspec.Struct, frozen=True):
    """How far a working order may be from its target and still be kept."""

    price_cc: int = 0
    min_remaining_share: float = 0.5


def plan_side(
    target: Target | None,
    sized: int | Reason,
    working: OrderView | None,
    cancelling: Container[str],
    omitted_sides: OmittedSides,
    *,
    tolerance: Tolerance,
) -> Step | None:
    """Decide one side. ``sized`` is the size that the target may have, or the reason why it can't be placed.

    A target that can't be placed still ends the working order, which is not what the model wants; that reason is then
    reported and not ``awaiting_cancel`` (docs/decisions/0010).
    """
    if target is None:
        if omitted_sides is OmittedSides.KEEP or working is None or working.order_id in cancelling:
            return None
        return Cancel(working) if working.state is OrderState.ACKNOWLEDGED else None
    if working is None:
        return Place(target)
    not_placed = sized if isinstance(sized, Reason) else Reason.AWAITING_CANCEL
    if working.order_id in cancelling:
        return Wait(target, not_placed)
    if working.state is not OrderState.ACKNOWLEDGED:
        return Wait(target, Reason.UNKNOWN_ORDER if working.state is OrderState.UNKNOWN else Reason.SLOT)
    if isinstance(sized, int) and _fits(working, target, sized, tolerance):
        return Keep(target, working)
    return Cancel(working, target, not_placed)


def repeated_sides(targets: Sequence[Target]) -> frozenset[BookSide]:
    """Return the sides with several targets, none of which is meant more than another: all of them are refused."""
    sides = [target.book_side for target in targets]
    return frozenset(side for side in sides if sides.count(side) > 1)


def working_on(side: BookSide, orders: Sequence[OrderView]) -> OrderView | None:
    """Return the order that occupies the slot of a side; the ledger admits one."""
    return next((order for order in orders if order.book_side is side and order.state.holds_slot), None)


def _fits(order: OrderView, target: Target, size_centi: int, tolerance: Tolerance) -> bool:
    outlives = target.expires_us and order.expires_us > whole_second_us(target.expires_us)
    may_open = target.reduce_only and not order.reduce_only
    is_near = abs(order.price_cc - target.price_cc) <= tolerance.price_cc
    has_size = tolerance.min_remaining_share * size_centi <= order.remaining_centi <= size_centi
    return is_near and has_size and not outlives and not may_open
