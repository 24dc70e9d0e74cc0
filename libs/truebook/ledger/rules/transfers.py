"""Transfers of cash between shards of the exchange: in two phases, and released only by proof.

``request_transfer`` takes the cash from its shard before anything is sent; from then on it is in transit, on no shard,
until a report proves that it has arrived or that the exchange refused. A lost response proves neither. A transfer that
others made (the exchange's own allocation, its web page) is recorded when it is reported, with what it took.
"""

from __future__ import annotations

from typing import Final

import msgspec

from truebook.ledger.outcomes import TransferOutcome, TransferState
from truebook.ledger.port import ShardTransferView
from truebook.ledger.rules.state import MAX_SINGLE_MICROS, MAX_TIME_US, LedgerState
from truebook.ledger.verbs import ReportTransfer, RequestTransfer
from truebook.venue.shards import MAX_SHARD, TRANSFER_UNIT_MICROS

SUM: Final = "#"
"""The id of a record that adds up transfers begins with it: ``#0>2``."""
_REPORTED = (TransferState.ACCEPTED, TransferState.ARRIVED, TransferState.REFUSED)


def request_transfer(state: LedgerState, verb: RequestTransfer) -> tuple[TransferOutcome, bool]:
    """Take available cash from a shard, once by the id; a repeated id returns the transfer's state."""
    if not _is_valid(verb):
        return TransferOutcome.INVALID, False
    if not state.opened:
        return TransferOutcome.NOT_OPEN, False
    known = state.transfers.get(verb.transfer_id)
    if known is not None:
        return TransferOutcome(known.state) if _same(known, verb) else TransferOutcome.CONFLICT, False
    if verb.amount_micros > state.net_of(verb.from_shard):
        return TransferOutcome.NO_CASH, False
    _take(state, verb, TransferState.REQUESTED)
    return TransferOutcome.REQUESTED, True


def report_transfer(state: LedgerState, verb: ReportTransfer) -> tuple[TransferOutcome, bool]:
    """Record what is proved: accepted, arrived or refused. Late and repeated reports lead to the same state."""
    if not _is_valid(verb) or verb.status not in _REPORTED:
        return TransferOutcome.INVALID, False
    reported = TransferState(verb.status)
    if verb.exchange_transfer_id == "" and reported is not TransferState.REFUSED:
        return TransferOutcome.INVALID, False
    if not state.opened:
        return TransferOutcome.NOT_OPEN, False
    if _is_tied_otherwise(state, verb):
        return TransferOutcome.CONFLICT, False
    known = state.transfers.get(verb.transfer_id)
    if known is None:
        if reported is TransferState.REFUSED:
            return TransferOutcome.NO_TRANSFER, False
        known = _take(state, verb, TransferState.REQUESTED)
    elif not _same(known, verb):
        return TransferOutcome.CONFLICT, False
    is_proved_otherwise = (known.state is TransferState.REFUSED) != (reported is TransferState.REFUSED)
    if is_proved_otherwise and known.state is not TransferState.REQUESTED:
        return TransferOutcome.CONFLICT, False
    if known.state in (reported, TransferState.ARRIVED):
        return TransferOutcome(known.state), False
    _advance(state, known, reported, verb.exchange_transfer_id)
    return TransferOutcome(reported), True


def add_up_transfers(state: LedgerState, before_us: int, most: int) -> int:
    """Replace ended transfers that were requested before a time by one record of each route; count them.

    The record has the sum of what arrived, since the cash on the shards is checked against it. A report of a transfer
    that was added up would take its cash again: whoever prunes must not report such transfers any more.
    """
    ended = sorted(
        (one.requested_us, one.transfer_id.encode())
        for one in state.transfers.values()
        if not one.state.is_open and one.requested_us < before_us and not one.transfer_id.startswith(SUM)
    )[:most]
    for _, encoded_id in ended:
        transfer = state.transfers.pop(encoded_id.decode())
        if transfer.exchange_transfer_id:
            del state.transfer_ids[transfer.exchange_transfer_id]
        if transfer.state is TransferState.ARRIVED:
            name = f"{SUM}{transfer.from_shard}>{transfer.to_shard}"
            known = state.transfers.get(name)
            total = transfer.amount_micros + (0 if known is None else known.amount_micros)
            state.transfers[name] = msgspec.structs.replace(
                transfer, transfer_id=name, exchange_transfer_id="", amount_micros=total, requested_us=0
            )
    return len(ended)


def _is_valid(verb: RequestTransfer | ReportTransfer) -> bool:
    return (
        verb.transfer_id != "" and not verb.transfer_id.startswith(SUM) and verb.from_shard != verb.to_shard
        and 0 <= verb.from_shard <= MAX_SHARD and 0 <= verb.to_shard <= MAX_SHARD
        and 0 < verb.amount_micros <= MAX_SINGLE_MICROS and verb.amount_micros % TRANSFER_UNIT_MICROS == 0
        and 0 <= verb.now_us <= MAX_TIME_US
    )  # fmt: skip


def _same(known: ShardTransferView, verb: RequestTransfer | ReportTransfer) -> bool:
    return (known.from_shard, known.to_shard, known.amount_micros) == (
        verb.from_shard, verb.to_shard, verb.amount_micros,
    )  # fmt: skip


def _is_tied_otherwise(state: LedgerState, verb: ReportTransfer) -> bool:
    """Return whether either id is already tied to another one."""
    if verb.exchange_transfer_id == "":
        return False
    if state.transfer_ids.get(verb.exchange_transfer_id, verb.transfer_id) != verb.transfer_id:
        return True
    known = state.transfers.get(verb.transfer_id)
    return known is not None and known.exchange_transfer_id not in ("", verb.exchange_transfer_id)


def _take(state: LedgerState, verb: RequestTransfer | ReportTransfer, at: TransferState) -> ShardTransferView:
    transfer = state.transfers[verb.transfer_id] = ShardTransferView(
        transfer_id=verb.transfer_id, exchange_transfer_id="", from_shard=verb.from_shard, to_shard=verb.to_shard,
        amount_micros=verb.amount_micros, state=at, requested_us=verb.now_us,
    )  # fmt: skip
    state.totals.in_transit_micros += verb.amount_micros
    state.add_to_shard(verb.from_shard, -verb.amount_micros)
    return transfer


def _advance(state: LedgerState, known: ShardTransferView, to: TransferState, exchange_transfer_id: str) -> None:
    if to is not TransferState.REFUSED:
        state.transfer_ids[exchange_transfer_id] = known.transfer_id
    else:
        exchange_transfer_id = known.exchange_transfer_id
    state.transfers[known.transfer_id] = msgspec.structs.replace(
        known, state=to, exchange_transfer_id=exchange_transfer_id
    )
    if not to.is_open:
        state.totals.in_transit_micros -= known.amount_micros
        state.add_to_shard(known.to_shard if to is TransferState.ARRIVED else known.from_shard, known.amount_micros)
