"""What an account can ask of the engine, as values: the journal keeps them, and a restart applies them again."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from truebook.simulation.events import SimulationEvent
from truebook.simulation.order_changes import Amendment, ChangeAnswer
from truebook.simulation.order_entry import OrderEntry
from truebook.simulation.order_groups import GroupChange
from truebook.simulation.orders import Rejected
from truebook.venue.account import CancelAnswer, CreateAnswer, ExchangeOrderGroup, OrderRequest


class Place(msgspec.Struct, frozen=True, tag="place"):
    account: str
    request: OrderRequest


class Cancel(msgspec.Struct, frozen=True, tag="cancel"):
    account: str
    order_id: str


class CancelAll(msgspec.Struct, frozen=True, tag="cancel_all"):
    account: str


class Decrease(msgspec.Struct, frozen=True, tag="decrease"):
    account: str
    order_id: str
    by_centi: int | None = None
    to_centi: int | None = None


class Amend(msgspec.Struct, frozen=True, tag="amend"):
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


Command = Place | Cancel | CancelAll | Decrease | Amend | CreateGroup | ChangeGroup
Answer = CreateAnswer | CancelAnswer | ChangeAnswer | ExchangeOrderGroup | Rejected | None


def carry_out(engine: OrderEntry, command: Command, at_us: int) -> tuple[Answer, Sequence[SimulationEvent]]:
    """Apply one command; the same commands at the same times give the same answers and events."""
    match command:
        case Place(account, request):
            return engine.place(account, request, at_us)
        case Cancel(account, order_id):
            return engine.cancel(account, order_id, at_us)
        case Decrease(account, order_id, by_centi, to_centi):
            return engine.decrease(account, order_id, at_us, by_centi=by_centi, to_centi=to_centi)
        case Amend(account, order_id, wanted):
            return engine.amend(account, order_id, wanted, at_us)
        case CancelAll(account):
            return None, engine.cancel_all(account, at_us)
        case CreateGroup(account, limit_centi):
            return engine.create_group(account, limit_centi, at_us)
        case ChangeGroup(account, group_id, change, limit_centi):
            return engine.change_group(account, group_id, change, at_us, limit_centi=limit_centi)
