"""The contract of every ledger store for its journal: one entry per change, and restoring from it."""

from __future__ import annotations

import msgspec
import pytest

from support.ledger_verbs import a_fill, a_reserve, an_acknowledge, opened
from truebook.ledger.journal.restore import replay_into
from truebook.ledger.memory_store import MemoryStore
from truebook.ledger.port import JournalEntry, LedgerStore, RestorableStore, StoreCorrupt, StoreUnavailable
from truebook.ledger.rules.ledger import replay
from truebook.ledger.verbs import RESERVED, MarkUnknown, NextNumber, Prune

BEFORE_MARKETS_WERE_PRUNED = """\
open_account {"balance_micros":10000000,"positions":[],"exchange":""} opened
reserve {"order_id":"a","nonce":"n","ticker":"M","event":"M","exclusive":false,"book_side":"bid","price_cc":4000,\
"size_centi":100,"reduce_only":false,"fee_rate_ppm":0,"deadline_us":2000,"now_us":1000,"partition":0,"epoch":1,\
"reference_cc":null,"send_by_us":0,"expires_us":0} reserved
close {"order_id":"a","exchange_order_id":null,"filled_centi":0} terminal
settle_market {"ticker":"M","settlement_cc":0} settled
reserve {"order_id":"b","nonce":"n","ticker":"N","event":"N","exclusive":false,"book_side":"bid","price_cc":4000,\
"size_centi":100,"reduce_only":false,"fee_rate_ppm":0,"deadline_us":9000,"now_us":3000,"partition":0,"epoch":1,\
"reference_cc":null,"send_by_us":0,"expires_us":0} reserved
prune {"terminal_before_us":2000} 1
"""
"""A recorded journal: verb, arguments, result. Its ``prune`` dropped an order and left the settled market."""


def entries_before_markets_were_pruned() -> list[JournalEntry]:
    lines = [line.split(" ") for line in BEFORE_MARKETS_WERE_PRUNED.splitlines()]
    return [
        JournalEntry(seq=seq, ledger_id="old", verb=verb, arguments=msgspec.Raw(arguments.encode()), result=result)
        for seq, (verb, arguments, result) in enumerate(lines, start=1)
    ]


