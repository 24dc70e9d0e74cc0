"""A ledger that lost its newest changes is brought up to its journal; one that tells another story is halted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.journals import INCARNATION, LOG, entries_of, numbered, plain_history, store_with
from support.ledger_verbs import opens, verbs
from truebook.ledger.journal_file import FileJournal
from truebook.ledger.journal_port import JournalMismatch
from truebook.ledger.memory_store import MemoryStore
from truebook.ledger.port import JournalEntry, LedgerStore, StoreUnavailable
from truebook.ledger.rules import Ledger, replay
from truebook.ledger.rules_view import FENCE
from truebook.ledger.verbs import Arguments, Hold, NextNumber, Release
from truebook_services.reconciler.recovery import recover

HISTORY = entries_of(plain_history())
HOLD = Hold(name="journal", mode="halted", owner="reconciler")


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("recovery")


async def journal_of(path: Path, entries: list[JournalEntry]) -> FileJournal:
    await asyncio.to_thread(path.unlink, missing_ok=True)
    journal = await FileJournal.open(path)
    await journal.append(entries)
    return journal


def plain(ledger: Ledger) -> str:
    """All that a ledger remembers but its journal, to be compared."""
    state = dict(vars(ledger.state))
    return f"{ledger.incarnation} {ledger.seq} {sorted(state.items())}"


@given(
    history=st.tuples(opens, st.lists(verbs, max_size=25)).map(lambda drawn: [drawn[0], *drawn[1]]),
    kept=st.floats(0, 1),
    copied=st.floats(0, 1),
)
@settings(deadline=None, max_examples=150)
async def test_any_part_of_a_history_with_any_journal_of_it_becomes_the_longer_of_both(
    folder: Path, history: list[Arguments], kept: float, copied: float
) -> None:
    entries = entries_of(history)
    here, there = round(kept * len(entries)), round(copied * len(entries))
    store = store_with(entries[:here], INCARNATION if here else "emptied")
    journal = await journal_of(folder / "j", entries[:there])
    replayed = await recover(store, journal, LOG)
    await journal.aclose()
    assert replayed == max(0, there - here)
    expected = replay(entries[: max(here, there)], Ledger(INCARNATION if here or there else "emptied"))
    if replayed:
        expected.apply(HOLD)
    assert plain(store.ledger) == plain(expected)
    assert store.ledger.view() == expected.view()
    assert not (await store.journal_end()).fenced
    journal = await FileJournal.open(folder / "j")
    assert await recover(store, journal, LOG) == 0, "once is enough"
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
    assert FENCE in (await store.view(())).account.holds
    assert (await store.view(())).account.mode == "halted"
    assert await store.release(FENCE.name, FENCE.owner) == "released"
    await journal.aclose()


ANOTHER = entries_of([*plain_history()[:6], NextNumber(name="other"), Release(name="x", owner="y"), HOLD])


@pytest.mark.parametrize(
    ("ledger", "journal", "told"),
    [
        (ANOTHER, HISTORY, "differ at entry 7"),  # forked, and behind
        (ANOTHER, HISTORY[:7], "differ at entry 7"),  # forked, and ahead
        (HISTORY[:9], ANOTHER, "differ at entry 7"),
        (entries_of(plain_history(), "second-life"), HISTORY, "another history"),
        (entries_of(plain_history()[:2], "second-life"), HISTORY, "another history"),
    ],
)
async def test_another_story_is_halted_and_left_as_it_is(
    tmp_path: Path, ledger: list[JournalEntry], journal: list[JournalEntry], told: str
) -> None:
    store = store_with(ledger, ledger[0].incarnation)
    copy = await journal_of(tmp_path / "j", journal)
    for _ in range(2):  # the next start finds it again
        with pytest.raises(JournalMismatch, match=told):
            await recover(store, copy, LOG)
    await copy.aclose()
    assert store.ledger.state.mode == "halted" or (await store.journal_end()).fenced
    assert (await store.view(())).account.mode == "halted"
    money = replay(ledger, Ledger(ledger[0].incarnation)).view(())
    assert (await store.view(())).account.cash_micros == money.account.cash_micros


async def test_a_journal_that_begins_later_can_not_restore_an_emptied_ledger(tmp_path: Path) -> None:
    journal = await journal_of(tmp_path / "j", HISTORY[4:])
    with pytest.raises(JournalMismatch, match="entry 1 is missing: found 5"):
        await recover(MemoryStore(), journal, LOG)
    store = store_with(HISTORY[:6])
    await store.trim_journal(4)
    assert await recover(store, journal, LOG) == 4, "but one that is behind by less"
    assert await recover(store_with(HISTORY[:6]), journal, LOG) == 4, "be its own journal longer or not"
    assert await recover(store_with(HISTORY), journal, LOG) == 0
    await journal.aclose()


async def test_an_entry_that_the_ledger_answers_otherwise_halts_it_for_good(tmp_path: Path) -> None:
    """A journal that does not fit these rules: what was replayed of it can't be trusted, so nobody trades on it."""
    wrong = [*HISTORY[:2], *numbered(3, first=3)]
    journal = await journal_of(tmp_path / "j", wrong)
    store = store_with(HISTORY[:2])
    with pytest.raises(JournalMismatch, match=r"entry 4.*answers 2, recorded 4|entry 3.*answers 1, recorded 3"):
        await recover(store, journal, LOG)
    with pytest.raises(StoreUnavailable):
        await store.next_number("n")
    with pytest.raises(JournalMismatch):
        await recover(store, journal, LOG)
    await journal.aclose()


