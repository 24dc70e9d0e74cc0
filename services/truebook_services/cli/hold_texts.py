"""Trading holds as sentences: why each is in force, and what ends it."""

from __future__ import annotations

from typing import Final

from truebook.ledger.outcomes import hold_without_scope
from truebook.ledger.trading_holds import TRADING_HOLDS

_HOLDS: Final = {hold.name: hold for hold in TRADING_HOLDS}


def explained(label: str) -> str:
    """Return the label of a hold, as ``valuation.hold_labels`` makes it, with its cause and what ends it."""
    hold = _HOLDS.get(hold_without_scope(label.partition(" ")[0]))
    if hold is None:
        return label
    return "; ".join(filter(None, (f"{label} while {hold.description}", hold.ends)))
