"""What verbs and views name: modes, states, cash of shards, kinds of adjustments, and the outcomes of the verbs."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

import msgspec

from truebook.messages.fills import ReportOutcome
from truebook.messages.reasons import Reason
from truebook.venue.shards import DEFAULT_SHARD

_SHARD: Final = "shard:"


class Mode(StrEnum):
    """How freely the account may trade, from free to most severe: the order of the members is the severity."""

    RUNNING = "running"
    REDUCE_ONLY = "reduce_only"
    """Only orders that open no position."""
    FLATTENING = "flattening"
    """Only orders that are marked reduce-only."""
    HALTED = "halted"
    """No orders."""

    @property
    def severity(self) -> int:
        return _SEVERITY[self]

    @classmethod
    def severest(cls, holds: Iterable[tuple[str, Mode]], ticker: str = "", exchange_index: int = DEFAULT_SHARD) -> Mode:
        """Return the severest mode of holds (name, mode): those of the account, with a ticker also of that market and
        of its shard.
        """
        holds = tuple(holds)
        if not holds:
            return cls.RUNNING
        scopes = ("", ticker, shard_scope(exchange_index)) if ticker else ("",)
        modes = (mode for name, mode in holds if scope_of_hold(name) in scopes)
        return max(modes, key=_SEVERITY.__getitem__, default=cls.RUNNING)


_SEVERITY: Final = {mode: severity for severity, mode in enumerate(Mode)}


def scope_of_hold(name: str) -> str:
    """Return where a trading hold ``NAME@SCOPE`` applies: a market, or ``shard_scope``; empty: to the account."""
    return name.partition("@")[2]


def hold_without_scope(name: str) -> str:
    """Return the ``NAME`` of a trading hold ``NAME@SCOPE``."""
    return name.partition("@")[0]


def shard_scope(exchange_index: int) -> str:
    """Name a shard as the scope of a trading hold: no ticker contains a colon."""
    return f"{_SHARD}{exchange_index}"


class OrderState(StrEnum):
    """The state of an order, by what was reported."""

    RESERVED = "reserved"
    """Cash is reserved; the order may be on its way."""
    UNKNOWN = "unknown"
    """The outcome of the send is not known."""
    ACKNOWLEDGED = "acknowledged"
    """The exchange has the order."""
    CLOSING = "closing"
    """The final filled total is known; fills are still missing."""
    TERMINAL = "terminal"
    """Nothing can fill any more."""
    FOREIGN = "foreign"
    """Not sent by this ledger's Truebook."""

    @property
    def holds_slot(self) -> bool:
        """Whether the order may be working at the exchange."""
        return self in (OrderState.RESERVED, OrderState.UNKNOWN, OrderState.ACKNOWLEDGED)

    @property
    def is_unresolved(self) -> bool:
        """Whether it is not known if the exchange has the order."""
        return self in (OrderState.RESERVED, OrderState.UNKNOWN)


class ReserveOutcome(StrEnum):
    """The four kinds of results of a reserve; only ``RESERVED`` permits to send the order."""

    RESERVED = "reserved"
    EXISTS = "exists"
    DUPLICATE_ACTION = "duplicate_action"
    REFUSED = "refused"


class ReserveResult(msgspec.Struct, frozen=True):
    """``EXISTS`` has a ``state``, ``REFUSED`` a ``reason``. As text: ``exists:unknown``, ``refused:cash``."""

    outcome: ReserveOutcome
    state: OrderState | None = None
    reason: Reason | None = None

    def __str__(self) -> str:
        return ":".join(part for part in (self.outcome, self.state, self.reason) if part is not None)

    @classmethod
    def exists(cls, state: OrderState) -> ReserveResult:
        return cls(ReserveOutcome.EXISTS, state=state)

    @classmethod
    def refused(cls, reason: Reason) -> ReserveResult:
        return cls(ReserveOutcome.REFUSED, reason=reason)

    @classmethod
    def parse(cls, text: str) -> ReserveResult:
        """Read the text form; raises ValueError."""
        word, _, detail = text.partition(":")
        outcome = ReserveOutcome(word)
        if outcome is ReserveOutcome.EXISTS:
            return cls.exists(OrderState(detail))
        return cls.refused(Reason(detail)) if outcome is ReserveOutcome.REFUSED else cls(outcome)


RESERVED: Final = ReserveResult(ReserveOutcome.RESERVED)
DUPLICATE_ACTION: Final = ReserveResult(ReserveOutcome.DUPLICATE_ACTION)

OrderResult = OrderState | ReportOutcome
"""The order's state; or ``CONFLICT``, ``NO_ORDER``, ``INVALID``."""
_STATES: Final = frozenset(OrderState)


def order_result(text: str) -> OrderResult:
    """Read a state or an outcome from its text form; raises ValueError."""
    return OrderState(text) if text in _STATES else ReportOutcome(text)


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


class TransferState(StrEnum):
    """The state of a transfer between shards, by what was reported; while open its cash is on no shard."""

    REQUESTED = "requested"
    """It may be on its way to the exchange, and its outcome may be unknown."""
    ACCEPTED = "accepted"
    """The exchange has it; its cash has not arrived."""
    ARRIVED = "arrived"
    REFUSED = "refused"
    """Nothing was done: its cash is on the shard that it was taken from."""

    @property
    def is_open(self) -> bool:
        """Whether its cash is on no shard."""
        return self in (TransferState.REQUESTED, TransferState.ACCEPTED)


class TransferOutcome(StrEnum):
    """A transfer's state, also of one that is repeated; or why nothing was recorded."""

    REQUESTED = "requested"
    ACCEPTED = "accepted"
    ARRIVED = "arrived"
    REFUSED = "refused"
    NO_CASH = "no_cash"
    """The shard has less available cash."""
    CONFLICT = "conflict"
    """The same id with other content, other ids tied to it, or a contradiction to what was proved."""
    NO_TRANSFER = "no_transfer"
    """A refusal of a transfer that the ledger does not have."""
    NOT_OPEN = "not_open"
    INVALID = "invalid"


class ShardView(msgspec.Struct, frozen=True, kw_only=True):
    """Cash on one shard of the exchange."""

    exchange_index: int
    cash_micros: int = 0
    overdrawn_micros: int = 0
    reserved_micros: int = 0

    @property
    def net_micros(self) -> int:
        """Available cash; below 0 the shard is overdrawn."""
        return self.cash_micros - self.overdrawn_micros


class ShardTransferView(msgspec.Struct, frozen=True, kw_only=True):
    """A transfer of cash between shards; while its state is open the cash is on neither."""

    transfer_id: str
    """Ours; of a transfer that others made, derived from the exchange's."""
    exchange_transfer_id: str
    """Empty: not known."""
    from_shard: int
    to_shard: int
    amount_micros: int
    state: TransferState
    requested_us: int
