"""Signed REST endpoints that create, change and cancel orders. They respond after the journal is synced."""

from __future__ import annotations

from typing import Any, Final

from truebook.messages.envelope import BookSide
from truebook.messages.ids import digest
from truebook.money import ONE_DOLLAR_CC, format_price, format_size
from truebook.simulation.venue.order_changes import ChangeResponse
from truebook.simulation.venue.orders import Rejected
from truebook.simulation.venue.shard_plan import Route
from truebook.venue.account import CancelResponse, CreateResponse, OrderRequest
from truebook.venue.rate_tiers import CANCEL_COST, DEFAULT_COST
from truebook.venue.shards import AUTOMATIC, MAX_SHARD
from truebook_services.paper_exchange.engine.commands import (
    AmendOrder,
    CancelAllOrders,
    CancelOrder,
    CommandResult,
    DecreaseOrder,
    PlaceOrder,
)
from truebook_services.paper_exchange.errors import WireError, legacy_endpoint, rejected_body
from truebook_services.paper_exchange.rest.paging import MAX_LIMIT
from truebook_services.paper_exchange.rest.rate_limits import Routing
from truebook_services.paper_exchange.rest.request_bodies import (
    field,
    invalid,
    read_amendment,
    read_create,
    read_decrease,
    read_object,
    read_shard,
    read_subaccount,
)
from truebook_services.paper_exchange.rest.requests import Endpoint, Handler, Reply, RequestContext


async def create(context: RequestContext) -> Reply:
    raw = read_object(context.body)
    context.note_unknown("CreateOrderV2Request", raw)
    request = read_create(raw, _generated_id(context, 0))
    subaccount = context.subaccount(read_subaccount(raw, "CreateOrderV2Request"))
    created = await context.submit_one(PlaceOrder(subaccount, request), CreateResponse)
    return Reply(status=201, body=_created(context, subaccount, request, created))


def _generated_id(context: RequestContext, index: int) -> str:
    """Generate the client order id of a request without one; the engine accepts every id only once."""
    return digest("unnamed", context.account, context.state.now_us(), next(context.state.numbers), index)


def _created(
    context: RequestContext, subaccount: str, request: OrderRequest, response: CreateResponse
) -> dict[str, Any]:
    body: dict[str, Any] = {
        "order_id": response.exchange_order_id,
        "client_order_id": response.client_order_id,
        "fill_count": format_size(response.filled_centi),
        "remaining_count": format_size(response.remaining_centi),
        "ts_ms": response.processed_us // 1000,
    }
    costs = context.queries.order_costs(subaccount, response.exchange_order_id)
    if response.filled_centi and costs is not None:
        body |= _averages(request.book_side, response.filled_centi, costs.taker_cost_micros, costs.taker_fees_micros)
    return body


def _averages(side: BookSide, size_centi: int, cost_micros: int, fees_micros: int) -> dict[str, Any]:
    """Return the average YES price of the fills, and the average fee per contract."""
    own_cc = _per_contract_cc(cost_micros, size_centi)
    yes_cc = own_cc if side is BookSide.BID else ONE_DOLLAR_CC - own_cc
    return {
        "average_fill_price": format_price(yes_cc),
        "average_fee_paid": format_price(_per_contract_cc(fees_micros, size_centi)),
    }


def _per_contract_cc(micros: int, size_centi: int) -> int:
    """Divide an amount by a number of contracts; in centi-cents, rounded half up."""
    return (2 * micros + size_centi) // (2 * size_centi)


async def cancel(context: RequestContext) -> dict[str, Any]:
    index = context.query.number("exchange_index", AUTOMATIC, MAX_SHARD)
    route = _checked(Route(index, context.query.text("market_ticker")))
    command = CancelOrder(context.named_subaccount(), context.path["order_id"], route)
    return _cancelled(await context.submit_one(command, CancelResponse))


def _cancelled(response: CancelResponse) -> dict[str, Any]:
    return {
        "order_id": response.exchange_order_id,
        "reduced_by": format_size(response.reduced_centi),
        "ts_ms": response.processed_us // 1000,
    }


async def decrease(context: RequestContext) -> dict[str, Any]:
    raw = read_object(context.body)
    context.note_unknown("DecreaseOrderV2Request", raw)
    by_centi, to_centi = read_decrease(raw)
    route = _route(raw, "DecreaseOrderV2Request")
    command = DecreaseOrder(context.named_subaccount(), context.path["order_id"], by_centi, to_centi, route)
    return _changed(await context.submit_one(command, ChangeResponse))


def _route(raw: dict[str, Any], structure: str) -> Route:
    return _checked(Route(read_shard(raw, structure), field(raw, structure, "market_ticker", str) or None))


def _checked(route: Route) -> Route:
    if route.exchange_index == AUTOMATIC and route.ticker is None:
        raise invalid(f"market_ticker is required where exchange_index is {AUTOMATIC}")
    return route


async def amend(context: RequestContext) -> dict[str, Any]:
    raw = read_object(context.body)
    context.note_unknown("AmendOrderV2Request", raw)
    amendment = read_amendment(raw)
    route = Route(read_shard(raw, "AmendOrderV2Request"), amendment.ticker)
    command = AmendOrder(context.named_subaccount(), context.path["order_id"], amendment, route)
    response = await context.submit_one(command, ChangeResponse)
    body = _changed(response)
    body["fill_count"] = format_size(response.traded_centi)
    if response.traded_centi:
        body |= _averages(amendment.book_side, response.traded_centi, response.traded_micros, response.fees_micros)
    return body


