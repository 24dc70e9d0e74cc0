"""Encodes an account's own events for the WebSocket: fills, orders, positions, order groups.

Only frames of order groups have ``seq``. An order's state precedes its fills, in the order of the engine's events.
"""

from __future__ import annotations

from typing import Any

from truebook.messages.envelope import BookSide
from truebook.money import format_micros, format_size
from truebook.simulation.events import Filled, GroupChanged, GroupEvent, OrderChanged
from truebook.simulation.venue.accounts import Position
from truebook.simulation.venue.orders import OrderCosts
from truebook.simulation.venue.subaccount_names import number_of
from truebook.venue.account import OrderRequest
from truebook_services.paper_exchange.stream.frames import Outgoing, fixed
from truebook_services.paper_exchange.stream.subscriptions import StreamChannel
from truebook_services.paper_exchange.wire_fields import fill_fields, order_fields, outcome_side, user_id


def fill(event: Filled) -> Outgoing:
    """Write a fill; ``simulation_basis`` is an extension that other clients ignore."""
    fill = event.fill
    body = fill_fields(fill) | {
        "client_order_id": fill.client_order_id or "",
        "ts_ms": fill.created_us // 1000,
        "post_position_fp": format_size(event.post_position_centi),
        "purchased_side": outcome_side(fill.book_side),
        "subaccount": number_of(event.account),
        "simulation_basis": event.basis.value,
    }
    return fixed(StreamChannel.FILL, "fill", fill.ticker, body, account=event.account)


def user_order(event: OrderChanged, costs: OrderCosts, request: OrderRequest) -> Outgoing:
    """Write an order's new state."""
    order = event.order
    body = order_fields(event.account, order, costs, request, event.at_us) | {
        "side": outcome_side(order.book_side),
        "is_yes": order.book_side is BookSide.BID,
        "created_ts_ms": (order.created_us or event.at_us) // 1000,
        "last_updated_ts_ms": (order.updated_us or event.at_us) // 1000,
    }
    if order.expires_us is not None:
        body["expiration_ts_ms"] = order.expires_us // 1000
    if order.last_update_reason is not None:
        body["last_update_reason"] = order.last_update_reason
    return Outgoing(
        StreamChannel.USER_ORDERS, "user_order", order.ticker, lambda _own, _yes: body, account=event.account
    )


def order_group(event: GroupChanged) -> Outgoing:
    """Write an order group's event, with its limit if that was set."""
    body: dict[str, Any] = {
        "event_type": event.kind.value,
        "order_group_id": event.group_id,
        "ts_ms": event.at_us // 1000,
    }
    if event.kind in (GroupEvent.CREATED, GroupEvent.LIMIT_UPDATED):
        body["contracts_limit_fp"] = format_size(event.limit_centi)
    return Outgoing(
        StreamChannel.ORDER_GROUPS, "order_group_updates", "", lambda _own, _yes: body, account=event.account
    )


def market_position(account: str, ticker: str, position: Position, volume_centi: int) -> Outgoing:
    """Write the account's position in a market."""
    body: dict[str, Any] = {
        "user_id": user_id(account),
        "market_ticker": ticker,
        "position_fp": format_size(position.position_centi),
        "position_cost_dollars": format_micros(position.cost_micros),
        "realized_pnl_dollars": format_micros(position.realized_micros),
        "fees_paid_dollars": format_micros(position.fees_micros),
        "position_fee_cost_dollars": format_micros(position.fees_micros),
        "volume_fp": format_size(volume_centi),
        "subaccount": number_of(account),
    }
    return fixed(StreamChannel.MARKET_POSITIONS, "market_position", ticker, body, account=account)
