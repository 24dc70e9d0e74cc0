"""A running simulated exchange for tests, with a signing REST client and a WebSocket client."""

from __future__ import annotations

import asyncio
import itertools
import json
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import structlog
import websockets
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from truebook.clock import Clock, SystemClock
from truebook.kalshi.signing import Ed25519Signer
from truebook.simulation.synthetic.presets import Preset
from truebook_services.paper_exchange.server import PaperExchange
from truebook_services.paper_exchange.settings import PaperExchangeSettings

KEY_ID = "5f2b8f6e-0000-4000-8000-000000000001"
PREFIX = "/trade-api/v2"
_key = Ed25519PrivateKey.generate()
SIGNER = Ed25519Signer(KEY_ID, _key)
_client_ids = itertools.count(1)


def public_key_file() -> Path:
    """Write the public half of the tests' key to a file."""
    file = Path(tempfile.gettempdir()) / f"truebook-test-{id(_key)}.pem"
    file.write_bytes(
        _key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    return file


def paper_settings(folder: Path | None = None, **changes: Any) -> PaperExchangeSettings:
    """Return settings for tests: in memory without a folder, a high tier, few markets, no delay of first data."""
    selected = {
        "key_id": KEY_ID,
        "public_key_file": public_key_file(),
        "state_folder": folder,
        "markets": 10,
        "preset": Preset.EASY,
        "tier": "prestige",
        "tick_interval_ms": 5,
        "first_data_delay_ms": 0,
    } | changes
    return PaperExchangeSettings(**selected)


def order_body(ticker: str, **changes: Any) -> dict[str, Any]:
    """Return the body of a buy order that rests far below the market."""
    return {
        "ticker": ticker,
        "client_order_id": f"test-{next(_client_ids)}",
        "side": "bid",
        "count": "2.00",
        "price": "0.0100",
        "time_in_force": "good_till_canceled",
        "self_trade_prevention_type": "taker_at_cross",
    } | changes


class PaperClient:
    """Signs each request at the exchange's own time."""

    def __init__(self, exchange: PaperExchange, http: httpx.AsyncClient) -> None:
        self.exchange = exchange
        self.http = http

    async def call(
        self, method: str, path: str, *, body: Any = None, signed: bool = True, **query: Any
    ) -> httpx.Response:
        headers = SIGNER.headers(method, PREFIX + path, self.exchange.now_us() // 1000) if signed else {}
        return await self.http.request(method, PREFIX + path, headers=headers, params=query or None, json=body)

    async def get(self, path: str, **query: Any) -> Any:
        response = await self.call("GET", path, **query)
        assert response.status_code == 200, (path, response.status_code, response.text)
        return response.json()

    async def create(self, ticker: str, **changes: Any) -> dict[str, Any]:
        response = await self.call("POST", "/portfolio/events/orders", body=order_body(ticker, **changes))
        assert response.status_code == 201, response.text
        created: dict[str, Any] = response.json()
        return created

    async def cancel(self, order_id: str) -> httpx.Response:
        return await self.call("DELETE", f"/portfolio/events/orders/{order_id}")

    async def two_sided(self) -> dict[str, Any]:
        """Wait for a long-running open market with quotes on both sides; returns its REST object."""

        async def find() -> dict[str, Any] | None:
            for market in (await self.get("/markets", status="open", limit=1000))["markets"]:
                quoted = market["yes_bid_size_fp"] != "0.00" and market["yes_ask_size_fp"] != "0.00"
                if quoted and not market["ticker"].startswith("SIMFLASH"):
                    return dict(market)
            return None

        found = await until(find)
        assert found is not None
        return found

    @asynccontextmanager
    async def socket(self) -> AsyncIterator[Listener]:
        headers = SIGNER.headers("GET", "/trade-api/ws/v2", self.exchange.now_us() // 1000)
        url = self.exchange.url.replace("http", "ws", 1) + "/trade-api/ws/v2"
        async with websockets.connect(url, additional_headers=headers) as connection:
            yield Listener(connection)


class Listener:
    """A WebSocket of the exchange: sends commands, keeps every frame."""

    def __init__(self, connection: websockets.ClientConnection) -> None:
        self.connection = connection
        self.frames: list[dict[str, Any]] = []
        self._ids = itertools.count(1)

    async def send(self, cmd: str, **params: Any) -> int:
        command_id = next(self._ids)
        await self.connection.send(json.dumps({"id": command_id, "cmd": cmd, "params": params}))
        return command_id

    async def until(self, matches: Callable[[dict[str, Any]], bool], timeout_s: float = 10) -> dict[str, Any]:
        """Read until a frame matches; returns it."""
        async with asyncio.timeout(timeout_s):
            while True:
                frame = await self.next()
                if matches(frame):
                    return frame

    async def next(self) -> dict[str, Any]:
        text = await self.connection.recv()
        assert isinstance(text, str)
        assert text.endswith("\n")
        frame: dict[str, Any] = json.loads(text)
        self.frames.append(frame)
        return frame

    def of_type(self, kind: str) -> list[dict[str, Any]]:
        return [frame for frame in self.frames if frame["type"] == kind]


async def until(poll: Callable[[], Any], timeout_s: float = 15) -> Any:
    """Poll until the result is true; an awaitable result is awaited."""
    async with asyncio.timeout(timeout_s):
        while True:
            result = poll()
            if asyncio.iscoroutine(result):
                result = await result
            if result:
                return result
            await asyncio.sleep(0.01)


@asynccontextmanager
async def running(settings: PaperExchangeSettings, clock: Clock | None = None) -> AsyncIterator[PaperClient]:
    """Run an exchange on loopback with a client for it."""
    exchange = PaperExchange(settings, clock or SystemClock(), structlog.get_logger())
    await exchange.start()
    try:
        async with httpx.AsyncClient(base_url=exchange.url) as http:
            yield PaperClient(exchange, http)
    finally:
        await exchange.aclose()


def fold(frames: list[dict[str, Any]], ticker: str) -> dict[str, dict[str, int]]:
    """Build a market's book (side, price string, hundredths) from snapshots and deltas."""
    book: dict[str, dict[str, int]] = {"yes": {}, "no": {}}
    for frame in frames:
        body = frame.get("msg") or {}
        if not isinstance(body, dict) or body.get("market_ticker") != ticker:
            continue
        if frame["type"] == "orderbook_snapshot":
            for side in book:
                book[side] = {price: _centi(size) for price, size in body.get(f"{side}_dollars_fp", [])}
        elif frame["type"] == "orderbook_delta":
            levels = book[body["side"]]
            total = levels.get(body["price_dollars"], 0) + _centi(body["delta_fp"])
            assert total >= 0, frame
            levels[body["price_dollars"]] = total
            if total == 0:
                del levels[body["price_dollars"]]
    return book


def rest_book(response: dict[str, Any]) -> dict[str, dict[str, int]]:
    """Convert a REST book to the same form."""
    sides = response["orderbook_fp"]
    return {side: {price: _centi(size) for price, size in sides[f"{side}_dollars"]} for side in ("yes", "no")}


def _centi(text: str) -> int:
    whole, _, part = text.partition(".")
    assert len(part) == 2, text
    return int(whole + part)