class Restless(MemoryStore):
    """Somebody writes between each comparison and the fence that follows it."""

    def __init__(self, entries: list[JournalEntry], times: int) -> None:
        super().__init__(INCARNATION)
        self.ledger = replay(entries, Ledger(INCARNATION))
        self.times = times

    async def fence(self, incarnation: str, seq: int) -> LedgerStore | None:
        if self.times:
            self.times -= 1
            entry = HISTORY[seq]
            self.ledger = replay([entry], self.ledger)
        return await super().fence(incarnation, seq)


async def test_who_writes_while_it_is_compared_is_noticed(tmp_path: Path) -> None:
    journal = await journal_of(tmp_path / "j", HISTORY)
    assert await recover(Restless(HISTORY[:2], times=2), journal, LOG) == 6
    with pytest.raises(StoreUnavailable, match="stop the other services"):
        await recover(Restless(HISTORY[:2], times=5), journal, LOG)
    await journal.aclose()


class Dying(FileJournal):
    """Its reader dies after so many entries of a replay; the comparison before it begins with the first entry."""

    left = 0

    async def read(self, after_seq: int) -> AsyncIterator[JournalEntry]:
        async for entry in super().read(after_seq):
            yield entry
            self.left -= after_seq > 0
            if after_seq and self.left == 0:
                raise KeyboardInterrupt


@pytest.mark.parametrize("left", [1, 4, 7, 100])
async def test_a_restore_that_was_killed_half_way_is_taken_up_by_the_next(tmp_path: Path, left: int) -> None:
    await (await journal_of(tmp_path / "j", HISTORY)).aclose()
    journal = await Dying.open(tmp_path / "j")
    assert isinstance(journal, Dying)
    journal.left = left
    store = store_with(HISTORY[:3])
    if left < len(HISTORY):
        with pytest.raises(KeyboardInterrupt):
            await recover(store, journal, LOG)
        assert (await store.journal_end()).fenced
        with pytest.raises(StoreUnavailable):
            await store.next_number("n")
    await recover(store, journal, LOG)
    assert store.ledger.seq == len(HISTORY) + 1
    assert not (await store.journal_end()).fenced
    await journal.aclose()


@pytest.mark.parametrize("held", [False, True])
async def test_one_killed_between_the_last_entry_and_the_opening_is_finished(tmp_path: Path, held: bool) -> None:
    journal = await journal_of(tmp_path / "j", HISTORY)
    store = store_with(HISTORY)
    restorer = await store.fence(INCARNATION, len(HISTORY))
    assert restorer is not None
    if held:
        await restorer.hold(HOLD.name, HOLD.mode, HOLD.owner)
    assert await recover(store, journal, LOG) == 0
    assert FENCE in (await store.view(())).account.holds
    assert await store.next_number("n") == 1
    await journal.aclose()
