"""The REST client over real sockets: each misbehaviour of a server becomes the right error."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from support import loopback
from support.loopback import LoopbackExchange, json_body, serving, text_body, verify_ed25519
from truebook.clock import SystemClock
from truebook.kalshi import port
from truebook.kalshi.rest.client import HttpRestClient
from truebook.kalshi.signing import Ed25519Signer, Signer, StubSigner
from truebook.kalshi.wire.times import to_rfc3339
from truebook.messages.envelope import BookSide
from truebook.venue.account import OrderRequest

ORDERS = "/portfolio/events/orders"
REQUEST = OrderRequest(
    ticker="KXA-1-B", client_order_id="tb1-00", book_side=BookSide.BID, price_cc=5_600, size_centi=1_000
)
CREATED = {"order_id": "o-1", "client_order_id": "tb1-00", "fill_count": "0.00", "remaining_count": "10.00", "ts_ms": 7}
STATUS = {"exchange_active": True, "trading_active": True}


@pytest.fixture
async def exchange() -> AsyncIterator[LoopbackExchange]:
    async with serving(LoopbackExchange()) as server:
        yield server


@pytest.fixture
async def rest(exchange: LoopbackExchange) -> AsyncIterator[HttpRestClient]:
    client = HttpRestClient(exchange.url, StubSigner(), SystemClock(), read_attempts=1)
    yield client
    await client.aclose()


async def create(rest: HttpRestClient, timeout_s: float = 2.0) -> Any:
    return await rest.create_order(rest.sign_order(REQUEST), timeout_s)


async def test_a_signed_order_is_received_and_acknowledged(exchange: LoopbackExchange) -> None:
    key = Ed25519PrivateKey.generate()

    async def check(request: web.Request) -> web.StreamResponse:
        verify_ed25519(key.public_key(), request.headers, "POST", request.path)
        assert (await request.json())["price"] == "0.5600"
        assert request.headers["Content-Type"] == "application/json"
        return web.json_response(CREATED, status=201)

    exchange.on("POST", ORDERS, check)
    signer: Signer = Ed25519Signer("k", key)
    client = HttpRestClient(exchange.url, signer, SystemClock())
    try:
        response = await create(client)
    finally:
        await client.aclose()
    assert (response.exchange_order_id, response.remaining_centi) == ("o-1", 1_000)


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        (loopback.reset, port.OutcomeUnknown),
        (loopback.disconnect, port.OutcomeUnknown),
        (loopback.half_a_body, port.OutcomeUnknown),
        (text_body("<html>502 Bad Gateway</html>", 502), port.OutcomeUnknown),
        (text_body("<html>hello</html>", 201), port.BadResponse),
        (json_body({"error": "too many requests"}, 429), port.RateLimited),
        (json_body({"error": {"code": "order_already_exists"}}, 409), port.AlreadyExists),
        (json_body({"error": {"code": "trading_is_paused"}}, 409), port.Refused),
    ],
)
async def test_each_failure_of_a_create_is_classified_without_a_resend(
    exchange: LoopbackExchange, rest: HttpRestClient, behaviour: Any, kind: type[port.ExchangeError]
) -> None:
    exchange.on("POST", ORDERS, behaviour)
    with pytest.raises(port.ExchangeError) as caught:
        await create(rest)
    assert type(caught.value) is kind, caught.value
    assert exchange.seen == [("POST", ORDERS)]


@pytest.mark.parametrize("failure", [loopback.reset, loopback.disconnect])
async def test_a_create_on_a_breaking_connection_is_unknown_and_not_resent(
    exchange: LoopbackExchange, rest: HttpRestClient, failure: Any
) -> None:
    exchange.on("POST", ORDERS, json_body(CREATED, 201), failure)
    await create(rest)
    with pytest.raises(port.OutcomeUnknown):
        await create(rest)
    assert exchange.seen == [("POST", ORDERS)] * 2


@pytest.mark.parametrize("behaviour", [loopback.hang, loopback.trickle])
async def test_a_create_ends_in_time_with_an_unknown_outcome(
    exchange: LoopbackExchange, rest: HttpRestClient, behaviour: Any
) -> None:
    exchange.on("POST", ORDERS, behaviour)
    started = time.monotonic()
    with pytest.raises(port.OutcomeUnknown):
        await create(rest, timeout_s=0.3)
    assert time.monotonic() - started < 2


@pytest.mark.parametrize("behaviour", [loopback.reset, loopback.disconnect])
@pytest.mark.parametrize("is_reused", [False, True])
async def test_a_cancel_on_a_breaking_connection_is_sent_once(
    exchange: LoopbackExchange, rest: HttpRestClient, behaviour: Any, is_reused: bool
) -> None:
    """The HTTP library repeats requests of idempotent methods automatically."""
    if is_reused:
        exchange.on("GET", "/exchange/status", json_body(STATUS))
        await rest.status()
    exchange.on("DELETE", f"{ORDERS}/o-1", behaviour)
    exchange.on("DELETE", ORDERS, behaviour)
    with pytest.raises(port.OutcomeUnknown):
        await rest.cancel_order("o-1", "KXA-1-B")
    with pytest.raises(port.OutcomeUnknown):
        await rest.cancel_all()
    assert exchange.seen.count(("DELETE", f"{ORDERS}/o-1")) == 1
    assert exchange.seen.count(("DELETE", ORDERS)) == 1


async def test_a_refused_connection_sent_nothing() -> None:
    client = HttpRestClient(
        f"http://127.0.0.1:{loopback.refused_port()}/trade-api/v2", StubSigner(), SystemClock(), read_attempts=1
    )
    try:
        with pytest.raises(port.Unreachable):
            await create(client)
        with pytest.raises(port.Unreachable):
            await client.status()
    finally:
        await client.aclose()


async def test_an_unresolvable_name_received_nothing() -> None:
    client = HttpRestClient("http://no-such-host-truebook/trade-api/v2", StubSigner(), SystemClock(), read_attempts=1)
    try:
        with pytest.raises(port.Unreachable):
            await create(client, timeout_s=10)
    finally:
        await client.aclose()


async def test_a_server_that_accepts_no_connection_received_nothing() -> None:
    with loopback.silent_listener(backlog=0) as listener, contextlib.ExitStack() as stack:
        # Fill the backlog until the kernel no longer shakes hands.
        for _ in range(8):
            filler = stack.enter_context(socket.socket())
            filler.settimeout(0.1)
            try:
                await asyncio.to_thread(filler.connect, listener.getsockname())
            except TimeoutError:
                break
        else:
            pytest.skip("this kernel accepts connections beyond the backlog")
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/trade-api/v2"
        client = HttpRestClient(url, StubSigner(), SystemClock(), read_attempts=1)
        try:
            with pytest.raises(port.Unreachable):
                await create(client, timeout_s=0.6)
        finally:
            await client.aclose()


async def test_a_read_survives_one_broken_connection(exchange: LoopbackExchange) -> None:
    exchange.on("GET", "/exchange/status", loopback.reset, text_body("502", 502), json_body(STATUS))
    client = HttpRestClient(exchange.url, StubSigner(), SystemClock(), read_attempts=4)
    try:
        assert (await client.status()).trading_active
    finally:
        await client.aclose()


async def test_a_read_that_hangs_ends_in_time(exchange: LoopbackExchange) -> None:
    exchange.on("GET", "/exchange/status", loopback.hang)
    client = HttpRestClient(exchange.url, StubSigner(), SystemClock(), read_attempts=1, read_timeout_s=0.2)
    try:
        with pytest.raises(port.OutcomeUnknown):
            await client.status()
    finally:
        await client.aclose()


async def test_a_redirect_is_not_followed(exchange: LoopbackExchange, rest: HttpRestClient) -> None:
    async def elsewhere(request: web.Request) -> web.StreamResponse:
        return web.Response(status=307, headers={"Location": exchange.url + "/elsewhere"})

    exchange.on("POST", ORDERS, elsewhere)
    with pytest.raises(port.OutcomeUnknown):
        await create(rest)
    assert exchange.seen == [("POST", ORDERS)]


async def test_the_exchange_clock_is_read_within_its_precision(
    exchange: LoopbackExchange, rest: HttpRestClient
) -> None:
    async def now(request: web.Request) -> web.StreamResponse:
        return web.json_response({"as_of_time": to_rfc3339(time.time_ns() // 1000)})

    exchange.on("GET", "/exchange/user_data_timestamp", now)
    assert abs(await rest.exchange_time_us() - time.time_ns() // 1000) < 1_000_000
