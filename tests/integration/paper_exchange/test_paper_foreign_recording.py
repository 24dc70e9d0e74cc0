"""A recording served to clients that know nothing of it: they sign and compare times by their own clock."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx

from support.foreign_clients import HOUR_US, START_US, A, recorded_settings
from support.paper_client import PREFIX, order_body, running
from truebook.clock import SystemClock
from truebook.kalshi.signing import load_signer
from truebook.kalshi.wire.times import from_rfc3339
from truebook_services.paper_exchange.server import exchange_clock


class ForeignClient:
    """Signs by the machine's clock, with the key of one account."""

    def __init__(self, http: httpx.AsyncClient, key_id: str, key_file: Path) -> None:
        self._http, self._signer = http, load_signer(key_id, key_file)

    async def call(self, method: str, path: str, body: Any = None) -> httpx.Response:
        headers = self._signer.headers(method, PREFIX + path, SystemClock().now_us() // 1000)
        return await self._http.request(method, PREFIX + path, headers=headers, json=body)

    async def buy(self, price: str, count: str) -> Any:
        body = order_body(A, price=price, count=count, time_in_force="immediate_or_cancel")
        return (await self.call("POST", "/portfolio/events/orders", body)).json()


async def test_requests_signed_by_the_wall_clock_are_accepted(tmp_path: Path) -> None:
    configured = recorded_settings(tmp_path)
    async with running(configured, exchange_clock(configured)) as client:
        [key] = client.exchange.keys
        assert key.private_key_file is not None
        foreign = ForeignClient(client.http, key.key_id, key.private_key_file)
        assert (await foreign.call("GET", "/portfolio/balance")).status_code == 200
        assert client.exchange.now_us() < START_US + HOUR_US
        assert (await client.http.get(f"{PREFIX}/markets/{A}")).json()["market"]["status"] == "active"


async def test_depth_that_one_account_took_is_taken_for_all(tmp_path: Path) -> None:
    configured = recorded_settings(tmp_path, accounts=("second",), capture_times="now")
    async with running(configured, exchange_clock(configured)) as client:
        one, two = (
            ForeignClient(client.http, key.key_id, key.private_key_file)
            for key in client.exchange.keys
            if key.private_key_file is not None
        )
        filled = [(await one.buy("0.5200", "3.00"))["fill_count"], (await two.buy("0.5200", "3.00"))["fill_count"]]
        assert filled == ["3.00", "2.00"]
        assert (await one.buy("0.5200", "3.00"))["fill_count"] == "0.00"
        balances = [(await each.call("GET", "/portfolio/balance")).json()["balance"] for each in (one, two)]
        assert balances[0] < balances[1] < 100_000


async def test_times_of_a_recording_are_shifted_to_the_start(tmp_path: Path) -> None:
    configured = recorded_settings(tmp_path, capture_times="now")
    async with running(configured, exchange_clock(configured)) as client:
        market = (await client.http.get(f"{PREFIX}/markets/{A}")).json()["market"]
        now_us = SystemClock().now_us()
        assert from_rfc3339(market["open_time"]) <= now_us < from_rfc3339(market["close_time"])
        assert abs(client.exchange.now_us() - now_us) < HOUR_US
