"""Signed REST endpoints of subaccounts: this exchange has the primary one, 0, of each account.

Making one and moving cash into it are not simulated (see ``absent``): an order for another subaccount is refused.
"""

from __future__ import annotations

from typing import Any, Final

from truebook_services.paper_exchange.errors import not_found
from truebook_services.paper_exchange.rest.absent import not_simulated
from truebook_services.paper_exchange.rest.paging import empty_listing
from truebook_services.paper_exchange.rest.request_bodies import field, invalid, read_object
from truebook_services.paper_exchange.rest.requests import Endpoint, Reply, RequestContext, signed_read
from truebook_services.paper_exchange.wire_fields import shard_rows

_NETTING: Final = "UpdateSubaccountNettingRequest"


async def balances(context: RequestContext) -> dict[str, Any]:
    """List the cash of each subaccount and shard: one row per shard."""
    available = context.queries.balance(context.account)
    at_s = (available.updated_us or context.state.now_us()) // 1_000_000
    rows = [{"subaccount_number": 0, "updated_ts": at_s} | row for row in shard_rows(available.by_shard)]
    return {"subaccount_balances": rows}


async def transfers(context: RequestContext) -> dict[str, Any]:
    """List transfers between subaccounts: there are none."""
    return empty_listing(context.query, "transfers")


async def netting(context: RequestContext) -> dict[str, Any]:
    """Positions net within a market only."""
    shards = context.queries.balance(context.account).by_shard
    return {
        "netting_configs": [
            {"subaccount_number": 0, "enabled": False, "exchange_index": one.exchange_index} for one in shards
        ]
    }


async def set_netting(context: RequestContext) -> Reply:
    """Accept what already holds; netting over the markets of an event is not simulated."""
    raw = read_object(context.body)
    context.note_unknown(_NETTING, raw)
    number, enabled = field(raw, _NETTING, "subaccount_number", int), field(raw, _NETTING, "enabled", bool)
    if number is None or enabled is None:
        raise invalid("subaccount_number and enabled are required")
    if number != 0:
        raise not_found()
    if enabled:
        raise not_simulated(context.query.operation)
    return Reply(status=200)


ENDPOINTS: Final = (
    signed_read("/portfolio/subaccounts/balances", "GetSubaccountBalances", balances),
    signed_read("/portfolio/subaccounts/transfers", "GetSubaccountTransfers", transfers),
    signed_read("/portfolio/subaccounts/netting", "GetSubaccountNetting", netting),
    Endpoint(
        method="PUT", path="/portfolio/subaccounts/netting", name="UpdateSubaccountNetting", handler=set_netting,
        access="write",
    ),
)  # fmt: skip
