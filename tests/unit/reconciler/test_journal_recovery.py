"""A ledger that lost its newest changes is restored from its journal; a diverged one is halted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.journals import LEDGER_ID, LOG, entries_of, numbered, plain_history, store_with
from support.ledger_verbs import AnyVerb, opens, verbs
from truebook.ledger.journal.file import FileJournal
from truebook.ledger.journal.port import JournalMismatch
from truebook.ledger.memory_store import MemoryStore
from truebook.ledger.port import HoldView, JournalEntry, LedgerStore, StoreUnavailable
from truebook.ledger.rules.ledger import Ledger, replay
from truebook.ledger.trading_holds import JOURNAL
from truebook.ledger.verbs import Hold, Mode, NextNumber, Release
from truebook_services.reconciler.recovery import recover

HISTORY = entries_of(plain_history())
HOLD = JOURNAL.place()
SHOWN_HOLD = HoldView(name="journal", mode=Mode.HALTED, owner="reconciler")


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("recovery")


async def journal_of(path: Path, entries: list[JournalEntry]) -> FileJournal:
    await asyncio.to_thread(path.unlink, missing_ok=True)
    journal = await FileJournal.open(path)
    await journal.append(entries)
    return journal


def plain(ledger: Ledger) -> str:
    """The state of a ledger without its journal, for comparisons."""
    state = msgspec.structs.asdict(ledger.state)
    return f"{ledger.ledger_id} {ledger.seq} {sorted(state.items())}"


@given(
    history=st.tuples(opens, st.lists(verbs, max_size=25)).map(lambda drawn: [drawn[0], *drawn[1]]),
    kept=st.floats(0, 1),
    copied=st.floats(0, 1),
)
@settings(deadline=None, max_examples=150)
async def test_any_two_parts_of_a_history_become_the_longer_one(
    folder: Path, history: list[AnyVerb], kept: float, copied: float
) -> None:
    entries = entries_of(history)
    here, there = round(kept * len(entries)), round(copied * len(entries))
    store = store_with(entries[:here], LEDGER_ID if here else "emptied")
    journal = await journal_of(folder / "j", entries[:there])
    replayed = await recover(store, journal, LOG)
    await journal.aclose()
    assert replayed == max(0, there - here)
    expected = replay(entries[: max(here, there)], Ledger(LEDGER_ID if here or there else "emptied"))
    if replayed:
        expected.apply(HOLD)
    assert plain(store.ledger) == plain(expected)
    assert store.ledger.view() == expected.view()
    assert not (await store.journal_end()).restoring
    journal = await FileJournal.open(folder / "j")
    assert await recover(store, journal, LOG) == 0, "the second time nothing is replayed"
    await journal.aclose()


@pytest.mark.parametrize("trimmed", [2, 5, 6])
async def test_a_trimmed_ledger_is_compared_by_what_it_kept(tmp_path: Path, trimmed: int) -> None:
    journal = await journal_of(tmp_path / "j", HISTORY)
    store = store_with(HISTORY[:7])
    await store.trim_journal(trimmed)
    assert await recover(store, journal, LOG) == 3
    store = store_with(HISTORY)
    await store.trim_journal(trimmed)
    assert await recover(store, journal, LOG) == 0
    await journal.aclose()


async def test_the_hold_stays_until_the_reconciler_releases_it(tmp_path: Path) -> None:
    store = store_with(HISTORY[:3])
    journal = await journal_of(tmp_path / "j", HISTORY)
    await recover(store, journal, LOG)
    assert SHOWN_HOLD in (await store.view(())).account.holds
    assert (await store.view(())).account.mode == "halted"
    assert await store.apply(Release(name=JOURNAL.name, owner=JOURNAL.owner)) == "released"
    await journal.aclose()


ANOTHER = entries_of([*plain_history()[:6], NextNumber(name="other"), Release(name="x", owner="y"), HOLD])


@pytest.mark.parametrize(
    ("ledger", "journal", "message"),
    [
        (ANOTHER, HISTORY, "differ at entry 7"),  # forked, and behind
        (ANOTHER, HISTORY[:7], "differ at entry 7"),  # forked, and ahead
        (HISTORY[:9], ANOTHER, "differ at entry 7"),
        (entries_of(plain_history(), "second"), HISTORY, "another history"),
        (entries_of(plain_history()[:2], "second"), HISTORY, "another history"),
    ],
)
async def test_a_diverged_ledger_is_halted_and_left_unchanged(
    tmp_path: Path, ledger: list[JournalEntry], journal: list[JournalEntry], message: str
) -> None:
    store = store_with(ledger, ledger[0].ledger_id)
    copy = await journal_of(tmp_path / "j", journal)
    for _ in range(2):  # also at the next start
        with pytest.raises(JournalMismatch, match=message):
            await recover(store, copy, LOG)
    await copy.aclose()
    assert store.ledger.state.mode() == "halted" or (await store.journal_end()).restoring
    assert (await store.view(())).account.mode == "halted"
    money = replay(ledger, Ledger(ledger[0].ledger_id)).view(())
    assert (await store.view(())).account.cash_micros == money.account.cash_micros


async def test_a_journal_without_its_start_cannot_restore_all(tmp_path: Path) -> None:
    journal = await journal_of(tmp_path / "j", HISTORY[4:])
    with pytest.raises(JournalMismatch, match="entry 1 is missing: found 5"):
        await recover(MemoryStore(), journal, LOG)
    store = store_with(HISTORY[:6])
    await store.trim_journal(4)
    assert await recover(store, journal, LOG) == 4, "one that is less far behind can be restored"
    assert await recover(store_with(HISTORY[:6]), journal, LOG) == 4, "whether its own journal is longer or not"
    assert await recover(store_with(HISTORY), journal, LOG) == 0
    await journal.aclose()


async def test_an_entry_with_another_result_locks_the_ledger(tmp_path: Path) -> None:
    """The journal does not fit the rules, so the replayed state may be wrong and stays locked."""
    wrong = [*HISTORY[:2], *numbered(3, first=3)]
    journal = await journal_of(tmp_path / "j", wrong)
    store = store_with(HISTORY[:2])
    with pytest.raises(JournalMismatch, match=r"entry 4.*returned 2, recorded 4|entry 3.*returned 1, recorded 3"):
        await recover(store, journal, LOG)
    with pytest.raises(StoreUnavailable):
        await store.apply(NextNumber(name="n"))
    with pytest.raises(JournalMismatch):
        await recover(store, journal, LOG)
    await journal.aclose()


class ConcurrentWriter(MemoryStore):
    """Another process writes between a comparison and the lock that follows it."""

    def __init__(self, entries: list[JournalEntry], times: int) -> None:
        super().__init__(LEDGER_ID)
        self.ledger = replay(entries, Ledger(LEDGER_ID))
        self.times = times

    async def begin_restore(self, ledger_id: str, seq: int) -> LedgerStore | None:
        if self.times:
            self.times -= 1
            entry = HISTORY[seq]
            self.ledger = replay([entry], self.ledger)
        return await super().begin_restore(ledger_id, seq)


async def test_a_write_during_the_comparison_is_detected(tmp_path: Path) -> None:
    journal = await journal_of(tmp_path / "j", HISTORY)
    assert await recover(ConcurrentWriter(HISTORY[:2], times=2), journal, LOG) == 6
    with pytest.raises(StoreUnavailable, match="stop the other services"):
        await recover(ConcurrentWriter(HISTORY[:2], times=5), journal, LOG)
    await journal.aclose()


class KilledReader(FileJournal):
    """Its reader is killed after ``left`` entries of a replay; the comparison before starts at the first entry."""

    left = 0

    async def read(self, after_seq: int) -> AsyncIterator[JournalEntry]:
        async for entry in super().read(after_seq):
            yield entry
            self.left -= after_seq > 0
            if after_seq and self.left == 0:
                raise KeyboardInterrupt


@pytest.mark.parametrize("left", [1, 4, 7, 100])
async def test_a_killed_restore_is_completed_by_the_next(tmp_path: Path, left: int) -> None:
    await (await journal_of(tmp_path / "j", HISTORY)).aclose()
    journal = await KilledReader.open(tmp_path / "j")
    assert isinstance(journal, KilledReader)
    journal.left = left
    store = store_with(HISTORY[:3])
    if left < len(HISTORY):
        with pytest.raises(KeyboardInterrupt):
            await recover(store, journal, LOG)
        assert (await store.journal_end()).restoring
        with pytest.raises(StoreUnavailable):
            await store.apply(NextNumber(name="n"))
    await recover(store, journal, LOG)
    assert store.ledger.seq == len(HISTORY) + 1
    assert not (await store.journal_end()).restoring
    await journal.aclose()


@pytest.mark.parametrize("held", [False, True])
async def test_a_restore_killed_before_its_end_is_completed(tmp_path: Path, held: bool) -> None:
    journal = await journal_of(tmp_path / "j", HISTORY)
    store = store_with(HISTORY)
    restorer = await store.begin_restore(LEDGER_ID, len(HISTORY))
    assert restorer is not None
    if held:
        await restorer.apply(Hold(name=HOLD.name, mode=HOLD.mode, owner=HOLD.owner))
    assert await recover(store, journal, LOG) == 0
    assert SHOWN_HOLD in (await store.view(())).account.holds
    assert await store.apply(NextNumber(name="n")) == 1
    await journal.aclose()
