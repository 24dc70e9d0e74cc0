"""A real server that lost its newest changes, or all, comes back as it was: from the journal beside it."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import signal
from pathlib import Path

import pytest

from support.execution_rig import make_context
from support.journals import LOG
from support.ledger_verbs import a_fill, a_reserve, an_acknowledge
from truebook.bus.memory import MemoryBus
from truebook.clock import ManualClock
from truebook.ledger.bundled import BundledServer, end_server
from truebook.ledger.journal_file import FileJournal
from truebook.ledger.journal_port import JournalMismatch
from truebook.ledger.memory_store import MemoryStore
from truebook.ledger.port import Close, LedgerStore, StoreUnavailable, View
from truebook.ledger.redis_store import RedisStore
from truebook.ledger.restore import replay_into
from truebook_services.reconciler.recovery import recover
from truebook_services.reconciler.relay import Relay

ACCOUNT = "sim-main"
ORDERS = 25
HOLD = ("journal", "halted", "reconciler")


async def trade(ledger: LedgerStore, first: int, count: int) -> None:
    """Some orders with all that becomes of them."""
    for number in range(first, first + count):
        order_id, exchange_id, ticker = f"o{number}", f"x{number}", f"M{number % 3}"
        await ledger.reserve(a_reserve(order_id, ticker=ticker, event=ticker, size_centi=100))
        news = an_acknowledge(order_id, exchange_order_id=exchange_id, ticker=ticker)
        await ledger.acknowledge(news)
        await ledger.settle_fill(a_fill(order_id=exchange_id, ticker=ticker, size_centi=number % 100, fee_micros=7))
        if number % 4:
            await ledger.close(Close(order_id=order_id, exchange_order_id=exchange_id, filled_centi=number % 100))
        if number % 5 == 0:
            await ledger.next_number("ingest-epoch")


async def relay(ledger: RedisStore, journal: FileJournal, keep: int = 1_000) -> None:
    await Relay(make_context("reconciler", ManualClock(), MemoryBus()), ledger, journal, keep=keep).run()


async def wrecked(folder: Path, cut: int | None) -> tuple[int, int]:
    """Cut the stopped server's log at that byte (null: remove all data); answer its size before and after."""
    if cut is None:
        await asyncio.to_thread(shutil.rmtree, folder / "appendonlydir")
        return 0, 0
    log = next((folder / "appendonlydir").glob("*.incr.aof"))
    size = log.stat().st_size
    os.truncate(log, min(cut, size))
    return size, min(cut, size)


async def expected_of(journal: FileJournal, *, held: bool) -> View:
    """What the rules make of the whole journal, with the hold of a restore."""
    ledger = MemoryStore()
    await replay_into(ledger, [entry async for entry in journal.read(0)])
    if held:
        await ledger.hold(*HOLD)
    return await ledger.view()


@pytest.fixture(scope="module")
def traded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the stopped server's data (``ledger``) and the whole journal beside it (``journal.jsonl``)."""
    folder = tmp_path_factory.mktemp("traded")

    async def make() -> None:
        server = await BundledServer.start(folder / "ledger")
        ledger = await RedisStore.connect(server.url, ACCOUNT)
        journal = await FileJournal.open(folder / "journal.jsonl")
        await ledger.open_account(100_000_000, ())
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
async def test_a_server_whose_log_was_cut_anywhere_is_restored(tmp_path: Path, traded: Path, cut: int | None) -> None:
    """At a command's boundary, within a command, within a transaction, before the first command: wherever."""
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
        assert expected.account.conservation_error_micros == 0
        await trade(ledger, ORDERS, 2)
        await relay(ledger, journal)
        assert await ledger.view() == await expected_of(journal, held=False), "the journal goes on where it was"
        await journal.aclose()
        await ledger.aclose()
    finally:
        await server.stop()


async def test_the_cuts_lose_anything_from_little_to_all(tmp_path: Path, traded: Path) -> None:
    """The claim above would be empty if the drawn places all lay behind the log's end."""
    log = next((traded / "ledger" / "appendonlydir").glob("*.incr.aof"))
    within = [cut for cut in CUTS if cut is not None and cut < log.stat().st_size]
    assert len(within) >= 5, log.stat().st_size


