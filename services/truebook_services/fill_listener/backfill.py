"""The backfill: what the exchange did for the account since the watermark, by REST.

The socket's private messages are never replayed, so REST is what makes the record complete. The watermark moves only to
the data time-stamp that was asked for *before* the lists, and only once every fill of them is settled or parked, and
all that was booked is told as well.
"""

from __future__ import annotations

from truebook.kalshi.port import ExchangeError, RestClient
from truebook.ledger.facts import CONTRADICTS, SWEPT
from truebook.ledger.port import LedgerStore
from truebook.runtime.context import Context
from truebook.venue.account import ExchangeSettlement
from truebook_services.fill_listener.booking import Booking
from truebook_services.fill_listener.telling import Telling

DONE = ("applied", "duplicate", "parked", "known", "before_opening", CONTRADICTS)
NEWS = ("applied", "parked")
WHOLE_CC = (0, 10_000)


class SweepFailed(Exception):
    """The exchange refused a read: the sweep is not complete and is tried again."""

    retry = True


class Backfill:
    """Reads and books everything since the watermark, with overlap."""

    def __init__(
        self,
        context: Context,
        rest: RestClient,
        ledger: LedgerStore,
        booking: Booking,
        telling: Telling,
        overlap_s: float,
    ) -> None:
        self._context = context
        self._rest = rest
        self._ledger = ledger
        self._booking = booking
        self._telling = telling
        self._overlap_us = int(overlap_s * 1e6)

    async def sweep(self) -> list[int]:
        """Sweep once; answers the exchange times of the fills that nobody had told before.

        Raises what a read raised; every such error says ``retry``.
        """
        try:
            return await self._sweep()
        except ExchangeError as error:
            if error.retry:
                raise
            raise SweepFailed(str(error)) from error

    async def _sweep(self) -> list[int]:
        put_off = self._telling.put_off
        data_us = await self._rest.data_time_us()
        watermark_us = await self._ledger.watermark(SWEPT)
        since_us = max(self._booking.opened_us, watermark_us - self._overlap_us)
        for order in await self._rest.orders(min_us=since_us):
            await self._booking.order(order)
        news: list[int] = []
        complete = True
        for fill in await self._rest.fills(min_us=since_us):
            answer = await self._booking.fill(fill)
            complete = complete and answer in DONE
            if answer in NEWS:
                news.append(fill.created_us)
        for settlement in await self._rest.settlements(min_us=since_us):
            complete = await self._settle(settlement) and complete
        complete = complete and await self._telling.told() and put_off == self._telling.put_off
        if complete:
            await self._ledger.advance_watermark(SWEPT, data_us)
        self._context.metrics.count("sweeps", complete=str(complete).lower())
        return news

    async def settle_by_market(self, ticker: str) -> bool:
        """Settle a market at the value that the exchange's own record of it names; false where it names none yet."""
        try:
            settlement_cc = (await self._rest.market(ticker)).settlement_cc
        except ExchangeError as error:
            self._context.log.warning("no settlement value", ticker=ticker, error=str(error))
            return False
        if settlement_cc is None:
            return False
        await self._booking.settlement(ticker, settlement_cc, None)
        return True

    async def _settle(self, settlement: ExchangeSettlement) -> bool:
        """Book one settlement. Its value is told in whole cents: one between them is read from the market itself."""
        if settlement.settled_us < self._booking.opened_us:
            return True
        if settlement.settlement_cc not in WHOLE_CC:
            return await self.settle_by_market(settlement.ticker)
        answer = await self._booking.settlement(settlement.ticker, settlement.settlement_cc, settlement.settled_us)
        return answer in ("settled", "duplicate", CONTRADICTS)
