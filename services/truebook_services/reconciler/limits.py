"""Applies the limits of the settings to the ledger at a start.

What an operator has set explicitly stays: a limit that was tightened in an emergency must survive a restart. Such a
limit is reported if it differs from the settings, and `truebook limits clear` hands it back to them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from truebook.ledger.port import LedgerStore
from truebook.ledger.verbs import LIMIT_NAMES, Limits


class LimitDifference(NamedTuple):
    """A limit that an operator set, and the settings have otherwise."""

    name: str
    in_ledger: int
    in_settings: int

    def __str__(self) -> str:
        return (
            f"limit {self.name}: {self.in_ledger}, set by an operator, stays in force; the settings have "
            f"{self.in_settings} (`truebook limits clear {self.name}` and a restart apply it)"
        )


def combined(known: Limits, given: Mapping[str, int]) -> tuple[Limits, tuple[LimitDifference, ...]]:
    """Return the limits in force after a start with these settings, and where an operator's limit differs from them."""
    operators = {name for name in LIMIT_NAMES if getattr(known, name) is not None} - set(known.from_settings)
    values = {name: getattr(known, name) if name in operators else given.get(name) for name in LIMIT_NAMES}
    differences = tuple(
        LimitDifference(name, getattr(known, name), given[name])
        for name in LIMIT_NAMES
        if name in operators and name in given and given[name] != getattr(known, name)
    )
    from_settings = tuple(name for name in LIMIT_NAMES if name in given and name not in operators)
    return Limits(**values, from_settings=from_settings), differences


async def apply_limits(ledger: LedgerStore, given: Mapping[str, int], log: Any) -> tuple[LimitDifference, ...]:
    """Apply the limits of the settings; log what changes, and return where an operator's limit differs."""
    known = (await ledger.view(())).account.limits
    limits, differences = combined(known, given)
    if limits != known:
        await ledger.apply(limits)
        changed = {
            name: {"before": getattr(known, name), "now": getattr(limits, name)}
            for name in LIMIT_NAMES
            if getattr(known, name) != getattr(limits, name)
        }
        log.info("limits of the settings applied", **changed)
    for difference in differences:
        log.warning("an operator's limit differs from the settings", **difference._asdict())
    return differences