async def test_an_old_copy_of_the_folder_is_brought_up_to_date_also_behind_a_trimmed_journal(tmp_path: Path) -> None:
    folder, copy = tmp_path / "ledger", tmp_path / "copy"
    server = await BundledServer.start(folder)
    ledger = await RedisStore.connect(server.url, ACCOUNT)
    journal = await FileJournal.open(tmp_path / "journal.jsonl")
    await ledger.open_account(100_000_000, ())
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
    await old.release(HOLD[0], HOLD[2])
    after = await old.view()
    assert after.markets == before.markets
    assert (after.account.cash_micros, after.account.promised_micros) == (
        before.account.cash_micros, before.account.promised_micros,
    )  # fmt: skip
    await old.aclose()
    await journal.aclose()
    await server.stop()


async def test_a_fence_outlives_the_server_and_the_next_restorer_finishes(tmp_path: Path, traded: Path) -> None:
    folder = tmp_path / "all"
    await asyncio.to_thread(shutil.copytree, traded, folder, ignore=shutil.ignore_patterns("*.sock"))
    await wrecked(folder / "ledger", 20_000)
    server = await BundledServer.start(folder / "ledger")
    ledger = await RedisStore.connect(server.url, ACCOUNT)
    journal = await FileJournal.open(folder / "journal.jsonl")
    end = await ledger.journal_end()
    restorer = await ledger.fence(end.incarnation, end.seq)
    assert restorer is not None
    missing = [entry async for entry in journal.read(end.seq)]
    await replay_into(restorer, missing[: len(missing) // 2], together=7)
    os.kill(server.pid, signal.SIGKILL)
    server = await BundledServer.start(folder / "ledger")
    again = await RedisStore.connect(server.url, ACCOUNT)
    with pytest.raises(StoreUnavailable, match="restored from its journal"):
        await again.next_number("ingest-epoch")
    assert (await again.view(())).account.mode == "halted"
    assert await recover(again, journal, LOG) == len(missing) - len(missing) // 2
    assert await again.view() == await expected_of(journal, held=True)
    for store in (ledger, again):
        await store.aclose()
    await journal.aclose()
    await server.stop()


async def test_a_server_that_went_on_without_its_newest_changes_is_halted(tmp_path: Path, traded: Path) -> None:
    """Somebody traded on the old copy: no program can tell which of both stories is true."""
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
    assert (await ledger.reserve(a_reserve("new", ticker="new"))) == "refused:hold"
    await ledger.aclose()
    await journal.aclose()
    await server.stop()


async def test_a_server_emptied_beside_its_connections_is_restored(tmp_path: Path) -> None:
    """As the operator of a shared server might: the relay finds it within a second."""
    server = await BundledServer.start(tmp_path / "ledger")
    try:
        ledger = await RedisStore.connect(server.url, ACCOUNT)
        journal = await FileJournal.open(tmp_path / "journal.jsonl")
        await ledger.open_account(100_000_000, ())
        await trade(ledger, 0, 5)
        await relay(ledger, journal)
        expected = await expected_of(journal, held=True)
        await ledger._client.flushall()
        await relay(ledger, journal)
        assert await ledger.view() == expected
        again = await RedisStore.connect(server.url, ACCOUNT)
        assert again.incarnation == ledger.incarnation, "and of the same history"
        for store in (ledger, again):
            await store.aclose()
        await journal.aclose()
    finally:
        await asyncio.to_thread(end_server, tmp_path / "ledger")


async def test_calls_made_at_once_by_a_restorer_keep_their_order(store: RedisStore) -> None:
    memory = MemoryStore()
    for ledger in (memory,):
        await ledger.open_account(100_000_000, ())
        await trade(ledger, 0, 120)
    entries = await memory.journal(0, 10_000)
    restorer = await store.fence(memory.incarnation, 0)
    assert restorer is not None
    assert await replay_into(restorer, entries, together=100) == len(entries)
    await store.unfence()
    assert await store.view() == await memory.view()
    assert await store.journal(0, 10_000) == entries
