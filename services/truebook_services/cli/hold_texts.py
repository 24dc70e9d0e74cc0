"""Trading holds as sentences: why each is in force, and what ends it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from truebook.ledger.outcomes import hold_without_scope
from truebook.ledger.trading_holds import TRADING_HOLDS, WIND_DOWN

_HOLDS: Final = {hold.name: hold for hold in TRADING_HOLDS}


def explained(label: str) -> str:
    """Return the label of a hold, as ``valuation.hold_labels`` makes it, with its cause and what ends it."""
    hold = _HOLDS.get(_name(label))
    if hold is None:
        return label
    return "; ".join(filter(None, (f"{label} while {hold.description}", hold.ends)))


def of_interest(labels: Iterable[str]) -> list[str]:
    """Return the labels without the hold that every run leaves: the next run releases it."""
    return [label for label in labels if _name(label) != WIND_DOWN.name]


def _name(label: str) -> str:
    return hold_without_scope(label.partition(" ")[0])
