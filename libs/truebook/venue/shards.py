"""Exchange shards: instances of the exchange with a matching engine and a wallet of each account of their own.

A market is on one shard, and an order needs cash there. Cash moves between shards by transfers, which are accepted
first and arrive later.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

DEFAULT_SHARD: Final = 0
"""The shard of whatever names none."""
AUTOMATIC: Final = -1
"""As ``exchange_index`` of a request: the exchange finds the shard by the market's ticker."""
MAX_SHARD: Final = 100
TRANSFER_UNIT_MICROS: Final = 100
"""Transfers between shards are multiples of 1/10,000 dollar (a centicent)."""


class ShardCash(msgspec.Struct, frozen=True, kw_only=True):
    """Cash on one shard, in micro-dollars."""

    exchange_index: int
    balance_micros: int


class ShardStatus(msgspec.Struct, frozen=True, kw_only=True):
    """Whether one shard accepts orders and transfers."""

    exchange_index: int
    description: str
    exchange_active: bool
    trading_active: bool
    transfers_active: bool


class TransferStatus(StrEnum):
    """States of a transfer between shards; a refused request has none."""

    PENDING = "pending"
    """Accepted: the cash has left one shard and has not arrived at the other."""
    COMPLETE = "complete"


class ShardTransfer(msgspec.Struct, frozen=True, kw_only=True):
    """A transfer of cash between shards, as the exchange lists it: under its own id, not under the caller's."""

    exchange_transfer_id: str
    from_shard: int
    to_shard: int
    amount_micros: int
    status: TransferStatus
    created_us: int
    """Whole seconds."""

    def completed(self) -> ShardTransfer:
        """Return this transfer after its arrival."""
        return msgspec.structs.replace(self, status=TransferStatus.COMPLETE)


class MarginReservation(StrEnum):
    """What the automatic allocation leaves on a shard for resting orders."""

    SUM = "sum"
    """The cash that all of them hold."""
    MAX = "max"
    """The largest commitment of one side of one market."""
    NONE = "none"


class ShardShare(msgspec.Struct, frozen=True, kw_only=True):
    """The share of an account's free cash that a shard is to have."""

    exchange_index: int
    percent: int


class TargetAllocation(msgspec.Struct, frozen=True, kw_only=True):
    """How the exchange is to keep free cash distributed; without shares it moves none."""

    shares: tuple[ShardShare, ...] = ()
    reservation: MarginReservation = MarginReservation.SUM
