"""Signed REST endpoints of order groups. Changes answer after the journal is synced."""

from __future__ import annotations

from typing import Any, Final

from truebook.money import format_size
from truebook.simulation.order_groups import GroupChange
from truebook.simulation.orders import Rejected
from truebook.venue.account import ExchangeOrderGroup
from truebook_services.paper_exchange.arrivals import carry_out
from truebook_services.paper_exchange.calls import Access, Call, Endpoint, Handler, Reply
from truebook_services.paper_exchange.commands import ChangeGroup, Command, CreateGroup
from truebook_services.paper_exchange.errors import not_found, rejected
from truebook_services.paper_exchange.requests_in import read_group_limit, read_object


async def create(call: Call) -> Reply:
    group = await _carried_out(call, CreateGroup(call.account, read_group_limit(read_object(call.body))))
    return Reply(status=201, body={"order_group_id": group.group_id, "subaccount": 0, "exchange_index": 0})


async def groups(call: Call) -> dict[str, Any]:
    return {"order_groups": [{"id": one.group_id, **_body(one)} for one in call.engine.groups(call.account)]}


async def group(call: Call) -> dict[str, Any]:
    wanted = call.path["order_group_id"]
    found = next((one for one in call.engine.groups(call.account) if one.group_id == wanted), None)
    if found is None:
        raise not_found()
    return {**_body(found), "orders": list(found.orders)}


def _body(shown: ExchangeOrderGroup) -> dict[str, Any]:
    return {
        "contracts_limit_fp": format_size(shown.limit_centi),
        "is_auto_cancel_enabled": True,  # an account can't switch it off
        "exchange_index": 0,
    }


async def limit(call: Call) -> dict[str, Any]:
    return await _change(call, GroupChange.LIMIT, read_group_limit(read_object(call.body)))


async def reset(call: Call) -> dict[str, Any]:
    return await _change(call, GroupChange.RESET)


async def trigger(call: Call) -> dict[str, Any]:
    return await _change(call, GroupChange.TRIGGER)


async def delete(call: Call) -> dict[str, Any]:
    return await _change(call, GroupChange.DELETE)


async def _change(call: Call, change: GroupChange, limit_centi: int = 0) -> dict[str, Any]:
    await _carried_out(call, ChangeGroup(call.account, call.path["order_group_id"], change, limit_centi))
    return {}


async def _carried_out(call: Call, command: Command) -> ExchangeOrderGroup:
    [answer] = await carry_out(call, [command])
    if isinstance(answer, Rejected):
        raise rejected(answer)
    assert isinstance(answer, ExchangeOrderGroup)
    return answer


def _endpoint(method: str, path: str, name: str, handler: Handler, access: Access = "write") -> Endpoint:
    return Endpoint(method=method, path=f"/portfolio/order_groups{path}", name=name, handler=handler, access=access)


ENDPOINTS: Final = (
    _endpoint("GET", "", "GetOrderGroups", groups, "read"),
    _endpoint("POST", "/create", "CreateOrderGroup", create),
    _endpoint("GET", "/{order_group_id}", "GetOrderGroup", group, "read"),
    _endpoint("DELETE", "/{order_group_id}", "DeleteOrderGroup", delete),
    _endpoint("PUT", "/{order_group_id}/reset", "ResetOrderGroup", reset),
    _endpoint("PUT", "/{order_group_id}/trigger", "TriggerOrderGroup", trigger),
    _endpoint("PUT", "/{order_group_id}/limit", "UpdateOrderGroupLimit", limit),
)
