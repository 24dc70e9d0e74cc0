"""Calls over one connection: each caller gets its own reply, whatever happens to the others and the connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from support.ledger_verbs import a_reserve
from truebook.ledger.port import StoreCorrupt, StoreUnavailable
from truebook.ledger.redis.store import RedisStore
from truebook.ledger.verbs import NextNumber, OpenAccount

IDS = [f"o-{number}" for number in range(20)]


@pytest.fixture
async def admin(server_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(server_url) as client:
        yield client


@pytest.fixture
async def filled(store: RedisStore) -> RedisStore:
    await store.apply(OpenAccount(balance_micros=10**12))
    for order_id in IDS:
        await store.apply(a_reserve(order_id, ticker=f"T-{order_id}"))
    return store


async def read_order_id(store: RedisStore, order_id: str) -> str:
    order = await store.order(order_id)
    return order.order_id if order is not None else ""


async def test_concurrent_calls_get_their_own_replies(filled: RedisStore) -> None:
    assert await asyncio.gather(*(read_order_id(filled, order_id) for order_id in IDS)) == IDS


async def test_the_reply_of_a_cancelled_call_is_dropped(filled: RedisStore) -> None:
    calls = [asyncio.ensure_future(read_order_id(filled, order_id)) for order_id in IDS]
    await asyncio.sleep(0)
    await asyncio.sleep(0)  # now they are sent
    for call in calls[::2]:
        call.cancel()
    kept = await asyncio.gather(*calls[1::2])
    assert kept == IDS[1::2]
    assert await read_order_id(filled, IDS[0]) == IDS[0]


async def test_an_error_is_raised_only_to_its_caller(filled: RedisStore, admin: Redis) -> None:
    await admin.hset(filled.keys["orders"], "broken", b"\x00")
    replies = await asyncio.gather(
        read_order_id(filled, IDS[0]),
        read_order_id(filled, "broken"),
        read_order_id(filled, IDS[1]),
        return_exceptions=True,
    )
    assert [replies[0], replies[2]] == IDS[:2]
    assert isinstance(replies[1], StoreCorrupt)


async def test_calls_are_retried_after_a_lost_connection(filled: RedisStore, admin: Redis) -> None:
    calls = asyncio.gather(*(read_order_id(filled, order_id) for order_id in IDS))
    await admin.client_kill_filter(_type="normal", skipme=True)
    assert await calls == IDS
    await admin.client_kill_filter(_type="normal", skipme=True)
    assert await read_order_id(filled, IDS[0]) == IDS[0], "a connection that was lost without pending calls"


async def test_pending_calls_fail_when_the_store_is_closed(filled: RedisStore) -> None:
    calls = [asyncio.ensure_future(read_order_id(filled, order_id)) for order_id in IDS]
    await asyncio.sleep(0)
    await filled.aclose()
    replies = await asyncio.gather(*calls, return_exceptions=True)
    assert all(reply in IDS or isinstance(reply, StoreUnavailable) for reply in replies)


async def test_a_restorers_calls_end_with_its_connection(store: RedisStore, admin: Redis) -> None:
    """It replays in order: a retried call, or one that overtakes a lost one, would make another history."""
    restorer = await store.begin_restore(store.ledger_id, 0)
    assert restorer is not None
    assert await restorer.apply(NextNumber(name="n")) == 1
    await admin.client_kill_filter(_type="normal", skipme=True)
    for _ in range(2):
        replies = await asyncio.gather(
            *(restorer.apply(NextNumber(name="n")) for _ in range(20)), return_exceptions=True
        )
        assert all(isinstance(reply, StoreUnavailable) for reply in replies), replies
    assert await admin.hget(store.keys["counters"], "n") == b"1"
