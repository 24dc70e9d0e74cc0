"""The request for a statement: from files, beside a running system, from a topic; and what is refused."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from support.fake_operator import FakeOperator
from support.journals import rewrite
from support.statements import NEXT, NEXT_NOON, PERIOD, History, S, two_days
from truebook.clock import ManualClock
from truebook.ledger.journal.anchors import make_anchor
from truebook.ledger.journal.file import FileJournal
from truebook.ledger.port import JournalEntry
from truebook.runtime.settings import TruebookSettings
from truebook.statement.records import Statement
from truebook_services.cli.__main__ import app
from truebook_services.cli.errors import UsageError
from truebook_services.operator.port import NothingRecorded, OperatorError, RequestRefused
from truebook_services.operator.requests import ShowStatement
from truebook_services.operator.statements import Statements, statement_of_entries, statement_of_files

ACCOUNT = "sim-main"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TruebookSettings:
    """Settings of an account whose days are those of UTC; its state folder is empty."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRUEBOOK_RECONCILER__DAY_ZONE", "UTC")
    settings = TruebookSettings(state_folder=tmp_path / ".truebook")
    settings.state_path.mkdir(parents=True)
    return settings


def path_of(settings: TruebookSettings) -> Path:
    return settings.state_path / "journal.jsonl"


async def write(path: Path, history: History, segment_bytes: int = 2**20) -> None:
    journal = await FileJournal.open(path, segment_bytes=segment_bytes)
    for entry in history.entries():
        await journal.append([entry])
    await journal.aclose()


async def show(statements: Statements | None, request: ShowStatement, now_us: int = NEXT_NOON + S) -> Statement:
    operator = FakeOperator()
    operator.statements, operator.clock = statements, ManualClock(now_us)
    return await operator.perform(request)


async def listed(entries: list[JournalEntry]) -> AsyncIterator[JournalEntry]:
    for entry in entries:
        yield entry


async def test_all_readers_make_the_same_statement(settings: TruebookSettings) -> None:
    history = two_days()
    await write(path_of(settings), history)
    request, made_us = ShowStatement(day="2026-03-10"), NEXT_NOON + S
    in_thread = await show(Statements.of_files(settings), request)
    in_process = await show(Statements.beside(settings), request)
    of_topic = await statement_of_entries(listed(history.entries()), ACCOUNT, PERIOD, made_us)
    assert in_thread == in_process == of_topic
    assert in_thread.closing == history.statement().closing and in_thread.is_final


