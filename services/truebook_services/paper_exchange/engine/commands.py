"""An account's commands to the engine, as values: the journal keeps them, and a restart replays them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from truebook.simulation.events import SimulationEvent
from truebook.simulation.latency import Latency
from truebook.simulation.venue.accounts import CashMove, SubaccountTransfer
from truebook.simulation.venue.exchange import SimulatedExchange
from truebook.simulation.venue.order_changes import Amendment, ChangeResponse
from truebook.simulation.venue.order_groups import GroupChange
from truebook.simulation.venue.orders import Rejected
from truebook.simulation.venue.shard_plan import Route, ShardChange
from truebook.simulation.venue.subaccounts import SubaccountMove
from truebook.venue.account import CancelResponse, CreateResponse, ExchangeOrderGroup, OrderRequest
from truebook.venue.shards import DEFAULT_SHARD, ShardTransfer, TargetAllocation
from truebook_services.paper_exchange.engine.market_commands import ChangeMarket, change_market


class PlaceOrder(msgspec.Struct, frozen=True, tag="place"):
    account: str
    request: OrderRequest


ANY_SHARD = None
"""Route of a command from before the exchange had shards."""


class CancelOrder(msgspec.Struct, frozen=True, tag="cancel", omit_defaults=True):
    account: str
    order_id: str
    route: Route | None = ANY_SHARD


class CancelAllOrders(msgspec.Struct, frozen=True, tag="cancel_all"):
    account: str


class DecreaseOrder(msgspec.Struct, frozen=True, tag="decrease", omit_defaults=True):
    account: str
    order_id: str
    by_centi: int | None = None
    to_centi: int | None = None
    route: Route | None = ANY_SHARD


class AmendOrder(msgspec.Struct, frozen=True, tag="amend", omit_defaults=True):
    account: str
    order_id: str
    wanted: Amendment
    route: Route | None = ANY_SHARD


class CreateGroup(msgspec.Struct, frozen=True, tag="create_group", omit_defaults=True):
    account: str
    limit_centi: int
    exchange_index: int = DEFAULT_SHARD


class ChangeGroup(msgspec.Struct, frozen=True, tag="change_group", omit_defaults=True):
    account: str
    group_id: str
    change: GroupChange
    limit_centi: int = 0
    exchange_index: int = DEFAULT_SHARD


class OpenAccount(msgspec.Struct, frozen=True, tag="open_account"):
    """An account that was added at a restart."""

    account: str
    balance_micros: int


class TransferCash(msgspec.Struct, frozen=True, tag="transfer_cash"):
    account: str
    transfer_id: str
    amount_micros: int
    """Negative: a withdrawal."""


class MoveCash(msgspec.Struct, frozen=True, tag="move_cash"):
    """A transfer between shards."""

    account: str
    move: CashMove


class SetAllocation(msgspec.Struct, frozen=True, tag="set_allocation"):
    account: str
    target: TargetAllocation
    delay_us: int
    """How long the automatic transfers take."""


class CreateSubaccount(msgspec.Struct, frozen=True, tag="create_subaccount"):
    account: str
    exchange_index: int


class MoveBetweenSubaccounts(msgspec.Struct, frozen=True, tag="move_between_subaccounts"):
    account: str
    move: SubaccountMove


class SetNetting(msgspec.Struct, frozen=True, tag="set_netting"):
    account: str
    number: int
    is_on: bool


class SwitchShard(msgspec.Struct, frozen=True, tag="switch_shard"):
    change: ShardChange


Command = (
    OpenAccount | PlaceOrder | CancelOrder | CancelAllOrders | DecreaseOrder | AmendOrder | CreateGroup | ChangeGroup
    | TransferCash | MoveCash | SetAllocation | CreateSubaccount | MoveBetweenSubaccounts | SetNetting | SwitchShard
    | ChangeMarket
)  # fmt: skip
CommandResult = (
    CreateResponse | CancelResponse | ChangeResponse | ExchangeOrderGroup | ShardTransfer | TargetAllocation
    | SubaccountTransfer | int | Rejected | None
)  # fmt: skip


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
        case TransferCash(account=account) | MoveCash(account=account) | SetAllocation(account=account):
            return latency.of_cancel(account)
        case CreateSubaccount(account=account) | MoveBetweenSubaccounts(account=account) | SetNetting(account=account):
            return latency.of_cancel(account)
        case SwitchShard() | ChangeMarket() | OpenAccount():
            return 0


def execute(engine: SimulatedExchange, command: Command, at_us: int) -> tuple[CommandResult, Sequence[SimulationEvent]]:
    """Execute one command; deterministic: equal commands at equal times give equal results and events."""
    match command:
        case OpenAccount(account, balance_micros):
            engine.open_account(account, balance_micros)
            return None, []
        case PlaceOrder(account, request):
            return engine.place(account, request, at_us)
        case CancelOrder(account, order_id, route):
            return engine.cancel(account, order_id, at_us, route=route)
        case DecreaseOrder(account, order_id, by_centi, to_centi, route):
            return engine.decrease(account, order_id, at_us, by_centi=by_centi, to_centi=to_centi, route=route)
        case AmendOrder(account, order_id, wanted, route):
            return engine.amend(account, order_id, wanted, at_us, route=route)
        case CancelAllOrders(account):
            return None, engine.cancel_all(account, at_us)
        case CreateGroup(account, limit_centi, shard):
            return engine.groups.create(account, limit_centi, at_us, shard=shard)
        case ChangeGroup(account, group_id, change, limit_centi, shard):
            return engine.groups.change(account, group_id, change, at_us, limit_centi=limit_centi, shard=shard)
        case TransferCash(account, transfer_id, amount_micros):
            return engine.transfer(account, transfer_id, amount_micros, at_us)
        case MoveCash(account, move):
            return engine.cash.move(account, move, at_us)
        case SetAllocation(account, target, delay_us):
            return engine.cash.set_allocation(account, target, delay_us, at_us)
        case CreateSubaccount(account, exchange_index):
            return engine.subaccounts.create(account, exchange_index, at_us)
        case MoveBetweenSubaccounts(account, wanted):
            return engine.subaccounts.move(account, wanted, at_us)
        case SetNetting(account, number, is_on):
            return engine.subaccounts.set_netting(account, number, is_on, at_us)
        case SwitchShard(change):
            return engine.switch_shard(change, at_us)
        case ChangeMarket():
            return None, change_market(engine, command, at_us)
