"""Public REST endpoints of candlesticks: of one market, of several, of an event, and of a historical market.

A candle is listed once its period has ended, up to the market's close. The historical endpoint has other field names,
and null where the others leave a field out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from truebook.clock import MICROS
from truebook.kalshi.wire.times import LAST_US, to_unix_s
from truebook.messages.market_metadata import MarketMetadata
from truebook.money import format_price, format_size
from truebook.simulation.candles import LENGTHS, Candle, Minutes, Ohlc, next_end_s, period_end_s
from truebook_services.paper_exchange.errors import WireError, bad_parameter, not_found
from truebook_services.paper_exchange.rest.history import Cutoff
from truebook_services.paper_exchange.rest.markets import market_not_found
from truebook_services.paper_exchange.rest.requests import RequestContext, public, signed_read

MAX_CANDLES: Final = 5_000
MAX_BATCH_CANDLES: Final = 10_000
MAX_BATCH_MARKETS: Final = 100
MAX_PERCENTILES: Final = 10
LAST_S: Final = to_unix_s(LAST_US)
_QUOTES: Final = ("open", "low", "high", "close")


class _Span(NamedTuple):
    """The requested periods, by their ends in unix seconds, both included."""

    start_s: int
    end_s: int
    minutes: Minutes

    def periods(self) -> int:
        return max(0, self.end_s - self.start_s) // (60 * self.minutes) + 1


def _span(context: RequestContext) -> _Span:
    query = context.query
    start_s, end_s = query.required("start_ts", 0, LAST_S), query.required("end_ts", 0, LAST_S)
    minutes = query.required("period_interval", 0, LENGTHS[-1])
    if minutes not in LENGTHS:
        raise bad_parameter(query.operation, "PeriodInterval", "oneof")
    if end_s < start_s:
        raise bad_parameter(query.operation, "EndTs", "gtefield")
    return _Span(start_s, end_s, minutes)


def _too_many(context: RequestContext) -> WireError:
    return bad_parameter(context.query.operation, "EndTs", "max_candlesticks")


def _candles(context: RequestContext, market: MarketMetadata, span: _Span) -> tuple[Candle | None, list[Candle]]:
    """Return the last period before the span, and those within it."""
    stats = context.state.stats.of(market.ticker)
    # Of a market whose listing was not seen (a recording's), nothing is known before the first event.
    opened_us = max(stats.created_us, market.open_us) if stats.created_us else None
    closed_s = period_end_s(max(1, market.close_us), span.minutes)
    return stats.candles.between(
        span.minutes, span.start_s, span.end_s, opened_us=opened_us,
        until_s=min(context.state.now_us() // MICROS, closed_s),
    )  # fmt: skip


def _rows(context: RequestContext, market: MarketMetadata, span: _Span, *, with_latest: bool) -> list[dict[str, Any]]:
    before, candles = _candles(context, market, span)
    if with_latest and before is not None:
        candles = [before.carried(_boundary_after_s(span)), *candles]
    return [_live(candle) for candle in candles]


def _boundary_after_s(span: _Span) -> int:
    """Return the first end of a period after the span's start: the place of the latest candle before it."""
    return next_end_s(span.start_s, span.minutes)


def _live(candle: Candle) -> dict[str, Any]:
    price: dict[str, str] = {}
    if candle.price is not None:
        price = _ohlc(candle.price, "_dollars") | {"mean_dollars": format_price(candle.mean_cc or 0)}
    if candle.previous_cc is not None:
        price["previous_dollars"] = format_price(candle.previous_cc)
    return {
        "end_period_ts": candle.end_s,
        "yes_bid": _ohlc(candle.bid, "_dollars"),
        "yes_ask": _ohlc(candle.ask, "_dollars"),
        "price": price,
        "volume_fp": format_size(candle.volume_centi),
        "open_interest_fp": format_size(candle.open_interest_centi),
    }


def _historical(candle: Candle) -> dict[str, Any]:
    price: dict[str, str | None] = dict.fromkeys((*_QUOTES, "mean"))
    if candle.price is not None:
        price = {**_ohlc(candle.price), "mean": format_price(candle.mean_cc or 0)}
    price["previous"] = None if candle.previous_cc is None else format_price(candle.previous_cc)
    return {
        "end_period_ts": candle.end_s,
        "yes_bid": _ohlc(candle.bid),
        "yes_ask": _ohlc(candle.ask),
        "price": price,
        "volume": format_size(candle.volume_centi),
        "open_interest": format_size(candle.open_interest_centi),
    }


