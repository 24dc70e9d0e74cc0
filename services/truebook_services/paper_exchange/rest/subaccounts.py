"""Signed REST endpoints of subaccounts: making them, their cash, transfers between them, and netting.

Netting is Kalshi's opt-in to collateral return over the markets of an event: ``simulation.venue.collateral_return``.
"""

from __future__ import annotations

from typing import Any, Final

from truebook.money import MICROS_PER_CENT
from truebook.simulation.venue.accounts import SubaccountTransfer
from truebook.simulation.venue.orders import Rejected
from truebook.simulation.venue.subaccount_names import number_of
from truebook.simulation.venue.subaccounts import SubaccountMove
from truebook_services.paper_exchange.engine.commands import CreateSubaccount, MoveBetweenSubaccounts, SetNetting
from truebook_services.paper_exchange.errors import rejected
from truebook_services.paper_exchange.rest.paging import listing, page
from truebook_services.paper_exchange.rest.request_bodies import (
    field,
    invalid,
    read_object,
    read_own_shard,
    read_subaccount,
    read_transfer_id,
)
from truebook_services.paper_exchange.rest.requests import Reply, RequestContext, signed_read, transfer_write
from truebook_services.paper_exchange.wire_fields import shard_rows

MAX_CENTS: Final = 2**53
_CREATE: Final = "CreateSubaccountRequest"
_TRANSFER: Final = "ApplySubaccountTransferRequest"
_NETTING: Final = "UpdateSubaccountNettingRequest"


async def create(context: RequestContext) -> Reply:
    context.check_unlocked()
    raw = read_object(context.body) if context.body else {}
    context.note_unknown(_CREATE, raw)
    number = await context.submit_one(CreateSubaccount(context.account, read_own_shard(raw, _CREATE)), int)
    return Reply(status=201, body={"subaccount_number": number})


async def balances(context: RequestContext) -> dict[str, Any]:
    """List the cash of each subaccount and shard."""
    rows = []
    for name in context.subaccounts():
        available, shards = context.queries.balance(name), context.queries.shards_of(name)
        common = {
            "subaccount_number": number_of(name),
            "updated_ts": (available.updated_us or context.state.now_us()) // 1_000_000,
        }
        rows += [common | row for row in shard_rows(available.by_shard) if row["exchange_index"] in shards]
    return {"subaccount_balances": rows}


async def transfer(context: RequestContext) -> dict[str, Any]:
    context.check_unlocked()
    raw = read_object(context.body)
    context.note_unknown(_TRANSFER, raw)
    transfer_id = read_transfer_id(raw, _TRANSFER)
    source, target = (read_subaccount(raw, _TRANSFER, name) for name in ("from_subaccount", "to_subaccount"))
    amount = field(raw, _TRANSFER, "amount_cents", int)
    if transfer_id is None or source is None or target is None:
        raise invalid("client_transfer_id, from_subaccount and to_subaccount are required")
    if amount is None or not 0 < amount <= MAX_CENTS:
        raise invalid("amount_cents: a number of cents above 0 is required")
    wanted = SubaccountMove(
        transfer_id=transfer_id, from_number=source, to_number=target, amount_micros=amount * MICROS_PER_CENT,
        shard=read_own_shard(raw, _TRANSFER),
    )  # fmt: skip
    await context.submit_one(MoveBetweenSubaccounts(context.account, wanted), SubaccountTransfer)
    return {}


async def transfers(context: RequestContext) -> dict[str, Any]:
    """List transfers, newest first; a restricted key sees those of its subaccount."""

    def matches(one: SubaccountTransfer) -> bool:
        return context.locked is None or context.locked in (one.from_number, one.to_number)

    listed = context.queries.subaccount_transfers(context.account)
    found, cursor = page(context.query, listed, lambda one: one.transfer_id, matches)
    return listing("transfers", [_transfer(one) for one in found], cursor)


def _transfer(one: SubaccountTransfer) -> dict[str, Any]:
    return {
        "transfer_id": one.transfer_id,
        "from_subaccount": one.from_number,
        "to_subaccount": one.to_number,
        "amount_cents": one.amount_micros // MICROS_PER_CENT,
        "created_ts": one.created_us // 1_000_000,
        "exchange_index": one.shard,
    }


async def netting(context: RequestContext) -> dict[str, Any]:
    """List the switch of each subaccount, once per shard: it is the same on all of them."""
    return {
        "netting_configs": [
            {"subaccount_number": number_of(name), "enabled": context.queries.is_netting(name), "exchange_index": index}
            for name in context.subaccounts()
            for index in context.queries.shards_of(name)
        ]
    }


async def set_netting(context: RequestContext) -> Reply:
    raw = read_object(context.body)
    context.note_unknown(_NETTING, raw)
    number, enabled = read_subaccount(raw, _NETTING, "subaccount_number"), field(raw, _NETTING, "enabled", bool)
    if number is None or enabled is None:
        raise invalid("subaccount_number and enabled are required")
    context.subaccount(number)
    [result] = await context.submit([SetNetting(context.account, number, enabled)])
    if isinstance(result, Rejected):
        raise rejected(result)
    return Reply(status=200)


ENDPOINTS: Final = (
    transfer_write("POST", "/portfolio/subaccounts", "CreateSubaccount", create),
    signed_read("/portfolio/subaccounts/balances", "GetSubaccountBalances", balances),
    transfer_write("POST", "/portfolio/subaccounts/transfer", "ApplySubaccountTransfer", transfer),
    signed_read("/portfolio/subaccounts/transfers", "GetSubaccountTransfers", transfers),
    signed_read("/portfolio/subaccounts/netting", "GetSubaccountNetting", netting),
    transfer_write("PUT", "/portfolio/subaccounts/netting", "UpdateSubaccountNetting", set_netting),
)
