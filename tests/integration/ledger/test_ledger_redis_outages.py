"""The store with a server that is full, has another schema, or has lost its scripts."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from redis.asyncio import Redis

from support.ledger_verbs import a_fill, a_reserve, an_acknowledge
from truebook.ledger.port import LedgerError, StoreCorrupt, StoreFull, StoreUnavailable
from truebook.ledger.redis.keys import LedgerKeys
from truebook.ledger.redis.store import RedisStore
from truebook.ledger.verbs import RESERVED, Adjust, Hold, MarkUnknown, Mode, OpenAccount, SettleMarket


@pytest.fixture
async def admin(server_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(server_url) as client:
        yield client


async def test_full_memory_refuses_decisions_but_not_facts(store: RedisStore, admin: Redis) -> None:
    await store.apply(OpenAccount(balance_micros=100_000_000))
    assert await store.apply(a_reserve("a")) == RESERVED
    assert await store.apply(a_reserve("b", ticker="N")) == RESERVED
    await admin.config_set("maxmemory", 1)
    try:
        with pytest.raises(StoreFull) as caught:
            await store.apply(a_reserve("c", ticker="P"))
        assert caught.value.retry
        assert await store.apply(an_acknowledge("a")) == "acknowledged"
        assert await store.apply(a_fill()) == "applied"
        assert await store.apply(a_fill(order_id="xw")) == "parked"
        assert await store.apply(MarkUnknown(order_id="b")) == "unknown"
        assert await store.apply(Hold(name="full", mode=Mode.HALTED, owner="watch")) == "held"
        assert await store.apply(SettleMarket(ticker="N", settlement_cc=0)) == "settled"
        view = await store.view()
    finally:
        await admin.config_set("maxmemory", 0)
    assert view.conservation_error_micros == 0
    assert view.account.parked == 1
    assert await store.order("c") is None, "the refused order was not stored"


async def test_a_server_without_the_scripts_gets_them_again(store: RedisStore, admin: Redis) -> None:
    await store.apply(OpenAccount(balance_micros=1))
    await admin.script_flush()
    assert await store.apply(OpenAccount(balance_micros=1)) == "exists"


async def test_an_account_of_another_schema_is_refused(store: RedisStore, server_url: str, admin: Redis) -> None:
    keys = LedgerKeys("of-another-time")
    await admin.hset(keys["meta"], "schema", "0")
    with pytest.raises(StoreCorrupt, match="schema 0"):
        await RedisStore.connect(server_url, "of-another-time")


async def test_an_account_stored_in_an_earlier_schema_is_refused(
    store: RedisStore, server_url: str, admin: Redis
) -> None:
    await admin.hset("truebook:1:{of-schema-1}:meta", "schema", "1")
    with pytest.raises(StoreCorrupt, match="of-schema-1 has schema 1, this version requires 2"):
        await RedisStore.connect(server_url, "of-schema-1")


async def test_a_key_of_another_type_is_corrupt_not_unavailable(store: RedisStore, admin: Redis) -> None:
    await admin.set(store.keys["account"], "x")
    with pytest.raises(StoreCorrupt):
        await store.apply(OpenAccount(balance_micros=1))


async def test_an_undecodable_record_is_corrupt(store: RedisStore, admin: Redis) -> None:
    await admin.hset(store.keys["orders"], "a", b"\x00")
    with pytest.raises(StoreCorrupt):
        await store.order("a")


async def test_an_amount_beyond_2_to_53_stops_the_script_before_it_writes(store: RedisStore, admin: Redis) -> None:
    await store.apply(OpenAccount(balance_micros=1))
    await admin.hset(store.keys["account"], "deposits_micros", str(2**53 - 1))
    before = [await admin.hgetall(store.keys[name]) for name in ("account", "adjusts")]
    with pytest.raises(StoreCorrupt, match=r"2\^53"):
        await store.apply(Adjust(adjust_id="d", amount_micros=1, kind="deposit", reason=""))
    assert [await admin.hgetall(store.keys[name]) for name in ("account", "adjusts")] == before


async def test_a_refused_user_is_reported_and_not_retried(server_url: str, admin: Redis) -> None:
    await admin.acl_setuser("reader", enabled=True, passwords=["+word"], categories=["-@all", "+@read"])
    url = f"{server_url}?username=reader"
    try:
        for password in ("word", "wrong"):
            with pytest.raises(LedgerError) as caught:
                await RedisStore.connect(url, "sim-main", password=password)
            assert not caught.value.retry
    finally:
        await admin.acl_deluser("reader")


async def test_an_address_without_a_server_is_unavailable() -> None:
    with pytest.raises(StoreUnavailable):
        await RedisStore.connect("redis://127.0.0.1:1", "sim-main")


async def test_amounts_are_stored_as_plain_decimal_digits(store: RedisStore, admin: Redis) -> None:
    await store.apply(OpenAccount(balance_micros=10**14))
    await store.apply(a_reserve("a", deadline_us=10**15, now_us=10**14))
    account = await admin.hgetall(store.keys["account"])
    assert account[b"deposits_micros"] == b"100000000000000"
    assert account[b"clock_us"] == b"100000000000000"
    assert all(value.lstrip(b"-").isdigit() for name, value in account.items() if name != b"hold_mode")
