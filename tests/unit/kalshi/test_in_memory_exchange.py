"""The in-memory exchange of the tests passes the contract suite of the exchange."""

from __future__ import annotations

import pytest

from support.contract_harnesses import InMemoryHarness
from support.exchange_contract import RestContract
from support.shard_contract import SHARDS, ShardContract
from support.stream_contract import StreamContract


@pytest.fixture
def harness() -> InMemoryHarness:
    return InMemoryHarness(SHARDS)


class TestInMemoryRest(RestContract):
    pass


class TestInMemoryStream(StreamContract):
    pass


class TestInMemoryShards(ShardContract):
    pass
