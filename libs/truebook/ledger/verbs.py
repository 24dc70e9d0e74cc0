"""The arguments of the verbs that have no struct in the port, and the table of all verbs that can change an account.

The journal stores a change as (verb, arguments as JSON, result): with this table it can be read and replayed.
"""

from __future__ import annotations

from typing import Final

import msgspec

from truebook.ledger.port import Acknowledge, AdoptedPosition, Close, Limits, Reserve, SettleFill


class OpenAccount(msgspec.Struct, frozen=True, kw_only=True):
    """The exchange's first answer: available cash, and the positions taken over at their cost."""

    balance_micros: int
    positions: tuple[AdoptedPosition, ...] = ()


class MarkUnknown(msgspec.Struct, frozen=True, kw_only=True):
    """The outcome of a send is not known."""

    order_id: str


class SettleMarket(msgspec.Struct, frozen=True, kw_only=True):
    """What one YES contract of a market got, 0..10,000."""

    ticker: str
    settlement_cc: int


class Adjust(msgspec.Struct, frozen=True, kw_only=True):
    """A deposit (negative: a withdrawal), a proven ``residue``, or a ``rounding`` of the exchange's own figures."""

    adjust_id: str
    amount_micros: int
    kind: str
    reason: str


class Hold(msgspec.Struct, frozen=True, kw_only=True):
    """A named reason not to trade freely: ``reduce_only``, ``flattening`` or ``halted``."""

    name: str
    mode: str
    owner: str


class Release(msgspec.Struct, frozen=True, kw_only=True):
    """The end of a hold."""

    name: str
    owner: str


class RaiseEpoch(msgspec.Struct, frozen=True, kw_only=True):
    """Decisions of that partition with a smaller epoch are refused from now on."""

    partition: int
    epoch: int


class NextNumber(msgspec.Struct, frozen=True, kw_only=True):
    """Count up a named counter."""

    name: str


class AdvanceWatermark(msgspec.Struct, frozen=True, kw_only=True):
    """A sweep of that name is complete up to ``to_us`` of the exchange's time."""

    name: str
    to_us: int


class Forget(msgspec.Struct, frozen=True, kw_only=True):
    """What ended before that time of the ledger's clock is no longer needed."""

    terminal_before_us: int


Arguments = (
    OpenAccount
    | Reserve
    | Acknowledge
    | SettleFill
    | Close
    | MarkUnknown
    | SettleMarket
    | Adjust
    | Hold
    | Release
    | Limits
    | RaiseEpoch
    | NextNumber
    | AdvanceWatermark
    | Forget
)

VERB_OF: Final[dict[type[Arguments], str]] = {
    OpenAccount: "open_account",
    Reserve: "reserve",
    Acknowledge: "acknowledge",
    SettleFill: "settle_fill",
    Close: "close",
    MarkUnknown: "mark_unknown",
    SettleMarket: "settle_market",
    Adjust: "adjust",
    Hold: "hold",
    Release: "release",
    Limits: "set_limits",
    RaiseEpoch: "raise_epoch",
    NextNumber: "next_number",
    AdvanceWatermark: "advance_watermark",
    Forget: "forget",
}
ARGUMENTS_OF: Final[dict[str, type[Arguments]]] = {verb: arguments for arguments, verb in VERB_OF.items()}
