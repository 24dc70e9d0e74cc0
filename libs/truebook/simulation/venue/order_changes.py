"""Changes of a resting order: decrease and amend.

A decrease and a new expiry keep the queue position; another price or a larger size lose it and may trade at once. The
exchange order id stays the same. A new client order id can never be used again, as at creation.
"""

from __future__ import annotations

import msgspec

from truebook.messages.envelope import BookSide
from truebook.simulation.events import SimulationEvent
from truebook.simulation.venue.account_book import (
    INSUFFICIENT_BALANCE,
    INVALID_ORDER_SIZE,
    ORDER_ALREADY_EXISTS,
    POST_ONLY_CROSS,
    AccountBook,
    field_rejection,
    invalid_parameters,
)
from truebook.simulation.venue.engine import Engine
from truebook.simulation.venue.lifecycle import MarketLifecycle
from truebook.simulation.venue.orders import LiveOrder, Rejected, UpdateReason
from truebook.simulation.venue.shard_plan import Route
from truebook.venue.account import OrderRequest

TICKER_MISMATCH = Rejected(400, "order_ticker_mismatch", "order ticker mismatch")
SIDE_MISMATCH = Rejected(400, "order_side_mismatch", "order side mismatch")
CLIENT_ID_MISMATCH = Rejected(400, "order_id_and_client_order_id_mismatch", "order id and client order id mismatch")


class Amendment(msgspec.Struct, frozen=True, kw_only=True):
    """The amended order. ``total_centi`` includes fills; ``expiration_s`` 0 clears the expiry and None keeps it;
    ``client_order_id``, where given, must be the order's current one."""

    ticker: str
    book_side: BookSide
    price_cc: int
    total_centi: int
    client_order_id: str | None = None
    updated_client_order_id: str | None = None
    expiration_s: int | None = None


class ChangeResponse(msgspec.Struct, frozen=True, kw_only=True):
    """The order after the change, and what the change itself traded (as taker, at the price of the own leg)."""

    exchange_order_id: str
    client_order_id: str
    remaining_centi: int
    processed_us: int
    traded_centi: int = 0
    traded_micros: int = 0
    fees_micros: int = 0


