"""Marks the account's equity for the limits of losses, while one of them is set, also that of the active model.

A position is valued at what selling it now would bring (fees not included), without the account's own orders; one whose
market has ended at its outcome. Where the exchange shows neither, the last book that was read values it. Without one
the equity is not known, and nothing is marked, which is logged: an assumed value would hide a later loss.
"""

from __future__ import annotations

from zoneinfo import ZoneInfo

from truebook.kalshi.port import ExchangeError
from truebook.ledger.exchange_reports import OPENED
from truebook.ledger.outcomes import MarkOutcome
from truebook.ledger.port import LedgerStore
from truebook.ledger.valuation import equity_micros, has_loss_limits, trading_day
from truebook.ledger.verbs import MarkEquity
from truebook.models.pointer import PointerFile
from truebook.runtime.context import Context
from truebook_services.reconciler.model_drawdown import ModelDrawdown
from truebook_services.reconciler.position_books import PositionBooks
from truebook_services.reconciler.settings import ReconcilerSettings


class LossWatch:
    """Values the account periodically and records the mark; the ledger's rule places the holds."""

    def __init__(
        self, context: Context, settings: ReconcilerSettings, books: PositionBooks, ledger: LedgerStore,
        models: PointerFile | None = None,
    ) -> None:  # fmt: skip
        self._context = context
        self._zone = ZoneInfo(settings.day_zone)
        self._books = books
        self._ledger = ledger
        self._model_drawdown = ModelDrawdown(context, models, settings.max_model_drawdown_micros)

    async def run(self) -> None:
        """Record one mark, unless a book can't be read: the next run marks again."""
        try:
            await self._mark()
        except ExchangeError as error:
            if error.retry:
                raise
            self._context.log.warning("equity not marked", error=str(error))

    async def _mark(self) -> None:
        view = await self._ledger.live_view()
        has_limits = has_loss_limits(view.account.limits)
        if not view.account.opened or not (has_limits or self._model_drawdown.is_on):
            return
        equity = equity_micros(view, await self._books.read(view))
        profit_micros = None if equity is None else equity - view.account.deposits_micros
        self._model_drawdown.valued(profit_micros, await self._ledger.watermark(OPENED))
        if profit_micros is None or not has_limits:
            return
        day = trading_day(self._context.clock.now_us(), self._zone)
        outcome = await self._ledger.apply(MarkEquity(day=day, profit_micros=profit_micros))
        await self._report(outcome)

    async def _report(self, outcome: MarkOutcome) -> None:
        account = (await self._ledger.view(())).account
        marks = account.marks
        if marks is None:
            return
        self._context.metrics.gauge("ledger_daily_loss_micros", marks.daily_loss_micros)
        self._context.metrics.gauge("ledger_drawdown_micros", marks.drawdown_micros)
        if outcome is MarkOutcome.HALTED:
            self._context.log.error(
                "trading held: the losses exceed a limit", daily_loss_micros=marks.daily_loss_micros,
                drawdown_micros=marks.drawdown_micros, holds=[hold.name for hold in account.holds],
            )  # fmt: skip
