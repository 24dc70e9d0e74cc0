"""A real server that lost its newest changes, or all, is restored from its journal."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
from pathlib import Path

import pytest

from support.journals import LOG
from support.ledger_verbs import a_fill, a_reserve, an_acknowledge
from support.services import make_context
from truebook.bus.memory.bus import MemoryBus
from truebook.clock import ManualClock
from truebook.ledger.journal.file import FileJournal
from truebook.ledger.journal.port import JournalMismatch
from truebook.ledger.journal.restore import replay_into
from truebook.ledger.journal.upkeep import JournalUpkeep, Retention
from truebook.ledger.memory_store import MemoryStore
from truebook.ledger.port import LedgerStore, LedgerView, StoreUnavailable
from truebook.ledger.redis.bundled import BundledServer, end_server
from truebook.ledger.redis.store import RedisStore
from truebook.ledger.trading_holds import JOURNAL
from truebook.ledger.verbs import Close, NextNumber, OpenAccount, ReserveResult
from truebook.messages.reasons import Reason
from truebook_services.reconciler.recovery import recover
from truebook_services.reconciler.relay import Relay

ACCOUNT = "sim-main"
ORDERS = 25


async def trade(ledger: LedgerStore, first: int, count: int) -> None:
    """Trade some orders to their ends."""
    for number in range(first, first + count):
        order_id, exchange_id, ticker = f"o{number}", f"x{number}", f"M{number % 3}"
        await ledger.apply(a_reserve(order_id, ticker=ticker, event=ticker, size_centi=100))
        report = an_acknowledge(order_id, exchange_order_id=exchange_id, ticker=ticker)
        await ledger.apply(report)
        await ledger.apply(a_fill(order_id=exchange_id, ticker=ticker, size_centi=number % 100, fee_micros=7))
        if number % 4:
            await ledger.apply(Close(order_id=order_id, exchange_order_id=exchange_id, filled_centi=number % 100))
        if number % 5 == 0:
            await ledger.apply(NextNumber(name="ingest-epoch"))


async def relay(ledger: RedisStore, journal: FileJournal, keep: int = 1_000) -> None:
    await Relay(make_context("reconciler", ManualClock(), MemoryBus()), ledger, journal, keep=keep).run()


async def wrecked(folder: Path, cut: int | None) -> tuple[int, int]:
    """Cut the stopped server's log at that byte (None: remove all data); return its size before and after."""
    if cut is None:
        await asyncio.to_thread(shutil.rmtree, folder / "appendonlydir")
        return 0, 0
    log = next((folder / "appendonlydir").glob("*.incr.aof"))
    size = log.stat().st_size
    os.truncate(log, min(cut, size))
    return size, min(cut, size)


async def expected_of(journal: FileJournal, *, held: bool) -> LedgerView:
    """Return the state by the rules of the whole journal, with the hold of a restore."""
    ledger = MemoryStore()
    await replay_into(ledger, [entry async for entry in journal.read(0)])
    if held:
        await ledger.apply(JOURNAL.place())
    return await ledger.view()


@pytest.fixture(scope="module")
def traded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the stopped server's data (``ledger``) and the whole journal beside it (``journal.jsonl``)."""
    folder = tmp_path_factory.mktemp("traded")

    async def make() -> None:
        server = await BundledServer.start(folder / "ledger")
        ledger = await RedisStore.connect(server.url, ACCOUNT)
        journal = await FileJournal.open(folder / "journal.jsonl")
        await ledger.apply(OpenAccount(balance_micros=100_000_000))
        for first in range(0, ORDERS, 5):
            await trade(ledger, first, 5)
            await relay(ledger, journal)
        await journal.aclose()
        await ledger.aclose()
        await server.stop()

    asyncio.run(make())
    return folder


CUTS = [None, 0, *random.Random(5).sample(range(1, 60_000), 6)]


@pytest.mark.parametrize("cut", CUTS)
async def test_a_server_with_a_cut_log_is_restored(tmp_path: Path, traded: Path, cut: int | None) -> None:
    """At a command's boundary, within a command, within a transaction, or before the first command."""
    folder = tmp_path / "all"
    await asyncio.to_thread(shutil.copytree, traded, folder, ignore=shutil.ignore_patterns("*.sock"))
    await wrecked(folder / "ledger", cut)
    server = await BundledServer.start(folder / "ledger")
    try:
        ledger = await RedisStore.connect(server.url, ACCOUNT)
        journal = await FileJournal.open(folder / "journal.jsonl")
        assert journal.tail is not None
        lost = journal.tail.seq - (await ledger.view(())).account.ledger_seq
        expected = await expected_of(journal, held=lost > 0)
        assert await recover(ledger, journal, LOG) == lost
        assert await ledger.view() == expected
        assert expected.conservation_error_micros == 0
        await trade(ledger, ORDERS, 2)
        await relay(ledger, journal)
        assert await ledger.view() == await expected_of(journal, held=False), "the journal continues"
        await journal.aclose()
        await ledger.aclose()
    finally:
        await server.stop()


