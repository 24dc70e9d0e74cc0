"""Signed REST endpoints that create, change and cancel orders. They answer after the journal is synced."""

from __future__ import annotations

from typing import Any, Final

from truebook.messages.envelope import BookSide
from truebook.messages.ids import digest
from truebook.money import ONE_DOLLAR_CC, format_price, format_size
from truebook.simulation.order_changes import ChangeAnswer
from truebook.simulation.orders import Rejected
from truebook.venue.account import CancelAnswer, CreateAnswer, OrderRequest
from truebook_services.paper_exchange.arrivals import carry_out
from truebook_services.paper_exchange.calls import Call, Endpoint, Handler, Reply
from truebook_services.paper_exchange.commands import Amend, Answer, Cancel, CancelAll, Decrease, Place
from truebook_services.paper_exchange.errors import WireError, legacy_endpoint, nested_body, rejected
from truebook_services.paper_exchange.paging import MOST
from truebook_services.paper_exchange.rate_limits import CANCEL_COST, DEFAULT_COST
from truebook_services.paper_exchange.requests_in import (
    field,
    invalid,
    read_amendment,
    read_create,
    read_decrease,
    read_object,
)


async def create(call: Call) -> Reply:
    request = read_create(read_object(call.body), _unnamed(call, 0))
    [answer] = await carry_out(call, [Place(call.account, request)])
    if isinstance(answer, Rejected):
        raise rejected(answer)
    assert isinstance(answer, CreateAnswer)
    call.floor.faults.acknowledging_create()
    return Reply(status=201, body=_created(call, request, answer))


def _unnamed(call: Call, index: int) -> str:
    """Name an order whose client gives it no id; the engine takes every id once only."""
    return digest("unnamed", call.account, call.floor.now_us(), next(call.floor.numbers), index)


def _created(call: Call, request: OrderRequest, answer: CreateAnswer) -> dict[str, Any]:
    body: dict[str, Any] = {
        "order_id": answer.exchange_order_id,
        "client_order_id": answer.client_order_id,
        "fill_count": format_size(answer.filled_centi),
        "remaining_count": format_size(answer.remaining_centi),
        "ts_ms": answer.processed_us // 1000,
    }
    costs = call.engine.order_costs(call.account, answer.exchange_order_id)
    if answer.filled_centi and costs is not None:
        body |= _averages(request.book_side, answer.filled_centi, costs.taker_cost_micros, costs.taker_fees_micros)
    return body


def _averages(side: BookSide, size_centi: int, cost_micros: int, fees_micros: int) -> dict[str, Any]:
    """Average what was traded: the YES price, and the fee per contract."""
    own_cc = _per_contract_cc(cost_micros, size_centi)
    yes_cc = own_cc if side is BookSide.BID else ONE_DOLLAR_CC - own_cc
    return {
        "average_fill_price": format_price(yes_cc),
        "average_fee_paid": format_price(_per_contract_cc(fees_micros, size_centi)),
    }


def _per_contract_cc(micros: int, size_centi: int) -> int:
    """Average an amount over contracts, in centi-cents, rounded half up."""
    return (2 * micros + size_centi) // (2 * size_centi)


async def cancel(call: Call) -> dict[str, Any]:
    [answer] = await carry_out(call, [Cancel(call.account, call.path["order_id"])])
    if isinstance(answer, Rejected):
        raise rejected(answer)
    assert isinstance(answer, CancelAnswer)
    return _cancelled(answer)


def _cancelled(answer: CancelAnswer) -> dict[str, Any]:
    return {
        "order_id": answer.exchange_order_id,
        "reduced_by": format_size(answer.reduced_centi),
        "ts_ms": answer.processed_us // 1000,
    }


async def decrease(call: Call) -> dict[str, Any]:
    by_centi, to_centi = read_decrease(read_object(call.body))
    [answer] = await carry_out(call, [Decrease(call.account, call.path["order_id"], by_centi, to_centi)])
    return _changed(answer)


async def amend(call: Call) -> dict[str, Any]:
    wanted = read_amendment(read_object(call.body))
    [answer] = await carry_out(call, [Amend(call.account, call.path["order_id"], wanted)])
    body = _changed(answer)
    assert isinstance(answer, ChangeAnswer)
    body["fill_count"] = format_size(answer.traded_centi)
    if answer.traded_centi:
        body |= _averages(wanted.book_side, answer.traded_centi, answer.traded_micros, answer.fees_micros)
    return body


