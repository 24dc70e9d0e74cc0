"""kill -9 in the middle of traffic: everything that a client received is restored by the restart."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import websockets

from support.paper_client import PREFIX, SIGNER, order_body, paper_settings, until

START_MICROS = 1_000_000_000
ORDERS = f"{PREFIX}/portfolio/events/orders"


class Process:
    """The exchange as a process, with a signing client."""

    def __init__(self, folder: Path) -> None:
        self._settings = paper_settings(folder, markets=6).model_dump_json()
        self._process: asyncio.subprocess.Process | None = None
        self.http = httpx.AsyncClient()

    async def start(self) -> None:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "support.paper_process",
            self._settings,
            stdout=asyncio.subprocess.PIPE,
            env=environment,
        )
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), 30)
        assert line.startswith(b"ready "), line
        self.http = httpx.AsyncClient(base_url=line.split()[1].decode())

    async def kill(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGKILL)
        await self._process.wait()
        await self.http.aclose()

    async def call(self, method: str, path: str, body: Any = None, **query: Any) -> httpx.Response:
        headers = SIGNER.headers(method, path, time.time_ns() // 1_000_000)
        return await self.http.request(method, path, headers=headers, json=body, params=query or None)

    async def get(self, path: str, **query: Any) -> Any:
        response = await self.call("GET", f"{PREFIX}{path}", **query)
        assert response.status_code == 200, response.text
        return response.json()

    async def every(self, path: str, name: str) -> list[dict[str, Any]]:
        """Follow all pages of a list."""
        items: list[dict[str, Any]] = []
        cursor: dict[str, str] = {}
        while True:
            page = await self.get(path, limit=50, **cursor)
            items += page[name]
            if not page["cursor"]:
                return items
            cursor = {"cursor": page["cursor"]}


class Witness:
    """Keeps everything received from the exchange: acknowledgements, fills, cancels."""

    def __init__(self) -> None:
        self.acknowledged: dict[str, dict[str, Any]] = {}
        self.cancelled: dict[str, str] = {}
        self.fills: set[tuple[str, str]] = set()
        self.sent: list[str] = []

    async def trade(self, exchange: Process, tickers: list[str], worker: int) -> None:
        """Send orders that trade, rest or are cancelled, until the exchange is killed."""
        with suppress(httpx.TransportError):
            for number in range(10_000):
                ticker, kind = tickers[(worker + number) % len(tickers)], number % 3
                price = "0.9900" if kind == 0 else "0.0100"
                life = "immediate_or_cancel" if kind == 0 else "good_till_canceled"
                body = order_body(ticker, price=price, time_in_force=life, count="1.00")
                self.sent.append(body["client_order_id"])
                response = await exchange.call("POST", ORDERS, body)
                if response.status_code != 201:
                    continue
                made = response.json()
                self.acknowledged[made["order_id"]] = made | {"client_order_id": body["client_order_id"]}
                if kind == 2:
                    gone = await exchange.call("DELETE", f"{ORDERS}/{made['order_id']}")
                    if gone.status_code == 200:
                        self.cancelled[made["order_id"]] = gone.json()["reduced_by"]

    async def listen(self, exchange: Process) -> None:
        headers = SIGNER.headers("GET", "/trade-api/ws/v2", time.time_ns() // 1_000_000)
        url = str(exchange.http.base_url).rstrip("/").replace("http", "ws", 1) + "/trade-api/ws/v2"
        with suppress(websockets.ConnectionClosed):
            async with websockets.connect(url, additional_headers=headers) as connection:
                await connection.send(json.dumps({"id": 1, "cmd": "subscribe", "params": {"channels": ["fill"]}}))
                async for text in connection:
                    frame = json.loads(text)
                    if frame["type"] == "fill":
                        self.fills.add((frame["msg"]["trade_id"], frame["msg"]["order_id"]))


def micros(text: str) -> int:
    whole, _, part = text.partition(".")
    return int(whole) * 1_000_000 + int(part.ljust(6, "0"))


def centi(text: str) -> int:
    return int(text.replace(".", ""))


def cash_by_fills(fills: list[dict[str, Any]]) -> int:
    """Compute the cash from the fills alone: costs, fees, and a dollar for each pair of YES and NO."""
    cash = START_MICROS
    held: dict[str, list[int]] = {}
    for fill in fills:
        size, is_bid = centi(fill["count_fp"]), fill["book_side"] == "bid"
        price = micros(fill["yes_price_dollars" if is_bid else "no_price_dollars"])
        cash -= size * price // 100 + micros(fill["fee_cost"])
        held.setdefault(fill["ticker"], [0, 0])[0 if is_bid else 1] += size
    return cash + sum(min(yes, no) * 10_000 for yes, no in held.values())


@pytest.mark.parametrize("restarts", [2])
async def test_everything_acknowledged_before_a_kill_is_restored(tmp_path: Path, restarts: int) -> None:
    exchange, witness = Process(tmp_path), Witness()
    await exchange.start()
    try:
        for _ in range(restarts):
            await _trade_and_restart(exchange, witness)
    finally:
        await exchange.kill()


async def _trade_and_restart(exchange: Process, witness: Witness) -> None:
    tickers = [
        market["ticker"]
        for market in (await exchange.get("/markets", status="open"))["markets"]
        if not market["ticker"].startswith("SIMFLASH")
    ]
    before = len(witness.acknowledged)
    traffic = [asyncio.create_task(witness.trade(exchange, tickers, worker)) for worker in range(4)]
    traffic.append(asyncio.create_task(witness.listen(exchange)))
    await until(lambda so_many=before + 60: len(witness.acknowledged) >= so_many, 30)
    await exchange.kill()
    await asyncio.gather(*traffic)
    await exchange.start()
    await _check(exchange, witness)


async def _check(exchange: Process, witness: Witness) -> None:
    orders = {order["order_id"]: order for order in await exchange.every("/portfolio/orders", "orders")}
    fills = await exchange.every("/portfolio/fills", "fills")
    assert len({order["client_order_id"] for order in orders.values()}) == len(orders)
    for order_id, made in witness.acknowledged.items():
        shown = orders[order_id]
        assert shown["client_order_id"] == made["client_order_id"]
        assert centi(shown["fill_count_fp"]) >= centi(made["fill_count"])
        if order_id in witness.cancelled:
            assert shown["status"] == "canceled"
    assert witness.fills <= {(fill["trade_id"], fill["order_id"]) for fill in fills}
    by_order: dict[str, int] = {}
    for fill in fills:
        by_order[fill["order_id"]] = by_order.get(fill["order_id"], 0) + centi(fill["count_fp"])
    assert by_order == {
        key: centi(one["fill_count_fp"]) for key, one in orders.items() if one["fill_count_fp"] != "0.00"
    }
    held = (await exchange.get("/portfolio/summary/total_resting_order_value"))["resting_order_value_breakdown"]
    balance = micros((await exchange.get("/portfolio/balance"))["balance_dollars"])
    # Both are in 1/10,000 dollar, rounded down.
    assert 0 <= cash_by_fills(fills) - balance - micros(held[0]["balance"]) <= 200
    client_id = next(iter(witness.acknowledged.values()))["client_order_id"]
    ticker = next(iter(orders.values()))["ticker"]
    again = await exchange.call("POST", ORDERS, order_body(ticker, client_order_id=client_id))
    assert again.status_code == 409
