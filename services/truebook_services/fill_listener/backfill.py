"""The backfill: reads by REST what the exchange did for the account since the watermark, and records it.

The socket's private messages are never replayed, so REST completes the record. The watermark advances only to the data
time-stamp that was requested *before* the lists, and only once every fill of them is settled or parked and every
recorded event is published. Where an item of a list could not be read, the lists are read again from before it.
"""

from __future__ import annotations

from typing import Final

from truebook.clock import MICROS
from truebook.kalshi.port import ExchangeError, RestClient
from truebook.ledger.exchange_reports import READABLE, SWEPT, read_up_to_us
from truebook.ledger.port import LedgerStore
from truebook.ledger.verbs import AdvanceWatermark
from truebook.messages.fills import ReportOutcome
from truebook.runtime.context import Context
from truebook.venue.account import ExchangeSettlement
from truebook_services.fill_listener.outbox import FillPublisher
from truebook_services.fill_listener.recorder import FillRecorder

COMPLETE: Final = (ReportOutcome.SETTLED, ReportOutcome.DUPLICATE, ReportOutcome.CONTRADICTS)
"""Outcomes of a settlement that a sweep need not read again."""
READ_AGAIN_US: Final = 6 * 3600 * MICROS
"""How far back lists are read again for an item that could not be read."""


class SweepFailed(Exception):
    """The exchange refused a read: the sweep is not complete and is retried."""

    retry = True


class Backfill:
    """Reads and records everything since the watermark, with overlap."""

    def __init__(
        self,
        context: Context,
        rest: RestClient,
        ledger: LedgerStore,
        *,
        recorder: FillRecorder,
        publisher: FillPublisher,
        overlap_s: float,
    ) -> None:
        self._context = context
        self._rest = rest
        self._ledger = ledger
        self._recorder = recorder
        self._publisher = publisher
        self._overlap_us = int(overlap_s * MICROS)

    async def sweep(self) -> list[int]:
        """Sweep once; return the exchange times of the fills that were new.

        Raises what a read raised; every such error has ``retry``.
        """
        try:
            return await self._sweep()
        except ExchangeError as error:
            if error.retry:
                raise
            raise SweepFailed(str(error)) from error

    async def _sweep(self) -> list[int]:
        deferred = self._publisher.deferred
        data_us = await self._rest.data_time_us()
        read_us = await read_up_to_us(self._ledger)
        since_us = max(self._recorder.opened_us, read_us - self._overlap_us)
        orders = await self._rest.orders(min_us=since_us)
        for order in orders:
            await self._recorder.order(order)
        new_us: list[int] = []
        complete = True
        fills = await self._rest.fills(min_us=since_us)
        for fill in fills:
            outcome = await self._recorder.fill(fill)
            # One that can't be recorded is logged; its position then differs, which halts. Repetition would not help.
            complete = complete and outcome is not ReportOutcome.CONFLICT
            if outcome.is_new:
                new_us.append(fill.created_us)
        settlements = await self._rest.settlements(min_us=since_us)
        for settlement in settlements:
            complete = await self._record_settlement(settlement) and complete
        complete = complete and await self._publisher.flush() and deferred == self._publisher.deferred
        if complete:
            if orders.unreadable or fills.unreadable or settlements.unreadable:
                await self._ledger.apply(AdvanceWatermark(name=READABLE, to_us=max(read_us, data_us - READ_AGAIN_US)))
            elif await self._ledger.watermark(READABLE):
                await self._ledger.apply(AdvanceWatermark(name=READABLE, to_us=data_us))
            await self._ledger.apply(AdvanceWatermark(name=SWEPT, to_us=data_us))
        self._context.metrics.count("backfill_sweeps", complete=str(complete).lower())
        return new_us

    async def settle(self, ticker: str, settlement_cc: int | None) -> None:
        """Settle a market that the account has and that is not settled yet; without a value, at the market's own."""
        market = (await self._ledger.view((ticker,))).market(ticker)
        if market is None or market.settlement_cc is not None:
            return
        if settlement_cc is None:
            await self._settle_by_market(ticker)
        else:
            await self._recorder.settlement(ticker, settlement_cc, None)

    async def _settle_by_market(self, ticker: str) -> None:
        """Settle a market at the value in the exchange's own record of it, if it has one already."""
        try:
            settlement_cc = (await self._rest.market(ticker)).settlement_cc
        except ExchangeError as error:
            self._context.log.warning("no settlement value", ticker=ticker, error=str(error))
            return
        if settlement_cc is not None:
            await self._recorder.settlement(ticker, settlement_cc, None)

    async def _record_settlement(self, settlement: ExchangeSettlement) -> bool:
        """Record one settlement; return whether it need not be read again."""
        if settlement.settled_us < self._recorder.opened_us:
            return True
        outcome = await self._recorder.settlement(
            settlement.ticker, settlement.settlement_cc, settlement.settled_us
        )  # fmt: skip
        return outcome in COMPLETE