async def test_the_cuts_lose_between_a_few_and_all_entries(tmp_path: Path, traded: Path) -> None:
    """The test above would prove nothing if all cuts were beyond the log's end."""
    log = next((traded / "ledger" / "appendonlydir").glob("*.incr.aof"))
    within = [cut for cut in CUTS if cut is not None and cut < log.stat().st_size]
    assert len(within) >= 5, log.stat().st_size


async def test_an_old_copy_of_the_folder_is_restored(tmp_path: Path) -> None:
    folder, copy = tmp_path / "ledger", tmp_path / "copy"
    server = await BundledServer.start(folder)
    ledger = await RedisStore.connect(server.url, ACCOUNT)
    journal = await FileJournal.open(tmp_path / "journal.jsonl")
    await ledger.apply(OpenAccount(balance_micros=100_000_000))
    await trade(ledger, 0, 10)
    await relay(ledger, journal, keep=5)
    assert (await ledger.journal_end()).first_kept > 20
    await ledger.aclose()
    await server.stop()
    await asyncio.to_thread(shutil.copytree, folder, copy, ignore=shutil.ignore_patterns("*.sock"))
    server = await BundledServer.start(folder)
    ledger = await RedisStore.connect(server.url, ACCOUNT)
    await trade(ledger, 10, 10)
    await relay(ledger, journal, keep=5)
    before = await ledger.view()
    await ledger.aclose()
    await server.stop()

    server = await BundledServer.start(copy)
    old = await RedisStore.connect(server.url, ACCOUNT)
    assert await recover(old, journal, LOG) > 30
    await old.apply(JOURNAL.release())
    after = await old.view()
    assert after.markets == before.markets
    assert (after.account.cash_micros, after.account.reserved_micros) == (
        before.account.cash_micros, before.account.reserved_micros,
    )  # fmt: skip
    await old.aclose()
    await journal.aclose()
    await server.stop()


