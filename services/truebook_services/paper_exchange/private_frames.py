"""What an account's own events look like on the WebSocket: fills, orders, positions, order groups. Only those of
groups carry ``seq``.

An owner hears of an order's state before its fills, in the order in which the engine tells them.
"""

from __future__ import annotations

from typing import Any

from truebook.kalshi.times import to_rfc3339
from truebook.messages.envelope import BookSide
from truebook.money import format_micros, format_price, format_size
from truebook.simulation.accounts import Position
from truebook.simulation.events import Filled, GroupChanged, GroupEvent, OrderChanged
from truebook.simulation.orders import OrderCosts
from truebook.venue.account import OrderRequest
from truebook_services.paper_exchange.frames import Outgoing
from truebook_services.paper_exchange.subscriptions import Channel
from truebook_services.paper_exchange.wire_text import outcome_side, user_id


def fill(event: Filled) -> Outgoing:
    """Write a fill; ``simulation_basis`` is ours, other clients ignore it."""
    booked = event.fill
    side = outcome_side(booked.book_side)
    body: dict[str, Any] = {
        "trade_id": booked.trade_id,
        "order_id": booked.exchange_order_id,
        "client_order_id": booked.client_order_id or "",
        "market_ticker": booked.ticker,
        "exchange_index": 0,
        "is_taker": booked.is_taker,
        "side": side,
        "yes_price_dollars": format_price(booked.price_cc),
        "count_fp": format_size(booked.size_centi),
        "fee_cost": format_micros(booked.fee_micros),
        "action": "buy",
        "ts": booked.created_us // 1_000_000,
        "ts_ms": booked.created_us // 1000,
        "post_position_fp": format_size(event.post_position_centi),
        "purchased_side": side,
        "outcome_side": side,
        "book_side": booked.book_side.value,
        "subaccount": 0,
        "simulation_basis": event.basis.value,
    }
    return Outgoing(Channel.FILL, "fill", booked.ticker, lambda _own, _yes: body, account=event.account)


def user_order(event: OrderChanged, costs: OrderCosts, request: OrderRequest) -> Outgoing:
    """Write an order's new state."""
    order = event.order
    side = outcome_side(order.book_side)
    created_us, updated_us = order.created_us or event.at_us, order.updated_us or event.at_us
    body: dict[str, Any] = {
        "order_id": order.exchange_order_id,
        "user_id": user_id(event.account),
        "ticker": order.ticker,
        "exchange_index": 0,
        "status": order.status.value,
        "side": side,
        "is_yes": order.book_side is BookSide.BID,
        "outcome_side": side,
        "book_side": order.book_side.value,
        "yes_price_dollars": format_price(order.price_cc),
        "fill_count_fp": format_size(order.filled_centi),
        "remaining_count_fp": format_size(order.remaining_centi),
        "initial_count_fp": format_size(order.initial_centi),
        "taker_fill_cost_dollars": format_micros(costs.taker_cost_micros),
        "maker_fill_cost_dollars": format_micros(costs.maker_cost_micros),
        "taker_fees_dollars": format_micros(costs.taker_fees_micros),
        "maker_fees_dollars": format_micros(costs.maker_fees_micros),
        "client_order_id": order.client_order_id,
        "self_trade_prevention_type": request.self_trade_prevention.value,
        "created_time": to_rfc3339(created_us),
        "created_ts_ms": created_us // 1000,
        "last_update_time": to_rfc3339(updated_us),
        "last_updated_ts_ms": updated_us // 1000,
        "subaccount_number": 0,
    }
    if order.expires_us is not None:
        body |= {"expiration_time": to_rfc3339(order.expires_us), "expiration_ts_ms": order.expires_us // 1000}
    if order.last_update_reason is not None:
        body["last_update_reason"] = order.last_update_reason
    if request.order_group_id is not None:
        body["order_group_id"] = request.order_group_id
    return Outgoing(Channel.USER_ORDERS, "user_order", order.ticker, lambda _own, _yes: body, account=event.account)


def order_group(event: GroupChanged) -> Outgoing:
    """Write what happened to an order group; its limit, where it was set."""
    body: dict[str, Any] = {
        "event_type": event.kind.value,
        "order_group_id": event.group_id,
        "ts_ms": event.at_us // 1000,
    }
    if event.kind in (GroupEvent.CREATED, GroupEvent.LIMIT_UPDATED):
        body["contracts_limit_fp"] = format_size(event.limit_centi)
    return Outgoing(Channel.ORDER_GROUPS, "order_group_updates", "", lambda _own, _yes: body, account=event.account)


def market_position(account: str, ticker: str, held: Position, volume_centi: int) -> Outgoing:
    """Write what the account holds in a market now."""
    body: dict[str, Any] = {
        "user_id": user_id(account),
        "market_ticker": ticker,
        "position_fp": format_size(held.position_centi),
        "position_cost_dollars": format_micros(held.cost_micros),
        "realized_pnl_dollars": format_micros(held.realised_micros),
        "fees_paid_dollars": format_micros(held.fees_micros),
        "position_fee_cost_dollars": format_micros(held.fees_micros),
        "volume_fp": format_size(volume_centi),
        "subaccount": 0,
    }
    return Outgoing(Channel.MARKET_POSITIONS, "market_position", ticker, lambda _own, _yes: body, account=account)
