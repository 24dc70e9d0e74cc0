"""Join markets with their event and series, which state the fees and whether the event's markets are exclusive.

Events and series change rarely: they are cached for up to ten minutes, each for another time, so that they do not
expire together. A market whose event or series can't be found stays in
the list with the fee type ``UNKNOWN`` (it is then not traded), named in ``assumed``.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, Generic, TypeVar
from urllib.parse import quote

import msgspec
import structlog

from truebook.clock import MICROS, Clock
from truebook.decoding import UNREADABLE
from truebook.kalshi.port import BadResponse, ExchangeError, ListedMarket, NotFound, Refused
from truebook.kalshi.rest.calls import Calls
from truebook.kalshi.rest.pace import ReadPace
from truebook.kalshi.wire import rest_bodies, translate
from truebook.messages.market_metadata import MarketMetadata
from truebook.money import WireFormatError

CACHE_S: Final = 600
CONCURRENT: Final = 8
BULK_FROM: Final = 25
"""With at least so many unknown series, the list of all is read: one call."""
EVENTS_PER_PAGE: Final = 200

T = TypeVar("T")
_decode_market = msgspec.json.Decoder(rest_bodies.MarketBody).decode
_decode_series = msgspec.json.Decoder(rest_bodies.SeriesBody).decode


class _Named(msgspec.Struct):
    ticker: object = None


class _Cache(Generic[T]):
    """Values by name; a name that the exchange does not have is cached as None.

    A value expires after ``CACHE_S`` or up to a half of it earlier, as its name determines.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._values: dict[str, tuple[int, T | None]] = {}

    def put(self, name: str, value: T | None) -> None:
        lasts_us = CACHE_S * MICROS - zlib.crc32(name.encode()) * (CACHE_S * MICROS // 2) // 2**32
        self._values[name] = (self._clock.monotonic_us() + lasts_us, value)

    def get(self, name: str) -> T | None:
        return self._values[name][1] if name in self._values else None

    def missing(self, names: Iterable[str]) -> list[str]:
        now_us = self._clock.monotonic_us()
        return [name for name in sorted(set(names)) if name not in self._values or self._values[name][0] <= now_us]

    def clear(self) -> None:
        self._values.clear()


class MetadataJoiner:
    """Join markets with cached events and series."""

    def __init__(self, calls: Calls, clock: Clock, pace: ReadPace) -> None:
        self._calls = calls
        self._pace = pace
        self._event_pages = 0
        """How many pages the list of open events has."""
        self._events: _Cache[rest_bodies.EventBody] = _Cache(clock)
        self._series: _Cache[rest_bodies.SeriesBody] = _Cache(clock)
        self._omitted: set[str] = set()

    def clear(self) -> None:
        """Drop the cache: after a frame that reports changed fees."""
        self._events.clear()
        self._series.clear()

    def list_readable(self, raw_markets: Sequence[msgspec.Raw]) -> list[ListedMarket]:
        """Decode a page of a long list, without the markets that can't be parsed."""
        listed: list[ListedMarket] = []
        for raw in raw_markets:
            try:
                listed.append(translate.listed_market(_decode_market(raw)))
            except (*UNREADABLE, WireFormatError) as error:
                self._omit(_name_of(raw), error)
        return listed

    def listed_all(self, listed: Sequence[ListedMarket]) -> None:
        """Note how many events are open: a few of many are cheaper to read one by one than as a list."""
        self._event_pages = len({market.event for market in listed}) // EVENTS_PER_PAGE

    async def join(self, markets: Sequence[rest_bodies.MarketBody]) -> list[MarketMetadata]:
        """Fetch the markets' events and series that are not cached, and join them."""
        await self._fetch(markets)
        return [self._joined(market) for market in markets]

    async def join_readable(self, raw_markets: Sequence[msgspec.Raw]) -> list[MarketMetadata]:
        """Join a list without the markets that can't be parsed; raises ``WireFormatError`` if that is all of them."""
        markets: list[rest_bodies.MarketBody] = []
        error: Exception | None = None
        for raw in raw_markets:
            try:
                markets.append(_decode_market(raw))
            except UNREADABLE as caught:
                error = caught
                self._omit(_name_of(raw), caught)
        await self._fetch(markets)
        joined: list[MarketMetadata] = []
        for market in markets:
            try:
                joined.append(self._joined(market))
            except WireFormatError as caught:
                error = caught
                self._omit(market.ticker, caught)
        if error is not None and not joined:
            raise WireFormatError(f"none of {len(raw_markets)} markets can be parsed: {error}") from error
        return joined

    async def _fetch(self, markets: Sequence[rest_bodies.MarketBody]) -> None:
        names = {market.event_ticker for market in markets}
        await self._fetch_events(sorted(names))
        events = [self._events.get(name) for name in names]
        await self._fetch_series([event.series_ticker for event in events if event is not None])

    def _joined(self, market: rest_bodies.MarketBody) -> MarketMetadata:
        event = self._events.get(market.event_ticker)
        series = self._series.get(event.series_ticker) if event is not None else None
        return translate.market_metadata(market, event, series)

    def _omit(self, ticker: str, error: Exception) -> None:
        if ticker not in self._omitted:
            self._omitted.add(ticker)
            structlog.get_logger().warning(
                "market, event or series can't be parsed: not traded", ticker=ticker, error=str(error)
            )

    async def _fetch_events(self, names: list[str]) -> None:
        missing = self._events.missing(names)
        if len(missing) >= max(BULK_FROM, self._event_pages):
            await self._fetch_events_in_bulk()
            missing = self._events.missing(names)
        await _each(missing, self._fetch_event)

    async def _fetch_events_in_bulk(self) -> None:
        try:
            events = await self._calls.pages(
                "/events",
                rest_bodies.EventsPage,
                {"status": "open", "limit": EVENTS_PER_PAGE},
                lambda page: page.events,
                self._pace,
            )
        except (Refused, BadResponse):
            return  # fetched one by one then: a simulated exchange need not have the list
        for event in events:
            self._events.put(event.event_ticker, event)

    async def _fetch_event(self, name: str) -> None:
        try:
            path = f"/events/{quote(name, safe='')}"
            body = await self._pace.read(lambda: self._calls.read(path, rest_bodies.EventResponse))
        except NotFound:
            self._events.put(name, None)
        except BadResponse as error:
            self._events.put(name, None)
            self._omit(name, error)
        else:
            self._events.put(name, body.event)

    async def _fetch_series(self, names: list[str]) -> None:
        missing = self._series.missing(names)
        if len(missing) >= BULK_FROM:
            await self._fetch_all_series()
            missing = self._series.missing(names)
        await _each(missing, self._fetch_one_series)

    async def _fetch_all_series(self) -> None:
        try:
            body = await self._pace.read(lambda: self._calls.read("/series", rest_bodies.SeriesList))
        except ExchangeError:
            return  # fetched one by one then: the list is long, and may be late or missing
        for raw in body.series:
            try:
                series = _decode_series(raw)
            except UNREADABLE:
                continue  # reported when it is needed and fetched alone
            self._series.put(series.ticker, series)

    async def _fetch_one_series(self, name: str) -> None:
        try:
            path = f"/series/{quote(name, safe='')}"
            body = await self._pace.read(lambda: self._calls.read(path, rest_bodies.SeriesResponse))
        except NotFound:
            self._series.put(name, None)
        except BadResponse as error:
            self._series.put(name, None)
            self._omit(name, error)
        else:
            self._series.put(name, body.series)


async def _each(names: Sequence[str], fetch: Callable[[str], Awaitable[None]]) -> None:
    """Fetch a few at a time; the first failure is raised."""
    for start in range(0, len(names), CONCURRENT):
        await asyncio.gather(*(fetch(name) for name in names[start : start + CONCURRENT]))


def _name_of(raw: msgspec.Raw) -> str:
    """Return the ticker of a market that does not decode, or 'unknown'."""
    try:
        return str(msgspec.json.decode(raw, type=_Named).ticker)
    except UNREADABLE:
        return "unknown"
