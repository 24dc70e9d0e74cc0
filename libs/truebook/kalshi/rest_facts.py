"""Markets with their event's and series' facts joined in: fees and exclusivity are told there, not by the market.

Events and series change rarely: they are kept for ten minutes. A market whose event or series can't be found keeps
its place in the list with the fee type ``UNKNOWN`` (it is then not traded), named in ``assumed``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Final, Generic, TypeVar
from urllib.parse import quote

import msgspec
import structlog

from truebook.clock import MICROS, Clock
from truebook.kalshi import translate, wire
from truebook.kalshi.port import NotFound, Refused
from truebook.kalshi.rest_calls import Calls
from truebook.messages.facts import MarketFacts
from truebook.money import WireFormatError

KEEP_S: Final = 600
AT_ONCE: Final = 8
BULK_FROM: Final = 25
"""From so many unknown events on, the list of events is paged through first: one call for 200 of them."""
EVENTS_PER_PAGE: Final = 200

T = TypeVar("T")
_decode_market = msgspec.json.Decoder(wire.Market).decode


class _Named(msgspec.Struct):
    ticker: object = None


class _Kept(Generic[T]):
    """Values by name, forgotten after ``KEEP_S``; what the exchange does not know is kept as null."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._values: dict[str, tuple[int, T | None]] = {}

    def put(self, name: str, value: T | None) -> None:
        self._values[name] = (self._clock.monotonic_us() + KEEP_S * MICROS, value)

    def get(self, name: str) -> T | None:
        return self._values[name][1] if name in self._values else None

    def missing(self, names: Iterable[str]) -> list[str]:
        now_us = self._clock.monotonic_us()
        return [name for name in sorted(set(names)) if name not in self._values or self._values[name][0] <= now_us]

    def clear(self) -> None:
        self._values.clear()


class FactsJoiner:
    """Joins markets with cached events and series."""

    def __init__(self, calls: Calls, clock: Clock) -> None:
        self._calls = calls
        self._events: _Kept[wire.Event] = _Kept(clock)
        self._series: _Kept[wire.Series] = _Kept(clock)
        self._left_out: set[str] = set()

    def forget(self) -> None:
        """Fetch everything anew at the next need: after a frame that tells of changed fees."""
        self._events.clear()
        self._series.clear()

    async def join(self, markets: Sequence[wire.Market]) -> list[MarketFacts]:
        """Fetch what is not known yet about the markets' events and series, and join it in."""
        await self._fetch(markets)
        return [self._joined(market) for market in markets]

    async def join_readable(self, told: Sequence[msgspec.Raw]) -> list[MarketFacts]:
        """The same for a list, without what can't be read; raises ``WireFormatError`` where that is all of it."""
        markets: list[wire.Market] = []
        error: Exception | None = None
        for raw in told:
            try:
                markets.append(_decode_market(raw))
            except (msgspec.DecodeError, UnicodeDecodeError) as caught:
                error = caught
                self._leave_out(_name_of(raw), caught)
        await self._fetch(markets)
        joined: list[MarketFacts] = []
        for market in markets:
            try:
                joined.append(self._joined(market))
            except WireFormatError as caught:
                error = caught
                self._leave_out(market.ticker, caught)
        if error is not None and not joined:
            raise WireFormatError(f"not one of {len(told)} markets can be read: {error}") from error
        return joined

    async def _fetch(self, markets: Sequence[wire.Market]) -> None:
        names = {market.event_ticker for market in markets}
        await self._fetch_events(sorted(names))
        events = [self._events.get(name) for name in names]
        await self._fetch_series([event.series_ticker for event in events if event is not None])

    def _joined(self, market: wire.Market) -> MarketFacts:
        event = self._events.get(market.event_ticker)
        series = self._series.get(event.series_ticker) if event is not None else None
        return translate.market_facts(market, event, series)

    def _leave_out(self, ticker: str, error: Exception) -> None:
        if ticker not in self._left_out:
            self._left_out.add(ticker)
            structlog.get_logger().warning("a market can't be read and is left out", ticker=ticker, error=str(error))

    async def _fetch_events(self, names: list[str]) -> None:
        missing = self._events.missing(names)
        if len(missing) >= BULK_FROM:
            await self._fetch_events_in_bulk()
            missing = self._events.missing(names)
        await _each(missing, self._fetch_event)

    async def _fetch_events_in_bulk(self) -> None:
        try:
            events = await self._calls.pages(
                "/events", wire.EventsPage, {"status": "open", "limit": EVENTS_PER_PAGE}, lambda page: page.events
            )
        except Refused:
            return  # one by one then: a simulated exchange need not have the list
        for event in events:
            self._events.put(event.event_ticker, event)

    async def _fetch_event(self, name: str) -> None:
        try:
            answer = await self._calls.read(f"/events/{quote(name, safe='')}", wire.EventAnswer)
        except NotFound:
            self._events.put(name, None)
        else:
            self._events.put(name, answer.event)

    async def _fetch_series(self, names: list[str]) -> None:
        await _each(self._series.missing(names), self._fetch_one_series)

    async def _fetch_one_series(self, name: str) -> None:
        try:
            answer = await self._calls.read(f"/series/{quote(name, safe='')}", wire.SeriesAnswer)
        except NotFound:
            self._series.put(name, None)
        else:
            self._series.put(name, answer.series)


async def _each(names: Sequence[str], fetch: Callable[[str], Awaitable[None]]) -> None:
    """Fetch a few at a time; the first failure ends the whole."""
    for start in range(0, len(names), AT_ONCE):
        await asyncio.gather(*(fetch(name) for name in names[start : start + AT_ONCE]))


def _name_of(raw: msgspec.Raw) -> str:
    """Name a market that does not decode, if it can be named."""
    try:
        return str(msgspec.json.decode(raw, type=_Named).ticker)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return "unknown"
