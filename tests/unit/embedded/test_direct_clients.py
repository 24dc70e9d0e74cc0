"""Clients of an exchange in the same process behave as over sockets."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest
import structlog

from support.made_recordings import make_recording
from truebook.kalshi.port import NotFound, OutcomeUnknown, StreamClosed
from truebook.kalshi.rest.client import HttpRestClient
from truebook.kalshi.signing import StubSigner
from truebook.kalshi.stream.commands import subscribe
from truebook.messages.envelope import BookSide
from truebook.runtime.virtual_loop import VirtualClock, run_virtual
from truebook.venue.account import OrderRequest
from truebook_services.embedded.direct import HOST, DirectConnector, DirectTransport
from truebook_services.paper_exchange.server import PaperExchange
from truebook_services.paper_exchange.settings import PaperExchangeSettings

KEY_ID = "direct"


class ExchangeHarness:
    """An exchange on the virtual loop, and its clients."""

    def __init__(self, capture: Path, **changes: Any) -> None:
        self.clock = VirtualClock(1_764_000_060_000_000)
        settings = PaperExchangeSettings(
            key_id=KEY_ID, verify_signatures=False, state_folder=None, capture=capture, **changes
        )
        self.exchange = PaperExchange(settings, self.clock, structlog.get_logger())
        self.exchange.start_without_sockets()
        transport = DirectTransport(self.exchange)
        self.rest = HttpRestClient(
            f"{HOST}/trade-api/v2", StubSigner(KEY_ID), self.clock, transport=transport, read_attempts=1
        )
        self.connector = DirectConnector(self.exchange)

    async def order(self, client_order_id: str) -> OrderRequest:
        ticker = (await self.rest.markets())[0].ticker
        return OrderRequest(
            ticker=ticker, client_order_id=client_order_id, book_side=BookSide.BID, price_cc=100, size_centi=100
        )

    async def close(self) -> None:
        await self.rest.aclose()
        await self.exchange.aclose()


@pytest.fixture(scope="module")
def capture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_recording(tmp_path_factory.mktemp("made") / "recording", seconds=5, markets=2)


def test_an_order_is_created_read_and_cancelled_after_its_latency(capture: Path) -> None:
    async def main() -> None:
        harness = ExchangeHarness(capture, order_latency_us=300_000, cancel_latency_us=100_000, latency_jitter_us=0)
        began_us = harness.clock.now_us()
        request = await harness.order("tb1-a")
        made = await harness.rest.create_order(harness.rest.sign_order(request), 2.0)
        assert harness.clock.now_us() == made.processed_us == began_us + 300_000
        assert (await harness.rest.order(made.exchange_order_id)).client_order_id == "tb1-a"
        cancelled = await harness.rest.cancel_order(made.exchange_order_id, request.ticker)
        assert (cancelled.reduced_centi, cancelled.processed_us) == (100, began_us + 400_000)
        with pytest.raises(NotFound):
            await harness.rest.cancel_order(made.exchange_order_id, request.ticker)
        await harness.close()

    run_virtual(main())


def test_an_order_is_executed_after_its_callers_timeout(capture: Path) -> None:
    async def main() -> None:
        harness = ExchangeHarness(capture, order_latency_us=3_000_000, latency_jitter_us=0)
        with pytest.raises(OutcomeUnknown):
            await harness.rest.create_order(harness.rest.sign_order(await harness.order("tb1-late")), 1.0)
        assert await harness.rest.orders() == []
        await harness.clock.sleep(3)
        assert [order.client_order_id for order in await harness.rest.orders()] == ["tb1-late"]
        await harness.close()

    run_virtual(main())


def test_a_lost_response_leaves_the_outcome_unknown(capture: Path) -> None:
    async def main() -> None:
        harness = ExchangeHarness(capture, faults=("lost_ack@every=1",))
        with pytest.raises(OutcomeUnknown):
            await harness.rest.create_order(harness.rest.sign_order(await harness.order("tb1-lost")), 1.0)
        assert [order.client_order_id for order in await harness.rest.orders()] == ["tb1-lost"]
        await harness.close()

    run_virtual(main())


def test_a_stream_sends_frames_until_it_is_closed(capture: Path) -> None:
    async def main() -> None:
        harness = ExchangeHarness(capture)
        ticker = (await harness.rest.markets())[0].ticker
        connection = await harness.connector.connect()
        await connection.send(subscribe(1, ("orderbook_delta",), (ticker,)))
        assert '"subscribed"' in await connection.receive()
        assert '"orderbook_snapshot"' in await connection.receive()
        async with asyncio.timeout(60):
            while '"orderbook_delta"' not in await connection.receive():
                pass
        waiting = asyncio.ensure_future(_until_closed(connection))
        await asyncio.sleep(0)
        await connection.close()
        await waiting
        with pytest.raises(StreamClosed):
            await connection.send(subscribe(2, ("trade",)))
        assert not harness.exchange.hub.sessions
        await harness.close()

    run_virtual(main())


async def _until_closed(connection: Any) -> None:
    with pytest.raises(StreamClosed):
        while True:
            await connection.receive()
