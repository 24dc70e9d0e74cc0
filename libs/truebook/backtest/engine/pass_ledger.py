"""The ledger of one pass: the same rules, without a journal, and with views that are kept until the next change."""

from __future__ import annotations

from collections.abc import Iterable

from truebook.ledger.port import AccountView, LedgerView, MarketView
from truebook.ledger.rules.ledger import RULES, Ledger
from truebook.ledger.rules.views import market_view
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

    def apply(self, verb: Verb[ResultT]) -> ResultT:
        """Apply a verb and return its result."""
        result: ResultT
        result, changed = RULES[verb.VERB](self.state, verb)
        if changed:
            self.seq += 1
            self._account = None
            if self._views:
                self._markets, self._views = {}, {}
        return result

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
            known = self._views[key] = super().view() if key is None else self._view_of(key)
        return known

    def _view_of(self, tickers: tuple[str, ...]) -> LedgerView:
        listed = [ticker for ticker in sorted(set(tickers)) if ticker in self.state.markets]
        return LedgerView(account=self.account(), markets=tuple([self._market(ticker) for ticker in listed]))

    def _market(self, ticker: str) -> MarketView:
        known = self._markets.get(ticker)
        if known is None:
            record = self.state.markets[ticker]
            known = self._markets[ticker] = market_view(record, self.state.open_orders(record))
        return known
