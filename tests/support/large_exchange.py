"""An exchange with as many markets as Kalshi lists, by HTTP in memory: its lists, its rate limiter and its latency."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import httpx

from support.fake_rest import event, market
from truebook.clock import Clock
from truebook.venue.rate_tiers import DEFAULT_COST, Tier
from truebook_services.paper_exchange.errors import WireError
from truebook_services.paper_exchange.rest.rate_limits import RateLimits

MARKETS_PER_EVENT = 5
EVENTS_PER_SERIES = 5
ROUND_TRIP_S = 0.03
BOOK = {"orderbook_fp": {"yes_dollars": [["0.4000", "30.00"]], "no_dollars": [["0.5600", "10.00"]]}}
Row = dict[str, Any]


class LargeExchange(httpx.AsyncBaseTransport):
    """Records the time of each request; those above the rate limit are refused with 429."""

    def __init__(self, markets: int, clock: Clock, tier: Tier = "basic") -> None:
        self.requests: list[tuple[int, str]] = []
        self.refused = 0
        self._markets = markets
        self._clock = clock
        self._limits = RateLimits(tier)

    def at_most_within(self, seconds: float) -> int:
        """Return the highest number of requests in any time of that length."""
        times, first, highest = [at_us for at_us, _ in self.requests], 0, 0
        for last, at_us in enumerate(times):
            while at_us - times[first] >= seconds * 1e6:
                first += 1
            highest = max(highest, last - first + 1)
        return highest

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(ROUND_TRIP_S / 2)
        path, now_us = request.url.path.removeprefix("/trade-api/v2"), self._clock.now_us()
        self.requests.append((now_us, path))
        try:
            self._limits.take("account", "read", DEFAULT_COST, now_us)
        except WireError as error:
            self.refused += 1
            body, status = b'{"error":{"code":"too_many_requests"}}', error.status
        else:
            body, status = self._respond(path, request.url.params), 200
        await asyncio.sleep(ROUND_TRIP_S / 2)
        return httpx.Response(status, content=body)

    def _respond(self, path: str, query: httpx.QueryParams) -> bytes:
        match path.strip("/").split("/"):
            case ["markets"] if "tickers" in query:
                return _page("markets", [_market(int(each.rpartition("-")[2])) for each in query["tickers"].split(",")])
            case ["markets"]:
                return self._market_pages[int(query.get("cursor") or 0)]
            case ["markets", _, "orderbook"]:
                return json.dumps(BOOK).encode()
            case ["events"]:
                return self._event_pages[int(query.get("cursor") or 0)]
            case ["events", name]:
                return json.dumps({"event": _event(int(name.rpartition("-")[2]))}).encode()
            case ["series"]:
                count = self._markets // MARKETS_PER_EVENT // EVENTS_PER_SERIES
                return json.dumps({"series": [_series(f"KX{number}") for number in range(count)]}).encode()
            case ["series", name]:
                return json.dumps({"series": _series(name)}).encode()
        raise AssertionError(path)

    @cached_property
    def _market_pages(self) -> list[bytes]:
        return list(_pages("markets", [_market(number) for number in range(self._markets)], 1_000))

    @cached_property
    def _event_pages(self) -> list[bytes]:
        return list(_pages("events", [_event(number) for number in range(self._markets // MARKETS_PER_EVENT)], 200))


def _market(number: int) -> Row:
    """Write a market; the busiest ones are of many events."""
    name = _event_name(number // MARKETS_PER_EVENT)
    changes = {"close_time": "2030-06-12T00:00:00Z", "volume_fp": f"{number * 7919 % 100_003}.00"}
    return market(f"{name}-{number}", name, **changes)


def _event(number: int) -> Row:
    return event(_event_name(number), f"KX{number // EVENTS_PER_SERIES}")


def _event_name(number: int) -> str:
    return f"KX{number // EVENTS_PER_SERIES}-{number}"


def _series(name: str) -> Row:
    return {"ticker": name, "fee_type": "quadratic", "fee_multiplier": 1}


def _pages(name: str, rows: Sequence[Row], limit: int) -> Iterator[bytes]:
    for number, start in enumerate(range(0, len(rows), limit)):
        is_last = start + limit >= len(rows)
        yield _page(name, rows[start : start + limit], "" if is_last else str(number + 1))


def _page(name: str, rows: Sequence[Row], cursor: str = "") -> bytes:
    return json.dumps({name: rows, "cursor": cursor}).encode()
