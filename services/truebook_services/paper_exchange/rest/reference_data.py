"""REST endpoints of what this exchange has none of: milestones, live data, combinations, requests for quotes.

Lists are empty, with the fields of full ones; an item is not found. Parameters are checked as elsewhere. Incentive
programmes are listed if the settings state a reward; they are not paid.
"""

from __future__ import annotations

from typing import Any, Final

from truebook.clock import MICROS
from truebook.kalshi.wire.times import to_rfc3339
from truebook.messages.market_metadata import MarketMetadata, MarketStatus
from truebook.simulation.candles import DAY_S
from truebook_services.paper_exchange.errors import not_found
from truebook_services.paper_exchange.rest.paging import listing, page
from truebook_services.paper_exchange.rest.requests import Handler, RequestContext, public, signed_read
from truebook_services.paper_exchange.wire_fields import market_id, user_id

INCENTIVE_LIMITS: Final = (100, 10_000)
DISCOUNT_BPS: Final = 5_000
TARGET_SIZE: Final = "300.00"
DAY_US: Final = DAY_S * MICROS
_PROGRAM_TYPES: Final = ("all", "liquidity", "volume", "margin_maker_volume", "margin_taker_volume")
_PROGRAM_STATES: Final = ("all", "active", "upcoming", "closed", "paid_out")


def _empty(
    name: str, *texts: str, limit: tuple[str, int] = ("limit", 1_000), numbers: tuple[str, ...] = (),
    choices: dict[str, tuple[str, ...]] | None = None,
) -> Handler:  # fmt: skip
    """Return the handler of an empty list, which reads and checks every documented parameter."""

    async def handler(context: RequestContext) -> dict[str, Any]:
        query = context.query
        query.number(limit[0], 1, limit[1])
        for text in (*texts, "cursor"):
            query.text(text)
        for number in numbers:
            query.number(number, 0, 2**53)
        for choice, words in (choices or {}).items():
            query.choice(choice, words)
        return listing(name, (), "")

    return handler


async def nothing(_: RequestContext) -> None:
    """No such item: this exchange has none of its kind."""
    raise not_found()


async def live_datas(context: RequestContext) -> dict[str, Any]:
    context.query.repeated("milestone_ids")
    context.query.flag("include_player_stats")
    return {"live_datas": []}


async def tags_by_categories(context: RequestContext) -> dict[str, Any]:
    return {"tags_by_categories": {"Simulation": []}}


async def filters_by_sport(context: RequestContext) -> dict[str, Any]:
    return {"filters_by_sports": {}, "sport_ordering": []}


async def communications_id(context: RequestContext) -> dict[str, Any]:
    return {"communications_id": user_id(context.account)}


async def volume_progress(context: RequestContext) -> dict[str, Any]:
    return {"volume_progress": []}


async def incentive_programs(context: RequestContext) -> dict[str, Any]:
    query, state = context.query, context.state
    kind, wanted = query.choice("type", _PROGRAM_TYPES) or "all", query.choice("status", _PROGRAM_STATES) or "all"
    description = query.text("incentive_description")

    def matches(market: MarketMetadata) -> bool:
        is_active = market.status is MarketStatus.ACTIVE and market.close_us - market.open_us > DAY_US // 24
        return (
            state.reward_cents > 0 and is_active and kind in ("all", "liquidity") and wanted in ("all", "active")
            and description in (None, _DESCRIPTION)
        )  # fmt: skip

    found, cursor = page(query, context.queries.markets(), lambda one: one.ticker, matches, limits=INCENTIVE_LIMITS)
    rows = [_program(market, state.reward_cents, state.now_us()) for market in found]
    return {"incentive_programs": rows, "next_cursor": cursor}


_DESCRIPTION: Final = "liquidity"


