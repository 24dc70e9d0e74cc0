"""All rules: a situation at a moment → the conditions in force. A rule that lacks what it needs returns None: unseen.

Each condition states in plain sentences what is the case, since when, and what to do. The thresholds are settings.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from truebook.alerts import account_rules, service_rules
from truebook.alerts.conditions import Condition, Findings, Kind
from truebook.alerts.situation import Situation
from truebook.alerts.thresholds import Thresholds

Rule = Callable[[Situation, Thresholds, int], list[Condition] | None]

RULES: Final[Mapping[Kind, Rule]] = MappingProxyType({
    Kind.LEDGER_UNREADABLE: account_rules.ledger_unreadable,
    Kind.REPORTS_MISSING: service_rules.reports_missing,
    Kind.ORDER_UNKNOWN: account_rules.order_unknown,
    Kind.DIFFERENCE: account_rules.difference,
    Kind.TRADING_HOLD: account_rules.trading_hold,
    Kind.LOSS: account_rules.loss,
    Kind.STALE_FEED: service_rules.stale_feed,
    Kind.INFERENCE: service_rules.inference,
    Kind.SERVICE_DOWN: service_rules.service_down,
    Kind.SERVICE_NOT_READY: service_rules.service_not_ready,
    Kind.NO_ORDER: account_rules.no_order,
    Kind.DISK: account_rules.disk,
    Kind.DEAD_LETTERS: service_rules.dead_letters,
})  # fmt: skip


def evaluate(situation: Situation, thresholds: Thresholds, now_us: int) -> Findings:
    """Judge every rule."""
    conditions: list[Condition] = []
    unseen: set[Kind] = set()
    for kind, rule in RULES.items():
        found = rule(situation, thresholds, now_us)
        if found is None:
            unseen.add(kind)
        else:
            conditions += found
    return Findings(conditions=tuple(conditions), unseen=frozenset(unseen))
