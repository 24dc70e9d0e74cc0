"""Public REST endpoints: the exchange's state and its markets. They need no signature."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from truebook.kalshi.wire.times import to_rfc3339
from truebook.messages.market_metadata import MarketMetadata, MarketStatus
from truebook_services.paper_exchange.errors import WireError, nested
from truebook_services.paper_exchange.rest import response_bodies
from truebook_services.paper_exchange.rest.paging import MAX_LIMIT, listing, page
from truebook_services.paper_exchange.rest.rate_limits import WIRE_COSTS
from truebook_services.paper_exchange.rest.requests import Endpoint, RequestContext

_STATUS_FILTERS: Final[dict[str, tuple[MarketStatus, ...]]] = {
    "unopened": (MarketStatus.INITIALIZED,),
    "open": (MarketStatus.ACTIVE,),
    "paused": (MarketStatus.INACTIVE,),
    "closed": (MarketStatus.CLOSED, MarketStatus.DETERMINED, MarketStatus.DISPUTED, MarketStatus.AMENDED),
    "settled": (MarketStatus.FINALIZED,),
}


def market_not_found() -> WireError:
    return nested(404, "market_not_found", message="market not found")


def _requested_market(context: RequestContext) -> MarketMetadata:
    metadata = context.queries.market(context.path["ticker"])
    if metadata is None:
        raise market_not_found()
    return metadata


def market_body(context: RequestContext, metadata: MarketMetadata) -> dict[str, Any]:
    book, stats = context.queries.book(metadata.ticker), context.state.stats.of(metadata.ticker)
    return response_bodies.market(metadata, book, stats, liquidity=context.state.emit_liquidity_dollars)


async def user_data_timestamp(context: RequestContext) -> dict[str, Any]:
    """Return the time up to which all events are visible by REST."""
    return {"as_of_time": to_rfc3339(context.state.faults.visible_until_us(context.state.core.reached_us))}


def _market_filter(context: RequestContext) -> Callable[[MarketMetadata], bool]:
    query = context.query
    status_filter = query.choice("status", tuple(_STATUS_FILTERS))
    statuses = _STATUS_FILTERS.get(status_filter or "")
    tickers, event, series = query.words("tickers", MAX_LIMIT), query.words("event_ticker"), query.text("series_ticker")
    combinations_only = query.choice("mve_filter", ("only", "exclude")) == "only"  # this exchange has none
    closes, opens = query.span_us("min_close_ts", "max_close_ts"), query.span_us("min_created_ts", "max_created_ts")

    def matches(metadata: MarketMetadata) -> bool:
        return (
            not combinations_only
            and (statuses is None or metadata.status in statuses)
            and (not tickers or metadata.ticker in tickers)
            and (not event or metadata.event in event)
            and (series is None or metadata.series == series)
            and closes(metadata.close_us)
            and opens(metadata.open_us)
        )

    return matches


async def markets(context: RequestContext) -> dict[str, Any]:
    found, cursor = page(
        context.query, context.queries.markets(), lambda metadata: metadata.ticker, _market_filter(context)
    )
    return listing("markets", [market_body(context, metadata) for metadata in found], cursor)


async def market(context: RequestContext) -> dict[str, Any]:
    return {"market": market_body(context, _requested_market(context))}


async def orderbook(context: RequestContext) -> dict[str, Any]:
    metadata = _requested_market(context)
    depth = context.query.number("depth", 0, 100, 0) or 0
    return {"orderbook_fp": response_bodies.orderbook(context.queries.book(metadata.ticker), depth)}


async def orderbooks(context: RequestContext) -> dict[str, Any]:
    tickers = context.query.repeated("tickers")[:100]
    return {
        "orderbooks": [
            {"ticker": ticker, "orderbook_fp": response_bodies.orderbook(context.queries.book(ticker))}
            for ticker in tickers
            if context.queries.market(ticker) is not None
        ]
    }


async def trades(context: RequestContext) -> dict[str, Any]:
    within = context.query.span_us()
    recent = context.queries.trades(context.query.text("ticker"), 10 * MAX_LIMIT)
    found, cursor = page(context.query, recent, lambda trade: trade.trade_id, lambda trade: within(trade.at_us))
    return listing("trades", [response_bodies.trade(trade) for trade in found], cursor)


def _events(context: RequestContext) -> dict[str, list[MarketMetadata]]:
    events: dict[str, list[MarketMetadata]] = {}
    for metadata in context.queries.markets():
        events.setdefault(metadata.event, []).append(metadata)
    return events


async def events(context: RequestContext) -> dict[str, Any]:
    series, with_markets = context.query.text("series_ticker"), context.query.text("with_nested_markets") == "true"
    found, cursor = page(
        context.query,
        list(_events(context).values()),
        lambda markets: markets[0].event,
        lambda markets: series is None or markets[0].series == series,
    )
    bodies = [response_bodies.event_data(of_event[0]) for of_event in found]
    if with_markets:
        for body, of_event in zip(bodies, found, strict=True):
            body["markets"] = [market_body(context, metadata) for metadata in of_event]
    return listing("events", bodies, cursor) | {"milestones": []}


async def event(context: RequestContext) -> dict[str, Any]:
    of_event = _events(context).get(context.path["event"])
    if of_event is None:
        raise nested(404, "not_found")
    body, bodies = response_bodies.event_data(of_event[0]), [market_body(context, metadata) for metadata in of_event]
    if context.query.text("with_nested_markets") == "true":
        return {"event": body | {"markets": bodies}, "markets": []}
    return {"event": body, "markets": bodies}


async def series(context: RequestContext) -> dict[str, Any]:
    for metadata in context.queries.markets():
        if metadata.series == context.path["series"]:
            return {"series": response_bodies.series(metadata)}
    raise nested(404, "not_found")


async def series_list(context: RequestContext) -> dict[str, Any]:
    by_name = {metadata.series: metadata for metadata in context.queries.markets()}
    return {"series": [response_bodies.series(metadata) for metadata in by_name.values()]}


async def status(context: RequestContext) -> dict[str, Any]:
    return {
        "exchange_active": True,
        "trading_active": True,
        "intra_exchange_transfers_active": False,
        "simulated_exchange_id": context.state.exchange_id,
    }


def _public(path: str, name: str, handler: Any) -> Endpoint:
    return Endpoint(method="GET", path=path, name=name, handler=handler, access="public")


def _constant(path: str, name: str, body: dict[str, Any]) -> Endpoint:
    async def handler(_: RequestContext) -> dict[str, Any]:
        return body

    return _public(path, name, handler)


_SCHEDULE: Final[dict[str, Any]] = {"schedule": {"standard_hours": [], "maintenance_windows": []}}
ENDPOINTS: Final = (
    _public("/exchange/status", "GetExchangeStatus", status),
    _constant("/exchange/schedule", "GetExchangeSchedule", _SCHEDULE),
    _public("/exchange/user_data_timestamp", "GetUserDataTimestamp", user_data_timestamp),
    _constant("/account/endpoint_costs", "GetAccountEndpointCosts", WIRE_COSTS),
    _public("/markets", "GetMarkets", markets),
    _public("/markets/trades", "GetTrades", trades),
    _public("/markets/orderbooks", "GetMarketOrderbooks", orderbooks),
    _public("/markets/{ticker}", "GetMarket", market),
    _public("/markets/{ticker}/orderbook", "GetMarketOrderbook", orderbook),
    _public("/events", "GetEvents", events),
    _public("/events/{event}", "GetEvent", event),
    _public("/series", "GetSeriesList", series_list),
    _constant("/series/fee_changes", "GetSeriesFeeChanges", {"series_fee_change_arr": []}),
    _public("/series/{series}", "GetSeries", series),
)
