"""The clients of an exchange in the same process pass the contract suite of the exchange."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import structlog

from support.contract_harnesses import PaperHarness
from support.exchange_contract import RestContract
from support.paper_client import PREFIX, SIGNER, paper_settings
from support.shard_contract import SHARD_SETTINGS, ShardContract
from support.stream_contract import StreamContract
from truebook.clock import SystemClock
from truebook.kalshi.rest.client import HttpRestClient
from truebook_services.embedded.direct import HOST, DirectConnector, DirectTransport
from truebook_services.paper_exchange.server import PaperExchange


@pytest.fixture
async def harness() -> AsyncIterator[PaperHarness]:
    exchange = PaperExchange(
        paper_settings(markets=1, settlement_delay_ms=0, **SHARD_SETTINGS), SystemClock(), structlog.get_logger()
    )
    exchange.start_without_sockets()
    yield PaperHarness(
        exchange,
        DirectConnector(exchange),
        lambda clock: HttpRestClient(HOST + PREFIX, SIGNER, clock, transport=DirectTransport(exchange)),
        lambda: pytest.skip("streams in one process are never lost"),
    )
    await exchange.aclose()


class TestDirectRest(RestContract):
    pass


class TestDirectStream(StreamContract):
    pass


class TestDirectShards(ShardContract):
    pass
