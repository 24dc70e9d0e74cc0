"""Calls over one connection: each caller gets its own reply, whatever happens to the others and the connection."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest
from redis.asyncio import Redis

from support.ledger_verbs import a_reserve
from truebook.ledger.port import StoreCorrupt, StoreUnavailable
from truebook.ledger.redis.store import RedisStore
from truebook.ledger.verbs import RESERVED, NextNumber, OpenAccount

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


async def _reserve_all(store: RedisStore, order_ids: list[str]) -> list[object]:
    calls = (store.apply(a_reserve(order_id, ticker=f"T-{order_id}")) for order_id in order_ids)
    return await asyncio.gather(*calls, return_exceptions=True)


async def _runs(admin: Redis) -> int:
    stats = await admin.info("commandstats")
    return int(stats["cmdstat_evalsha"]["calls"])


async def test_reserves_that_wait_at_the_same_time_share_a_run(filled: RedisStore, admin: Redis) -> None:
    """The first is sent at once. Each has its own entry of the journal, in the order of the calls."""
    before, new = await _runs(admin), [f"n-{number}" for number in range(12)]
    assert await _reserve_all(filled, new) == [RESERVED] * len(new)
    assert await _runs(admin) == before + 2
    entries = await filled.journal(after_seq=1 + len(IDS))
    assert [msgspec.json.decode(entry.arguments)["order_id"] for entry in entries] == new
    assert (await filled.audit()).errors == {}


async def test_an_error_is_raised_only_by_its_part_of_a_run(filled: RedisStore, admin: Redis) -> None:
    await admin.hset(filled.keys["markets"], "T-broken", b"\x00")
    replies = await _reserve_all(filled, ["n-0", "n-1", "broken", "n-2", "n-3"])
    assert isinstance(replies.pop(2), StoreCorrupt)
    assert replies == [RESERVED] * 4
    await admin.hdel(filled.keys["markets"], "T-broken")
    audit = await filled.audit()
    assert audit.errors == {} and len(audit.view.markets) == len(IDS) + 4
    assert await filled.order("broken") is None


async def test_a_failed_write_is_raised_only_by_its_part_of_a_run(filled: RedisStore, admin: Redis) -> None:
    """The index of live markets can't be written."""
    live = filled.keys["live"]
    await admin.delete(live)
    await admin.set(live, "not a set")
    replies = await _reserve_all(filled, ["n-0", "n-1", IDS[0], "n-2"])
    assert [isinstance(reply, StoreCorrupt) for reply in replies] == [True, True, False, True]
    assert replies[2] == RESERVED, "the same content and nonce as before"


async def test_a_cancelled_part_of_a_run_leaves_the_others_theirs(filled: RedisStore) -> None:
    new = [f"n-{number}" for number in range(8)]
    calls = [asyncio.ensure_future(filled.apply(a_reserve(each, ticker=f"T-{each}"))) for each in new]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    for call in calls[::2]:
        call.cancel()
    assert await asyncio.gather(*calls[1::2]) == [RESERVED] * 4
    assert (await filled.audit()).errors == {}


async def test_reserves_are_retried_after_the_server_lost_its_scripts(filled: RedisStore, admin: Redis) -> None:
    await admin.script_flush()
    new = [f"n-{number}" for number in range(12)]
    assert await _reserve_all(filled, new) == [RESERVED] * len(new)
    assert len((await filled.view()).markets) == len(IDS) + len(new)