def _ohlc(ohlc: Ohlc, suffix: str = "") -> dict[str, str]:
    return {f"{name}{suffix}": format_price(price_cc) for name, price_cc in zip(_QUOTES, ohlc, strict=True)}


async def of_market(context: RequestContext) -> dict[str, Any]:
    span, with_latest = _span(context), context.query.flag("include_latest_before_start")
    market = context.queries.market(context.path["ticker"])
    if market is None or market.series != context.path["series"] or Cutoff.of(context.state).has_market(market):
        raise market_not_found()
    if span.periods() > MAX_CANDLES:
        raise _too_many(context)
    return {"ticker": market.ticker, "candlesticks": _rows(context, market, span, with_latest=with_latest)}


async def of_markets(context: RequestContext) -> dict[str, Any]:
    span, with_latest = _span(context), context.query.flag("include_latest_before_start")
    tickers = context.query.repeated("market_tickers", MAX_BATCH_MARKETS)
    if not tickers:
        raise bad_parameter(context.query.operation, "MarketTickers", "required")
    cutoff = Cutoff.of(context.state)
    found = [context.queries.market(ticker) for ticker in dict.fromkeys(tickers)]
    live = [market for market in found if market is not None and not cutoff.has_market(market)]
    if span.periods() * len(live) > MAX_BATCH_CANDLES:
        raise _too_many(context)
    return {
        "markets": [
            {"market_ticker": one.ticker, "candlesticks": _rows(context, one, span, with_latest=with_latest)}
            for one in live
        ]
    }


async def of_event(context: RequestContext) -> dict[str, Any]:
    """The response is cut where it would be too long: ``adjusted_end_ts`` is then where the next request starts."""
    span, markets = _span(context), _live_markets(context)
    per_market = MAX_CANDLES // max(1, len(markets))
    adjusted_s = span.end_s
    if span.periods() > per_market:
        adjusted_s = span.start_s + per_market * 60 * span.minutes
        span = span._replace(end_s=adjusted_s - 1)
    return {
        "market_tickers": [market.ticker for market in markets],
        "market_candlesticks": [_rows(context, market, span, with_latest=False) for market in markets],
        "adjusted_end_ts": adjusted_s,
    }


def _live_markets(context: RequestContext) -> Sequence[MarketMetadata]:
    """List the event's markets; raises ``WireError`` for an unknown event."""
    cutoff = Cutoff.of(context.state)
    event, series = context.path["event"], context.path["series"]
    of_event = [one for one in context.queries.markets() if one.event == event and one.series == series]
    if not of_event:
        raise not_found()
    return [one for one in of_event if not cutoff.has_market(one)]


async def of_historical_market(context: RequestContext) -> dict[str, Any]:
    span, market = _span(context), context.queries.market(context.path["ticker"])
    if market is None or not Cutoff.of(context.state).has_market(market):
        raise market_not_found()
    if span.periods() > MAX_CANDLES:
        raise _too_many(context)
    return {
        "ticker": market.ticker,
        "candlesticks": [_historical(candle) for candle in _candles(context, market, span)[1]],
    }


async def forecast_history(context: RequestContext) -> dict[str, Any]:
    """No event here has a forecast: the history is empty."""
    query = context.query
    query.required("start_ts", 0, LAST_S)
    query.required("end_ts", 0, LAST_S)
    if query.required("period_interval", 0, LENGTHS[-1]) not in (0, *LENGTHS):
        raise bad_parameter(query.operation, "PeriodInterval", "oneof")
    percentiles = query.repeated("percentiles", MAX_PERCENTILES)
    if not percentiles:
        raise bad_parameter(query.operation, "Percentiles", "required")
    if any(not (one.isascii() and one.isdigit() and int(one) <= 9_999) for one in percentiles):
        raise bad_parameter(query.operation, "Percentiles", "lte")
    _live_markets(context)
    return {"forecast_history": []}


_EVENT: Final = "/series/{series}/events/{event}"
ENDPOINTS: Final = (
    public("/markets/candlesticks", "BatchGetMarketCandlesticks", of_markets),
    public("/series/{series}/markets/{ticker}/candlesticks", "GetMarketCandlesticks", of_market),
    public(f"{_EVENT}/candlesticks", "GetMarketCandlesticksByEvent", of_event),
    public("/historical/markets/{ticker}/candlesticks", "GetMarketCandlesticksHistorical", of_historical_market),
    signed_read(f"{_EVENT}/forecast_percentile_history", "GetEventForecastPercentilesHistory", forecast_history),
)
