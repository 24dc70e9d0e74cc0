"""Changes of a resting order: decrease and amend, as the exchange knows them.

A pure decrease and a new expiry keep the place in the queue; another price or a larger size lose it, and may trade at
once. The exchange's order id stays. A new client order id is taken for ever, as at creation.
"""

from __future__ import annotations

import msgspec

from truebook.messages.envelope import BookSide
from truebook.simulation.desk import (
    INSUFFICIENT_BALANCE,
    INVALID_ORDER_SIZE,
    ORDER_ALREADY_EXISTS,
    POST_ONLY_CROSS,
    Desk,
    invalid,
    invalid_parameters,
)
from truebook.simulation.engine import Engine
from truebook.simulation.events import SimulationEvent
from truebook.simulation.lifecycle import LifeCycle
from truebook.simulation.orders import LiveOrder, Rejected, UpdateReason
from truebook.venue.account import OrderRequest

TICKER_MISMATCH = Rejected(400, "order_ticker_mismatch", "order ticker mismatch")
SIDE_MISMATCH = Rejected(400, "order_side_mismatch", "order side mismatch")
CLIENT_ID_MISMATCH = Rejected(400, "order_id_and_client_order_id_mismatch", "order id and client order id mismatch")


class Amendment(msgspec.Struct, frozen=True, kw_only=True):
    """What an order shall be. ``total_centi`` counts what is filled already; ``expiration_s`` 0 clears the expiry and
    None keeps it; ``client_order_id`` is the one that the order should have now, where given."""

    ticker: str
    book_side: BookSide
    price_cc: int
    total_centi: int
    client_order_id: str | None = None
    updated_client_order_id: str | None = None
    expiration_s: int | None = None


class ChangeAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The order after the change, and what the change itself traded (as taker, at the price of the own leg)."""

    exchange_order_id: str
    client_order_id: str
    remaining_centi: int
    processed_us: int
    traded_centi: int = 0
    traded_micros: int = 0
    fees_micros: int = 0


class OrderChanges:
    """Carries out changes of orders that rest."""

    def __init__(self, desk: Desk, engine: Engine, life: LifeCycle) -> None:
        self._desk = desk
        self._engine = engine
        self._life = life

    def decrease(
        self, account: str, exchange_order_id: str, at_us: int, *, by_centi: int | None, to_centi: int | None
    ) -> tuple[ChangeAnswer | Rejected, list[SimulationEvent]]:
        """Take off ``by_centi``, or leave ``to_centi``; what would leave nothing cancels the order."""
        order = self._desk.cancellable(account, exchange_order_id)
        if isinstance(order, Rejected):
            return order, []
        if (by_centi is None) == (to_centi is None):
            return invalid_parameters("exactly one of reduce_by and reduce_to is needed"), []
        left_centi = max(0, order.remaining_centi - by_centi) if by_centi is not None else to_centi
        assert left_centi is not None
        if left_centi < 0 or left_centi > order.remaining_centi or (by_centi is not None and by_centi < 1):
            return INVALID_ORDER_SIZE, []
        if left_centi == order.remaining_centi:
            return _answer(order, at_us), []
        if left_centi == 0:
            events = self._engine.take_off(order, UpdateReason.DECREASE, at_us)
        else:
            events = self._engine.shrink(order, order.remaining_centi - left_centi, UpdateReason.DECREASE, at_us)
        return _answer(order, at_us), events

    def amend(
        self, account: str, exchange_order_id: str, wanted: Amendment, at_us: int
    ) -> tuple[ChangeAnswer | Rejected, list[SimulationEvent]]:
        """Make an order what is wanted; a refused one stays as it was."""
        order = self._desk.cancellable(account, exchange_order_id)
        if isinstance(order, Rejected):
            return order, []
        request = _amended(order, wanted)
        refusal = self._refused(order, wanted, request, at_us)
        if refusal is not None:
            return refusal, []
        if wanted.updated_client_order_id is not None:
            self._desk.account(account).client_ids[wanted.updated_client_order_id] = exchange_order_id
        left_centi = wanted.total_centi - order.filled_centi
        if request.price_cc == order.price_cc and left_centi <= order.remaining_centi:
            return self._in_place(order, request, left_centi, at_us)
        return self._anew(order, request, at_us)

    def _in_place(
        self, order: LiveOrder, request: OrderRequest, left_centi: int, at_us: int
    ) -> tuple[ChangeAnswer, list[SimulationEvent]]:
        by_centi = order.remaining_centi - left_centi
        order.become(msgspec.structs.replace(request, size_centi=order.size_centi), UpdateReason.AMEND, at_us)
        self._life.watch_expiry(order)
        if by_centi == 0:
            return _answer(order, at_us), self._desk.changed(order, at_us)
        return _answer(order, at_us, by_centi), self._engine.shrink(order, by_centi, UpdateReason.AMEND, at_us)

    def _anew(self, order: LiveOrder, request: OrderRequest, at_us: int) -> tuple[ChangeAnswer, list[SimulationEvent]]:
        filled_centi = order.filled_centi
        cost_micros, fees_micros = order.costs.taker_cost_micros, order.costs.taker_fees_micros
        events = self._engine.detach(order, at_us)
        self._desk.account(order.account).forget_open(order)
        order.become(request, UpdateReason.AMEND, at_us)
        events += self._engine.execute(order, at_us)
        self._life.watch_expiry(order)
        answer = ChangeAnswer(
            exchange_order_id=order.exchange_order_id,
            client_order_id=order.request.client_order_id,
            remaining_centi=order.remaining_centi,
            processed_us=at_us,
            traded_centi=order.filled_centi - filled_centi,
            traded_micros=order.costs.taker_cost_micros - cost_micros,
            fees_micros=order.costs.taker_fees_micros - fees_micros,
        )
        return answer, events

    def _refused(self, order: LiveOrder, wanted: Amendment, request: OrderRequest, at_us: int) -> Rejected | None:
        if wanted.ticker != order.ticker:
            return TICKER_MISMATCH
        if wanted.book_side is not order.book_side:
            return SIDE_MISMATCH
        if wanted.client_order_id not in (None, order.request.client_order_id):
            return CLIENT_ID_MISMATCH
        owner, record = self._desk.account(order.account), self._desk.markets[order.ticker]
        if wanted.updated_client_order_id in owner.client_ids:
            return ORDER_ALREADY_EXISTS
        if wanted.total_centi <= order.filled_centi:
            return INVALID_ORDER_SIZE
        refusal = invalid(request, record, at_us)
        if refusal is not None:
            return refusal
        probe = LiveOrder(order.account, request, at_us)
        probe.remaining_centi = wanted.total_centi - order.filled_centi
        if request.price_cc != order.price_cc and self._engine.refused_by_book(probe) is not None:
            return POST_ONLY_CROSS
        return None if owner.can_afford(probe, record.taker_ppm, instead_of=order) else INSUFFICIENT_BALANCE


def _amended(order: LiveOrder, wanted: Amendment) -> OrderRequest:
    old = order.request
    expiration_s = old.expiration_s if wanted.expiration_s is None else wanted.expiration_s or None
    return msgspec.structs.replace(
        old,
        client_order_id=wanted.updated_client_order_id or old.client_order_id,
        price_cc=wanted.price_cc,
        size_centi=wanted.total_centi,
        expiration_s=expiration_s,
    )


def _answer(order: LiveOrder, at_us: int, less_centi: int = 0) -> ChangeAnswer:
    """State the order; ``less_centi`` is about to be taken off."""
    return ChangeAnswer(
        exchange_order_id=order.exchange_order_id,
        client_order_id=order.request.client_order_id,
        remaining_centi=order.remaining_centi - less_centi,
        processed_us=at_us,
    )
