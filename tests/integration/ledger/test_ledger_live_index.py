"""A ledger that versions without the index of live markets have written, alone or beside this one."""

from __future__ import annotations

import pytest

from support.ledger_live_contract import live
from support.ledger_verbs import RICH, a_reserve, opened
from support.services import make_context
from truebook.clock import ManualClock
from truebook.ledger.outcomes import AdjustKind
from truebook.ledger.port import RestorableStore
from truebook.ledger.redis.store import RedisStore
from truebook.ledger.rules.ledger import replay
from truebook.ledger.verbs import Adjust, AdoptedPosition, Close, Prune
from truebook_services.reconciler.ledger_watch import LedgerWatch


async def with_markets(store: RedisStore) -> None:
    """Open an account with a position in M, an open order in N and a cancelled one in P."""
    await opened(
        store, AdoptedPosition(ticker="M", event="E", position_centi=5, cost_micros=0), balance_micros=RICH
    )  # fmt: skip
    await store.apply(a_reserve("n", ticker="N"))
    await store.apply(a_reserve("p", ticker="P", deadline_us=5_000))
    await store.apply(Close(order_id="p", exchange_order_id=None, filled_centi=0))


async def remove_the_index(store: RedisStore) -> None:
    """Leave what a version without the index has stored."""
    await store._client.delete(store.keys["live"])
    await store._client.hdel(store.keys["account"], "live_seq")


async def change_as_an_earlier_version(store: RedisStore) -> None:
    """Do what an earlier version's script would: change the account without the index, which is made wrong too."""
    await store._client.hincrby(store.keys["account"], "seq", 1)
    await store._client.srem(store.keys["live"], "N")
    await store._client.sadd(store.keys["live"], "P")


async def is_complete(store: RedisStore) -> bool:
    seq, live_seq = await store._client.hmget(store.keys["account"], "seq", "live_seq")
    return bool(seq == live_seq)


async def again(store: RedisStore, url: str) -> RedisStore:
    """Connect a second time, as an upgraded service does."""
    return await RedisStore.connect(url, store._account)


async def test_live_markets_are_found_without_the_index(store: RedisStore) -> None:
    await with_markets(store)
    await remove_the_index(store)
    assert await live(store) == ["M", "N"]
    await store.apply(a_reserve("q", ticker="Q"))
    assert not await is_complete(store), "one market was added to an index that lacks the others"
    assert await live(store) == ["M", "N", "Q"]


async def test_connecting_makes_the_index(store: RedisStore, server_url: str) -> None:
    await with_markets(store)
    await remove_the_index(store)
    later = await again(store, server_url)
    try:
        assert await is_complete(store)
        assert await store._client.smembers(store.keys["live"]) == {b"M", b"N"}
        assert await live(later) == ["M", "N"]
        await later.apply(a_reserve("q", ticker="Q"))
        assert await is_complete(store)
        assert await live(store) == ["M", "N", "Q"]
    finally:
        await later.aclose()


@pytest.mark.parametrize("dropped", [True, False])
async def test_pruning_makes_the_index_again_after_an_earlier_version(store: RedisStore, dropped: bool) -> None:
    """While services are replaced one by one, a process of the earlier version may change the account last."""
    await with_markets(store)
    await store.apply(a_reserve("r", ticker="R", now_us=9_000_000, deadline_us=10_000_000))
    await change_as_an_earlier_version(store)
    assert await live(store) == ["M", "N", "R"]
    await store.apply(Adjust(adjust_id="a", amount_micros=1, kind=AdjustKind.DEPOSIT, reason=""))
    assert not await is_complete(store), "a change does not complete it"
    assert await live(store) == ["M", "N", "R"]
    assert await store.apply(Prune(terminal_before_us=10**9 if dropped else 0)) == int(dropped)
    assert await is_complete(store)
    assert await store._client.smembers(store.keys["live"]) == {b"M", b"N", b"R"}
    assert await live(store) == ["M", "N", "R"]


async def test_a_wrong_index_halts(store: RedisStore) -> None:
    await with_markets(store)
    await store._client.srem(store.keys["live"], "N")
    await store._client.sadd(store.keys["live"], "P")
    assert (await store.audit()).errors == {"live_markets": 2}
    await LedgerWatch(make_context("reconciler", ManualClock()), store).run()
    assert [hold.name for hold in (await store.view(())).account.holds] == ["corrupt_ledger"]


async def test_a_restored_account_has_its_index(store: RedisStore) -> None:
    await with_markets(store)
    end = await store.journal_end()
    state = replay(await store.journal()).saved_state()
    restorable: RestorableStore = store
    restorer = await restorable.begin_restore(end.ledger_id, end.seq)
    assert restorer is not None
    await store._client.sadd(store.keys["live"], "P")
    await restorer.load(state, end.seq)
    await restorable.end_restore()
    assert await is_complete(store)
    assert await live(store) == ["M", "N"]
