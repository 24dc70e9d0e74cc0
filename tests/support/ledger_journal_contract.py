"""What every ledger store must do with its journal: one entry a change, and a store that can be restored from it."""

from __future__ import annotations

import pytest

from support.ledger_verbs import a_fill, a_reserve, an_acknowledge, opened
from truebook.ledger.memory_store import MemoryStore
from truebook.ledger.port import LedgerStore, RestorableStore, StoreCorrupt, StoreUnavailable
from truebook.ledger.restore import replay_into
from truebook.ledger.rules import replay


class JournalContract:
    """See ``ledger_contract``: a subclass gives the fixture ``store``."""

    async def test_every_change_is_one_journal_entry_and_nothing_else_is(self, store: LedgerStore) -> None:
        await opened(store)
        await store.reserve(a_reserve("a"))
        await store.reserve(a_reserve("a"))
        await store.settle_fill(a_fill())
        await store.settle_fill(a_fill())
        await store.acknowledge(an_acknowledge("a"))
        await store.view()
        entries = await store.journal()
        assert [(entry.seq, entry.verb, entry.result) for entry in entries] == [
            (1, "open_account", "opened"),
            (2, "reserve", "reserved"),
            (3, "settle_fill", "parked"),
            (4, "acknowledge", "acknowledged"),
        ]
        assert (await store.view()).account.ledger_seq == 4
        assert {entry.incarnation for entry in entries} == {entries[0].incarnation}
        assert await store.journal(after_seq=2, limit=1) == entries[2:3]

    async def test_journal_is_trimmed_behind_what_was_relayed(self, store: LedgerStore) -> None:
        await opened(store)
        await store.reserve(a_reserve("a"))
        anchor = replay(await store.journal())
        await store.mark_unknown("a")
        assert await store.trim_journal(2) == 2
        assert await store.trim_journal(2) == 0
        rest = await store.journal()
        assert [entry.seq for entry in rest] == [3]
        assert replay(rest, anchor).view() == await store.view()

    async def test_a_store_that_is_behind_is_brought_up_to_its_journal(self, store: LedgerStore) -> None:
        ahead = MemoryStore()
        await opened(ahead)
        await ahead.reserve(a_reserve("a"))
        await ahead.reserve(a_reserve("b", ticker="N"))
        await ahead.next_number("ingest")
        entries = await ahead.journal()
        assert await replay_into(store, entries[:2]) == 2
        assert await replay_into(store, entries) == 2
        assert await store.view() == await ahead.view()
        assert await replay_into(store, entries) == 0

    async def test_a_store_that_tells_another_story_is_not_replayed_over(self, store: LedgerStore) -> None:
        other = MemoryStore()
        await opened(other)
        await other.reserve(a_reserve("a"))
        await opened(store, balance_micros=0)
        with pytest.raises(StoreCorrupt, match="refused:cash"):
            await replay_into(store, await other.journal())
        with pytest.raises(StoreCorrupt, match="missing"):
            await replay_into(MemoryStore(), (await other.journal())[1:])

    async def test_a_fence_lets_only_the_restorer_change_the_account(self, store: RestorableStore) -> None:
        await opened(store)
        end = await store.journal_end()
        assert (end.seq, end.first_kept, end.fenced) == (1, 1, False)
        restorer = await store.fence(end.incarnation, 1)
        assert restorer is not None
        with pytest.raises(StoreUnavailable, match="restored"):
            await store.reserve(a_reserve("a"))
        with pytest.raises(StoreUnavailable):
            await store.settle_fill(a_fill())
        account = (await store.view(())).account
        assert (account.mode, [hold.name for hold in account.holds]) == ("halted", ["journal"])
        assert (await store.journal_end()).fenced
        assert await restorer.reserve(a_reserve("a")) == "reserved"
        await store.unfence()
        assert await store.reserve(a_reserve("a")) == "reserved"
        assert await store.settle_fill(a_fill()) == "parked"
        account = (await store.view(())).account
        assert (account.mode, account.holds) == ("running", ())

    async def test_a_fence_is_refused_where_the_account_has_moved(self, store: RestorableStore) -> None:
        await opened(store)
        end = await store.journal_end()
        assert await store.fence(end.incarnation, 0) is None
        assert await store.fence("another", 1) is None
        assert await store.next_number("ingest") == 1, "nothing is fenced off"

    async def test_a_fence_left_behind_is_taken_over(self, store: RestorableStore) -> None:
        await opened(store)
        end = await store.journal_end()
        dead = await store.fence(end.incarnation, 1)
        alive = await store.fence(end.incarnation, 1)
        assert dead is not None and alive is not None
        with pytest.raises(StoreUnavailable):
            await dead.next_number("ingest")
        assert await alive.next_number("ingest") == 1
        await store.unfence()
        assert await store.next_number("ingest") == 2

    async def test_an_empty_account_takes_over_the_history_that_it_is_restored_from(
        self, store: RestorableStore
    ) -> None:
        restorer = await store.fence("of-old", 0)
        assert restorer is not None
        await opened(restorer)
        await store.unfence()
        assert (await store.journal_end()).incarnation == "of-old"
        assert [entry.incarnation for entry in await store.journal()] == ["of-old"]

    async def test_a_trimmed_journal_says_from_where_it_is_kept(self, store: RestorableStore) -> None:
        assert (await store.journal_end()).first_kept == 0
        await opened(store)
        await store.next_number("ingest")
        await store.trim_journal(1)
        assert (await store.journal_end()).first_kept == 2