def _changed(response: ChangeResponse) -> dict[str, Any]:
    return {
        "order_id": response.exchange_order_id,
        "client_order_id": response.client_order_id,
        "remaining_count": format_size(response.remaining_centi),
        "ts_ms": response.processed_us // 1000,
    }


async def cancel_all(context: RequestContext) -> Reply:
    await context.submit([CancelAllOrders(name) for name in context.subaccounts()])
    return Reply(status=204)


def _batch(context: RequestContext, structure: str) -> list[dict[str, Any]]:
    raw = read_object(context.body)
    context.note_unknown("BatchRequest", raw)
    items = field(raw, "BatchRequest", "orders", list)
    if not items or len(items) > MAX_LIMIT or any(not isinstance(item, dict) for item in items):
        raise invalid(f"orders: a list of 1 to {MAX_LIMIT} objects is required")
    for item in items:
        context.note_unknown(structure, item)
        context.subaccount(read_subaccount(item, structure))
    return list(items)


async def batch_create(context: RequestContext) -> Reply:
    """Create several orders; an unreadable or rejected one has its error in its own element.

    An unknown subaccount, or one that the key may not use, refuses the whole batch.
    """
    items = _batch(context, "CreateOrderV2Request")
    context.state.limits.take(context.account, "write", DEFAULT_COST * len(items), context.state.now_us())
    results: list[dict[str, Any] | None] = []
    commands: list[PlaceOrder] = []
    for index, item in enumerate(items):
        try:
            request = read_create(item, _generated_id(context, index))
            subaccount = context.subaccount(read_subaccount(item, "CreateOrderV2Request"))
            commands.append(PlaceOrder(subaccount, request))
            results.append(None)
        except WireError as error:
            results.append({"client_order_id": item.get("client_order_id") or "", "error": _inner(error)})
    responses = await context.submit(commands)
    placed = zip(commands, responses, strict=True)
    bodies = [_batch_created(context, *next(placed)) if one is None else one for one in results]
    return Reply(status=201, body={"orders": bodies})


def _batch_created(context: RequestContext, command: PlaceOrder, response: CommandResult) -> dict[str, Any]:
    if isinstance(response, CreateResponse):
        return _created(context, command.account, command.request, response)
    assert isinstance(response, Rejected)
    rejection = context.as_configured(response)
    return {"client_order_id": command.request.client_order_id, "error": rejected_body(rejection)}


def _inner(error: WireError) -> dict[str, Any]:
    body: dict[str, Any] = error.body.get("error", error.body)
    return body


async def batch_cancel(context: RequestContext) -> dict[str, Any]:
    items = _batch(context, "BatchCancelOrdersV2Request")
    context.state.limits.take(context.account, "write", CANCEL_COST * len(items), context.state.now_us())
    ids = [field(item, "BatchCancelOrdersV2Request", "order_id", str) or "" for item in items]
    routes = [_route(item, "BatchCancelOrdersV2Request") for item in items]
    names = [context.subaccount(read_subaccount(item, "BatchCancelOrdersV2Request")) for item in items]
    commands = [CancelOrder(*one) for one in zip(names, ids, routes, strict=True)]
    responses = await context.submit(commands)
    bodies: list[dict[str, Any]] = []
    for order_id, response in zip(ids, responses, strict=True):
        if isinstance(response, CancelResponse):
            bodies.append(_cancelled(response))
        else:
            assert isinstance(response, Rejected)
            bodies.append({"order_id": order_id, "reduced_by": "0.00", "error": rejected_body(response)})
    return {"orders": bodies}


async def legacy(context: RequestContext) -> None:
    raise legacy_endpoint()


def _write(
    method: str, path: str, name: str, handler: Handler, cost: int = DEFAULT_COST, *, routing: Routing = "none"
) -> Endpoint:
    return Endpoint(
        method=method, path=path, name=name, handler=handler, access="write", cost=cost, routing=routing,
        write_scope="write::trade",
    )  # fmt: skip


_ORDERS: Final = "/portfolio/events/orders"
_LEGACY: Final = (
    ("POST", "/portfolio/orders"),
    ("POST", "/portfolio/orders/batched"),
    ("DELETE", "/portfolio/orders/batched"),
    ("DELETE", "/portfolio/orders/{order_id}"),
    ("POST", "/portfolio/orders/{order_id}/amend"),
    ("POST", "/portfolio/orders/{order_id}/decrease"),
)
ENDPOINTS: Final = (
    _write("POST", _ORDERS, "CreateOrderV2", create, routing="order"),
    _write("DELETE", _ORDERS, "CancelAllOrders", cancel_all, CANCEL_COST),
    # The cost of a batch depends on its length: its handler takes the tokens.
    _write("POST", f"{_ORDERS}/batched", "BatchCreateOrdersV2", batch_create, 0),
    _write("DELETE", f"{_ORDERS}/batched", "BatchCancelOrdersV2", batch_cancel, 0),
    _write("DELETE", f"{_ORDERS}/{{order_id}}", "CancelOrderV2", cancel, CANCEL_COST, routing="cancel"),
    _write("POST", f"{_ORDERS}/{{order_id}}/decrease", "DecreaseOrderV2", decrease, routing="decrease"),
    _write("POST", f"{_ORDERS}/{{order_id}}/amend", "AmendOrderV2", amend, routing="order"),
    *(_write(method, path, "Legacy", legacy) for method, path in _LEGACY),
)
