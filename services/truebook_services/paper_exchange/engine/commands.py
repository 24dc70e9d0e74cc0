"""An account's commands to the engine, as values: the journal keeps them, and a restart replays them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from truebook.simulation.events import SimulationEvent
from truebook.simulation.latency import Latency
from truebook.simulation.venue.exchange import SimulatedExchange
from truebook.simulation.venue.order_changes import Amendment, ChangeResponse
from truebook.simulation.venue.order_groups import GroupChange
from truebook.simulation.venue.orders import Rejected
from truebook.venue.account import CancelResponse, CreateResponse, ExchangeOrderGroup, OrderRequest


class PlaceOrder(msgspec.Struct, frozen=True, tag="place"):
    account: str
    request: OrderRequest


class CancelOrder(msgspec.Struct, frozen=True, tag="cancel"):
    account: str
    order_id: str


class CancelAllOrders(msgspec.Struct, frozen=True, tag="cancel_all"):
    account: str


class DecreaseOrder(msgspec.Struct, frozen=True, tag="decrease"):
    account: str
    order_id: str
    by_centi: int | None = None
    to_centi: int | None = None


class AmendOrder(msgspec.Struct, frozen=True, tag="amend"):
    account: str
    order_id: str
    wanted: Amendment


class CreateGroup(msgspec.Struct, frozen=True, tag="create_group"):
    account: str
    limit_centi: int


class ChangeGroup(msgspec.Struct, frozen=True, tag="change_group"):
    account: str
    group_id: str
    change: GroupChange
    limit_centi: int = 0


class TransferCash(msgspec.Struct, frozen=True, tag="transfer_cash"):
    account: str
    transfer_id: str
    amount_micros: int
    """Negative: a withdrawal."""


Command = (
    PlaceOrder | CancelOrder | CancelAllOrders | DecreaseOrder | AmendOrder | CreateGroup | ChangeGroup | TransferCash
)
CommandResult = CreateResponse | CancelResponse | ChangeResponse | ExchangeOrderGroup | Rejected | None


def latency_us(command: Command, latency: Latency) -> int:
    """Return the time from the receipt of a command to its execution."""
    match command:
        case PlaceOrder(request=request):
            return latency.of_order(request.client_order_id)
        case AmendOrder(order_id=order_id) | DecreaseOrder(order_id=order_id):
            return latency.of_order(order_id)
        case CancelOrder(order_id=order_id):
            return latency.of_cancel(order_id)
        case CancelAllOrders(account=account) | CreateGroup(account=account) | ChangeGroup(account=account):
            return latency.of_cancel(account)
        case TransferCash(account=account):
            return latency.of_cancel(account)


def execute(engine: SimulatedExchange, command: Command, at_us: int) -> tuple[CommandResult, Sequence[SimulationEvent]]:
    """Execute one command; deterministic: equal commands at equal times give equal results and events."""
    match command:
        case PlaceOrder(account, request):
            return engine.place(account, request, at_us)
        case CancelOrder(account, order_id):
            return engine.cancel(account, order_id, at_us)
        case DecreaseOrder(account, order_id, by_centi, to_centi):
            return engine.decrease(account, order_id, at_us, by_centi=by_centi, to_centi=to_centi)
        case AmendOrder(account, order_id, wanted):
            return engine.amend(account, order_id, wanted, at_us)
        case CancelAllOrders(account):
            return None, engine.cancel_all(account, at_us)
        case CreateGroup(account, limit_centi):
            return engine.groups.create(account, limit_centi, at_us)
        case ChangeGroup(account, group_id, change, limit_centi):
            return engine.groups.change(account, group_id, change, at_us, limit_centi=limit_centi)
        case TransferCash(account, transfer_id, amount_micros):
            return engine.transfer(account, transfer_id, amount_micros, at_us)
