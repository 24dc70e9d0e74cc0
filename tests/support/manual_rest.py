"""The REST application of an exchange that is ticked by hand: requests at exact times, without a socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from support.manual_exchange import ManualExchange
from support.paper_client import PREFIX, SIGNER


class ManualRest:
    """Signed requests to one exchange."""

    def __init__(self, exchange: ManualExchange, http: httpx.AsyncClient) -> None:
        self.exchange = exchange
        self.http = http

    async def call(
        self, method: str, path: str, *, body: Any = None, signed: bool = True,
        headers: dict[str, str] | None = None, **query: Any,
    ) -> httpx.Response:  # fmt: skip
        """Send a request, ticking until it is answered."""
        if headers is None:
            headers = SIGNER.headers(method, PREFIX + path, self.now_ms()) if signed else {}
        call = asyncio.ensure_future(
            self.http.request(method, PREFIX + path, headers=headers, params=query or None, json=body)
        )
        while not call.done():
            await asyncio.sleep(0)
            if self.exchange.server.state.core.wake.is_set():
                self.exchange.tick()
        return call.result()

    def now_ms(self) -> int:
        return self.exchange.server.now_us() // 1000

    async def get(self, path: str, **query: Any) -> Any:
        response = await self.call("GET", path, **query)
        assert response.status_code == 200, (path, response.status_code, response.text)
        return response.json()

    async def all(self, path: str, name: str, **query: Any) -> list[Any]:
        """Follow the cursor through every page."""
        rows: list[Any] = []
        cursor = ""
        while True:
            listed = await self.get(path, **query, **({"cursor": cursor} if cursor else {}))
            rows += listed[name]
            cursor = listed["cursor"]
            if not cursor:
                return rows


@asynccontextmanager
async def manual_rest(**changes: Any) -> AsyncIterator[ManualRest]:
    """Run an exchange in memory; time passes only by ``exchange.tick(seconds)``."""
    exchange = ManualExchange(**changes)
    transport = httpx.ASGITransport(app=exchange.server.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://exchange") as http:
        yield ManualRest(exchange, http)
    await exchange.close()
