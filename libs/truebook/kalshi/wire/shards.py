"""Bodies of exchange shards (OpenAPI 3.34.0) and their translation.

Money has three units on this wire: a request to move cash is in 1/10,000 dollar (centicents), its listing in dollars as
text; a transfer between subaccounts is in whole cents. Only this module reads and writes the first two.
"""

from __future__ import annotations

import uuid
from typing import Final

import msgspec

from truebook import money
from truebook.kalshi.port import ExchangeStatus
from truebook.kalshi.wire import times
from truebook.kalshi.wire.rest_bodies import Owned, Page, ShardBalance, StatusBody
from truebook.money import WireFormatError
from truebook.venue.shards import (
    MAX_SHARD,
    TRANSFER_UNIT_MICROS,
    MarginReservation,
    ShardCash,
    ShardShare,
    ShardStatus,
    ShardTransfer,
    TargetAllocation,
    TransferStatus,
)

EVENT_CONTRACT: Final = "event_contract"
"""The exchange whose shards these are; the other is that of margined contracts."""


class TransferRequest(msgspec.Struct, kw_only=True):
    """The body of ``POST /portfolio/intra_exchange_instance_transfer``; ``amount`` is in centicents."""

    source: str
    destination: str
    amount: int
    source_exchange_shard: int
    destination_exchange_shard: int
    client_transfer_id: str


class TransferAccepted(msgspec.Struct, kw_only=True):
    transfer_id: str


class ShardTransferBody(Owned, kw_only=True):
    transfer_id: str
    source: str
    destination: str
    source_exchange_shard: int
    destination_exchange_shard: int
    amount: str
    status: str
    created_ts: int


class ShardTransferResponse(msgspec.Struct, kw_only=True):
    transfer: ShardTransferBody


class ShardTransfersPage(Page, kw_only=True):
    transfers: list[msgspec.Raw] | None


class ShareBody(msgspec.Struct, kw_only=True):
    exchange_index: int
    percent: int


class AllocationBody(msgspec.Struct, kw_only=True):
    """The body of ``/portfolio/target_balance_allocation``, in both directions."""

    allocations: list[ShareBody]
    resting_margin_reservation: str = MarginReservation.SUM.value


def status(body: StatusBody) -> ExchangeStatus:
    """Read the status; the fields at the top are those of the default shard."""
    return ExchangeStatus(
        exchange_active=body.exchange_active, trading_active=body.trading_active,
        transfers_active=body.intra_exchange_transfers_active,
        shards=tuple(
            ShardStatus(
                exchange_index=one.exchange_index, description=one.description, exchange_active=one.exchange_active,
                trading_active=one.trading_active, transfers_active=one.intra_exchange_transfers_active,
            )
            for one in body.exchange_index_statuses or ()
        ),
    )  # fmt: skip


def cash(rows: list[ShardBalance] | None) -> tuple[ShardCash, ...]:
    """Read the cash of each shard, by index; empty for a key that is not shown it."""
    found = {
        one.exchange_index: money.parse_micros(one.balance, f"balance of shard {one.exchange_index}")
        for one in rows or ()
    }
    if len(found) != len(rows or ()):
        raise WireFormatError(f"balance_breakdown: a shard has two rows: {[one.exchange_index for one in rows or ()]}")
    return tuple(ShardCash(exchange_index=index, balance_micros=found[index]) for index in sorted(found))


def write_transfer(transfer_id: str, from_shard: int, to_shard: int, amount_micros: int) -> bytes:
    """Write the request to move cash between shards of the primary subaccount.

    Raises ``ValueError`` for what the exchange documents as invalid: a bug of the caller.
    """
    if amount_micros <= 0 or amount_micros % TRANSFER_UNIT_MICROS:
        raise ValueError(f"amount_micros {amount_micros} is not a positive multiple of {TRANSFER_UNIT_MICROS}")
    uuid.UUID(transfer_id)
    if from_shard == to_shard or not (0 <= from_shard <= MAX_SHARD and 0 <= to_shard <= MAX_SHARD):
        raise ValueError(
            f"no transfer between shards {from_shard} and {to_shard}: two from 0 to {MAX_SHARD} are needed"
        )
    return msgspec.json.encode(
        TransferRequest(
            source=EVENT_CONTRACT, destination=EVENT_CONTRACT, amount=amount_micros // TRANSFER_UNIT_MICROS,
            source_exchange_shard=from_shard, destination_exchange_shard=to_shard, client_transfer_id=transfer_id,
        )
    )  # fmt: skip


def transfer(body: ShardTransferBody) -> ShardTransfer:
    """Read a transfer between shards; one from or to the exchange of margined contracts is none."""
    if (body.source, body.destination) != (EVENT_CONTRACT, EVENT_CONTRACT):
        raise WireFormatError(f"transfer: from {body.source!r} to {body.destination!r}, not between shards")
    try:
        found = TransferStatus(body.status)
    except ValueError as error:
        raise WireFormatError(f"transfer.status: {body.status!r}") from error
    return ShardTransfer(
        exchange_transfer_id=body.transfer_id, from_shard=body.source_exchange_shard,
        to_shard=body.destination_exchange_shard, amount_micros=money.parse_micros(body.amount, "transfer.amount"),
        status=found, created_us=times.from_unix_s(body.created_ts),
    )  # fmt: skip


def allocation(body: AllocationBody) -> TargetAllocation:
    """Read the target allocation; no shares: the exchange moves no cash."""
    try:
        reservation = MarginReservation(body.resting_margin_reservation)
    except ValueError as error:
        raise WireFormatError(f"resting_margin_reservation: {body.resting_margin_reservation!r}") from error
    shares = (ShardShare(exchange_index=one.exchange_index, percent=one.percent) for one in body.allocations)
    return TargetAllocation(shares=tuple(shares), reservation=reservation)


def write_allocation(target: TargetAllocation) -> bytes:
    """Write a target allocation."""
    shares = [ShareBody(exchange_index=one.exchange_index, percent=one.percent) for one in target.shares]
    return msgspec.json.encode(AllocationBody(allocations=shares, resting_margin_reservation=target.reservation.value))
