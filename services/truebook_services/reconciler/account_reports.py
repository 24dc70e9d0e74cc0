"""Reports of the account on the topic ``account``: every ten seconds, and at once when it changes.

Positions are valued by the books that the limits of losses are marked by. Without such limits the books are read here,
at a rate that leaves the exchange's read budget to the comparisons.
"""

from __future__ import annotations

from typing import Final, Protocol

from truebook.clock import MICROS
from truebook.kalshi.port import ExchangeError
from truebook.ledger.port import LedgerStore, LedgerView
from truebook.ledger.valuation import account_values, held_markets
from truebook.messages.accounts import AccountReported, record_key
from truebook.messages.codec import encode
from truebook.messages.topics import ACCOUNT
from truebook.runtime.context import Context
from truebook_services.reconciler.ledger_watch import LedgerWatch
from truebook_services.reconciler.position_books import PositionBooks

CHECK_S: Final = 1.0
REPORT_EVERY_US: Final = 10 * MICROS
READ_EVERY_US: Final = 10 * MICROS
READ_PER_MARKET_US: Final = MICROS // 2
"""With more than 20 positions their books are read less often: two requests a second."""


class Comparisons(Protocol):
    """What the newest comparison of ledger and exchange found; null before the first one."""

    differences: tuple[str, ...] | None
    compared_us: int | None
    true_since_us: int | None


class AccountReports:
    """Reads the ledger every second, and publishes what has changed or is due."""

    def __init__(
        self, context: Context, ledger: LedgerStore, comparisons: Comparisons, books: PositionBooks, watch: LedgerWatch
    ) -> None:  # fmt: skip
        self._context = context
        self._ledger = ledger
        self._comparisons = comparisons
        self._books = books
        self._watch = watch
        self._reported: tuple[object, ...] | None = None
        self._due_us = 0
        self._read_due_us = 0

    async def run(self) -> None:
        """Publish a report if it is due; raises ``LedgerError`` and ``BusError``."""
        view, now_us = await self._ledger.live_view(), self._context.clock.now_us()
        await self._read_books(view, now_us)
        report = self._report(view)
        state = (
            report.opened, report.mode, report.holds, report.deposits_micros, report.position_cost_micros,
            report.fees_micros, report.realized_micros, report.differences, report.unknown_orders,
            report.equity_micros is None,
        )  # fmt: skip
        if state == self._reported and now_us < self._due_us:
            return
        await self._context.bus.publish(ACCOUNT, record_key(report), encode(report))
        self._reported, self._due_us = state, now_us + REPORT_EVERY_US

    async def _read_books(self, view: LedgerView, now_us: int) -> None:
        """Read the books of the positions if that is due; an exchange that is away leaves the last ones."""
        every_us = max(READ_EVERY_US, READ_PER_MARKET_US * len(held_markets(view)))
        is_due = now_us >= max(self._read_due_us, (self._books.read_us or 0) + every_us)
        if is_due:
            self._read_due_us = now_us + every_us  # also if it fails
        try:
            await (self._books.read(view) if is_due else self._books.read_new(view))
        except ExchangeError as error:
            self._context.log.warning("positions not valued", error=str(error))

    def _report(self, view: LedgerView) -> AccountReported:
        context, account, now_us = self._context, view.account, self._context.clock.now_us()
        held, error_micros = held_markets(view), self._watch.conservation_error_micros
        values = account_values(view, self._books.books, conservation_error_micros=error_micros)
        unknown = [order.reserved_us for market in view.markets for order in market.orders if order.state.is_unresolved]
        marks, found = account.marks, self._comparisons
        return AccountReported(
            id=f"{context.account}:account:{now_us}", cause_id="", account=context.account, strategy=context.strategy,
            ticker="", source=context.source, exchange_us=None, produced_us=now_us, ledger_seq=account.ledger_seq,
            opened=account.opened, mode=str(account.mode), holds=values.holds, deposits_micros=values.deposits_micros,
            cash_micros=values.cash_micros, overdrawn_micros=values.overdrawn_micros,
            reserved_micros=values.reserved_micros, position_cost_micros=values.position_cost_micros,
            positions=len(held), open_orders=sum(len(market.orders) for market in view.markets),
            equity_micros=values.equity_micros if account.opened else None,
            valued_us=self._books.read_us if held else None, realized_micros=values.realized_micros,
            unrealized_micros=values.unrealized_micros, fees_micros=values.fees_micros,
            conservation_error_micros=values.conservation_error_micros, differences=found.differences,
            compared_us=found.compared_us, true_since_us=found.true_since_us, unknown_orders=len(unknown),
            unknown_since_us=min(unknown, default=None),
            daily_loss_micros=None if marks is None else marks.daily_loss_micros,
            drawdown_micros=None if marks is None else marks.drawdown_micros,
        )  # fmt: skip
