from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from support.fake_operator import FakeOperator
from support.made_live import MadeLive
from support.manual_time import Now
from support.services import make_context
from truebook.ledger.port import StoreUnavailable
from truebook.live.views import Changes
from truebook_services.dashboard.board import Board
from truebook_services.dashboard.poller import Backend, Poller
from truebook_services.operator.port import NotRunning
from truebook_services.operator.requests import Request, ResultT

EVERY_S = 0.001


class CountingLive(MadeLive):
    """Counts its calls; ``error`` is raised by all, while it is set."""

    def __init__(self) -> None:
        super().__init__(5)
        self.calls = 0
        self.error: Exception | None = None

    async def changes(self, since: str | None = None) -> Changes:
        self.calls += 1
        if self.error is not None:
            raise self.error
        return await super().changes(since)


class OpenedPage:
    """A page that records how often it was refreshed."""

    def __init__(self, *subjects: str) -> None:
        self.subjects = subjects
        self.refreshed = asyncio.Event()

    def refresh(self) -> None:
        self.refreshed.set()

    async def wait(self) -> None:
        self.refreshed.clear()
        await self.refreshed.wait()


class AwayOperator(FakeOperator):
    """Its ledger is away, until ``is_away`` is False."""

    is_away = True

    async def perform(self, request: Request[ResultT]) -> ResultT:
        if self.is_away:
            raise StoreUnavailable("the ledger is away")
        return await super().perform(request)


class Harness:
    """A poller on made data, running."""

    def __init__(self) -> None:
        self.board, self.live, self.now = Board(), CountingLive(), Now(5)
        self.operator = AwayOperator()
        self.operator.is_away = False
        self.connections = 0
        context = make_context("dashboard")
        self.poller = Poller(self.board, self.connect, every_s=EVERY_S, now_us=self.now, log=context.log)

    @contextlib.asynccontextmanager
    async def connect(self) -> AsyncIterator[Backend]:
        self.connections += 1
        yield Backend(self.live, self.operator)


@pytest.fixture
async def harness() -> AsyncIterator[Harness]:
    made = Harness()
    running = asyncio.create_task(made.poller.run())
    yield made
    assert not running.done()
    running.cancel()


async def test_source_is_read_only_while_a_page_is_open(harness: Harness) -> None:
    await asyncio.sleep(10 * EVERY_S)
    assert harness.live.calls == 0
    pages = OpenedPage(), OpenedPage()
    for page in pages:
        harness.poller.open(page)
    await pages[0].wait()
    for page in pages:
        harness.poller.close(page)
    for _ in range(3):
        await asyncio.sleep(0)
    calls = harness.live.calls
    await asyncio.sleep(10 * EVERY_S)
    assert harness.live.calls <= calls + 1


async def test_two_pages_share_one_reading(harness: Harness) -> None:
    pages = OpenedPage(), OpenedPage()
    for page in pages:
        harness.poller.open(page)
    await pages[1].wait()
    await pages[0].wait()
    assert harness.connections == 1
    assert harness.board.row("account") is not None


async def test_lost_source_is_read_again(harness: Harness) -> None:
    page = OpenedPage()
    harness.poller.open(page)
    await page.wait()
    harness.live.error = NotRunning("away", "start it")
    while harness.board.source["problem"] is None:
        await page.wait()
    assert harness.poller.not_ready() == "away"
    harness.live.error = None
    harness.poller.poll_soon()
    while harness.board.source["problem"] is not None:
        await page.wait()
    assert harness.connections == 2


async def test_another_view_keeps_the_source_open(harness: Harness) -> None:
    first, second = OpenedPage(), OpenedPage()
    harness.poller.open(first)
    await first.wait()
    harness.poller.close(first)
    await asyncio.sleep(10 * EVERY_S)
    harness.poller.open(second)
    await second.wait()
    assert harness.connections == 1


async def test_a_subject_that_failed_is_read_again(harness: Harness) -> None:
    page = OpenedPage("models")
    harness.operator.is_away = True
    harness.poller.open(page)
    while harness.board.row("models") is None:
        await page.wait()
    assert not harness.board.row("models")["known"]
    harness.operator.is_away = False
    harness.poller.changed()
    while not harness.board.row("models")["known"]:
        await page.wait()


async def test_subjects_that_open_the_ledger_are_read_once_if_idle(harness: Harness) -> None:
    page = OpenedPage("limits")
    harness.live.is_live = False
    harness.poller.open(page)
    while harness.board.row("limits") is None:
        await page.wait()
    harness.operator = AwayOperator()  # would be shown
    for _ in range(5):
        harness.now.pass_s(6)
        await page.wait()
    assert harness.board.row("limits")["known"]


@pytest.mark.parametrize("subject", ["market/KXMADE-26DEC00-B001", "decision/made-3", "model", "system", "limits"])
async def test_subject_is_read_for_the_page_that_shows_it(harness: Harness, subject: str) -> None:
    page = OpenedPage(subject)
    harness.poller.open(page)
    while (row := harness.board.row(subject)) is None:
        await page.wait()
    assert row["known"]
    harness.poller.close(page)
    assert harness.board.row(subject) is None


async def test_unknown_subject_is_shown_as_unknown(harness: Harness) -> None:
    page = OpenedPage("market/NO-SUCH", "decision/none")
    harness.poller.open(page)
    while harness.board.row("market/NO-SUCH") is None:
        await page.wait()
    assert harness.board.row("market/NO-SUCH") == {"known": False, "problem": None}
    assert harness.board.row("decision/none") == {"known": False, "problem": None}


async def test_refused_subject_costs_no_other(harness: Harness) -> None:
    page = OpenedPage("statement/no-day", "system")
    harness.poller.open(page)
    while harness.board.row("system") is None:
        await page.wait()
    refused = harness.board.row("statement/no-day")
    assert refused is not None
    assert refused["problem"]
    assert harness.board.source["problem"] is None


async def test_ledger_that_is_away_costs_its_subjects_only(harness: Harness) -> None:
    harness.operator = AwayOperator()
    page = OpenedPage("limits", "models", "system")
    harness.poller.open(page)
    while (limits := harness.board.row("limits")) is None or harness.board.row("models") is None:
        await page.wait()
    assert limits == {"known": False, "problem": "the ledger is away"}
    assert harness.board.source["problem"] is None
    assert harness.connections == 1
