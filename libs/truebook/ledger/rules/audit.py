"""Derives the stored totals a second time, from the parts: markets, open orders, events, parked fills and holds.

The script or rule that changes a part also updates the totals. Here nothing is taken from them, so that a total that
was changed or lost in the store is found.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

import msgspec

from truebook.ledger.rules.risk import at_risk, market_losses
from truebook.ledger.rules.state import LedgerEvent, LedgerMarket, LedgerOrder, LedgerState, Totals
from truebook.ledger.verbs import Mode


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """What the totals follow from, and the mode that is stored beside them."""

    markets: Sequence[tuple[LedgerMarket, Sequence[LedgerOrder]]]
    """Each with its open orders."""
    exclusive: Mapping[str, bool | None]
    """By event."""
    parked: int
    """Parked fills, counted."""
    holds: Sequence[tuple[str, Mode]]
    hold_mode: Mode
    """The mode of the account's holds, as it is stored."""
    live: Set[str] | None
    """The tickers of the live markets, as they are stored; None: an earlier version has changed the account."""


def parts_of(state: LedgerState) -> Parts:
    """Return the parts of a state; its mode is not stored but follows from the holds."""
    holds = [(name, mode) for name, (mode, _) in state.holds.items()]
    return Parts(
        markets=[(market, state.open_orders(market)) for market in state.markets.values()],
        exclusive={name: event.exclusive for name, event in state.events.items()},
        parked=sum(fill.parked for fills in state.fills.values() for fill in fills.values()),
        holds=holds, hold_mode=Mode.severest(holds), live=state.live,
    )  # fmt: skip


def errors_of_parts(totals: Totals, parts: Parts) -> dict[str, int]:
    """Return by name what does not follow from the parts: stored minus derived, of the mode in steps of severity, of
    the live markets how many are missing or should not be listed.
    """
    derived = {
        "loss_micros": _loss_micros(parts),
        "open_orders": sum(order.remaining_centi > 0 for _, orders in parts.markets for order in orders),
        "parked": parts.parked,
    }
    errors = {name: getattr(totals, name) - amount for name, amount in derived.items()}
    errors["hold_mode"] = parts.hold_mode.severity - Mode.severest(parts.holds).severity
    if parts.live is not None:
        errors["live_markets"] = len(parts.live ^ {market.ticker for market, _ in parts.markets if market.is_live})
    return {name: error for name, error in errors.items() if error}


def _loss_micros(parts: Parts) -> int:
    losses: dict[str, dict[str, tuple[int, int]]] = {}
    for market, orders in parts.markets:
        if_yes, if_no = market_losses(market, orders)
        if if_yes or if_no:
            losses.setdefault(market.event, {})[market.ticker] = (if_yes, if_no)
    return sum(
        at_risk(LedgerEvent(exclusive=parts.exclusive.get(event), losses=of_event))
        for event, of_event in losses.items()
    )
