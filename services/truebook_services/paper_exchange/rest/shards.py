"""Signed REST endpoints of exchange shards: transfers of cash between them, the target allocation, their status."""

from __future__ import annotations

import uuid
from typing import Any, Final

from truebook.money import format_fixed
from truebook.simulation.venue.accounts import CashMove, SubaccountTransfer
from truebook.simulation.venue.orders import Rejected
from truebook.simulation.venue.subaccount_names import PRIMARY
from truebook.simulation.venue.subaccounts import TRANSFER_EXISTS, SubaccountMove
from truebook.venue.shards import (
    DEFAULT_SHARD,
    MAX_SHARD,
    TRANSFER_UNIT_MICROS,
    MarginReservation,
    ShardShare,
    ShardStatus,
    ShardTransfer,
    TargetAllocation,
)
from truebook_services.paper_exchange.engine.commands import (
    MoveBetweenSubaccounts,
    MoveCash,
    SetAllocation,
)
from truebook_services.paper_exchange.errors import WireError, nested, not_found, rejected
from truebook_services.paper_exchange.rest.paging import listing, page
from truebook_services.paper_exchange.rest.request_bodies import (
    field,
    invalid,
    read_object,
    read_subaccount,
    read_transfer_id,
)
from truebook_services.paper_exchange.rest.requests import RequestContext, public, signed_read, transfer_write

EVENT_CONTRACT: Final = "event_contract"
TRANSFER_LIMITS: Final = (100, 500)
MAX_CENTICENTS: Final = 2**53
MAX_SHARES: Final = MAX_SHARD + 1
_TRANSFER: Final = "IntraExchangeInstanceTransferRequest"
_ALLOCATION: Final = "UpdateTargetBalanceAllocationRequest"


async def move(context: RequestContext) -> dict[str, Any]:
    """Move cash between shards, or between subaccounts of one.

    Between numbered subaccounts on two shards it is a sequence of steps, as at the real exchange: to the primary one,
    to the other shard, to the subaccount there. Where a later step fails, the cash stays in the primary one.
    """
    context.check_unlocked()
    raw = read_object(context.body)
    context.note_unknown(_TRANSFER, raw)
    client_id = read_transfer_id(raw, _TRANSFER)
    for name in ("source", "destination"):
        kind = field(raw, _TRANSFER, name, str)
        if kind != EVENT_CONTRACT:
            raise invalid(f"{name}: only {EVENT_CONTRACT} is simulated")
    source, target = (
        read_subaccount(raw, _TRANSFER, name) or PRIMARY for name in ("source_subaccount", "destination_subaccount")
    )
    if client_id is not None and (source or target):
        raise invalid("client_transfer_id: not allowed with a numbered subaccount")
    amount = field(raw, _TRANSFER, "amount", int)
    if amount is None or not 0 < amount <= MAX_CENTICENTS:
        raise invalid("amount: a number of centicents above 0 is required")
    key = client_id or f"{context.account} {context.state.now_us()} {next(context.state.numbers)}"
    wanted = CashMove(
        from_shard=field(raw, _TRANSFER, "source_exchange_shard", int, DEFAULT_SHARD),
        to_shard=field(raw, _TRANSFER, "destination_exchange_shard", int, DEFAULT_SHARD),
        amount_micros=amount * TRANSFER_UNIT_MICROS, delay_us=context.state.shards.transfer_latency.of_order(key),
        client_transfer_id=client_id, to_subaccount=target,
    )  # fmt: skip
    if wanted.from_shard == wanted.to_shard and (source or target):
        return {"transfer_id": await _between_subaccounts(context, wanted, source, target)}
    if source != PRIMARY:
        await _between_subaccounts(context, wanted, source, PRIMARY)
    [result] = await context.submit([MoveCash(context.account, wanted)])
    if isinstance(result, Rejected):
        raise _refused(context, result)
    assert isinstance(result, ShardTransfer)
    return {"transfer_id": result.exchange_transfer_id}


async def _between_subaccounts(context: RequestContext, wanted: CashMove, source: int, target: int) -> str:
    """Move cash between two subaccounts of the source shard; returns the transfer's id."""
    number = next(context.state.numbers)
    transfer_id = str(uuid.uuid5(uuid.NAMESPACE_OID, f"{context.account} {context.state.now_us()} {number}"))
    move = SubaccountMove(
        transfer_id=transfer_id, from_number=source, to_number=target, amount_micros=wanted.amount_micros,
        shard=wanted.from_shard,
    )  # fmt: skip
    await context.submit_one(MoveBetweenSubaccounts(context.account, move), SubaccountTransfer)
    return transfer_id


