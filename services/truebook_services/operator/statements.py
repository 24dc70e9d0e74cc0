"""Where a backend reads the journal from for a statement: its files, its files beside a running system, or its topic.

Making a statement keeps a core busy for seconds on a busy day. A process that trades makes it in another process.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn

import msgspec

from truebook.clock import MICROS
from truebook.ledger.journal.anchors import anchors_of, ledger_at, load_anchor
from truebook.ledger.journal.chain import ChainBroken
from truebook.ledger.journal.port import JournalCorrupt
from truebook.ledger.journal.reading import SegmentReader
from truebook.ledger.port import JournalEntry, LedgerError, StoreCorrupt
from truebook.ledger.rules.ledger import Ledger
from truebook.ledger.valuation import Books
from truebook.runtime.context import Context
from truebook.runtime.settings import TruebookSettings, load
from truebook.runtime.time_zones import UnknownTimeZone, zone_named
from truebook.segments import SegmentedFile
from truebook.statement.days import BadDay, parse_day, period_of
from truebook.statement.fold import NotCovered, StatementFold, clock_of
from truebook.statement.records import Period, Statement
from truebook.statement.values import valued
from truebook_services.operator.port import NothingRecorded, OperatorError, RequestRefused
from truebook_services.operator.requests import ShowStatement
from truebook_services.operator.run_files import JOURNAL
from truebook_services.reconciler.settings import ReconcilerSettings

REFUSED: Final = 2
FAILED: Final = 3
_MAKER: Final = "truebook_services.operator.statement_process"
_ATTEMPTS: Final = 3
"""A segment may be removed by its owner while it is read."""
_MARGIN_US: Final = 3_600 * MICROS
"""An anchor's clock may be behind the journal's: not every entry's time is part of the state."""
_PAUSE_EVERY: Final = 500
"""Entries of a topic after which other work of the process gets its turn."""
DAMAGED: Final = "`truebook ledger verify` names the damaged entry"
OTHER_DAY: Final = "choose another day with --day YYYY-MM-DD"


class StatementSettings(TruebookSettings):
    """The common settings, and the time zone of a day."""

    reconciler: ReconcilerSettings = ReconcilerSettings()


@dataclass(frozen=True, kw_only=True)
class Statements:
    """The journal of one account; ``zone`` is the time zone of its days."""

    zone: str
    read: Callable[[Period, int], Awaitable[Statement]]
    """Makes the statement of a day at a time; raises OperatorError."""

    @classmethod
    def of_files(cls, settings: TruebookSettings) -> Statements:
        """Read the files of the state folder in a thread, while nothing runs."""
        path = settings.state_path / JOURNAL

        async def read(period: Period, made_us: int) -> Statement:
            return await asyncio.to_thread(_in_one_line, path, settings.account, period, made_us)

        return cls(zone=zone_of(settings), read=read)

    @classmethod
    def beside(cls, settings: TruebookSettings) -> Statements:
        """Read the files in a process of its own, beside the system that writes them."""
        path = settings.state_path / JOURNAL

        async def read(period: Period, made_us: int) -> Statement:
            return await _in_process(path, settings.account, period, made_us)

        return cls(zone=zone_of(settings), read=read)

    @classmethod
    def of_topic(cls, settings: TruebookSettings, context: Context) -> Statements:
        """Read the topic."""

        async def read(period: Period, made_us: int) -> Statement:
            from truebook_services.operator.journal_reading import open_topic  # slow to import

            journal = await open_topic(settings, context)
            return await statement_of_entries(journal.read(0), settings.account, period, made_us)

        return cls(zone=zone_of(settings), read=read)


async def show_statement(
    request: ShowStatement,
    statements: Statements | None,
    now_us: int,
    read_books: Callable[[], Awaitable[Books | None]],
) -> Statement:
    """Make the requested statement; the positions of a day that is not over are valued by the books of now.

    Raises OperatorError: for a bad or future day, or one that the journal does not have.
    """
    if statements is None:
        raise RequestRefused("this run keeps no journal", "a statement needs a run that is not in lock-step")
    try:
        zone = zone_named(request.zone or statements.zone)
    except UnknownTimeZone:
        raise RequestRefused(f"{request.zone!r} is not a time zone of this machine", "name one such as UTC") from None
    try:
        period = period_of(parse_day(request.day, now_us, zone), zone)
    except BadDay as error:
        raise RequestRefused(str(error), OTHER_DAY) from error
    statement = await statements.read(period, now_us)
    return statement if statement.is_final else valued(statement, await read_books(), now_us)


