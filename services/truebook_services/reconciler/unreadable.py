"""The trading hold ``unreadable``: a market of which the exchange reports something that can't be read and may be ours.

Only that market is held; the others trade on. The hold stays until nothing unreadable is listed and the market's
position and orders agree again, so that it outlasts a fill that no list shows any more.
"""

from __future__ import annotations

from functools import partial

from truebook.ledger.exchange_reports import persist
from truebook.ledger.port import LedgerStore
from truebook.ledger.trading_holds import UNREADABLE
from truebook.runtime.context import Context


class UnreadableMarkets:
    """Collects the markets of one round of comparison, and places and releases their holds."""

    def __init__(self, context: Context, ledger: LedgerStore) -> None:
        self._context = context
        self._ledger = ledger
        self._noted: dict[str, str] = {}

    def note(self, ticker: str, why: str) -> None:
        """Note that something of this market can't be read; without a market there is nothing to hold."""
        if ticker:
            self._noted.setdefault(ticker, why)

    async def place(self) -> None:
        """Place the holds of the noted markets, each once."""
        held = (await self._ledger.view(())).account.markets_held(UNREADABLE.name)
        for ticker, why in sorted(self._noted.items()):
            if ticker not in held:
                self._context.log.error("market held: an item of the exchange can't be read", ticker=ticker, why=why)
                await persist(self._context.clock, partial(self._ledger.apply, UNREADABLE.of_market(ticker).place()))

    async def release(self, differing: frozenset[str]) -> None:
        """End the round: release the holds of markets that were not noted in it and that agree again."""
        noted, self._noted = self._noted.keys() | differing, {}
        for ticker in sorted((await self._ledger.view(())).account.markets_held(UNREADABLE.name) - noted):
            await self._ledger.apply(UNREADABLE.of_market(ticker).release())
            self._context.log.info("market released: its items can be read and agree", ticker=ticker)