def _refused(context: RequestContext, rejection: Rejected) -> WireError:
    if rejection == TRANSFER_EXISTS:
        return nested(context.state.shards.used_transfer_id_status, rejection.code, rejection.detail)
    return rejected(rejection)


async def transfers(context: RequestContext) -> dict[str, Any]:
    context.check_reads_primary()
    found, cursor = page(
        context.query, context.queries.shard_transfers(context.account), lambda one: one.exchange_transfer_id,
        lambda _: True, limits=TRANSFER_LIMITS,
    )  # fmt: skip
    rows = [_transfer(one) for one in found]
    return listing("transfers", rows, cursor) if cursor else {"transfers": rows}


async def transfer(context: RequestContext) -> dict[str, Any]:
    context.check_reads_primary()
    found = context.queries.shard_transfer(context.account, context.path["transfer_id"])
    if found is None:
        raise not_found()
    return {"transfer": _transfer(found)}


def _transfer(one: ShardTransfer) -> dict[str, Any]:
    return {
        "transfer_id": one.exchange_transfer_id,
        "source": EVENT_CONTRACT,
        "destination": EVENT_CONTRACT,
        "source_exchange_shard": one.from_shard,
        "destination_exchange_shard": one.to_shard,
        "amount": format_fixed(one.amount_micros // TRANSFER_UNIT_MICROS, 4),
        "status": one.status.value,
        "created_ts": one.created_us // 1_000_000,
    }


async def allocation(context: RequestContext) -> dict[str, Any]:
    context.check_reads_primary()
    target = context.queries.allocation(context.account)
    return {
        "allocations": [{"exchange_index": one.exchange_index, "percent": one.percent} for one in target.shares],
        "resting_margin_reservation": target.reservation.value,
    }


async def set_allocation(context: RequestContext) -> dict[str, Any]:
    context.check_unlocked()
    raw = read_object(context.body)
    context.note_unknown(_ALLOCATION, raw)
    rows = field(raw, _ALLOCATION, "allocations", list)
    if rows is None or len(rows) > MAX_SHARES:
        raise invalid(f"allocations: a list of at most {MAX_SHARES} rows is required")
    rule = field(raw, _ALLOCATION, "resting_margin_reservation", str, MarginReservation.SUM.value)
    if rule not in list(MarginReservation):
        raise invalid(f"resting_margin_reservation: {rule!r} is not one of {', '.join(MarginReservation)}")
    target = TargetAllocation(shares=tuple(_share(row) for row in rows), reservation=MarginReservation(rule))
    delay_us = context.state.shards.transfer_latency.of_order(context.account)
    await context.submit_one(SetAllocation(context.account, target, delay_us), TargetAllocation)
    return {}


def _share(row: Any) -> ShardShare:
    if not isinstance(row, dict):
        raise invalid("allocations: each row is an object")
    values = [field(row, "TargetBalanceAllocation", name, int) for name in ("exchange_index", "percent")]
    if None in values:
        raise invalid("allocations: exchange_index and percent are required")
    return ShardShare(exchange_index=values[0], percent=values[1])


async def status(context: RequestContext) -> dict[str, Any]:
    """Return the exchange's state; the fields at the top are those of the default shard."""
    shards = context.queries.shard_statuses()
    return {
        **_switches(shards[0]),
        "exchange_index_statuses": [
            {"exchange_index": one.exchange_index, "description": one.description, **_switches(one)} for one in shards
        ],
        "simulated_exchange_id": context.state.exchange_id,
    }


def _switches(shard: ShardStatus) -> dict[str, Any]:
    return {
        "exchange_active": shard.exchange_active,
        "trading_active": shard.trading_active,
        "intra_exchange_transfers_active": shard.transfers_active,
    }


_TRANSFERS: Final = "/portfolio/intra_exchange_instance_transfers"
_TARGET: Final = "/portfolio/target_balance_allocation"
ENDPOINTS: Final = (
    public("/exchange/status", "GetExchangeStatus", status),
    transfer_write("POST", "/portfolio/intra_exchange_instance_transfer", "IntraExchangeInstanceTransfer", move),
    signed_read(_TRANSFERS, "GetIntraExchangeInstanceTransfers", transfers),
    signed_read(f"{_TRANSFERS}/{{transfer_id}}", "GetIntraExchangeInstanceTransfer", transfer),
    signed_read(_TARGET, "GetTargetBalanceAllocation", allocation),
    transfer_write("POST", _TARGET, "UpdateTargetBalanceAllocation", set_allocation),
)  # fmt: skip
