"""Signed REST endpoints of order groups. Changes respond after the journal is synced."""

from __future__ import annotations

from typing import Any, Final

from truebook.money import format_size
from truebook.simulation.venue.order_groups import GroupChange
from truebook.simulation.venue.subaccount_names import number_of
from truebook.venue.account import ExchangeOrderGroup
from truebook.venue.shards import DEFAULT_SHARD, MAX_SHARD
from truebook_services.paper_exchange.engine.commands import ChangeGroup, CreateGroup
from truebook_services.paper_exchange.errors import not_found
from truebook_services.paper_exchange.rest.rate_limits import Access, Routing
from truebook_services.paper_exchange.rest.request_bodies import (
    read_group_limit,
    read_object,
    read_own_shard,
    read_subaccount,
)
from truebook_services.paper_exchange.rest.requests import Endpoint, Handler, Reply, RequestContext


async def create(context: RequestContext) -> Reply:
    raw = read_object(context.body)
    context.note_unknown("OrderGroupRequest", raw)
    shard = read_own_shard(raw, "OrderGroupRequest")
    subaccount = context.subaccount(read_subaccount(raw, "OrderGroupRequest"))
    group = await context.submit_one(CreateGroup(subaccount, read_group_limit(raw), shard), ExchangeOrderGroup)
    body = {
        "order_group_id": group.group_id, "subaccount": number_of(subaccount), "exchange_index": group.exchange_index,
    }  # fmt: skip
    return Reply(status=201, body=body)


async def groups(context: RequestContext) -> dict[str, Any]:
    return {"order_groups": [{"id": one.group_id, **_body(one)} for one in _groups(context)]}


async def group(context: RequestContext) -> dict[str, Any]:
    group_id = context.path["order_group_id"]
    found = next((one for one in _groups(context) if one.group_id == group_id), None)
    if found is None:
        raise not_found()
    return {**_body(found), "orders": list(found.orders)}


def _groups(context: RequestContext) -> list[ExchangeOrderGroup]:
    return [one for name in context.subaccounts() for one in context.state.engine.groups.of_account(name)]


def _body(group: ExchangeOrderGroup) -> dict[str, Any]:
    return {
        "contracts_limit_fp": format_size(group.limit_centi),
        "is_auto_cancel_enabled": True,  # an account cannot switch it off
        "exchange_index": group.exchange_index,
    }


async def limit(context: RequestContext) -> dict[str, Any]:
    raw = read_object(context.body)
    context.note_unknown("OrderGroupRequest", raw)
    return await _change(context, GroupChange.LIMIT, read_group_limit(raw))


def _changes(change: GroupChange) -> Handler:
    return lambda context: _change(context, change)


async def _change(context: RequestContext, change: GroupChange, limit_centi: int = 0) -> dict[str, Any]:
    shard = context.query.number("exchange_index", DEFAULT_SHARD, MAX_SHARD, DEFAULT_SHARD) or DEFAULT_SHARD
    command = ChangeGroup(context.named_subaccount(), context.path["order_group_id"], change, limit_centi, shard)
    await context.submit_one(command, ExchangeOrderGroup)
    return {}


def _endpoint(method: str, path: str, name: str, handler: Handler, access: Access = "write") -> Endpoint:
    routing: Routing = "none" if access == "read" else "body" if method == "POST" else "query"
    return Endpoint(
        method=method, path=f"/portfolio/order_groups{path}", name=name, handler=handler, access=access,
        routing=routing, write_scope="write::trade",
    )  # fmt: skip


ENDPOINTS: Final = (
    _endpoint("GET", "", "GetOrderGroups", groups, "read"),
    _endpoint("POST", "/create", "CreateOrderGroup", create),
    _endpoint("GET", "/{order_group_id}", "GetOrderGroup", group, "read"),
    _endpoint("DELETE", "/{order_group_id}", "DeleteOrderGroup", _changes(GroupChange.DELETE)),
    _endpoint("PUT", "/{order_group_id}/reset", "ResetOrderGroup", _changes(GroupChange.RESET)),
    _endpoint("PUT", "/{order_group_id}/trigger", "TriggerOrderGroup", _changes(GroupChange.TRIGGER)),
    _endpoint("PUT", "/{order_group_id}/limit", "UpdateOrderGroupLimit", limit),
)
