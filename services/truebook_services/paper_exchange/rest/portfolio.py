"""Signed REST endpoints of the portfolio: cash, orders, fills, positions, settlements and limits.

All read, but for ``POST /portfolio/simulated_transfers``. Kalshi does not have it: a paper account has no bank.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

from truebook.kalshi.wire.times import to_rfc3339
from truebook.messages.envelope import BookSide
from truebook.money import MICROS_PER_CENT, WireFormatError, format_micros, format_size, no_price, parse_micros
from truebook.simulation.venue.accounts import Position
from truebook.simulation.venue.orders import OrderCosts, Rejected
from truebook.simulation.venue.subaccount_names import name_of, number_of
from truebook.venue.account import ExchangeFill, ExchangeOrder, ExchangeSettlement, OrderStatus
from truebook.venue.rate_tiers import CANCEL_COST
from truebook.venue.shards import MAX_SHARD
from truebook_services.paper_exchange.engine.changed_settings import OPENING_TRANSFER
from truebook_services.paper_exchange.engine.commands import TransferCash
from truebook_services.paper_exchange.errors import bad_parameter, not_found, rejected
from truebook_services.paper_exchange.listed import fill_key
from truebook_services.paper_exchange.rest import response_bodies
from truebook_services.paper_exchange.rest.history import Cutoff
from truebook_services.paper_exchange.rest.paging import listing, page
from truebook_services.paper_exchange.rest.request_bodies import field, invalid, read_object
from truebook_services.paper_exchange.rest.requests import Endpoint, Reply, RequestContext, signed_read, transfer_write
from truebook_services.paper_exchange.wire_fields import shard_rows, sum_by_shard

Item = TypeVar("Item")


async def balance(context: RequestContext) -> dict[str, Any]:
    is_on_shard, shard = on_shard(context), context.query.number("exchange_index", 0, MAX_SHARD)
    subaccount = context.named_subaccount()
    value = sum(
        _value_micros(context, one.ticker, one.position_centi)
        for one in context.queries.positions(subaccount)
        if is_on_shard(one.exchange_index)
    )
    value -= context.queries.returned_micros(subaccount, on=is_on_shard)  # is in the balance already
    body = response_bodies.balance(context.queries.balance(subaccount), value, context.state.now_us(), shard)
    if context.locked is not None:
        del body["balance_breakdown"]
    return body


def on_shard(context: RequestContext, *, has_filter: bool = True) -> Callable[[int], bool]:
    """Return the filter of a list by shard: without ``exchange_index`` all are listed."""
    wanted = context.query.number("exchange_index", 0, MAX_SHARD) if has_filter else None
    return lambda shard: wanted is None or shard == wanted


def _value_micros(context: RequestContext, ticker: str, position_centi: int) -> int:
    """Value a position at its outcome, once it is known, else at the last traded price, as in recorded balances."""
    metadata = context.queries.market(ticker)
    price_cc = None if metadata is None else metadata.settlement_cc
    if price_cc is None:
        price_cc = context.state.stats.of(ticker).last_price_cc
    return position_centi * price_cc if position_centi >= 0 else -position_centi * no_price(price_cc)


def _order_body(context: RequestContext, subaccount: str, order: ExchangeOrder) -> dict[str, Any]:
    request = context.queries.order_request(subaccount, order.exchange_order_id)
    costs = context.queries.order_costs(subaccount, order.exchange_order_id)
    if request is None:
        raise not_found()
    return response_bodies.order(subaccount, order, costs or OrderCosts(), request)


async def orders(context: RequestContext) -> dict[str, Any]:
    return orders_page(context, historical=False)


def orders_page(context: RequestContext, *, historical: bool) -> dict[str, Any]:
    """Return a page of orders; the historical ones ended before the cutoff."""
    query, ended_us = context.query, Cutoff.of(context.state).ended_us
    status = query.choice("status", tuple(OrderStatus))
    tickers, events, within = query.words("ticker"), _tickers_of_events(context, "event_ticker"), query.span_us()
    is_on_shard = on_shard(context, has_filter=not historical)

    def matches(listed: tuple[str, ExchangeOrder]) -> bool:
        order = listed[1]
        return (
            is_on_shard(order.exchange_index)
            and (status is None or order.status == status)
            and (not tickers or order.ticker in tickers)
            and (events is None or order.ticker in events)
            and within(order.created_us or 0)
            and _is_historical(order, ended_us) == historical
        )

    # A cursor may name an order that no longer rests: its place is found among all orders.
    only = OrderStatus(status) if status is not None and query.text("cursor") is None else None
    listed: list[tuple[str, ExchangeOrder]] = []
    for name in context.subaccounts():
        present = context.queries.orders(name, status=only, since_us=query.since_us())
        listed += [(name, one) for one in context.state.faults.shown_orders(name, present, only)]
    _newest_first(listed, lambda one: one.created_us or 0)
    found, cursor = page(query, listed, lambda one: one[1].exchange_order_id, matches)
    return listing("orders", [_order_body(context, *one) for one in found], cursor)


def _newest_first(listed: list[tuple[str, Item]], at_us: Callable[[Item], int]) -> None:
    """Merge the lists of several subaccounts; that of one is in its order already."""
    if listed and listed[0][0] != listed[-1][0]:
        listed.sort(key=lambda one: at_us(one[1]), reverse=True)


def _is_historical(order: ExchangeOrder, ended_us: int) -> bool:
    return order.status is not OrderStatus.RESTING and (order.updated_us or 0) < ended_us


async def order(context: RequestContext) -> dict[str, Any]:
    for name in context.subaccounts():
        order = context.queries.order(name, context.path["order_id"])
        if order is not None and not _is_historical(order, Cutoff.of(context.state).ended_us):
            return {"order": _order_body(context, name, order)}
    raise not_found()


async def queue_positions(context: RequestContext) -> dict[str, Any]:
    tickers, events = context.query.words("market_tickers"), _tickers_of_events(context, "event_ticker")
    found, name = [], context.named_subaccount()
    for order in context.queries.orders(name, status=OrderStatus.RESTING):
        if (tickers and order.ticker not in tickers) or (events is not None and order.ticker not in events):
            continue
        ahead_centi = context.queries.queue_position(name, order.exchange_order_id)
        if ahead_centi is not None:
            found.append(
                {
                    "order_id": order.exchange_order_id,
                    "market_ticker": order.ticker,
                    "queue_position_fp": format_size(ahead_centi),
                }
            )
    return {"queue_positions": found}


async def queue_position(context: RequestContext) -> dict[str, Any]:
    for name in context.subaccounts():
        ahead_centi = context.queries.queue_position(name, context.path["order_id"])
        if ahead_centi is not None:
            return {"queue_position_fp": format_size(ahead_centi)}
    raise not_found()


async def fills(context: RequestContext) -> dict[str, Any]:
    return fills_page(context, historical=False)


def fills_page(context: RequestContext, *, historical: bool) -> dict[str, Any]:
    """Return a page of fills; the historical ones were traded before the cutoff."""
    query, traded_us = context.query, Cutoff.of(context.state).traded_us
    tickers, order_id, within = query.words("ticker"), query.text("order_id"), query.span_us()
    is_on_shard = on_shard(context, has_filter=not historical)

    def matches(listed: tuple[str, ExchangeFill]) -> bool:
        fill = listed[1]
        return (
            is_on_shard(fill.exchange_index)
            and (not tickers or fill.ticker in tickers)
            and (order_id is None or fill.exchange_order_id == order_id)
            and within(fill.created_us)
            and (fill.created_us < traded_us) == historical
        )

    found, cursor = page(query, _visible_fills(context), lambda one: fill_key(one[1]), matches)
    return listing("fills", [response_bodies.fill(*one) for one in found], cursor)


def _visible_fills(context: RequestContext) -> list[tuple[str, ExchangeFill]]:
    hidden, since_us = context.state.faults.hidden_fills(), context.query.since_us()
    fills = [(name, one) for name in context.subaccounts() for one in context.queries.fills(name, since_us=since_us)]
    _newest_first(fills, lambda fill: fill.created_us)
    return [one for one in fills if fill_key(one[1]) not in hidden] if hidden else fills


async def settlements(context: RequestContext) -> dict[str, Any]:
    query = context.query
    tickers, event, within = query.words("ticker"), query.text("event_ticker"), query.span_us()
    names = context.subaccounts()
    listed = [(name, one) for name in names for one in context.queries.settlements(name)]
    _newest_first(listed, lambda one: one.settled_us)

    def matches(listed: tuple[str, ExchangeSettlement]) -> bool:
        settlement = listed[1]
        return (
            (not tickers or settlement.ticker in tickers)
            and (event is None or settlement.event == event)
            and within(settlement.settled_us)
        )

    found, cursor = page(query, listed, lambda one: name_of(one[1].ticker, number_of(one[0])), matches)
    costs = {name: _costs_by_ticker(context.queries.fills(name)) for name in names} if found else {}
    rows = [response_bodies.settlement(one, costs[name].get(one.ticker, (0, 0, 0))) for name, one in found]
    return listing("settlements", rows, cursor)


def _costs_by_ticker(fills: Sequence[ExchangeFill]) -> dict[str, tuple[int, int, int]]:
    """Sum per market the cost of YES, the cost of NO, and the fees."""
    costs: dict[str, tuple[int, int, int]] = {}
    for fill in fills:
        yes, no, fees = costs.get(fill.ticker, (0, 0, 0))
        if fill.book_side is BookSide.BID:
            yes += fill.size_centi * fill.price_cc
        else:
            no += fill.size_centi * no_price(fill.price_cc)
        costs[fill.ticker] = (yes, no, fees + fill.fee_micros)
    return costs


async def positions(context: RequestContext) -> dict[str, Any]:
    choice = context.query.choice("settlement_status", ("unsettled", "settled", "all")) or "unsettled"
    counted = context.query.words("count_filter")
    if not set(counted) <= {"position", "total_traded"}:
        raise bad_parameter(context.query.operation, "CountFilter", "oneof")
    # In the order of first trade: a fill between two requests must not move a market to an earlier page.
    name = context.named_subaccount()
    unsettled = context.queries.traded_tickers(name) if choice != "settled" else []
    settled = context.queries.settled_tickers(name) if choice != "unsettled" else []
    return positions_page(context, [*unsettled, *settled], counted, historical=False)


def positions_page(
    context: RequestContext, listed: Sequence[str], counted: Sequence[str], *, historical: bool
) -> dict[str, Any]:
    """Return a page of the positions in ``listed`` markets; the historical ones were settled before the cutoff."""
    query, settled_us = context.query, Cutoff.of(context.state).settled_us
    tickers, events = query.words("ticker"), _tickers_of_events(context, "event_ticker")
    name = context.named_subaccount()
    settled = frozenset(context.queries.settled_tickers(name))
    is_on_shard = on_shard(context, has_filter=not historical)

    def matches(ticker: str) -> bool:
        position = context.shown_position(name, ticker)
        return (
            position is not None
            and is_on_shard(position.shard)
            and (ticker in settled and position.updated_us < settled_us) == historical
            and (not tickers or ticker in tickers)
            and (events is None or ticker in events)
            and ("position" not in counted or position.position_centi != 0)
            and ("total_traded" not in counted or position.traded_centi != 0)
        )

    found, cursor = page(query, listed, lambda ticker: ticker, matches)
    positions = {ticker: context.shown_position(name, ticker) or Position() for ticker in found}
    rows = [_market_position(ticker, position) for ticker, position in positions.items()]
    return listing("market_positions", rows, cursor) | {"event_positions": _event_positions(context, positions)}


def _market_position(ticker: str, position: Position) -> dict[str, Any]:
    return {
        "ticker": ticker,
        "exchange_index": position.shard,
        "total_traded_dollars": format_micros(position.traded_micros),
        "position_fp": format_size(position.position_centi),
        "market_exposure_dollars": format_micros(position.cost_micros),
        "realized_pnl_dollars": format_micros(position.realized_micros),
        "fees_paid_dollars": format_micros(position.fees_micros),
        "last_updated_ts": to_rfc3339(position.updated_us),
    }


def _event_positions(context: RequestContext, positions: dict[str, Position]) -> list[dict[str, Any]]:
    by_event: dict[str, list[Position]] = {}
    for ticker, position in positions.items():
        metadata = context.queries.market(ticker)
        by_event.setdefault(ticker if metadata is None else metadata.event, []).append(position)
    return [
        {
            "event_ticker": event,
            "total_cost_dollars": format_micros(sum(one.traded_micros for one in of_event)),
            "total_cost_shares_fp": format_size(sum(one.traded_centi for one in of_event)),
            "event_exposure_dollars": format_micros(sum(one.cost_micros for one in of_event)),
            "realized_pnl_dollars": format_micros(sum(one.realized_micros for one in of_event)),
            "fees_paid_dollars": format_micros(sum(one.fees_micros for one in of_event)),
        }
        for event, of_event in by_event.items()
    ]


async def resting_value(context: RequestContext) -> dict[str, Any]:
    rows = sum_by_shard([context.queries.held_by_shard(name) for name in context.subaccounts()])
    held = sum(one.balance_micros for one in rows)
    return {"total_resting_order_value": held // 10_000, "resting_order_value_breakdown": shard_rows(rows)}


async def transfer(context: RequestContext) -> Reply:
    context.check_unlocked()
    raw = read_object(context.body)
    transfer_id = field(raw, "SimulatedTransferRequest", "transfer_id", str)
    try:
        amount_micros = parse_micros(field(raw, "SimulatedTransferRequest", "amount_dollars", str), "amount_dollars")
    except WireFormatError as error:
        raise invalid(str(error)) from error
    if not transfer_id:
        raise invalid("transfer_id: required")
    if transfer_id.startswith(OPENING_TRANSFER):
        raise invalid(f"transfer_id: {OPENING_TRANSFER}… is reserved for changes of the opening balance")
    if amount_micros % MICROS_PER_CENT:
        raise invalid("amount_dollars: not in whole cents")
    [result] = await context.submit([TransferCash(context.account, transfer_id, amount_micros)])
    if isinstance(result, Rejected):
        raise rejected(result)
    return Reply(status=204)


async def deposits(context: RequestContext) -> dict[str, Any]:
    return _transfers(context, "deposits", sign=1)


async def withdrawals(context: RequestContext) -> dict[str, Any]:
    return _transfers(context, "withdrawals", sign=-1)


def _transfers(context: RequestContext, name: str, *, sign: int) -> dict[str, Any]:
    context.check_reads_primary()
    found, cursor = page(
        context.query, context.queries.transfers(context.account), lambda one: one.transfer_id,
        lambda one: one.amount_micros * sign > 0,
    )  # fmt: skip
    return listing(name, [response_bodies.transfer(one) for one in found], cursor)


async def account_limits(context: RequestContext) -> dict[str, Any]:
    return context.state.limits.wire_limits()


def _tickers_of_events(context: RequestContext, name: str) -> frozenset[str] | None:
    events = context.query.words(name)
    if not events:
        return None
    return frozenset(metadata.ticker for metadata in context.queries.markets() if metadata.event in events)


ENDPOINTS: Final = (
    Endpoint(method="GET", path="/portfolio/balance", name="GetBalance", handler=balance, access="balance", cost=1),
    signed_read("/portfolio/orders", "GetOrders", orders),
    signed_read("/portfolio/orders/queue_positions", "GetOrderQueuePositions", queue_positions),
    signed_read("/portfolio/orders/{order_id}", "GetOrder", order, CANCEL_COST),
    signed_read("/portfolio/orders/{order_id}/queue_position", "GetOrderQueuePosition", queue_position),
    signed_read("/portfolio/fills", "GetFills", fills),
    signed_read("/portfolio/settlements", "GetSettlements", settlements),
    signed_read("/portfolio/positions", "GetPositions", positions),
    signed_read("/portfolio/deposits", "GetDeposits", deposits),
    signed_read("/portfolio/withdrawals", "GetWithdrawals", withdrawals),
    signed_read("/portfolio/summary/total_resting_order_value", "GetTotalRestingOrderValue", resting_value),
    transfer_write("POST", "/portfolio/simulated_transfers", "CreateSimulatedTransfer", transfer),
    signed_read("/account/limits", "GetAccountApiLimits", account_limits),
)
