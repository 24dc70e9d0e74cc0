"""REST endpoints of what is older than the cutoff: markets, trades, and an account's orders, fills and positions.

Bodies are those of the live endpoints; candles are in ``candlesticks``.
"""

from __future__ import annotations

from typing import Any, Final

from truebook.kalshi.wire.times import to_rfc3339
from truebook_services.paper_exchange.errors import bad_parameter
from truebook_services.paper_exchange.rest import markets, portfolio
from truebook_services.paper_exchange.rest.history import Cutoff
from truebook_services.paper_exchange.rest.requests import RequestContext, public, signed_read


async def cutoff(context: RequestContext) -> dict[str, Any]:
    at = Cutoff.of(context.state)
    return {
        "market_settled_ts": to_rfc3339(at.settled_us),
        "trades_created_ts": to_rfc3339(at.traded_us),
        "orders_updated_ts": to_rfc3339(at.ended_us),
        "market_positions_last_updated_ts": to_rfc3339(at.settled_us),
    }


async def historical_markets(context: RequestContext) -> dict[str, Any]:
    given = [name for name in ("tickers", "event_ticker", "series_ticker") if context.query.text(name) is not None]
    if len(given) > 1:
        raise bad_parameter(context.query.operation, "Tickers", "excluded_with")
    return markets.markets_page(context, historical=True)


async def historical_market(context: RequestContext) -> dict[str, Any]:
    metadata = context.queries.market(context.path["ticker"])
    if metadata is None or not Cutoff.of(context.state).has_market(metadata):
        raise markets.market_not_found()
    return {"market": markets.market_body(context, metadata)}


async def trades(context: RequestContext) -> dict[str, Any]:
    return markets.trades_page(context, historical=True)


async def fills(context: RequestContext) -> dict[str, Any]:
    return portfolio.fills_page(context, historical=True)


async def orders(context: RequestContext) -> dict[str, Any]:
    return portfolio.orders_page(context, historical=True)


async def positions(context: RequestContext) -> dict[str, Any]:
    listed = context.queries.settled_tickers(context.named_subaccount())
    return portfolio.positions_page(context, listed, (), historical=True)


ENDPOINTS: Final = (
    public("/historical/cutoff", "GetHistoricalCutoff", cutoff),
    public("/historical/markets", "GetHistoricalMarkets", historical_markets),
    public("/historical/markets/{ticker}", "GetHistoricalMarket", historical_market),
    public("/historical/trades", "GetTradesHistorical", trades),
    signed_read("/historical/fills", "GetFillsHistorical", fills),
    signed_read("/historical/orders", "GetHistoricalOrders", orders),
    signed_read("/historical/positions", "GetHistoricalPositions", positions),
)
