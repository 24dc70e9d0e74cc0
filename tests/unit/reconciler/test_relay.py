"""The relay copies every entry once and in order, whatever ends it, and bounds the ledger's journal."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import pytest

from support.account_harness import AccountHarness
from support.journals import LOG, entries_of, plain_history, store_with, unhashed
from support.services import Killed, Running, kill_at, make_context, until
from truebook.bus.memory.bus import MemoryBus
from truebook.clock import ManualClock
from truebook.kalshi.port import OutcomeUnknown
from truebook.ledger.journal.file import FileJournal
from truebook.ledger.journal.port import JournalMismatch, JournalUnavailable
from truebook.ledger.memory_store import MemoryStore
from truebook.ledger.port import JournalEntry
from truebook.ledger.rules.ledger import Ledger, replay
from truebook.ledger.verbs import NextNumber
from truebook.messages.envelope import BookSide
from truebook.runtime.context import no_crash
from truebook.venue.account import OrderStatus
from truebook_services.reconciler.compare import compare_exactly
from truebook_services.reconciler.recovery import recover
from truebook_services.reconciler.relay import Relay
from truebook_services.reconciler.service import build
from truebook_services.reconciler.settings import ReconcilerSettings
from truebook_services.reconciler.startup import hold_until_reconciled


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[FileJournal]:
    journal = await FileJournal.open(tmp_path / "journal.jsonl")
    yield journal
    await journal.aclose()


def a_relay(
    store: MemoryStore, journal: FileJournal, *, keep: int = 100, crash: Callable[[str], None] = no_crash,
    invalidate: Callable[[], None] = lambda: None,
) -> Relay:  # fmt: skip
    context = make_context("reconciler", ManualClock(), MemoryBus(), crash=crash)
    return Relay(context, store, journal, keep=keep, invalidate=invalidate)


async def read(journal: FileJournal) -> list[JournalEntry]:
    return [entry async for entry in journal.read(0)]


async def count_to(store: MemoryStore, number: int) -> None:
    while store.ledger.seq < number:
        await store.apply(NextNumber(name="n"))


async def kept_by(store: MemoryStore) -> list[int]:
    return [entry.seq for entry in await store.journal(0, 1_000_000)]


async def test_every_entry_is_copied_once_and_in_order(journal: FileJournal) -> None:
    store = MemoryStore()
    relay = a_relay(store, journal, keep=1_000_000)
    for number in (0, 1, 2, 2, 1_500, 3_700):
        await count_to(store, number)
        await relay.run()
        assert unhashed(await read(journal)) == list(await store.journal(0, 1_000_000))


async def test_the_ledger_keeps_its_newest_and_uncopied_entries(journal: FileJournal) -> None:
    store = MemoryStore()
    relay = a_relay(store, journal, keep=100)
    for number in range(50, 1_050, 50):
        await count_to(store, number)
        await relay.run()
        kept = await kept_by(store)
        assert kept[-1] == number and min(100, number) <= len(kept) <= 110 + 50
        assert len(await read(journal)) == number


async def test_a_kill_after_the_copy_leads_to_no_repetition(tmp_path: Path) -> None:
    store = MemoryStore()
    await count_to(store, 500)
    first = await FileJournal.open(tmp_path / "j")
    with pytest.raises(Killed):
        await a_relay(store, first, crash=kill_at("relayed")).run()
    await first.aclose()
    assert len(await kept_by(store)) == 500, "nothing was trimmed"
    second = await FileJournal.open(tmp_path / "j")
    assert await recover(store, second, LOG) == 0
    await a_relay(store, second).run()
    assert [entry.seq for entry in await read(second)] == list(range(1, 501))
    assert len(await kept_by(store)) == 100
    await second.aclose()


class Failing(FileJournal):
    """Fails the given number of writes."""

    failures = 0

    async def append(self, entries: Sequence[JournalEntry]) -> None:
        if self.failures:
            self.failures -= 1
            raise JournalUnavailable("the disk is full")
        await super().append(entries)


async def test_a_failing_journal_is_neither_trimmed_nor_incomplete(tmp_path: Path) -> None:
    journal = await Failing.open(tmp_path / "j")
    assert isinstance(journal, Failing)
    store = MemoryStore()
    relay = a_relay(store, journal)
    journal.failures = 2
    await count_to(store, 700)
    for _ in range(2):
        with pytest.raises(JournalUnavailable):
            await relay.run()
        assert len(await kept_by(store)) == 700
    await relay.run()
    assert len(await read(journal)) == 700
    await journal.aclose()


async def test_an_outage_at_the_end_is_left_to_the_next_start(tmp_path: Path) -> None:
    journal = await Failing.open(tmp_path / "j")
    assert isinstance(journal, Failing)
    store = MemoryStore()
    await count_to(store, 3)
    journal.failures = 1
    await a_relay(store, journal).finish()
    assert await read(journal) == []
    await a_relay(store, journal).finish()
    assert len(await read(journal)) == 3
    await journal.aclose()


@pytest.mark.parametrize("left", [0, 4])
async def test_a_ledger_that_loses_changes_while_running_is_restored(journal: FileJournal, left: int) -> None:
    invalidated: list[bool] = []
    entries = entries_of(plain_history())
    store = store_with(entries)
    relay = a_relay(store, journal, invalidate=lambda: invalidated.append(True))
    await relay.run()
    assert invalidated == []
    store.ledger = replay(entries[:left], Ledger(entries[0].ledger_id))
    await relay.run()
    assert invalidated == [True]
    view = await store.view()
    assert (view.account.ledger_seq, view.account.mode) == (len(entries) + 1, "halted")
    await relay.run()
    assert journal.tail is not None and journal.tail.verb == "hold"


async def test_a_ledger_that_diverges_while_running_is_halted(journal: FileJournal) -> None:
    entries = entries_of(plain_history())
    store = store_with(entries)
    relay = a_relay(store, journal)
    await relay.run()
    store.ledger = replay(entries[:4], Ledger(entries[0].ledger_id))
    await count_to(store, len(entries) + 5)
    with pytest.raises(JournalMismatch):
        await relay.run()
    assert (await store.view(())).account.mode == "halted"
    with pytest.raises(JournalMismatch):
        await relay.run()


class JournalHarness(AccountHarness):
    """The reconciler with a journal."""

    async def start(self, journal: FileJournal, settings: ReconcilerSettings | None = None) -> Running:
        context = make_context("reconciler", self.clock, self.bus)
        await recover(self.ledger, journal, context.log)
        await hold_until_reconciled(self.ledger)
        service = build(
            context, settings or ReconcilerSettings(), rest=self.exchange, ledger=self.ledger, journal=journal
        )
        running = Running(service)
        self.started.append(running)
        return running


async def test_the_reconciler_relays_every_second_and_at_its_end(journal: FileJournal) -> None:
    async with JournalHarness() as rig:
        running = await rig.start(journal)
        await until(lambda: "reconciliation" not in rig.holds(), "the first reconciliation")
        await rig.manual.advance(1.0)
        await until(lambda: journal.tail and journal.tail.seq == rig.ledger.ledger.seq, "the copy")
        await rig.ledger.apply(NextNumber(name="late"))
        await running.stop()
        assert journal.tail is not None and journal.tail.verb == "next_number"


async def test_after_a_restore_trading_waits_for_a_full_reconciliation(journal: FileJournal) -> None:
    """Entries missing in the backup are replayed; what was not relayed before the loss is found at the exchange."""
    async with JournalHarness() as rig:
        running = await rig.start(journal)
        await until(lambda: "reconciliation" not in rig.holds(), "the first reconciliation")
        backup = list(await rig.ledger.journal(0, 1_000))
        order_id, exchange_id = await rig.place()
        await running.stop()
        rig.exchange.trade("M", BookSide.ASK, 4000, 1000)
        rig.ledger.ledger = replay(backup, Ledger("account"))
        assert await rig.ledger.order(order_id) is None
        rig.exchange.fail("positions", OutcomeUnknown("timed out"))
        again = await rig.start(journal)
        assert {"journal", "reconciliation"} <= rig.holds()
        assert await rig.state(order_id) == "reserved", "replayed"
        await rig.manual.advance(10)
        await until(lambda: rig.holds() == set(), "both holds released")
        assert (rig.position(), await rig.state(order_id)) == (1000, "terminal")
        order = await rig.ledger.order_of_exchange_id(exchange_id)
        assert order is not None and order.order_id == order_id
        await again.stop()


@pytest.mark.parametrize("filled", [False, True])
async def test_an_order_lost_with_the_ledger_is_cancelled_and_recorded(journal: FileJournal, filled: bool) -> None:
    """Neither the backup nor the journal has it: it is found at the exchange and explained by the restore."""
    async with JournalHarness() as rig:
        running = await rig.start(journal)
        await until(lambda: "reconciliation" not in rig.holds(), "the first reconciliation")
        backup = list(await rig.ledger.journal(0, 1_000))
        await rig.ledger.apply(NextNumber(name="ingest-epoch"))
        await running.stop()
        order_id, _ = await rig.place()
        if filled:
            rig.exchange.trade("M", BookSide.ASK, 4000, 400)
        rig.ledger.ledger = replay(backup, Ledger("account"))
        rig.exchange.fail("cancel_order", OutcomeUnknown("timed out"))
        again = await rig.start(journal)
        await rig.manual.advance(10)
        await until(lambda: rig.holds() == set(), "trading released")
        assert (await rig.state(order_id), rig.position()) == ("foreign", 400 if filled else 0)
        assert rig.exchange.own(OrderStatus.RESTING) == []
        assert await compare_exactly(rig.exchange, rig.ledger) == ()
        view = await rig.view()
        account = view.account
        assert (view.conservation_error_micros, account.adjustments_micros, account.parked) == (0, 0, 0)
        another, _ = await rig.place()
        del rig.ledger.ledger.state.orders[another]
        rig.ledger.ledger.state.markets["M"].open.remove(another)
        await rig.manual.advance(10)
        await until(lambda: "unknown_own_order" in rig.holds(), "the next one comes from another ledger")
        await again.stop()
