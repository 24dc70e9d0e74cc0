"""What the store does when its server is full, foreign, or has lost its scripts."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from support.ledger_verbs import a_fill, a_reserve, an_acknowledge
from truebook.ledger.keys import LedgerKeys
from truebook.ledger.port import LedgerError, StoreCorrupt, StoreFull, StoreUnavailable
from truebook.ledger.redis_store import RedisStore


@pytest.fixture
async def admin(server_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(server_url) as client:
        yield client


async def test_full_memory_refuses_the_decision_and_still_books_every_fact(store: RedisStore, admin: Redis) -> None:
    await store.open_account(100_000_000, ())
    assert await store.reserve(a_reserve("a")) == "reserved"
    assert await store.reserve(a_reserve("b", ticker="N")) == "reserved"
    await admin.config_set("maxmemory", 1)
    try:
        with pytest.raises(StoreFull) as caught:
            await store.reserve(a_reserve("c", ticker="P"))
        assert caught.value.retry
        assert await store.acknowledge(an_acknowledge("a")) == "acknowledged"
        assert await store.settle_fill(a_fill()) == "applied"
        assert await store.settle_fill(a_fill(order_id="xw")) == "parked"
        assert await store.mark_unknown("b") == "unknown"
        assert await store.hold("full", "halted", "watch") == "held"
        assert await store.settle_market("N", 0) == "settled"
        view = await store.view()
    finally:
        await admin.config_set("maxmemory", 0)
    assert view.account.conservation_error_micros == 0
    assert view.account.parked == 1
    assert await store.order("c") is None, "what was refused left no trace"


async def test_a_server_that_forgot_its_scripts_gets_them_again(store: RedisStore, admin: Redis) -> None:
    await store.open_account(1, ())
    await admin.script_flush()
    assert await store.open_account(1, ()) == "exists"


async def test_another_schema_is_not_touched(store: RedisStore, server_url: str, admin: Redis) -> None:
    keys = LedgerKeys("of-another-time")
    await admin.hset(keys["meta"], "schema", "0")
    with pytest.raises(StoreCorrupt, match="schema 0"):
        await RedisStore.connect(server_url, "of-another-time")


async def test_a_key_of_another_type_is_corrupt_not_unavailable(store: RedisStore, admin: Redis) -> None:
    await admin.set(store.keys["account"], "x")
    with pytest.raises(StoreCorrupt):
        await store.open_account(1, ())


async def test_a_record_that_is_no_record_is_corrupt(store: RedisStore, admin: Redis) -> None:
    await admin.hset(store.keys["orders"], "a", b"\x00")
    with pytest.raises(StoreCorrupt):
        await store.order("a")


async def test_an_amount_beyond_2_to_53_stops_the_script_before_it_writes(store: RedisStore, admin: Redis) -> None:
    await store.open_account(1, ())
    await admin.hset(store.keys["account"], "deposits_micros", str(2**53 - 1))
    before = await admin.hgetall(store.keys["account"])
    with pytest.raises(StoreCorrupt, match=r"2\^53"):
        await store.adjust("d", 1, "deposit", "")
    assert await admin.hgetall(store.keys["account"]) == before
    assert not await admin.exists(store.keys["adjusts"])


async def test_a_refused_user_is_told_so_and_not_asked_to_repeat(server_url: str, admin: Redis) -> None:
    await admin.acl_setuser("reader", enabled=True, passwords=["+word"], categories=["-@all", "+@read"])
    url = f"{server_url}?username=reader"
    try:
        for password in ("word", "wrong"):
            with pytest.raises(LedgerError) as caught:
                await RedisStore.connect(url, "sim-main", password=password)
            assert not caught.value.retry
    finally:
        await admin.acl_deluser("reader")


async def test_an_address_where_nothing_listens_is_unavailable() -> None:
    with pytest.raises(StoreUnavailable):
        await RedisStore.connect("redis://127.0.0.1:1", "sim-main")


async def test_amounts_are_stored_as_plain_decimal_digits(store: RedisStore, admin: Redis) -> None:
    await store.open_account(10**14, ())
    await store.reserve(a_reserve("a", deadline_us=10**15, now_us=10**14))
    account = await admin.hgetall(store.keys["account"])
    assert account[b"deposits_micros"] == b"100000000000000"
    assert account[b"clock_us"] == b"100000000000000"
    assert all(value.lstrip(b"-").isdigit() for name, value in account.items() if name != b"hold_mode")
