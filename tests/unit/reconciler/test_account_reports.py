"""Reports of the account on the topic ``account``."""

from __future__ import annotations

from support.account_harness import BALANCE, AccountHarness, listening
from support.services import make_context, until
from truebook.kalshi.port import OutcomeUnknown
from truebook.ledger.trading_holds import OPERATOR
from truebook.messages.accounts import WINDOW_US, AccountReported, record_key
from truebook.messages.envelope import BookSide
from truebook.messages.topics import ACCOUNT
from truebook_services.reconciler.account_reports import AccountReports
from truebook_services.reconciler.ledger_watch import LedgerWatch
from truebook_services.reconciler.position_books import PositionBooks
from truebook_services.reconciler.settings import ReconcilerSettings

LONG = 10 * 86_400_000_000


class Compared:
    """What the comparison found last."""

    differences: tuple[str, ...] | None = None
    compared_us: int | None = None
    true_since_us: int | None = None


class Setup:
    def __init__(self, rig: AccountHarness) -> None:
        self.rig, self.compared = rig, Compared()
        context = make_context("reconciler", rig.clock, rig.bus)
        self.books = PositionBooks(context, rig.exchange)
        self.reports = AccountReports(context, rig.ledger, self.compared, self.books, LedgerWatch(context, rig.ledger))
        self._seen = 0

    async def report_after(self, seconds: float) -> list[AccountReported]:
        self.rig.manual.set(self.rig.clock.now_us() + int(seconds * 1e6))
        await self.reports.run()
        found = self.rig.bus.of(ACCOUNT)
        new, self._seen = found[self._seen :], len(found)
        return new


async def test_a_report_is_due_every_ten_seconds() -> None:
    async with AccountHarness() as rig:
        await rig.open()
        setup = Setup(rig)
        (report,) = await setup.report_after(0)
        assert (report.equity_micros, report.cash_micros, report.mode) == (BALANCE, BALANCE, "running")
        assert (report.differences, report.true_since_us, report.valued_us) == (None, None, None)
        assert [len(await setup.report_after(3)) for _ in range(4)] == [0, 0, 0, 1]


async def test_a_hold_and_a_difference_are_reported_at_once() -> None:
    async with AccountHarness() as rig:
        await rig.open()
        setup = Setup(rig)
        await setup.report_after(0)
        await rig.ledger.apply(OPERATOR.place())
        (report,) = await setup.report_after(1)
        assert report.mode == "halted" and "operator" in report.holds[0]
        setup.compared.differences = ("cash: 1 micro-dollar",)
        assert [each.differences for each in await setup.report_after(1)] == [("cash: 1 micro-dollar",)]


async def test_a_position_is_valued_without_its_own_orders() -> None:
    async with AccountHarness() as rig:
        rig.exchange.add_market("M", close_us=rig.clock.now_us() + LONG)
        await rig.open()
        await listening(rig)
        setup = Setup(rig)
        await setup.report_after(0)
        rig.exchange.change_level("M", BookSide.BID, 8_000, 5_000)
        await rig.place(BookSide.BID, 8_100, 1_500)
        rig.exchange.trade("M", BookSide.ASK, 8_100, 1_000)
        await rig.wait_for_position(1_000)
        rig.exchange.fail("markets", OutcomeUnknown("no response"))
        (report,) = await setup.report_after(1)
        assert (report.equity_micros, report.unrealized_micros, report.positions) == (None, None, 1)
        (report,) = await setup.report_after(9)
        assert report.unrealized_micros == -100_000, "bought at $0.81, sold at $0.80"
        assert report.equity_micros == BALANCE - 100_000 - report.fees_micros
        assert report.position_cost_micros == 8_100_000


async def test_a_windows_reports_have_one_key() -> None:
    """Compaction keeps the last report of each window."""
    async with AccountHarness() as rig:
        await rig.open()
        setup = Setup(rig)
        rig.manual.set(rig.clock.now_us() // WINDOW_US * WINDOW_US + WINDOW_US)
        reports = [*await setup.report_after(0), *await setup.report_after(10), *await setup.report_after(600)]
        first, second, third = (record_key(report) for report in reports)
        assert first == second != third


async def test_a_comparison_states_since_when_all_agreed() -> None:
    async with AccountHarness() as rig:
        await rig.open()
        await rig.reconcile(ReconcilerSettings(account_s=1.0))
        await until(lambda: "reconciliation" not in rig.holds(), "the first reconciliation")
        await rig.pass_s(5)
        agreed = rig.bus.of(ACCOUNT)[-1]
        assert agreed.differences == () and agreed.true_since_us is not None
        await rig.exchange.transfer("w", -5_000_000)
        await rig.pass_s(3)
        differ = rig.bus.of(ACCOUNT)[-1]
        assert differ.differences and differ.true_since_us is None