async def test_the_next_restorer_finishes_an_interrupted_restore(tmp_path: Path, traded: Path) -> None:
    folder = tmp_path / "all"
    await asyncio.to_thread(shutil.copytree, traded, folder, ignore=shutil.ignore_patterns("*.sock"))
    await wrecked(folder / "ledger", 20_000)
    server = await BundledServer.start(folder / "ledger")
    ledger = await RedisStore.connect(server.url, ACCOUNT)
    journal = await FileJournal.open(folder / "journal.jsonl")
    end = await ledger.journal_end()
    restorer = await ledger.begin_restore(end.ledger_id, end.seq)
    assert restorer is not None
    missing = [entry async for entry in journal.read(end.seq)]
    await replay_into(restorer, missing[: len(missing) // 2], batch=7)
    os.kill(server.pid, signal.SIGKILL)
    server = await BundledServer.start(folder / "ledger")
    again = await RedisStore.connect(server.url, ACCOUNT)
    with pytest.raises(StoreUnavailable, match="restored from its journal"):
        await again.apply(NextNumber(name="ingest-epoch"))
    assert (await again.view(())).account.mode == "halted"
    assert await recover(again, journal, LOG) == len(missing) - len(missing) // 2
    assert await again.view() == await expected_of(journal, held=True)
    for store in (ledger, again):
        await store.aclose()
    await journal.aclose()
    await server.stop()


async def test_a_server_that_continued_after_a_loss_is_halted(tmp_path: Path, traded: Path) -> None:
    """The old copy was traded on: no program can decide which of both histories is right."""
    folder = tmp_path / "all"
    await asyncio.to_thread(shutil.copytree, traded, folder, ignore=shutil.ignore_patterns("*.sock"))
    await wrecked(folder / "ledger", 20_000)
    server = await BundledServer.start(folder / "ledger")
    ledger = await RedisStore.connect(server.url, ACCOUNT)
    journal = await FileJournal.open(folder / "journal.jsonl")
    await trade(ledger, 100, 3)
    with pytest.raises(JournalMismatch, match="differ at entry"):
        await recover(ledger, journal, LOG)
    assert (await ledger.view(())).account.mode == "halted"
    assert (await ledger.apply(a_reserve("new", ticker="new"))) == ReserveResult.refused(Reason.HOLD)
    await ledger.aclose()
    await journal.aclose()
    await server.stop()


async def test_a_server_emptied_while_connected_is_restored(tmp_path: Path) -> None:
    """As an operator of a shared server might do: the relay detects it within a second."""
    server = await BundledServer.start(tmp_path / "ledger")
    try:
        ledger = await RedisStore.connect(server.url, ACCOUNT)
        journal = await FileJournal.open(tmp_path / "journal.jsonl")
        await ledger.apply(OpenAccount(balance_micros=100_000_000))
        await trade(ledger, 0, 5)
        await relay(ledger, journal)
        expected = await expected_of(journal, held=True)
        await ledger._client.flushall()
        await relay(ledger, journal)
        assert await ledger.view() == expected
        again = await RedisStore.connect(server.url, ACCOUNT)
        assert again.ledger_id == ledger.ledger_id, "and of the same history"
        for store in (ledger, again):
            await store.aclose()
        await journal.aclose()
    finally:
        await asyncio.to_thread(end_server, tmp_path / "ledger")


async def test_concurrent_calls_of_a_restorer_keep_their_order(store: RedisStore) -> None:
    memory = MemoryStore()
    for ledger in (memory,):
        await ledger.apply(OpenAccount(balance_micros=100_000_000))
        await trade(ledger, 0, 120)
    entries = await memory.journal(0, 10_000)
    restorer = await store.begin_restore(memory.ledger_id, 0)
    assert restorer is not None
    assert await replay_into(restorer, entries, batch=100) == len(entries)
    await store.end_restore()
    assert await store.view() == await memory.view()
    assert await store.journal(0, 10_000) == entries


async def anchored(folder: Path) -> FileJournal:
    """A journal whose first entries are removed, behind an anchor."""
    journal = await FileJournal.open(folder / "journal.jsonl")
    trimmed = await FileJournal.open(folder / "trimmed.jsonl", segment_bytes=4_000)
    async for entry in journal.read(0):
        await trimmed.append([entry])
    await journal.aclose()
    await JournalUpkeep(trimmed, Retention(max_bytes=0, max_days=30), LOG, lambda: 0).run()
    assert trimmed.open_after_seq > 50 and not trimmed.segments.closed()
    return trimmed


@pytest.mark.parametrize("cut", [None, 20_000])
async def test_a_server_is_restored_from_an_anchor(tmp_path: Path, traded: Path, cut: int | None) -> None:
    """The entries that it lacks are no longer in the journal's files."""
    folder = tmp_path / "all"
    await asyncio.to_thread(shutil.copytree, traded, folder, ignore=shutil.ignore_patterns("*.sock"))
    whole = await FileJournal.open(folder / "journal.jsonl")
    expected = await expected_of(whole, held=True)
    await whole.aclose()
    journal = await anchored(folder)
    await wrecked(folder / "ledger", cut)
    server = await BundledServer.start(folder / "ledger")
    try:
        ledger = await RedisStore.connect(server.url, ACCOUNT)
        assert (await ledger.view(())).account.ledger_seq < journal.open_after_seq
        await recover(ledger, journal, LOG)
        assert await ledger.view() == expected
        assert (await ledger.audit()).errors == {}
        await trade(ledger, ORDERS, 2)
        await relay(ledger, journal)
        await ledger.aclose()
    finally:
        await journal.aclose()
        await server.stop()


async def test_a_load_that_was_interrupted_is_done_again(
    tmp_path: Path, traded: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The account counts as empty until all of the anchor is written."""
    folder = tmp_path / "all"
    await asyncio.to_thread(shutil.copytree, traded, folder, ignore=shutil.ignore_patterns("*.sock"))
    whole = await FileJournal.open(folder / "journal.jsonl")
    expected = await expected_of(whole, held=True)
    await whole.aclose()
    journal = await anchored(folder)
    await wrecked(folder / "ledger", 20_000)
    server = await BundledServer.start(folder / "ledger")
    try:
        ledger = await RedisStore.connect(server.url, ACCOUNT)

        def interrupted(*_: object) -> dict[str, str]:
            raise KeyboardInterrupt

        monkeypatch.setattr("truebook.ledger.redis.loading._account", interrupted)
        with pytest.raises(KeyboardInterrupt):
            await recover(ledger, journal, LOG)
        monkeypatch.undo()
        await ledger.aclose()
        os.kill(server.pid, signal.SIGKILL)
        server = await BundledServer.start(folder / "ledger")
        ledger = await RedisStore.connect(server.url, ACCOUNT)
        assert (await ledger.view(())).account.mode == "halted"
        await recover(ledger, journal, LOG)
        assert await ledger.view() == expected
        await ledger.aclose()
    finally:
        await journal.aclose()
        await server.stop()