class OrderChanges:
    """Executes changes of resting orders at the exchange's current time."""

    def __init__(self, accounts: AccountBook, engine: Engine, lifecycle: MarketLifecycle) -> None:
        self._accounts = accounts
        self._engine = engine
        self._lifecycle = lifecycle

    def decrease(
        self, account: str, exchange_order_id: str, route: Route | None, *, by_centi: int | None, to_centi: int | None
    ) -> tuple[ChangeResponse | Rejected, list[SimulationEvent]]:
        """Reduce by ``by_centi`` or to ``to_centi``; a remainder of 0 cancels the order."""
        order, now_us = self._accounts.cancellable(account, exchange_order_id, route), self._lifecycle.now_us
        if isinstance(order, Rejected):
            return order, []
        if (by_centi is None) == (to_centi is None):
            return invalid_parameters("exactly one of reduce_by and reduce_to is needed"), []
        left_centi = max(0, order.remaining_centi - by_centi) if by_centi is not None else to_centi
        assert left_centi is not None
        if left_centi < 0 or left_centi > order.remaining_centi or (by_centi is not None and by_centi < 1):
            return INVALID_ORDER_SIZE, []
        events: list[SimulationEvent] = []
        if left_centi == 0:
            events = self._engine.cancel(order, UpdateReason.DECREASE, now_us)
        elif left_centi < order.remaining_centi:
            events = self._engine.reduce(order, order.remaining_centi - left_centi, UpdateReason.DECREASE, now_us)
        return _response(order, now_us), events

    def amend(
        self, account: str, exchange_order_id: str, route: Route | None, amendment: Amendment
    ) -> tuple[ChangeResponse | Rejected, list[SimulationEvent]]:
        """Amend an order; a rejected amendment changes nothing."""
        order = self._accounts.cancellable(account, exchange_order_id, route)
        if isinstance(order, Rejected):
            return order, []
        paused = self._accounts.shards.entry_rejection(order.shard)
        if paused is not None:
            return paused, []
        request = _amended(order, amendment)
        rejection = self._rejection(order, amendment, request)
        if rejection is not None:
            return rejection, []
        if amendment.updated_client_order_id is not None:
            self._accounts.account(account).client_ids[amendment.updated_client_order_id] = exchange_order_id
        left_centi = amendment.total_centi - order.filled_centi
        if request.price_cc == order.price_cc and left_centi <= order.remaining_centi:
            return self._amend_in_place(order, request, left_centi)
        return self._replace(order, request)

    def _amend_in_place(
        self, order: LiveOrder, request: OrderRequest, left_centi: int
    ) -> tuple[ChangeResponse, list[SimulationEvent]]:
        now_us, by_centi = self._lifecycle.now_us, order.remaining_centi - left_centi
        order.amend(msgspec.structs.replace(request, size_centi=order.size_centi), UpdateReason.AMEND, now_us)
        self._lifecycle.schedule_expiry(order)
        if by_centi == 0:
            events = self._accounts.order_changed(order, now_us)
        else:
            events = self._engine.reduce(order, by_centi, UpdateReason.AMEND, now_us)
        return _response(order, now_us), events

    def _replace(self, order: LiveOrder, request: OrderRequest) -> tuple[ChangeResponse, list[SimulationEvent]]:
        now_us, filled_centi = self._lifecycle.now_us, order.filled_centi
        cost_micros, fees_micros = order.costs.taker_cost_micros, order.costs.taker_fees_micros
        events = self._engine.detach(order, now_us)
        self._accounts.account(order.account).remove_open(order)
        order.amend(request, UpdateReason.AMEND, now_us)
        events += self._engine.execute(order, now_us)
        self._lifecycle.schedule_expiry(order)
        response = msgspec.structs.replace(
            _response(order, now_us),
            traded_centi=order.filled_centi - filled_centi,
            traded_micros=order.costs.taker_cost_micros - cost_micros,
            fees_micros=order.costs.taker_fees_micros - fees_micros,
        )
        return response, events

    def _rejection(self, order: LiveOrder, amendment: Amendment, request: OrderRequest) -> Rejected | None:
        if amendment.ticker != order.ticker:
            return TICKER_MISMATCH
        if amendment.book_side is not order.book_side:
            return SIDE_MISMATCH
        if amendment.client_order_id not in (None, order.request.client_order_id):
            return CLIENT_ID_MISMATCH
        owner, record = self._accounts.account(order.account), self._accounts.markets[order.ticker]
        if self._accounts.is_used(order.owner, amendment.updated_client_order_id):
            return ORDER_ALREADY_EXISTS
        if amendment.total_centi <= order.filled_centi:
            return INVALID_ORDER_SIZE
        rejection = field_rejection(request, record, self._lifecycle.now_us)
        if rejection is not None:
            return rejection
        amended = LiveOrder.create(order.account, request, self._lifecycle.now_us, order.shard)
        amended.remaining_centi = amendment.total_centi - order.filled_centi
        if request.price_cc != order.price_cc and self._engine.book_rejection(amended) is not None:
            return POST_ONLY_CROSS
        return None if owner.can_afford(amended, record, instead_of=order) else INSUFFICIENT_BALANCE


def _amended(order: LiveOrder, amendment: Amendment) -> OrderRequest:
    old = order.request
    expiration_s = old.expiration_s if amendment.expiration_s is None else amendment.expiration_s or None
    client_order_id = amendment.updated_client_order_id or old.client_order_id
    return msgspec.structs.replace(
        old, client_order_id=client_order_id, price_cc=amendment.price_cc, size_centi=amendment.total_centi,
        expiration_s=expiration_s,
    )  # fmt: skip


def _response(order: LiveOrder, at_us: int) -> ChangeResponse:
    return ChangeResponse(
        exchange_order_id=order.exchange_order_id, client_order_id=order.request.client_order_id,
        remaining_centi=order.remaining_centi, processed_us=at_us,
    )  # fmt: skip
