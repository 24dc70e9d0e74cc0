"""Signed REST endpoints that read: the account's money, orders, fills, positions, settlements and limits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from truebook.kalshi.times import to_rfc3339
from truebook.messages.envelope import BookSide
from truebook.messages.facts import MarketStatus
from truebook.money import format_micros, format_size, no_price
from truebook.simulation.accounts import Position
from truebook.simulation.orders import OrderCosts
from truebook.venue.account import ExchangeFill, ExchangeOrder, OrderStatus
from truebook_services.paper_exchange import wire_out
from truebook_services.paper_exchange.calls import Call, Endpoint
from truebook_services.paper_exchange.errors import not_found
from truebook_services.paper_exchange.fault_board import fill_key
from truebook_services.paper_exchange.paging import listing, page
from truebook_services.paper_exchange.rate_limits import CANCEL_COST
from truebook_services.paper_exchange.wire_text import dollars_down


async def balance(call: Call) -> dict[str, Any]:
    held = call.engine.balance(call.account)
    value = sum(_worth_micros(call, one.ticker, one.position_centi) for one in call.engine.positions(call.account))
    return wire_out.balance(held, value, call.floor.now_us())


def _worth_micros(call: Call, ticker: str, position_centi: int) -> int:
    """Value a position at the price at which it could be sold now; nothing where nobody would buy it."""
    book = call.engine.book(ticker)
    if position_centi >= 0:
        bid = book.best(BookSide.BID)
        return position_centi * bid[0] if bid else 0
    ask = book.best(BookSide.ASK)
    return -position_centi * no_price(ask[0]) if ask else 0


def _order_body(call: Call, shown: ExchangeOrder) -> dict[str, Any]:
    request = call.engine.order_request(call.account, shown.exchange_order_id)
    costs = call.engine.order_costs(call.account, shown.exchange_order_id)
    if request is None:
        raise not_found()
    return wire_out.order(call.account, shown, costs or OrderCosts(), request)


async def orders(call: Call) -> dict[str, Any]:
    query = call.query
    status = query.choice("status", tuple(OrderStatus))
    tickers, events, within = query.words("ticker"), _tickers_of_events(call, "event_ticker"), query.span_us()

    def wanted(shown: ExchangeOrder) -> bool:
        return (
            (status is None or shown.status == status)
            and (not tickers or shown.ticker in tickers)
            and (events is None or shown.ticker in events)
            and within(shown.created_us or 0)
        )

    # A cursor may name an order that rests no more: then the place is found among all.
    only = OrderStatus(status) if status is not None and query.text("cursor") is None else None
    listed = call.engine.orders(call.account, status=only, since_us=query.since_us())
    found, cursor = page(query, listed, lambda shown: shown.exchange_order_id, wanted)
    return listing("orders", [_order_body(call, shown) for shown in found], cursor)


async def order(call: Call) -> dict[str, Any]:
    shown = call.engine.order(call.account, call.path["order_id"])
    if shown is None:
        raise not_found()
    return {"order": _order_body(call, shown)}


async def queue_positions(call: Call) -> dict[str, Any]:
    tickers, events = call.query.words("market_tickers"), _tickers_of_events(call, "event_ticker")
    found = []
    for shown in call.engine.orders(call.account, status=OrderStatus.RESTING):
        if (tickers and shown.ticker not in tickers) or (events is not None and shown.ticker not in events):
            continue
        ahead_centi = call.engine.queue_position(call.account, shown.exchange_order_id)
        if ahead_centi is not None:
            found.append(
                {
                    "order_id": shown.exchange_order_id,
                    "market_ticker": shown.ticker,
                    "queue_position_fp": format_size(ahead_centi),
                }
            )
    return {"queue_positions": found}


async def queue_position(call: Call) -> dict[str, Any]:
    ahead_centi = call.engine.queue_position(call.account, call.path["order_id"])
    if ahead_centi is None:
        raise not_found()
    return {"queue_position_fp": format_size(ahead_centi)}


async def fills(call: Call) -> dict[str, Any]:
    query = call.query
    tickers, order_id, within = query.words("ticker"), query.text("order_id"), query.span_us()

    def wanted(booked: ExchangeFill) -> bool:
        return (
            (not tickers or booked.ticker in tickers)
            and (order_id is None or booked.exchange_order_id == order_id)
            and within(booked.created_us)
        )

    found, cursor = page(query, _visible_fills(call), fill_key, wanted)
    return listing("fills", [wire_out.fill(booked) for booked in found], cursor)


def _visible_fills(call: Call) -> Sequence[ExchangeFill]:
    hidden = call.floor.faults.hidden_fills()
    booked = call.engine.fills(call.account, since_us=call.query.since_us())
    return [one for one in booked if fill_key(one) not in hidden] if hidden else booked


async def settlements(call: Call) -> dict[str, Any]:
    query = call.query
    tickers, event, within = query.words("ticker"), query.text("event_ticker"), query.span_us()
    found, cursor = page(
        query,
        call.engine.settlements(call.account),
        lambda paid: paid.ticker,
        lambda paid: (
            (not tickers or paid.ticker in tickers)
            and (event is None or paid.event == event)
            and within(paid.settled_us)
        ),
    )
    costs = _costs_by_ticker(call.engine.fills(call.account)) if found else {}
    return listing(
        "settlements", [wire_out.settlement(paid, costs.get(paid.ticker, (0, 0, 0))) for paid in found], cursor
    )


def _costs_by_ticker(booked: Sequence[ExchangeFill]) -> dict[str, tuple[int, int, int]]:
    """Sum per market what was paid for YES, for NO, and in fees."""
    costs: dict[str, tuple[int, int, int]] = {}
    for one in booked:
        yes, no, fees = costs.get(one.ticker, (0, 0, 0))
        if one.book_side is BookSide.BID:
            yes += one.size_centi * one.price_cc
        else:
            no += one.size_centi * no_price(one.price_cc)
        costs[one.ticker] = (yes, no, fees + one.fee_micros)
    return costs


async def positions(call: Call) -> dict[str, Any]:
    query = call.query
    choice = query.choice("settlement_status", ("unsettled", "settled", "all")) or "unsettled"
    counted = query.words("count_filter")
    tickers, events = query.words("ticker"), _tickers_of_events(call, "event_ticker")

    def wanted(ticker: str) -> bool:
        held = call.engine.position(call.account, ticker)
        facts = call.engine.market(ticker)
        settled = facts is not None and facts.status is MarketStatus.FINALIZED
        return (
            held is not None
            and (choice == "all" or settled == (choice == "settled"))
            and (not tickers or ticker in tickers)
            and (events is None or ticker in events)
            and ("position" not in counted or held.position_centi != 0)
        )

    # In the order of first trade: a fill between two pages must not move a market to a page that was read.
    found, cursor = page(query, call.engine.traded_tickers(call.account), lambda ticker: ticker, wanted)
    held = {ticker: call.engine.position(call.account, ticker) or Position() for ticker in found}
    rows = [_market_position(ticker, one) for ticker, one in held.items()]
    return listing("market_positions", rows, cursor) | {"event_positions": _event_positions(call, held)}


def _market_position(ticker: str, held: Position) -> dict[str, Any]:
    return {
        "ticker": ticker,
        "exchange_index": 0,
        "total_traded_dollars": format_micros(held.traded_micros),
        "position_fp": format_size(held.position_centi),
        "market_exposure_dollars": format_micros(held.cost_micros),
        "realized_pnl_dollars": format_micros(held.realised_micros),
        "fees_paid_dollars": format_micros(held.fees_micros),
        "last_updated_ts": to_rfc3339(held.updated_us),
    }


def _event_positions(call: Call, held: dict[str, Position]) -> list[dict[str, Any]]:
    by_event: dict[str, list[Position]] = {}
    for ticker, one in held.items():
        facts = call.engine.market(ticker)
        by_event.setdefault(ticker if facts is None else facts.event, []).append(one)
    return [
        {
            "event_ticker": event,
            "total_cost_dollars": format_micros(sum(one.traded_micros for one in of_event)),
            "total_cost_shares_fp": format_size(sum(abs(one.position_centi) for one in of_event)),
            "event_exposure_dollars": format_micros(sum(one.cost_micros for one in of_event)),
            "realized_pnl_dollars": format_micros(sum(one.realised_micros for one in of_event)),
            "fees_paid_dollars": format_micros(sum(one.fees_micros for one in of_event)),
        }
        for event, of_event in by_event.items()
    ]


async def resting_value(call: Call) -> dict[str, Any]:
    held = call.engine.held_micros(call.account)
    breakdown = [{"exchange_index": 0, "balance": dollars_down(held)}]
    return {"total_resting_order_value": held // 10_000, "resting_order_value_breakdown": breakdown}


async def netting(call: Call) -> dict[str, Any]:
    """Cross-market netting is not offered: positions net within a market only."""
    return {"netting_configs": [{"subaccount_number": 0, "enabled": False, "exchange_index": 0}]}


async def account_limits(call: Call) -> dict[str, Any]:
    return call.floor.limits.wire_limits()


def _tickers_of_events(call: Call, name: str) -> frozenset[str] | None:
    events = call.query.words(name)
    if not events:
        return None
    return frozenset(facts.ticker for facts in call.engine.markets() if facts.event in events)


def _read(path: str, name: str, handler: Any, cost: int = 10) -> Endpoint:
    return Endpoint(method="GET", path=path, name=name, handler=handler, access="read", cost=cost)


ENDPOINTS: Final = (
    Endpoint(method="GET", path="/portfolio/balance", name="GetBalance", handler=balance, access="balance"),
    _read("/portfolio/orders", "GetOrders", orders),
    _read("/portfolio/orders/queue_positions", "GetOrderQueuePositions", queue_positions),
    _read("/portfolio/orders/{order_id}", "GetOrder", order, CANCEL_COST),
    _read("/portfolio/orders/{order_id}/queue_position", "GetOrderQueuePosition", queue_position),
    _read("/portfolio/fills", "GetFills", fills),
    _read("/portfolio/settlements", "GetSettlements", settlements),
    _read("/portfolio/positions", "GetPositions", positions),
    _read("/portfolio/summary/total_resting_order_value", "GetTotalRestingOrderValue", resting_value),
    _read("/portfolio/subaccounts/netting", "GetSubaccountNetting", netting),
    _read("/account/limits", "GetAccountApiLimits", account_limits),
)
