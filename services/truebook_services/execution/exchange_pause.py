"""The trading hold ``exchange_paused``: placed when the exchange reports a pause, released when it trades again.

Without it a pause causes a storm of rejected orders. The hold is kept in the ledger, so it survives a restart.
"""

from __future__ import annotations

from truebook.kalshi.port import ExchangeError, RestClient
from truebook.ledger.exchange_reports import persist
from truebook.ledger.port import LedgerStore
from truebook.ledger.trading_holds import EXCHANGE_PAUSED
from truebook.runtime.context import Context


class ExchangePauseHold:
    """Places and releases the hold."""

    def __init__(self, context: Context, rest: RestClient, ledger: LedgerStore) -> None:
        self._context = context
        self._rest = rest
        self._ledger = ledger

    async def place(self, detail: str) -> None:
        """Hold all trading: the exchange has refused an order because of a pause."""
        self._context.log.warning("exchange paused", detail=detail)
        await persist(self._context.clock, lambda: self._ledger.apply(EXCHANGE_PAUSED.place()))

    async def check(self) -> None:
        """Release the hold if the exchange reports that the pause is over."""
        account = (await self._ledger.view(())).account
        if all(hold.name != EXCHANGE_PAUSED.name for hold in account.holds):
            return
        try:
            status = await self._rest.status()
        except ExchangeError as error:
            self._context.log.warning("could not read the exchange status", error=str(error))
            return
        if status.exchange_active and status.trading_active:
            await self._ledger.apply(EXCHANGE_PAUSED.release())
            self._context.log.info("exchange resumed trading")