def _program(market: MarketMetadata, reward_cents: int, now_us: int) -> dict[str, Any]:
    """Write the programme of a market's current day (UTC); rewards are in centi-cents."""
    start_us = max(market.open_us, now_us - now_us % DAY_US)
    return {
        "id": market_id(f"{market.ticker}/programme/{start_us // DAY_US}"),
        "market_id": market_id(market.ticker),
        "market_ticker": market.ticker,
        "incentive_type": "liquidity",
        "incentive_description": _DESCRIPTION,
        "start_date": to_rfc3339(start_us),
        "end_date": to_rfc3339(min(market.close_us, start_us - start_us % DAY_US + DAY_US)),
        "period_reward": reward_cents * 100,
        "paid_out": False,
        "discount_factor_bps": DISCOUNT_BPS,
        "target_size_fp": TARGET_SIZE,
    }


_MILESTONES: Final = _empty(
    "milestones", "category", "competition", "source_id", "type", "related_event_ticker", "minimum_start_date",
    limit=("limit", 500), numbers=("min_updated_ts",),
)  # fmt: skip
_TARGETS: Final = _empty("structured_targets", "ids", "type", "competition", limit=("page_size", 2_000))
_COLLECTIONS: Final = _empty(
    "multivariate_contracts", "associated_event_ticker", "series_ticker", limit=("limit", 200),
    choices={"status": ("unopened", "open", "closed")},
)  # fmt: skip
_RFQS: Final = _empty(
    "rfqs", "event_ticker", "market_ticker", "status", "creator_user_id", "user_filter", limit=("limit", 100),
    numbers=("subaccount",),
)  # fmt: skip
_QUOTES: Final = _empty(
    "quotes", "status", "quote_creator_user_id", "user_filter", "rfq_user_filter", "rfq_creator_user_id",
    "rfq_creator_subtrader_id", "rfq_id", limit=("limit", 500), numbers=("min_ts", "max_ts"),
)  # fmt: skip
_PROPOSALS: Final = _empty("block_trade_proposals", "market_ticker", "status", limit=("limit", 1_000))

ENDPOINTS: Final = (
    public("/incentive_programs", "GetIncentivePrograms", incentive_programs),
    public("/milestones", "GetMilestones", _MILESTONES),
    public("/milestones/{id}", "GetMilestone", nothing),
    public("/structured_targets", "GetStructuredTargets", _TARGETS),
    public("/structured_targets/{id}", "GetStructuredTarget", nothing),
    public("/multivariate_event_collections", "GetMultivariateEventCollections", _COLLECTIONS),
    public("/multivariate_event_collections/{ticker}", "GetMultivariateEventCollection", nothing),
    public("/live_data/batch", "GetLiveDatas", live_datas),
    public("/live_data/events/{event}", "GetEventLiveData", nothing),
    public("/live_data/milestone/{milestone_id}", "GetLiveDataByMilestone", nothing),
    public("/live_data/milestone/{milestone_id}/game_stats", "GetGameStats", nothing),
    public("/live_data/{type}/milestone/{milestone_id}", "GetLiveData", nothing),
    public("/search/tags_by_categories", "GetTagsForSeriesCategories", tags_by_categories),
    public("/search/filters_by_sport", "GetFiltersForSports", filters_by_sport),
    signed_read("/communications/id", "GetCommunicationsID", communications_id),
    signed_read("/communications/rfqs", "GetRFQs", _RFQS),
    signed_read("/communications/rfqs/{id}", "GetRFQ", nothing),
    signed_read("/communications/rfqs/{id}/quotes/{quote_id}", "GetRFQQuote", nothing),
    signed_read("/communications/quotes", "GetQuotes", _QUOTES),
    signed_read("/communications/quotes/{id}", "GetQuote", nothing),
    signed_read("/communications/block-trade-proposals", "GetBlockTradeProposals", _PROPOSALS),
    signed_read("/account/api_usage_level/volume_progress", "GetAccountApiUsageLevelVolumeProgress", volume_progress),
)
