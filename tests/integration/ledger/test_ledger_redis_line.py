"""Calls over one connection: each caller gets its own answer, whatever becomes of the others and of the connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from support.ledger_verbs import a_reserve
from truebook.ledger.port import StoreCorrupt, StoreUnavailable
from truebook.ledger.redis_store import RedisStore

IDS = [f"o-{number}" for number in range(20)]


@pytest.fixture
async def admin(server_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(server_url) as client:
        yield client


@pytest.fixture
async def filled(store: RedisStore) -> RedisStore:
    await store.open_account(10**12, ())
    for order_id in IDS:
        await store.reserve(a_reserve(order_id, ticker=f"T-{order_id}"))
    return store


async def answered(store: RedisStore, order_id: str) -> str:
    order = await store.order(order_id)
    return order.order_id if order is not None else ""


async def test_calls_made_at_once_get_their_own_answers(filled: RedisStore) -> None:
    assert await asyncio.gather(*(answered(filled, order_id) for order_id in IDS)) == IDS


async def test_the_answer_of_a_cancelled_call_is_nobody_elses(filled: RedisStore) -> None:
    calls = [asyncio.ensure_future(answered(filled, order_id)) for order_id in IDS]
    await asyncio.sleep(0)
    await asyncio.sleep(0)  # now they are under way
    for call in calls[::2]:
        call.cancel()
    kept = await asyncio.gather(*calls[1::2])
    assert kept == IDS[1::2]
    assert await answered(filled, IDS[0]) == IDS[0]


async def test_an_error_is_its_own_callers_alone(filled: RedisStore, admin: Redis) -> None:
    await admin.hset(filled.keys["orders"], "broken", b"\x00")
    answers = await asyncio.gather(
        answered(filled, IDS[0]), answered(filled, "broken"), answered(filled, IDS[1]), return_exceptions=True
    )
    assert [answers[0], answers[2]] == IDS[:2]
    assert isinstance(answers[1], StoreCorrupt)


async def test_calls_whose_connection_is_lost_are_made_again(filled: RedisStore, admin: Redis) -> None:
    calls = asyncio.gather(*(answered(filled, order_id) for order_id in IDS))
    await admin.client_kill_filter(_type="normal", skipme=True)
    assert await calls == IDS
    await admin.client_kill_filter(_type="normal", skipme=True)
    assert await answered(filled, IDS[0]) == IDS[0], "a connection that was lost while nothing was under way"


async def test_who_waits_while_the_store_is_closed_is_told(filled: RedisStore) -> None:
    calls = [asyncio.ensure_future(answered(filled, order_id)) for order_id in IDS]
    await asyncio.sleep(0)
    await filled.aclose()
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert all(answer in IDS or isinstance(answer, StoreUnavailable) for answer in answers)


async def test_a_restorers_calls_end_with_its_connection(store: RedisStore, admin: Redis) -> None:
    """It replays in order: a call made again, or one that overtakes a lost one, would make another history."""
    restorer = await store.fence(store.incarnation, 0)
    assert restorer is not None
    assert await restorer.next_number("n") == 1
    await admin.client_kill_filter(_type="normal", skipme=True)
    for _ in range(2):
        answers = await asyncio.gather(*(restorer.next_number("n") for _ in range(20)), return_exceptions=True)
        assert all(isinstance(answer, StoreUnavailable) for answer in answers), answers
    assert await admin.hget(store.keys["counters"], "n") == b"1"
