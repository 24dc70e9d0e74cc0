"""Public REST endpoints: the exchange's state and its markets. No signature is needed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from truebook.kalshi.times import to_rfc3339
from truebook.messages.facts import MarketFacts, MarketStatus
from truebook_services.paper_exchange import wire_out
from truebook_services.paper_exchange.calls import Call, Endpoint
from truebook_services.paper_exchange.errors import WireError, nested
from truebook_services.paper_exchange.paging import MOST, listing, page
from truebook_services.paper_exchange.rate_limits import wire_costs

_STATUS_FILTERS: Final[dict[str, tuple[MarketStatus, ...]]] = {
    "unopened": (MarketStatus.INITIALIZED,),
    "open": (MarketStatus.ACTIVE,),
    "paused": (MarketStatus.INACTIVE,),
    "closed": (MarketStatus.CLOSED, MarketStatus.DETERMINED, MarketStatus.DISPUTED, MarketStatus.AMENDED),
    "settled": (MarketStatus.FINALIZED,),
}


def market_not_found() -> WireError:
    return nested(404, "market_not_found", message="market not found")


def _facts(call: Call) -> MarketFacts:
    facts = call.engine.market(call.path["ticker"])
    if facts is None:
        raise market_not_found()
    return facts


def market_body(call: Call, facts: MarketFacts) -> dict[str, Any]:
    book, stats = call.engine.book(facts.ticker), call.floor.hub.stats(facts.ticker)
    return wire_out.market(facts, book, stats, liquidity=call.floor.settings.emit_liquidity_dollars)


async def status(call: Call) -> dict[str, Any]:
    return {"exchange_active": True, "trading_active": True, "intra_exchange_transfers_active": False}


async def schedule(call: Call) -> dict[str, Any]:
    return {"schedule": {"standard_hours": [], "maintenance_windows": []}}


async def user_data_timestamp(call: Call) -> dict[str, Any]:
    """Answer up to when all that happened is visible by REST."""
    return {"as_of_time": to_rfc3339(call.floor.faults.visible_until_us(call.floor.core.reached_us))}


async def endpoint_costs(call: Call) -> dict[str, Any]:
    return wire_costs()


def _market_filter(call: Call) -> Callable[[MarketFacts], bool]:
    query = call.query
    status_filter = query.choice("status", tuple(_STATUS_FILTERS))
    statuses = _STATUS_FILTERS.get(status_filter or "")
    tickers, event, series = query.words("tickers", MOST), query.words("event_ticker"), query.text("series_ticker")
    combinations_only = query.choice("mve_filter", ("only", "exclude")) == "only"  # there are none here
    closes, opens = query.span_us("min_close_ts", "max_close_ts"), query.span_us("min_created_ts", "max_created_ts")

    def wanted(facts: MarketFacts) -> bool:
        return (
            not combinations_only
            and (statuses is None or facts.status in statuses)
            and (not tickers or facts.ticker in tickers)
            and (not event or facts.event in event)
            and (series is None or facts.series == series)
            and closes(facts.close_us)
            and opens(facts.open_us)
        )

    return wanted


async def markets(call: Call) -> dict[str, Any]:
    found, cursor = page(call.query, call.engine.markets(), lambda facts: facts.ticker, _market_filter(call))
    return listing("markets", [market_body(call, facts) for facts in found], cursor)


async def market(call: Call) -> dict[str, Any]:
    return {"market": market_body(call, _facts(call))}


async def orderbook(call: Call) -> dict[str, Any]:
    facts = _facts(call)
    depth = call.query.number("depth", 0, 100, 0) or 0
    return {"orderbook_fp": wire_out.orderbook(call.engine.book(facts.ticker), depth)}


async def orderbooks(call: Call) -> dict[str, Any]:
    tickers = [ticker for word in call.repeated("tickers") for ticker in word.split(",") if ticker][:100]
    return {
        "orderbooks": [
            {"ticker": ticker, "orderbook_fp": wire_out.orderbook(call.engine.book(ticker))}
            for ticker in tickers
            if call.engine.market(ticker) is not None
        ]
    }


async def trades(call: Call) -> dict[str, Any]:
    within = call.query.span_us()
    kept = call.engine.trades(call.query.text("ticker"), 10 * MOST)
    found, cursor = page(call.query, kept, lambda trade: trade.trade_id, lambda trade: within(trade.at_us))
    return listing("trades", [wire_out.trade(trade) for trade in found], cursor)


def _events(call: Call) -> dict[str, list[MarketFacts]]:
    events: dict[str, list[MarketFacts]] = {}
    for facts in call.engine.markets():
        events.setdefault(facts.event, []).append(facts)
    return events


async def events(call: Call) -> dict[str, Any]:
    series, nested_too = call.query.text("series_ticker"), call.query.text("with_nested_markets") == "true"
    found, cursor = page(
        call.query,
        list(_events(call).values()),
        lambda markets: markets[0].event,
        lambda markets: series is None or markets[0].series == series,
    )
    bodies = [wire_out.event_data(of_event[0]) for of_event in found]
    if nested_too:
        for body, of_event in zip(bodies, found, strict=True):
            body["markets"] = [market_body(call, facts) for facts in of_event]
    return listing("events", bodies, cursor) | {"milestones": []}


async def event(call: Call) -> dict[str, Any]:
    of_event = _events(call).get(call.path["event"])
    if of_event is None:
        raise nested(404, "not_found")
    body, bodies = wire_out.event_data(of_event[0]), [market_body(call, facts) for facts in of_event]
    if call.query.text("with_nested_markets") == "true":
        return {"event": body | {"markets": bodies}, "markets": []}
    return {"event": body, "markets": bodies}


async def series(call: Call) -> dict[str, Any]:
    for facts in call.engine.markets():
        if facts.series == call.path["series"]:
            return {"series": wire_out.series(facts)}
    raise nested(404, "not_found")


async def series_list(call: Call) -> dict[str, Any]:
    by_name = {facts.series: facts for facts in call.engine.markets()}
    return {"series": [wire_out.series(facts) for facts in by_name.values()]}


async def series_fee_changes(call: Call) -> dict[str, Any]:
    return {"series_fee_change_arr": []}


def _public(path: str, name: str, handler: Any) -> Endpoint:
    return Endpoint(method="GET", path=path, name=name, handler=handler, access="public")


ENDPOINTS: Final = (
    _public("/exchange/status", "GetExchangeStatus", status),
    _public("/exchange/schedule", "GetExchangeSchedule", schedule),
    _public("/exchange/user_data_timestamp", "GetUserDataTimestamp", user_data_timestamp),
    _public("/account/endpoint_costs", "GetAccountEndpointCosts", endpoint_costs),
    _public("/markets", "GetMarkets", markets),
    _public("/markets/trades", "GetTrades", trades),
    _public("/markets/orderbooks", "GetMarketOrderbooks", orderbooks),
    _public("/markets/{ticker}", "GetMarket", market),
    _public("/markets/{ticker}/orderbook", "GetMarketOrderbook", orderbook),
    _public("/events", "GetEvents", events),
    _public("/events/{event}", "GetEvent", event),
    _public("/series", "GetSeriesList", series_list),
    _public("/series/fee_changes", "GetSeriesFeeChanges", series_fee_changes),
    _public("/series/{series}", "GetSeries", series),
)
