"""Scripted HTTP responses for tests of the REST client itself: bodies, statuses and failures of any shape.

The in-memory exchange can't serve these tests: they need raw bodies that an exchange in order never sends.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import httpx

BASE_URL = "http://exchange/trade-api/v2"

Scripted = httpx.Response | Exception | Callable[[httpx.Request], httpx.Response]


class ScriptedExchange(httpx.AsyncBaseTransport):
    """Responds to each (method, path below /trade-api/v2) from its script: a list of responses, used in order.

    The last response of a list repeats. Requests without a script get 404. All requests are recorded.
    """

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []
        self._scripts: dict[tuple[str, str], list[Scripted]] = {}

    def on(self, method: str, path: str, *responses: Scripted) -> ScriptedExchange:
        self._scripts[(method, path)] = list(responses)
        return self

    def counts(self) -> Counter[str]:
        return Counter(f"{request.method} {self._path(request)}" for request in self.requests)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        script = self._scripts.get((request.method, self._path(request)))
        if script is None:
            return httpx.Response(404, json={"error": {"code": "not_found", "message": "not found"}})
        response = script.pop(0) if len(script) > 1 else script[0]
        if isinstance(response, Exception):
            raise response
        return response(request) if callable(response) else response

    @staticmethod
    def _path(request: httpx.Request) -> str:
        return request.url.path.removeprefix("/trade-api/v2")


def ok(body: object, *, status: int = 200, date: str | None = None) -> Callable[[httpx.Request], httpx.Response]:
    """Return a JSON response, built for each request (a response can be read only once)."""

    def response(request: httpx.Request) -> httpx.Response:
        return httpx.Response(status, json=body, headers={"Date": date} if date else {})

    return response


def raw(status: int, body: bytes, content_type: str = "application/json") -> Callable[[httpx.Request], httpx.Response]:
    """Return a response of any bytes."""

    def response(request: httpx.Request) -> httpx.Response:
        return httpx.Response(status, content=body, headers={"Content-Type": content_type})

    return response


def market(ticker: str = "KXA-1-B", event: str = "KXA-1", **change: Any) -> dict[str, Any]:
    return {
        "ticker": ticker, "event_ticker": event, "market_type": "binary", "status": "active",
        "open_time": "2026-06-11T00:00:00Z", "close_time": "2026-06-12T00:00:00Z", "result": "",
        "price_ranges": [{"start": "0.0000", "end": "1.0000", "step": "0.0100"}], "volume_fp": "12.50",
        "floor_strike": 3.5, **change,
    }  # fmt: skip


def event(name: str = "KXA-1", series: str = "KXA", **change: Any) -> dict[str, Any]:
    return {"event_ticker": name, "series_ticker": series, "mutually_exclusive": True, **change}


def series(name: str = "KXA") -> dict[str, Any]:
    return {"series": {"ticker": name, "fee_type": "quadratic", "fee_multiplier": 0.5}}
