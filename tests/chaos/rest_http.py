"""REST through httpx and the exchange's own Starlette application, without a socket.

The application's handler runs as a task of the exchange: a client that gives up or dies does not end it. The line's
fates become what a network would make of them: refused and reset connections, time-outs, HTTP errors.
"""

from __future__ import annotations

import asyncio
from typing import Any

import httpx

from chaos.exchange import KEY_ID, Exchange
from chaos.faults import Kind
from chaos.processes import Process, never, spawn_outside
from chaos.weather import End, Fate
from truebook.clock import Clock
from truebook.kalshi.port import CreateAnswer, SignedOrder
from truebook.kalshi.rest import HttpRestClient
from truebook.kalshi.signing import StubSigner

URL = "http://127.0.0.1:1/trade-api/v2"
ORDERS = "/trade-api/v2/portfolio/events/orders"
PAUSED = b'{"error":{"code":"exchange_is_paused","message":"exchange is paused"}}'
STATUS_PAUSED = b'{"exchange_active":true,"trading_active":false}'


class CountingRest(HttpRestClient):
    """The product's client; the harness counts what it sends."""

    exchange: Exchange
    process: Process | None

    async def create_order(self, order: SignedOrder, timeout_s: float) -> CreateAnswer:
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
        fate = self._exchange.weather.fate(call_of(request))
        if fate.end is End.UNREACHABLE:
            await asyncio.sleep(fate.there_s)
            raise httpx.ConnectError("connection refused", request=request)
        answer: asyncio.Future[tuple[int, list[tuple[bytes, bytes]], bytes] | None]
        answer = asyncio.get_running_loop().create_future()
        spawn_outside(self._travel(fate, request, await request.aread(), answer))
        timeout_s = request.extensions["timeout"]["read"]
        done, _ = await asyncio.wait((answer,), timeout=timeout_s)
        if not done:
            raise httpx.ReadTimeout(f"no answer within {timeout_s} s", request=request)
        told = answer.result()
        if told is None:
            raise httpx.ReadError("connection reset", request=request)
        status, headers, body = told
        return httpx.Response(status, headers=headers, content=body, request=request)

    async def _travel(self, fate: Fate, request: httpx.Request, body: bytes, answer: asyncio.Future[Any]) -> None:
        await asyncio.sleep(fate.there_s)
        if fate.end is End.REQUEST_LOST:
            return
        told: Any
        if fate.end is End.ERROR_BEFORE:
            told = (fate.status, [], b'{"error":"too many requests"}' if fate.status == 429 else b"")
        else:
            for _ in range(2 if fate.end is End.DOUBLED else 1):
                told = await self._carry_out(request, body)
            await asyncio.sleep(fate.back_s)
        if fate.end is End.ANSWER_LOST:
            return
        if fate.end is End.ANSWER_RESET:
            told = None
        if fate.end is End.ERROR_AFTER:
            told = (fate.status, [], b"")
        if not answer.done():
            answer.set_result(told)

    async def _carry_out(self, request: httpx.Request, body: bytes) -> tuple[int, list[tuple[bytes, bytes]], bytes]:
        if self._exchange.weather.rages(Kind.PAUSED):
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
        return start["status"], start["headers"], b"".join(parts)


def call_of(request: httpx.Request) -> str:
    """Name a request as the port's method is named, where a fault may be meant for it."""
    if request.url.path.startswith(ORDERS):
        if request.method == "POST":
            return "create_order"
        return "cancel_all" if request.url.path == ORDERS else "cancel_order"
    return "read"