def _changed(answer: Answer) -> dict[str, Any]:
    if isinstance(answer, Rejected):
        raise rejected(answer)
    assert isinstance(answer, ChangeAnswer)
    return {
        "order_id": answer.exchange_order_id,
        "client_order_id": answer.client_order_id,
        "remaining_count": format_size(answer.remaining_centi),
        "ts_ms": answer.processed_us // 1000,
    }


async def cancel_all(call: Call) -> Reply:
    await carry_out(call, [CancelAll(call.account)])
    return Reply(status=204)


def _batch(call: Call) -> list[dict[str, Any]]:
    items = field(read_object(call.body), "BatchRequest", "orders", list)
    if not items or len(items) > MOST or any(not isinstance(item, dict) for item in items):
        raise invalid(f"orders: a list of 1 to {MOST} objects is required")
    return list(items)


async def batch_create(call: Call) -> Reply:
    """Create several orders; those that can't be read or are refused carry their error in their own element."""
    items = _batch(call)
    call.floor.limits.write(call.account, call.floor.now_us(), DEFAULT_COST * len(items))
    results: list[dict[str, Any] | None] = []
    requests: list[OrderRequest] = []
    for index, item in enumerate(items):
        try:
            requests.append(read_create(item, _unnamed(call, index)))
            results.append(None)
        except WireError as error:
            results.append({"client_order_id": item.get("client_order_id") or "", "error": _inner(error)})
    answers = iter(await carry_out(call, [Place(call.account, request) for request in requests]))
    named = iter(requests)
    bodies = [_batch_created(call, next(named), next(answers)) if one is None else one for one in results]
    call.floor.faults.acknowledging_create()
    return Reply(status=201, body={"orders": bodies})


def _batch_created(call: Call, request: OrderRequest, answer: Answer) -> dict[str, Any]:
    if isinstance(answer, CreateAnswer):
        return _created(call, request, answer)
    assert isinstance(answer, Rejected)
    return {"client_order_id": request.client_order_id, "error": nested_body(answer.code, answer.detail)}


def _inner(error: WireError) -> dict[str, Any]:
    body: dict[str, Any] = error.body.get("error", error.body)
    return body


async def batch_cancel(call: Call) -> dict[str, Any]:
    items = _batch(call)
    call.floor.limits.write(call.account, call.floor.now_us(), CANCEL_COST * len(items))
    ids = [field(item, "BatchCancelOrdersV2Request", "order_id", str) or "" for item in items]
    answers = await carry_out(call, [Cancel(call.account, order_id) for order_id in ids])
    bodies: list[dict[str, Any]] = []
    for order_id, answer in zip(ids, answers, strict=True):
        if isinstance(answer, CancelAnswer):
            bodies.append(_cancelled(answer))
        else:
            assert isinstance(answer, Rejected)
            bodies.append(
                {"order_id": order_id, "reduced_by": "0.00", "error": nested_body(answer.code, answer.detail)}
            )
    return {"orders": bodies}


async def legacy(call: Call) -> None:
    raise legacy_endpoint()


def _write(method: str, path: str, name: str, handler: Handler, cost: int = DEFAULT_COST) -> Endpoint:
    return Endpoint(method=method, path=path, name=name, handler=handler, access="write", cost=cost)


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
    _write("POST", _ORDERS, "CreateOrderV2", create),
    _write("DELETE", _ORDERS, "CancelAllOrders", cancel_all),
    # The price of a batch depends on its length: its handler takes the tokens.
    _write("POST", f"{_ORDERS}/batched", "BatchCreateOrdersV2", batch_create, 0),
    _write("DELETE", f"{_ORDERS}/batched", "BatchCancelOrdersV2", batch_cancel, 0),
    _write("DELETE", f"{_ORDERS}/{{order_id}}", "CancelOrderV2", cancel, CANCEL_COST),
    _write("POST", f"{_ORDERS}/{{order_id}}/decrease", "DecreaseOrderV2", decrease),
    _write("POST", f"{_ORDERS}/{{order_id}}/amend", "AmendOrderV2", amend),
    *(_write(method, path, "Legacy", legacy) for method, path in _LEGACY),
)
