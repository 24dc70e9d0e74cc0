"""The hold ``exchange_paused``: set when the exchange says that it is paused, taken away when it trades again.

Without it a pause means a storm of rejected orders. The hold lives in the ledger, so a restart does not forget it.
"""

from __future__ import annotations

from typing import Final

from truebook.kalshi.port import ExchangeError, RestClient
from truebook.ledger.facts import persist
from truebook.ledger.port import LedgerStore
from truebook.runtime.context import Context

HOLD: Final = "exchange_paused"
OWNER: Final = "execution"


class Pauses:
    """Places and releases the hold."""

    def __init__(self, context: Context, rest: RestClient, ledger: LedgerStore) -> None:
        self._context = context
        self._rest = rest
        self._ledger = ledger

    async def begin(self, detail: str) -> None:
        """Hold all trading: the exchange has refused an order because of a pause."""
        self._context.log.warning("the exchange is paused", detail=detail)
        await persist(self._context.clock, lambda: self._ledger.hold(HOLD, "halted", OWNER))

    async def check(self) -> None:
        """Ask the exchange, while the hold is there, whether the pause is over."""
        account = (await self._ledger.view(())).account
        if all(hold.name != HOLD for hold in account.holds):
            return
        try:
            status = await self._rest.status()
        except ExchangeError as error:
            self._context.log.warning("the exchange does not tell its status", error=str(error))
            return
        if status.exchange_active and status.trading_active:
            await self._ledger.release(HOLD, OWNER)
            self._context.log.info("the exchange trades again")
