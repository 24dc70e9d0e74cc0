"""Records the exchange's reports of the account in the ledger, by the verbs of the fill listener."""

from __future__ import annotations

from collections.abc import Sequence

from truebook.ledger.exchange_reports import acknowledge_of, close_of, settle_of
from truebook.ledger.rules.ledger import Ledger
from truebook.ledger.verbs import SettleMarket
from truebook.simulation.events import Filled, MarketChanged, OrderChanged, SimulationEvent
from truebook.simulation.venue.queries import VenueQueries
from truebook.venue.account import ExchangeOrder, OrderStatus


class AccountReports:
    """The verbs of ``ledger.exchange_reports``; all orders of the account are ours."""

    def __init__(self, ledger: Ledger, queries: VenueQueries) -> None:
        self._ledger = ledger
        self._queries = queries

    def record(self, events: Sequence[SimulationEvent]) -> None:
        """Record each report in the order of the events."""
        for event in events:
            match event:
                case OrderChanged(order=order):
                    self._order(order)
                case Filled(fill=fill):
                    self._ledger.apply(settle_of(fill))
                case MarketChanged(event_type="settled", metadata=metadata):
                    self._settle(metadata.ticker, metadata.settlement_cc)
                case _:
                    pass

    def _order(self, order: ExchangeOrder) -> None:
        verb_of = acknowledge_of if order.status is OrderStatus.RESTING else close_of
        self._ledger.apply(verb_of(order, order.client_order_id))

    def _settle(self, ticker: str, settlement_cc: int | None) -> None:
        market = self._ledger.state.markets.get(ticker)
        if market is not None and market.settlement_cc is None and settlement_cc is not None:
            self._ledger.apply(SettleMarket(ticker=ticker, settlement_cc=settlement_cc))
