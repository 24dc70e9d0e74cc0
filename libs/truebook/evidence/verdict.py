"""One sentence about a funnel: the first stage that nothing passed, the most frequent reason, and what to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from truebook.evidence.records import Stage
from truebook.messages.reason_table import EXCLUSIONS, EXPLANATIONS

PASSED: Final = "passed "
"""Begins the name of a gate's stage."""

EMPTY: Final[dict[str, str]] = {
    "book updates": "no book update was received: is the market data stream connected, and is any market selected?",
    "fresh": "no book was fresh",
    "observed": "books change, but no market is observed",
    "decided": "markets are observed, but the policy made no decision: see its log",
    "with targets": "every decision is to do nothing",
    "targets": "every decision is to do nothing",
    "not already working": "all targets are working already, or no decision has been executed yet",
    "sent": "no order was sent",
    "acknowledged": "the exchange accepted none of the orders",
    "fills": "orders are resting; none has been filled yet",
}
"""What an empty stage means when the one before it is not empty."""

NONE_EXCLUDED: Final[Mapping[str, int]] = MappingProxyType({})


def verdict(stages: Sequence[Stage], exclusions: Mapping[str, int] = NONE_EXCLUDED) -> str:
    """Return the sentence for these stages. ``exclusions``: how many markets are excluded for which reason, if every
    known market is.
    """
    if exclusions and not stages[0].count:
        return f"nothing was traded: no market is selected; {_most(exclusions)}"
    fills = stages[-1].count
    if fills:
        reason = _main_reason([stage for stage in stages if stage.name.startswith(PASSED)])
        return f"trading: {fills} fills" + (f"; most targets are refused for {reason}" if reason else "")
    for before, stage in zip((None, *stages), stages, strict=False):
        if stage.count == 0 and (before is None or before.count > 0):
            return _nothing_traded(stage)
    return _nothing_traded(stages[-1])


def _nothing_traded(empty: Stage) -> str:
    meaning = EMPTY.get(empty.name, f"every target is refused at the gate `{empty.name.removeprefix(PASSED)}`")
    reason = _main_reason([empty])
    return f"nothing was traded: {meaning}" + (f"; {reason}" if reason else "")


def _main_reason(stages: Sequence[Stage]) -> str:
    lost = {reason: count for stage in stages for reason, count in stage.lost.items()}
    return _most(lost) if lost else ""


def _most(counts: Mapping[str, int]) -> str:
    reason, count = max(counts.items(), key=lambda item: item[1])
    explanation = EXPLANATIONS.get(reason) or EXCLUSIONS.get(reason)
    return f"`{reason}` ({count} ×)" + (f": {explanation.sentence()}" if explanation else "")
