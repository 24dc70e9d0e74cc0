"""The REST application of an exchange that is ticked by hand: requests at exact times, without a socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar
from urllib.parse import unquote, urlencode

import httpx

from support.manual_exchange import ManualExchange
from support.paper_client import PREFIX, SIGNER

Response = TypeVar("Response")


class ManualRest:
    """Signed requests to one exchange."""

    def __init__(self, exchange: ManualExchange, http: httpx.AsyncClient) -> None:
        self.exchange = exchange
        self.http = http

    async def call(
        self, method: str, path: str, *, body: Any = None, signed: bool = True,
        headers: dict[str, str] | None = None, **query: Any,
    ) -> httpx.Response:  # fmt: skip
        """Send a request, ticking until it is finished."""
        if headers is None:
            headers = SIGNER.headers(method, PREFIX + path, self.now_ms()) if signed else {}
        return await self._finished(
            self.http.request(method, PREFIX + path, headers=headers, params=query or None, json=body)
        )

    async def operate(self, method: str, path: str, body: Any = None, *, token: str = "secret") -> httpx.Response:
        """Send a request of the operator, who has the token ``secret`` if the exchange was set so."""
        headers = {"authorization": f"Bearer {token}"}
        return await self._finished(self.http.request(method, path, headers=headers, json=body))

    async def send(
        self, method: str, path: str, query: list[tuple[str, str]], body: bytes | None, headers: dict[str, str]
    ) -> tuple[int, bytes]:
        """Send any query and any bytes, without the HTTP client, which takes most of the time: (status, body)."""
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
            "path": unquote(PREFIX + path), "raw_path": (PREFIX + path).encode(), "root_path": "",
            "query_string": urlencode(query).encode(), "server": ("exchange", 80), "client": None,
            "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
        }  # fmt: skip
        parts: list[dict[str, Any]] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body or b"", "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            parts.append(message)

        await self._finished(self.exchange.server.app(scope, receive, send))
        return int(parts[0]["status"]), b"".join(one.get("body", b"") for one in parts[1:])

    async def _finished(self, request: Coroutine[Any, Any, Response]) -> Response:
        call = asyncio.ensure_future(request)
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
