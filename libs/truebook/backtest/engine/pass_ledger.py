"""The ledger of one pass: the same rules, without a journal, and with views that are kept until the next change."""

from __future__ import annotations

from collections.abc import Iterable

from truebook.ledger.port import AccountView, LedgerView, MarketView
from truebook.ledger.rules.ledger import Ledger
from truebook.ledger.verbs import ResultT, Verb


class PassLedger(Ledger):
    """A pass is not restored from a journal, and reads its account several times between two changes.

    ``seq`` counts the changes as if each were journaled: observations contain it.
    """

    def __init__(self, ledger_id: str) -> None:
        super().__init__(ledger_id)
        self._account: AccountView | None = None
        self._markets: dict[str, MarketView] = {}
        self._views: dict[tuple[str, ...] | None, LedgerView] = {}

    def changed(self, verb: Verb[ResultT], result: ResultT) -> None:
        """Drop the views of the state before the change."""
        self._account = None
        if self._views:
            self._markets, self._views = {}, {}

    def account(self) -> AccountView:
        """Return the account's totals."""
        known = self._account
        if known is None:
            known = self._account = super().account()
        return known

    def view(self, tickers: Iterable[str] | None = None) -> LedgerView:
        """Return the account and the named markets (None: all), sorted by ticker."""
        key = None if tickers is None else tuple(tickers)
        known = self._views.get(key)
        if known is None:
            known = self._views[key] = super().view(key)
        return known

    def market(self, ticker: str) -> MarketView:
        """Return a market of the ledger; raises ``KeyError`` for others."""
        known = self._markets.get(ticker)
        if known is None:
            known = self._markets[ticker] = super().market(ticker)
        return known
