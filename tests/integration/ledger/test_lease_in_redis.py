"""Leases in Redis and Valkey fulfil the contract of all leases."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator

import pytest

from support.lease_contract import LASTS_S, LeaseContract, Leases
from truebook.ledger.lease import Lease
from truebook.ledger.port import StoreUnavailable
from truebook.ledger.redis.lease import RedisLease


class InRedis:
    def __init__(self, url: str) -> None:
        self._url = url
        self._account = f"test-{uuid.uuid4().hex}"
        self._made: list[RedisLease] = []

    def lease(self, owner: str) -> Lease:
        lease = RedisLease(self._url, self._account, name="execution", owner=owner, lasts_s=LASTS_S)
        self._made.append(lease)
        return lease

    async def pass_time(self, seconds: float) -> None:
        await asyncio.sleep(seconds)  # the key expires by the server's clock

    async def close(self) -> None:
        for lease in self._made:
            await lease.aclose()


class TestRedisLease(LeaseContract):
    @pytest.fixture
    async def leases(self, server_url: str) -> AsyncIterator[Leases]:
        leases = InRedis(server_url)
        yield leases
        await leases.close()


async def test_is_held_does_not_take_the_lease(server_url: str) -> None:
    account = f"test-{uuid.uuid4().hex}"
    holder, looking = (
        RedisLease(server_url, account, name="execution", owner=owner, lasts_s=60) for owner in ("holder", "")
    )
    held = [await looking.is_held(), await holder.take(), await looking.is_held()]
    await holder.release()
    assert [*held, await looking.is_held()] == [False, True, True, False]
    await holder.aclose()
    await looking.aclose()


async def test_an_unreachable_server_is_unavailable() -> None:
    lease = RedisLease("redis://127.0.0.1:1", "test", name="execution", owner="a", lasts_s=LASTS_S)
    with pytest.raises(StoreUnavailable):
        await lease.take()
    await lease.aclose()
