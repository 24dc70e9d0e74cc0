"""Public REST endpoints: the exchange's state and its markets. They need no signature."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from truebook.kalshi.wire.times import to_rfc3339
from truebook.messages.market_metadata import MarketMetadata, MarketStatus
from truebook_services.paper_exchange.errors import WireError, bad_parameter, nested
from truebook_services.paper_exchange.rest import response_bodies
from truebook_services.paper_exchange.rest.history import Cutoff
from truebook_services.paper_exchange.rest.paging import MAX_LIMIT, Query, key_of, listing, page
from truebook_services.paper_exchange.rest.rate_limits import WIRE_COSTS
from truebook_services.paper_exchange.rest.requests import Endpoint, RequestContext, public
from truebook_services.paper_exchange.rest.spec_versions import OLDER

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
    if metadata is None or Cutoff.of(context.state).has_market(metadata):
        raise market_not_found()
    return metadata


def market_body(context: RequestContext, metadata: MarketMetadata) -> dict[str, Any]:
    book, stats = context.queries.book(metadata.ticker), context.state.stats.of(metadata.ticker)
    is_older = context.state.spec == OLDER
    body = response_bodies.market(metadata, book, stats, liquidity=context.state.emit_liquidity_dollars or is_older)
    if is_older:
        del body["settlement_bounds_type"]
    return body


async def user_data_timestamp(context: RequestContext) -> dict[str, Any]:
    """Return the time up to which all events are visible by REST."""
    return {"as_of_time": to_rfc3339(context.state.faults.visible_until_us(context.state.core.reached_us))}


_SPANS: Final = {
    "created": (None, "unopened", "open"), "updated": (None,), "close": (None, "closed"), "settled": (None, "settled"),
}  # fmt: skip
"""The kinds of time spans, and the values of ``status`` with which each may be combined."""


def _check_spans(query: Query) -> None:
    """Refuse a combination of filters that the exchange does not support; raises shape (c)."""
    given = [kind for kind in _SPANS if query.text(f"min_{kind}_ts") or query.text(f"max_{kind}_ts")]
    if len(given) > 1:
        raise bad_parameter(query.operation, key_of(f"min_{given[1]}_ts"), "excluded_with")
    if given and query.text("status") not in _SPANS[given[0]]:
        raise bad_parameter(query.operation, "Status", "excluded_with")
    if given == ["updated"] and (query.text("tickers") or query.text("event_ticker")):
        raise bad_parameter(query.operation, "MinUpdatedTs", "excluded_with")


def _market_filter(context: RequestContext) -> Callable[[MarketMetadata], bool]:
    query, stats = context.query, context.state.stats
    status_filter = query.choice("status", tuple(_STATUS_FILTERS))
    statuses = _STATUS_FILTERS.get(status_filter or "")
    tickers, event, series = query.words("tickers", MAX_LIMIT), query.words("event_ticker"), query.text("series_ticker")
    combinations_only = query.choice("mve_filter", ("only", "exclude")) == "only"  # this exchange has none
    closes, created = query.span_us("min_close_ts", "max_close_ts"), query.span_us("min_created_ts", "max_created_ts")
    updated, settled = (
        query.span_us("min_updated_ts", "max_updated_ts"), query.span_us("min_settled_ts", "max_settled_ts"),
    )  # fmt: skip
    by_settlement = query.text("min_settled_ts") is not None or query.text("max_settled_ts") is not None
    _check_spans(query)

    def matches(metadata: MarketMetadata) -> bool:
        times = stats.of(metadata.ticker)
        return (
            not combinations_only
            and (statuses is None or metadata.status in statuses)
            and (not tickers or metadata.ticker in tickers)
            and (not event or metadata.event in event)
            and (series is None or metadata.series == series)
            and closes(metadata.close_us)
            and created(times.created_us or metadata.open_us)
            and updated(times.updated_us or metadata.open_us)
            and (not by_settlement or (times.settled_us > 0 and settled(times.settled_us)))
        )

    return matches


async def markets(context: RequestContext) -> dict[str, Any]:
    return markets_page(context, historical=False)


def markets_page(context: RequestContext, *, historical: bool) -> dict[str, Any]:
    """Return a page of markets; the historical ones were settled before the cutoff."""
    cutoff, matches = Cutoff.of(context.state), _market_filter(context)
    found, cursor = page(
        context.query,
        context.queries.markets(),
        lambda metadata: metadata.ticker,
        lambda metadata: matches(metadata) and cutoff.has_market(metadata) == historical,
    )
    return listing("markets", [market_body(context, metadata) for metadata in found], cursor)


async def market(context: RequestContext) -> dict[str, Any]:
    return {"market": market_body(context, _requested_market(context))}


async def orderbook(context: RequestContext) -> dict[str, Any]:
    metadata = _requested_market(context)
    depth = context.query.number("depth", 0, 100, 0) or 0
    return {"orderbook_fp": response_bodies.orderbook(context.queries.book(metadata.ticker), depth)}


async def orderbooks(context: RequestContext) -> dict[str, Any]:
    tickers = context.query.repeated("tickers")
    return {
        "orderbooks": [
            {"ticker": ticker, "orderbook_fp": response_bodies.orderbook(context.queries.book(ticker))}
            for ticker in tickers
            if context.queries.market(ticker) is not None
        ]
    }


async def trades(context: RequestContext) -> dict[str, Any]:
    return trades_page(context, historical=False)


def trades_page(context: RequestContext, *, historical: bool) -> dict[str, Any]:
    """Return a page of public trades; the historical ones are older than the cutoff."""
    query, traded_us = context.query, Cutoff.of(context.state).traded_us
    within, only_blocks = query.span_us(), query.flag("is_block_trade")
    any_kind = query.text("is_block_trade") is None
    recent = context.queries.trades(query.text("ticker"), 10 * MAX_LIMIT)
    found, cursor = page(
        query,
        recent,
        lambda trade: trade.trade_id,
        lambda trade: (
            within(trade.at_us) and (any_kind or trade.block == only_blocks) and (trade.at_us < traded_us) == historical
        ),
    )
    return listing("trades", [response_bodies.trade(trade) for trade in found], cursor)


def _constant(path: str, name: str, body: dict[str, Any]) -> Endpoint:
    async def handler(_: RequestContext) -> dict[str, Any]:
        return body

    return public(path, name, handler)


_SCHEDULE: Final[dict[str, Any]] = {"schedule": {"standard_hours": [], "maintenance_windows": []}}
ENDPOINTS: Final = (
    _constant("/exchange/schedule", "GetExchangeSchedule", _SCHEDULE),
    public("/exchange/user_data_timestamp", "GetUserDataTimestamp", user_data_timestamp),
    _constant("/account/endpoint_costs", "GetAccountEndpointCosts", WIRE_COSTS),
    public("/markets", "GetMarkets", markets),
    public("/markets/trades", "GetTrades", trades),
    public("/markets/orderbooks", "GetMarketOrderbooks", orderbooks),
    public("/markets/{ticker}", "GetMarket", market),
    public("/markets/{ticker}/orderbook", "GetMarketOrderbook", orderbook),
)