class JournalContract:
    """See ``ledger_contract``: a subclass provides the fixture ``store``."""

    async def test_every_change_is_one_journal_entry(self, store: LedgerStore) -> None:
        await opened(store)
        await store.apply(a_reserve("a"))
        await store.apply(a_reserve("a"))
        await store.apply(a_fill())
        await store.apply(a_fill())
        await store.apply(an_acknowledge("a"))
        await store.view()
        entries = await store.journal()
        assert [(entry.seq, entry.verb, entry.result) for entry in entries] == [
            (1, "open_account", "opened"),
            (2, "reserve", "reserved"),
            (3, "settle_fill", "parked"),
            (4, "acknowledge", "acknowledged"),
        ]
        assert (await store.view()).account.ledger_seq == 4
        assert {entry.ledger_id for entry in entries} == {entries[0].ledger_id}
        assert await store.journal(after_seq=2, limit=1) == entries[2:3]

    async def test_relayed_journal_entries_can_be_trimmed(self, store: LedgerStore) -> None:
        await opened(store)
        await store.apply(a_reserve("a"))
        anchor = replay(await store.journal())
        await store.apply(MarkUnknown(order_id="a"))
        assert await store.trim_journal(2) == 2
        assert await store.trim_journal(2) == 0
        rest = await store.journal()
        assert [entry.seq for entry in rest] == [3]
        assert replay(rest, anchor).view() == await store.view()

    async def test_a_store_that_is_behind_is_restored(self, store: LedgerStore) -> None:
        ahead = MemoryStore()
        await opened(ahead)
        await ahead.apply(a_reserve("a"))
        await ahead.apply(a_reserve("b", ticker="N"))
        await ahead.apply(NextNumber(name="ingest"))
        entries = await ahead.journal()
        assert await replay_into(store, entries[:2]) == 2
        assert await replay_into(store, entries) == 2
        assert await store.view() == await ahead.view()
        assert await replay_into(store, entries) == 0

    async def test_an_older_journals_prune_leaves_settled_markets(self, store: LedgerStore) -> None:
        entries = entries_before_markets_were_pruned()
        assert await replay_into(store, entries) == len(entries)
        assert await store.view() == replay(entries).view()
        assert [market.ticker for market in (await store.view()).markets] == ["M", "N"]
        assert await store.apply(Prune(terminal_before_us=2000, settled_before_us=1000)) == 0, "settled at 1000"
        assert await store.apply(Prune(terminal_before_us=0, settled_before_us=1001)) == 1
        assert [market.ticker for market in (await store.view()).markets] == ["", "N"]

    async def test_a_diverged_store_is_not_restored(self, store: LedgerStore) -> None:
        other = MemoryStore()
        await opened(other)
        await other.apply(a_reserve("a"))
        await opened(store, balance_micros=0)
        with pytest.raises(StoreCorrupt, match="refused:cash"):
            await replay_into(store, await other.journal())
        with pytest.raises(StoreCorrupt, match="missing"):
            await replay_into(MemoryStore(), (await other.journal())[1:])

    async def test_during_a_restore_only_the_restorer_may_write(self, store: RestorableStore) -> None:
        await opened(store)
        end = await store.journal_end()
        assert (end.seq, end.first_kept, end.restoring) == (1, 1, False)
        restorer = await store.begin_restore(end.ledger_id, 1)
        assert restorer is not None
        with pytest.raises(StoreUnavailable, match="restored"):
            await store.apply(a_reserve("a"))
        with pytest.raises(StoreUnavailable):
            await store.apply(a_fill())
        account = (await store.view(())).account
        assert (account.mode, [hold.name for hold in account.holds]) == ("halted", ["journal"])
        assert (await store.journal_end()).restoring
        assert await restorer.apply(a_reserve("a")) == RESERVED
        await store.end_restore()
        assert await store.apply(a_reserve("a")) == RESERVED
        assert await store.apply(a_fill()) == "parked"
        account = (await store.view(())).account
        assert (account.mode, account.holds) == ("running", ())

    async def test_an_audit_during_a_restore_shows_the_journals_hold(self, store: RestorableStore) -> None:
        await opened(store)
        end = await store.journal_end()
        assert await store.begin_restore(end.ledger_id, end.seq) is not None
        audit = await store.audit()
        assert (audit.view, audit.errors) == (await store.view(), {})
        assert (audit.view.account.mode, [hold.name for hold in audit.view.account.holds]) == ("halted", ["journal"])
        await store.end_restore()
        assert (await store.audit()).view.account.holds == ()

    async def test_a_restore_is_refused_if_the_account_has_moved(self, store: RestorableStore) -> None:
        await opened(store)
        end = await store.journal_end()
        assert await store.begin_restore(end.ledger_id, 0) is None
        assert await store.begin_restore("another", 1) is None
        assert await store.apply(NextNumber(name="ingest")) == 1, "no restore has begun"

    async def test_an_unfinished_restore_is_taken_over(self, store: RestorableStore) -> None:
        await opened(store)
        end = await store.journal_end()
        dead = await store.begin_restore(end.ledger_id, 1)
        alive = await store.begin_restore(end.ledger_id, 1)
        assert dead is not None and alive is not None
        with pytest.raises(StoreUnavailable):
            await dead.apply(NextNumber(name="ingest"))
        assert await alive.apply(NextNumber(name="ingest")) == 1
        await store.end_restore()
        assert await store.apply(NextNumber(name="ingest")) == 2

    async def test_an_empty_account_takes_the_restored_historys_name(self, store: RestorableStore) -> None:
        restorer = await store.begin_restore("of-old", 0)
        assert restorer is not None
        await opened(restorer)
        await store.end_restore()
        assert (await store.journal_end()).ledger_id == "of-old"
        assert [entry.ledger_id for entry in await store.journal()] == ["of-old"]

    async def test_a_trimmed_journal_reports_its_first_entry(self, store: RestorableStore) -> None:
        assert (await store.journal_end()).first_kept == 0
        await opened(store)
        await store.apply(NextNumber(name="ingest"))
        await store.trim_journal(1)
        assert (await store.journal_end()).first_kept == 2
