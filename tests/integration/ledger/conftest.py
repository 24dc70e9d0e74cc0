"""One server of each kind for all ledger tests; each test has its own account."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Iterator

import pytest

from support.redis_servers import SERVERS, running
from truebook.ledger.redis.store import RedisStore


@pytest.fixture(scope="session", params=SERVERS)
def server_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running(request.param, tmp_path_factory.mktemp("ledger") / "server") as url:
        yield url


@pytest.fixture
async def store(server_url: str) -> AsyncIterator[RedisStore]:
    store = await RedisStore.connect(server_url, f"test-{uuid.uuid4().hex}")
    yield store
    await store.aclose()
