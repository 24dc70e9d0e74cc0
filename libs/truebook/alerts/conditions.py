"""What a rule finds: the conditions that are in force, and the kinds that can't be judged."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, StrEnum

import msgspec


class Kind(StrEnum):
    """What an alert is about; with its subject it is the key by which alerts are deduplicated."""

    LEDGER_UNREADABLE = "ledger_unreadable"
    REPORTS_MISSING = "reports_missing"
    ORDER_UNKNOWN = "order_unknown"
    DIFFERENCE = "difference"
    TRADING_HOLD = "trading_hold"
    LOSS = "loss"
    STALE_FEED = "stale_feed"
    INFERENCE = "inference"
    SERVICE_DOWN = "service_down"
    SERVICE_NOT_READY = "service_not_ready"
    NO_ORDER = "no_order"
    DISK = "disk"
    DEAD_LETTERS = "dead_letters"


class Severity(Enum):
    """How urgent an alert is: ``PAGE`` as soon as possible, ``NOTICE`` can wait."""

    NOTICE = 1
    PAGE = 2


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """Something that an operator should know while it lasts."""

    kind: Kind
    subject: str = ""
    """Which one of its kind: a service, a hold, a folder; empty where there is one."""
    severity: Severity
    headline: str
    """One line: what is the case."""
    detail: str = ""
    to_do: str
    since_us: int | None = None
    """When it began; None: when it was found first."""
    after_us: int = 0
    """It has to last this long before it is notified."""

    @property
    def key(self) -> str:
        return f"{self.kind}/{self.subject}" if self.subject else str(self.kind)


class Findings(msgspec.Struct, frozen=True, kw_only=True):
    """What all rules found at one moment."""

    conditions: Sequence[Condition] = ()
    unseen: frozenset[Kind] = frozenset()
    """Kinds that could not be judged: their conditions neither begin nor end."""
