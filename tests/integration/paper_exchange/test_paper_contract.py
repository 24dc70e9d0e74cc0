"""The simulated exchange on loopback, through the product's own clients, passes the contract suite of the exchange."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from support.contract_harnesses import PaperHarness
from support.exchange_contract import RestContract
from support.paper_client import PREFIX, SIGNER, paper_settings, running
from support.shard_contract import SHARD_SETTINGS, ShardContract
from support.stream_contract import StreamContract
from truebook.clock import SystemClock
from truebook.kalshi.rest.client import HttpRestClient
from truebook.kalshi.stream.connection import WebsocketConnector
from truebook_services.paper_exchange.stream.hub import PATH


@pytest.fixture
async def harness() -> AsyncIterator[PaperHarness]:
    async with running(paper_settings(markets=1, settlement_delay_ms=0, **SHARD_SETTINGS)) as client:
        exchange = client.exchange
        yield PaperHarness(
            exchange,
            WebsocketConnector(exchange.url.replace("http", "ws", 1) + PATH, SIGNER, SystemClock()),
            lambda clock: HttpRestClient(exchange.url + PREFIX, SIGNER, clock),
            exchange._connections.abort_sockets,
        )


class TestHttpRest(RestContract):
    pass


class TestWebsocketStream(StreamContract):
    pass


class TestHttpShards(ShardContract):
    pass