async def test_the_zone_is_that_of_the_daily_loss(settings: TruebookSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    await write(path_of(settings), two_days())
    request = ShowStatement(day="2026-03-10")
    assert (await show(Statements.of_files(settings), request)).period.zone == "UTC"
    monkeypatch.setenv("TRUEBOOK_RECONCILER__DAY_ZONE", "Asia/Tokyo")
    tokyo = await show(Statements.of_files(settings), request)
    assert tokyo.period.zone == "Asia/Tokyo" and tokyo.period.from_us == PERIOD.from_us - 9 * 3600 * S
    assert (await show(Statements.of_files(settings), ShowStatement(day="2026-03-10", zone="UTC"))).period == PERIOD


async def test_a_statement_begins_at_the_anchor_before_its_day(settings: TruebookSettings) -> None:
    history, path = two_days(), path_of(settings)
    await write(path, history)
    make_anchor(path, 3)
    later = statement_of_files(path, ACCOUNT, NEXT, NEXT.to_us)
    assert later.journal.read_from_seq == 4
    assert later.journal.head == history.statement(NEXT).journal.head and later.journal.is_verified
    assert statement_of_files(path, ACCOUNT, PERIOD, NEXT.to_us).journal.read_from_seq == 1


async def test_an_anchor_just_before_the_day_is_not_its_beginning(settings: TruebookSettings) -> None:
    """Its clock may lack the time of an entry that is of the new day already."""
    history, path = two_days(), path_of(settings)
    await write(path, history)
    make_anchor(path, history.statement().journal.last_seq)
    assert statement_of_files(path, ACCOUNT, NEXT, NEXT.to_us).journal.read_from_seq == 1


@pytest.mark.parametrize(
    ("day", "problem"),
    [
        ("2026-03-12", "has not begun: today is 2026-03-11"), ("2026-03-09", "has no entry before the end"),
        ("03/10/2026", "expected YYYY-MM-DD, such as 2026-03-11"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("reader", [Statements.of_files, Statements.beside])
async def test_a_day_without_a_statement_is_refused(
    settings: TruebookSettings, reader: Callable[[TruebookSettings], Statements], day: str, problem: str
) -> None:
    await write(path_of(settings), two_days())
    with pytest.raises(RequestRefused, match=problem) as refused:
        await show(reader(settings), ShowStatement(day=day))
    assert refused.value.hint


async def test_a_run_without_a_journal_or_zone_is_refused(settings: TruebookSettings) -> None:
    with pytest.raises(RequestRefused, match="keeps no journal"):
        await show(None, ShowStatement())
    with pytest.raises(RequestRefused, match="'Mars' is not a time zone"):
        await show(Statements.of_files(settings), ShowStatement(zone="Mars"))
    with pytest.raises(NothingRecorded, match="does not exist"):
        await show(Statements.of_files(settings), ShowStatement())


@pytest.mark.parametrize("reader", [Statements.of_files, Statements.beside])
async def test_a_changed_journal_gives_an_error(
    settings: TruebookSettings, reader: Callable[[TruebookSettings], Statements]
) -> None:
    await write(path_of(settings), two_days())
    rewrite(path_of(settings), lambda entries: [*entries[:2], entries[1], *entries[3:]])
    with pytest.raises(OperatorError, match=r"the statement can't be made: .*entry 2 follows entry 2"):
        await show(reader(settings), ShowStatement(day="2026-03-10"))


async def test_positions_of_today_have_a_value(settings: TruebookSettings) -> None:
    history = two_days()
    await write(path_of(settings), history)
    operator = FakeOperator()
    operator.books = {"M": (((5000, 1_000),), ())}
    operator.statements, operator.clock = Statements.of_files(settings), ManualClock(PERIOD.to_us - 1)
    (position,) = (await operator.perform(ShowStatement())).positions
    assert position.value_micros == 100 * 5000


def run(*options: str) -> Result:
    return CliRunner().invoke(app, ["statement", "--day", "2026-03-10", *options])


def test_the_command_writes_each_form(settings: TruebookSettings, tmp_path: Path) -> None:
    asyncio.run(write(path_of(settings), two_days()))
    assert "Statement of sim-main, 2026-03-10" in run().output
    assert json.loads(run("--json").output)["conservation"]["error_micros"] == 0
    for name, begin in (
        ("s.pdf", b"%PDF-"),
        ("s.PDF", b"%PDF-"),
        ("s.html", b"<!doctype"),
        ("s.json", b"{"),
        ("s.txt", b"Statement of"),
    ):
        done = run("--out", str(tmp_path / name))
        assert (done.exit_code, done.output.strip()) == (0, str(tmp_path / name))
        assert (tmp_path / name).read_bytes().startswith(begin)
    assert isinstance(run("--pdf", "--html").exception, UsageError)
    assert isinstance(run("--out", str(tmp_path / "s.csv")).exception, UsageError)
    assert isinstance(run("--out", str(tmp_path / "no" / "s.pdf")).exception, UsageError)


def test_a_named_head_is_verified_by_the_command(settings: TruebookSettings) -> None:
    asyncio.run(write(path_of(settings), two_days()))
    journal = json.loads(run("--json").output)["journal"]

    def verify(head: str) -> Result:
        return CliRunner().invoke(app, ["ledger", "verify", "--head", head])

    done = verify(f"{journal['last_seq']}:{journal['head']}")
    assert done.exit_code == 0 and "given heads that are those of their entries: 1" in done.output
    assert verify(f"{journal['last_seq']}:{'0' * 64}").exit_code == 1
    assert verify("7").exit_code == 2
