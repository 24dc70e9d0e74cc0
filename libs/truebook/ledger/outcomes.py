"""The kinds of adjustments, and the outcomes of the verbs for the account as a whole: values, not errors."""

from __future__ import annotations

from enum import StrEnum


class OpenOutcome(StrEnum):
    OPENED = "opened"
    EXISTS = "exists"
    INVALID = "invalid"


class BindOutcome(StrEnum):
    BOUND = "bound"
    UNCHANGED = "unchanged"
    """The account is bound to this exchange already."""
    CONFLICT = "conflict"
    """It is bound to another exchange than the caller expected."""
    NOT_OPEN = "not_open"
    INVALID = "invalid"


class AdjustKind(StrEnum):
    DEPOSIT = "deposit"
    """A deposit; negative: a withdrawal."""
    RESIDUE = "residue"
    """A proven difference between ledger and exchange."""
    ROUNDING = "rounding"
    """A rounding of the exchange's own amounts."""
    INTEREST = "interest"
    """What the exchange pays on the account's cash: income, no deposit."""


class AdjustOutcome(StrEnum):
    ADJUSTED = "adjusted"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    NOT_OPEN = "not_open"
    INVALID = "invalid"


class HoldOutcome(StrEnum):
    HELD = "held"
    CONFLICT = "conflict"
    """Another owner placed a hold of that name."""
    INVALID = "invalid"


class ReleaseOutcome(StrEnum):
    RELEASED = "released"
    NOT_OWNER = "not_owner"
    NO_HOLD = "no_hold"


class SetLimitsOutcome(StrEnum):
    SET = "set"
    INVALID = "invalid"


class MarkOutcome(StrEnum):
    MARKED = "marked"
    HALTED = "halted"
    """The loss exceeds a limit: its trading hold was placed."""
    NOT_OPEN = "not_open"
    INVALID = "invalid"


class RaiseEpochOutcome(StrEnum):
    RAISED = "raised"
    INVALID = "invalid"
