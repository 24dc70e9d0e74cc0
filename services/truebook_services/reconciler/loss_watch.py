"""Marks the account's equity for the limits of losses, while one of them is set, also that of the active model.

A position is valued at what selling it now would bring (fees not included), without the account's own orders; one whose
market has ended at its outcome. Where the exchange shows neither, the last book that was read values it. Without one
the equity is not known, and nothing is marked, which is logged: an assumed value would hide a later loss.
"""

from __future__ import annotations

from zoneinfo import ZoneInfo

from truebook.kalshi.port import ExchangeError, NotFound, RestClient
from truebook.ledger.exchange_reports import OPENED
from truebook.ledger.outcomes import MarkOutcome
from truebook.ledger.port import LedgerStore, LedgerView, MarketView
from truebook.ledger.valuation import (
    Book,
    account_values,
    has_loss_limits,
    is_seen,
    others_book,
    outcome_book,
    shows_a_book,
    trading_day,
)
from truebook.ledger.verbs import MarkEquity
from truebook.messages.market_metadata import MarketMetadata
from truebook.models.pointer import PointerFile
from truebook.observation.markets import FEEDS_WITH_OWN_ORDERS
from truebook.runtime.context import Context
from truebook_services.reconciler.model_drawdown import ModelDrawdown
from truebook_services.reconciler.settings import ReconcilerSettings


class LossWatch:
    """Values the account periodically and records the mark; the ledger's rule places the holds."""

    def __init__(
        self, context: Context, settings: ReconcilerSettings, rest: RestClient, ledger: LedgerStore,
        models: PointerFile | None = None,
    ) -> None:  # fmt: skip
        self._context = context
        self._zone = ZoneInfo(settings.day_zone)
        self._rest = rest
        self._ledger = ledger
        self._model_drawdown = ModelDrawdown(context, models, settings.max_model_drawdown_micros)
        self._books: dict[str, Book] = {}
        """The last book of each market with a position."""
        self._unvalued: frozenset[str] = frozenset()

    async def run(self) -> None:
        """Record one mark, unless a book can't be read: the next run marks again."""
        try:
            await self._mark()
        except ExchangeError as error:
            if error.retry:
                raise
            self._context.log.warning("equity not marked", error=str(error))

    async def _mark(self) -> None:
        view = await self._ledger.view()
        has_limits = has_loss_limits(view.account.limits)
        if not view.account.opened or not (has_limits or self._model_drawdown.is_on):
            return
        values = account_values(view, await self._read_books(view))
        profit_micros = None if values.equity_micros is None else values.equity_micros - values.deposits_micros
        self._model_drawdown.valued(profit_micros, await self._ledger.watermark(OPENED))
        if profit_micros is None or not has_limits:
            return
        day = trading_day(self._context.clock.now_us(), self._zone)
        outcome = await self._ledger.apply(MarkEquity(day=day, profit_micros=profit_micros))
        await self._report(outcome)

    async def _read_books(self, view: LedgerView) -> dict[str, Book]:
        """Read the book or the outcome of each position's market."""
        held = {market.ticker: market for market in view.markets if market.position_centi and not is_settled(market)}
        listed = await self._rest.markets(tickers=sorted(held)) if held else ()
        for metadata in listed:
            if metadata.ticker in held and (book := await self._book(held[metadata.ticker], metadata)) is not None:
                self._books[metadata.ticker] = book
        self._books = {ticker: book for ticker, book in self._books.items() if ticker in held}
        unvalued = frozenset(held) - self._books.keys()
        if unvalued - self._unvalued:
            self._context.log.warning("equity not marked: positions without a known value", tickers=sorted(unvalued))
        self._unvalued = unvalued
        self._context.metrics.gauge("ledger_unvalued_positions", len(unvalued))
        return self._books

    async def _book(self, market: MarketView, metadata: MarketMetadata) -> Book | None:
        """Return the book without our orders, or the outcome as a book; None where neither is shown."""
        outcome = outcome_book(market, metadata)
        if outcome is not None or not shows_a_book(metadata):
            return outcome
        try:
            book = await self._rest.book(market.ticker)
        except NotFound:
            return None
        if not is_seen((book.bids, book.asks), self._context.source):
            return None
        if self._context.source not in FEEDS_WITH_OWN_ORDERS:
            return book.bids, book.asks
        return others_book(market, book.bids, book.asks)

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


def is_settled(market: MarketView) -> bool:
    return market.settlement_cc is not None
