"""REST through httpx and the exchange's own Starlette application, without a socket.

The application's handler runs as a task of the exchange: it continues when the client times out or dies. Faults become
what a network produces: refused and reset connections, timeouts, HTTP errors.
"""

from __future__ import annotations

import asyncio
from typing import Any

import httpx

from chaos.conditions import CallPlan, End
from chaos.exchange import KEY_ID, Exchange
from chaos.faults import Kind
from chaos.odd_items import odd_body, wrong_balance
from chaos.processes import Process, never, spawn_outside
from truebook.clock import Clock
from truebook.kalshi.port import CreateResponse, SignedOrder
from truebook.kalshi.rest.client import HttpRestClient
from truebook.kalshi.signing import StubSigner

URL = "http://127.0.0.1:1/trade-api/v2"
ORDERS = "/trade-api/v2/portfolio/events/orders"
PAUSED = b'{"error":{"code":"exchange_is_paused","message":"exchange is paused"}}'
STATUS_PAUSED = b'{"exchange_active":true,"trading_active":false}'


class CountingRest(HttpRestClient):
    """The product's client; counts the orders that it sends."""

    exchange: Exchange
    process: Process | None

    async def create_order(self, order: SignedOrder, timeout_s: float) -> CreateResponse:
        if self.process is not None and self.process.at_port():
            await never()
        self.exchange.sent[order.request.client_order_id] += 1
        return await super().create_order(order, timeout_s)


def http_rest(exchange: Exchange, clock: Clock, process: Process | None) -> HttpRestClient:
    """Make one process's client. Retries are off: they would wait in real time."""
    rest = CountingRest(
        URL, StubSigner(KEY_ID), clock, transport=AppTransport(exchange, process), read_attempts=1
    )  # fmt: skip
    rest.exchange, rest.process = exchange, process
    return rest


class AppTransport(httpx.AsyncBaseTransport):
    """From httpx into the application."""

    def __init__(self, exchange: Exchange, process: Process | None) -> None:
        self._exchange = exchange
        self._process = process

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self._process is not None and self._process.at_port():
            await never()
        call_plan = self._exchange.conditions.call_plan(call_of(request))
        if call_plan.end is End.UNREACHABLE:
            await asyncio.sleep(call_plan.request_s)
            raise httpx.ConnectError("connection refused", request=request)
        response: asyncio.Future[tuple[int, list[tuple[bytes, bytes]], bytes] | None]
        response = asyncio.get_running_loop().create_future()
        spawn_outside(self._travel(call_plan, request, await request.aread(), response))
        timeout_s = request.extensions["timeout"]["read"]
        done, _ = await asyncio.wait((response,), timeout=timeout_s)
        if not done:
            raise httpx.ReadTimeout(f"no response within {timeout_s} s", request=request)
        result = response.result()
        if result is None:
            raise httpx.ReadError("connection reset", request=request)
        status, headers, body = result
        return httpx.Response(status, headers=headers, content=body, request=request)

    async def _travel(
        self, call_plan: CallPlan, request: httpx.Request, body: bytes, response: asyncio.Future[Any]
    ) -> None:
        await asyncio.sleep(call_plan.request_s)
        if call_plan.end is End.REQUEST_LOST:
            return
        result: Any
        if call_plan.end is End.ERROR_BEFORE:
            result = (call_plan.status, [], b'{"error":"too many requests"}' if call_plan.status == 429 else b"")
        else:
            for _ in range(2 if call_plan.end is End.DUPLICATED else 1):
                result = await self._handle(request, body)
            await asyncio.sleep(call_plan.response_s)
        if call_plan.end is End.RESPONSE_LOST:
            return
        if call_plan.end is End.CONNECTION_RESET:
            result = None
        if call_plan.end is End.ERROR_AFTER:
            result = (call_plan.status, [], b"")
        if not response.done():
            response.set_result(result)

    async def _handle(self, request: httpx.Request, body: bytes) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        if self._exchange.conditions.active(Kind.PAUSED):
            if request.url.path.endswith("/exchange/status"):
                return 200, [], STATUS_PAUSED
            if request.method != "GET" and not (request.method == "DELETE" and request.url.path == ORDERS):
                return 409, [], PAUSED
        scope = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": request.method,
            "headers": [(name.lower(), value) for name, value in request.headers.raw], "scheme": "http",
            "path": request.url.path, "raw_path": request.url.raw_path.split(b"?")[0],
            "query_string": request.url.query, "server": ("127.0.0.1", 1), "client": None, "root_path": "",
        }  # fmt: skip
        start: dict[str, Any] = {}
        parts: list[bytes] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            if message["type"] == "http.response.start":
                start.update(message)
            else:
                parts.append(message.get("body", b""))

        await self._exchange.paper.app(scope, receive, send)
        shown = b"".join(parts)
        if request.method == "GET" and start["status"] == 200:
            conditions, path = self._exchange.conditions, request.url.path
            shown = odd_body(path, shown) if conditions.active(Kind.ODD_ITEMS) else shown
            shown = wrong_balance(path, shown) if conditions.active(Kind.WRONG_BALANCE) else shown
        headers = [(name, value) for name, value in start["headers"] if name != b"content-length"]
        return start["status"], headers, shown


def call_of(request: httpx.Request) -> str:
    """Return the port method of a request that faults can target, else ``read``."""
    if request.url.path.startswith(ORDERS):
        if request.method == "POST":
            return "create_order"
        return "cancel_all" if request.url.path == ORDERS else "cancel_order"
    if request.method == "POST" and request.url.path.endswith("/intra_exchange_instance_transfer"):
        return "transfer_between_shards"
    return "fills" if request.url.path.endswith("/portfolio/fills") else "read"