def zone_of(settings: TruebookSettings) -> str:
    """Return the time zone of the account's days, the one of the daily loss limit."""
    reconciler = getattr(settings, "reconciler", None)
    if not isinstance(reconciler, ReconcilerSettings):
        reconciler = load(StatementSettings).reconciler
    return reconciler.day_zone


def statement_of_files(path: Path, account: str, period: Period, made_us: int) -> Statement:
    """Make a statement from the files of a journal.

    Raises NothingRecorded without files, NotCovered, JournalCorrupt, StoreCorrupt and ChainBroken.
    """
    if not path.exists():
        raise NothingRecorded(f"{path} does not exist: nothing has run here yet", "start with `truebook run`")
    for attempt in range(1, _ATTEMPTS + 1):
        before = SegmentedFile(path).closed()
        try:
            ledger, head = _start(path, period)
            fold = StatementFold(period, ledger, head)
            for entry in SegmentReader(path).entries(ledger.seq):
                if not fold.add(entry):
                    break
            else:
                if attempt < _ATTEMPTS and SegmentedFile(path).closed() != before:
                    continue  # the open file was exchanged while it was read
            return fold.finish(account, made_us)
        except (JournalCorrupt, StoreCorrupt):
            if attempt == _ATTEMPTS or SegmentedFile(path).closed() == before:
                raise
    raise AssertionError("the last attempt returns or raises")


async def statement_of_entries(
    entries: AsyncIterator[JournalEntry], account: str, period: Period, made_us: int
) -> Statement:
    """Make a statement from a journal that begins with entry 1; raises OperatorError."""
    fold: StatementFold | None = None
    try:
        async for entry in entries:
            if fold is None:
                fold = StatementFold(period, Ledger(entry.ledger_id))
            if not fold.add(entry):
                break
            if entry.seq % _PAUSE_EVERY == 0:
                await asyncio.sleep(0)
        if fold is None:
            raise NotCovered("the topic has no entry of this account")
        return fold.finish(account, made_us)
    except NotCovered as error:
        raise RequestRefused(str(error), OTHER_DAY) from error
    except (LedgerError, ChainBroken) as error:
        _fail(error)


def _start(path: Path, period: Period) -> tuple[Ledger, str]:
    """Return the newest state before the day, and its head; of a day whose beginning is removed, the oldest one."""
    oldest: tuple[Ledger, str] | None = None
    for _, file in sorted(anchors_of(path).items(), reverse=True):
        anchor = load_anchor(file)
        if anchor is None:
            continue
        oldest = ledger_at(anchor), anchor.head
        if clock_of(oldest[0].state) < period.from_us - _MARGIN_US:
            return oldest
    first = next(SegmentReader(path).entries(0), None)
    if first is None or first.seq == 1:
        return Ledger("" if first is None else first.ledger_id), ""
    if oldest is None or clock_of(oldest[0].state) >= period.to_us:
        raise NotCovered(f"the journal no longer has {period.day}: its oldest entry is {first.seq}")
    return oldest


def _in_one_line(path: Path, account: str, period: Period, made_us: int) -> Statement:
    try:
        return statement_of_files(path, account, period, made_us)
    except NotCovered as error:
        raise RequestRefused(str(error), OTHER_DAY) from error
    except (LedgerError, ChainBroken) as error:
        _fail(error)


def _fail(error: Exception) -> NoReturn:
    raise OperatorError(f"the statement can't be made: {error}", DAMAGED) from error


async def _in_process(path: Path, account: str, period: Period, made_us: int) -> Statement:
    arguments = (str(path), account, msgspec.json.encode(period).decode(), str(made_us))
    maker = await asyncio.create_subprocess_exec(
        sys.executable, "-m", _MAKER, *arguments,
        stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        result, errors = await maker.communicate()
    finally:
        if maker.returncode is None:
            maker.kill()
            await maker.wait()
    if maker.returncode == 0:
        return msgspec.json.decode(result, type=Statement)
    problem = errors.decode(errors="replace").strip().rpartition("\n")[2]
    if maker.returncode == REFUSED:
        raise RequestRefused(problem, OTHER_DAY)
    raise OperatorError(f"the statement can't be made: {problem}", DAMAGED)
