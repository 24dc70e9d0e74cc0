"""Public REST endpoints of events and series. An event's state follows from its markets'."""

from __future__ import annotations

from typing import Any, Final

from truebook.messages.market_metadata import MarketMetadata, MarketStatus
from truebook_services.paper_exchange.errors import bad_parameter, not_found
from truebook_services.paper_exchange.rest import response_bodies
from truebook_services.paper_exchange.rest.history import Cutoff
from truebook_services.paper_exchange.rest.markets import market_body
from truebook_services.paper_exchange.rest.paging import empty_listing, listing, page
from truebook_services.paper_exchange.rest.requests import RequestContext, public

EVENT_LIMITS: Final = (200, 200)
MULTIVARIATE_LIMITS: Final = (100, 200)
_STATES: Final = ("unopened", "open", "closed", "settled")


def _events(context: RequestContext) -> dict[str, list[MarketMetadata]]:
    events: dict[str, list[MarketMetadata]] = {}
    for metadata in context.queries.markets():
        events.setdefault(metadata.event, []).append(metadata)
    return events


def _state(markets: list[MarketMetadata]) -> str:
    statuses = {one.status for one in markets}
    if statuses & {MarketStatus.ACTIVE, MarketStatus.INACTIVE}:
        return "open"
    if statuses == {MarketStatus.FINALIZED}:
        return "settled"
    return "unopened" if statuses == {MarketStatus.INITIALIZED} else "closed"


def _updated_us(context: RequestContext, markets: list[MarketMetadata]) -> int:
    """Return when an event's markets were last changed, except by trades."""
    stats = context.state.stats
    return max(stats.of(one.ticker).updated_us or one.open_us for one in markets)


def _body(context: RequestContext, markets: list[MarketMetadata]) -> dict[str, Any]:
    return response_bodies.event_data(markets[0], _updated_us(context, markets))


def _live_bodies(context: RequestContext, markets: list[MarketMetadata]) -> list[dict[str, Any]]:
    cutoff = Cutoff.of(context.state)
    return [market_body(context, one) for one in markets if not cutoff.has_market(one)]


async def events(context: RequestContext) -> dict[str, Any]:
    query = context.query
    series, state = query.text("series_ticker"), query.choice("status", _STATES)
    tickers, with_markets, with_milestones = (
        query.words("tickers", EVENT_LIMITS[1]), query.flag("with_nested_markets"), query.flag("with_milestones"),
    )  # fmt: skip
    closes, updated = query.span_us("min_close_ts", None), query.span_us("min_updated_ts", None)

    def matches(markets: list[MarketMetadata]) -> bool:
        return (
            (series is None or markets[0].series == series)
            and (not tickers or markets[0].event in tickers)
            and (state is None or _state(markets) == state)
            and any(closes(one.close_us) for one in markets)
            and updated(_updated_us(context, markets))
        )

    found, cursor = page(
        query, list(_events(context).values()), lambda markets: markets[0].event, matches, limits=EVENT_LIMITS
    )
    bodies = [_body(context, markets) for markets in found]
    if with_markets:
        for body, markets in zip(bodies, found, strict=True):
            body["markets"] = _live_bodies(context, markets)
    listed = listing("events", bodies, cursor)
    return listed | {"milestones": []} if with_milestones else listed


async def event(context: RequestContext) -> dict[str, Any]:
    markets = _requested(context)
    body, bodies = _body(context, markets), _live_bodies(context, markets)
    if context.query.flag("with_nested_markets"):
        return {"event": body | {"markets": bodies}, "markets": []}
    return {"event": body, "markets": bodies}


def _requested(context: RequestContext) -> list[MarketMetadata]:
    markets = _events(context).get(context.path["event"])
    if markets is None:
        raise not_found()
    return markets


async def metadata(context: RequestContext) -> dict[str, Any]:
    """Pictures and colours: this exchange has none, but every field."""
    details = [{"market_ticker": one.ticker, "image_url": "", "color_code": ""} for one in _requested(context)]
    return {"image_url": "", "featured_image_url": "", "market_details": details, "settlement_sources": []}


async def multivariate(context: RequestContext) -> dict[str, Any]:
    """List events of combinations: there are none."""
    query = context.query
    given = [query.text("series_ticker"), query.text("collection_ticker")]
    if all(given):
        raise bad_parameter(query.operation, "CollectionTicker", "excluded_with")
    query.flag("with_nested_markets")
    return empty_listing(query, "events", MULTIVARIATE_LIMITS)


async def series(context: RequestContext) -> dict[str, Any]:
    of_series = [one for one in context.queries.markets() if one.series == context.path["series"]]
    if not of_series:
        raise not_found()
    return {"series": _series_body(context, of_series, with_volume=context.query.flag("include_volume"))}


async def series_list(context: RequestContext) -> dict[str, Any]:
    query = context.query
    category, tags, with_volume = query.text("category"), query.repeated("tags"), query.flag("include_volume")
    query.flag("include_product_metadata")  # no series has any
    updated = query.span_us("min_updated_ts", None)
    by_name: dict[str, list[MarketMetadata]] = {}
    for one in context.queries.markets():
        by_name.setdefault(one.series, []).append(one)
    bodies = []
    for markets in by_name.values():
        body = _series_body(context, markets, with_volume=with_volume)
        if (
            (category is None or category in body["categories"])
            and (not tags or set(tags) & set(body["tags"]))
            and updated(_created_us(context, markets))
        ):
            bodies.append(body)
    return {"series": bodies}


def _created_us(context: RequestContext, markets: list[MarketMetadata]) -> int:
    stats = context.state.stats
    return min(stats.of(one.ticker).created_us or one.open_us for one in markets)


def _series_body(context: RequestContext, markets: list[MarketMetadata], *, with_volume: bool) -> dict[str, Any]:
    volume_centi = sum(one.volume_centi for one in markets) if with_volume else None
    return response_bodies.series(markets[0], _created_us(context, markets), volume_centi)


async def series_fee_changes(context: RequestContext) -> dict[str, Any]:
    """List changes of fees: there are none."""
    context.query.text("series_ticker")
    context.query.flag("show_historical")
    return {"series_fee_change_arr": []}


async def event_fee_changes(context: RequestContext) -> dict[str, Any]:
    context.query.text("event_ticker")
    return empty_listing(context.query, "event_fee_changes")


ENDPOINTS: Final = (
    public("/events", "GetEvents", events),
    public("/events/multivariate", "GetMultivariateEvents", multivariate),
    public("/events/fee_changes", "GetEventFeeChanges", event_fee_changes),
    public("/events/{event}", "GetEvent", event),
    public("/events/{event}/metadata", "GetEventMetadata", metadata),
    public("/series", "GetSeriesList", series_list),
    public("/series/fee_changes", "GetSeriesFeeChanges", series_fee_changes),
    public("/series/{series}", "GetSeries", series),
)
