"""The store records when it made an entry; the time is kept in the journal and changes no outcome."""

from __future__ import annotations

from typing import Any

from support.ledger_verbs import a_reserve
from truebook.ledger.memory_store import MemoryStore
from truebook.ledger.rules.ledger import replay, verb_of
from truebook.ledger.trading_holds import JOURNAL
from truebook.ledger.verbs import Adjust, OpenAccount, SettleMarket, Verb, time_of

VERBS: tuple[Verb[Any], ...] = (
    OpenAccount(balance_micros=10), Adjust(adjust_id="a", amount_micros=5, kind="deposit", reason="r"),
    JOURNAL.place(), JOURNAL.release(), SettleMarket(ticker="M", settlement_cc=0),
)  # fmt: skip


async def test_entries_without_a_time_get_that_of_the_store() -> None:
    store = MemoryStore()
    store.now_us = lambda: 77
    for verb in VERBS:
        await store.apply(verb)
    entries = await store.journal()
    assert [time_of(verb_of(entry)) for entry in entries] == [77] * len(VERBS)
    assert replay(entries).state == store.ledger.state


async def test_a_repetition_at_another_time_is_a_duplicate() -> None:
    store = MemoryStore()
    for now_us in (77, 78):
        store.now_us = lambda now_us=now_us: now_us
        results = [str(await store.apply(verb)) for verb in VERBS]
    assert results[:2] == ["exists", "duplicate"] and results[-1] == "duplicate"
    assert len(await store.journal()) == len(VERBS) + 2, "the hold was placed and released again"


async def test_a_replayed_entry_keeps_its_time() -> None:
    store = MemoryStore()
    store.now_us = lambda: 77
    await store.apply(VERBS[0])
    restored = MemoryStore(store.ledger_id)
    restorer = await restored.begin_restore(store.ledger_id, 0)
    assert restorer is not None
    restored.now_us = lambda: 99
    await restorer.apply(verb_of((await store.journal())[0]))
    assert await restored.journal() == await store.journal()


def test_a_reserve_names_its_time() -> None:
    assert time_of(a_reserve("a")) == a_reserve("a").now_us
