"""One paper account: one model and one queue model, with the ledger's rules and recorded-style matching.

The same pure parts as in a backtest, driven by a live clock: ``step`` with the events of an instant, ``observe`` for
the markets that are due, ``tick`` once a second. Nothing here sends an order.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

from truebook.backtest.engine.account_reports import AccountReports
from truebook.backtest.engine.ledger_upkeep import Pruning, open_ledger
from truebook.backtest.engine.observing import AccountObserver
from truebook.backtest.engine.pass_ledger import PassLedger
from truebook.backtest.engine.trading import Sent, Trader
from truebook.backtest.engine.venue import Recorded, Venue
from truebook.backtest.paper.books import LiveBooks
from truebook.backtest.paper.report import PaperValues
from truebook.backtest.paper.rules import PaperRules
from truebook.ledger.exchange_reports import RECONCILED, SWEPT
from truebook.ledger.valuation import account_values
from truebook.ledger.verbs import AdvanceWatermark
from truebook.messages.envelope import BookSide
from truebook.messages.market_metadata import BEFORE_CLOSE, MarketMetadata
from truebook.messages.orders import OrderOutcome
from truebook.models.batch import action_of, decide_all
from truebook.models.session import Model
from truebook.money import no_price
from truebook.observation.markets import ObservedMarket
from truebook.simulation.events import Filled, SimulationEvent
from truebook.simulation.recorded.queue import QueueModel

ACCOUNT: Final = "paper"
PRUNE_US: Final = 60_000_000
MAX_KEPT: Final = 1_000
"""Ended orders, and fills, that a paper account's exchange keeps."""


class PaperAccount:
    """Trades by one model. Times are of the caller's clock, in microseconds, and never step back."""

    def __init__(self, rules: PaperRules, model: Model, queue: QueueModel, books: LiveBooks, now_us: int) -> None:
        self.queue = queue
        self._rules = rules
        self._model = model
        self._books = books
        self._now_us = now_us
        self._ledger = PassLedger(f"paper-{queue}")
        self._venue = Venue(ACCOUNT, rules.latency, (), queue, max_kept=MAX_KEPT)
        self._venue.begin(rules.balance_micros, now_us)
        open_ledger(self._ledger, rules, now_us)
        self._trader = Trader(rules, self._ledger, books, self._send)
        self._trader.start(now_us)
        self._reports = AccountReports(self._ledger, self._venue.exchange.queries)
        self._observer = AccountObserver(rules.identity, model.layout, self._ledger)
        self._pruning = Pruning(self._ledger, rules.retention_us, lambda: None)
        self._prune_us = now_us + PRUNE_US
        self._fills = self._turnover_micros = 0
        self._peak_micros = 0
        self._max_drawdown_micros: int | None = 0

    def list_market(self, metadata: MarketMetadata) -> None:
        """List a market at the simulated exchange; no effect where it is listed."""
        exchange = self._venue.exchange
        if exchange.queries.market(metadata.ticker) is None:
            self._record(exchange.lifecycle.add_market(metadata, self._now_us))

    def step(self, now_us: int, batch: Sequence[Recorded]) -> None:
        """Apply the events of an instant, then the orders that arrive and what else is due."""
        self._now_us = now_us
        while True:
            events, responses = self._venue.step(batch, now_us)
            self._record(events)
            for sent, response in responses:
                self._trader.receive(sent, response, now_us)
            batch = ()
            arrive_us = self._venue.arrives_us()
            if arrive_us is None or arrive_us > now_us:
                break

    def observe(self, due: Sequence[ObservedMarket]) -> None:
        """Observe these markets with this account's positions, decide, and trade."""
        now_us = self._now_us
        made, _ = self._observer.observe(due, self._books.markets, now_us)
        decisions, _ = decide_all(self._model, made)
        make = partial(
            action_of, self._rules.identity, model=self._model.metadata.name, now_us=now_us,
            max_age_us=self._rules.max_age_us,
        )  # fmt: skip
        for observation, decision in zip(made, decisions, strict=True):
            self._trader.offer(make(observation, decision), now_us)

    def tick(self, now_us: int) -> None:
        """Do the periodic work: cancel what must not rest, value the account, prune."""
        self.step(now_us, ())
        for name in (SWEPT, RECONCILED):
            self._ledger.apply(AdvanceWatermark(name=name, to_us=now_us))
        self._trader.sweep(now_us)
        self._observer.read_positions()
        self._value()
        if now_us >= self._prune_us:
            self._prune_us = now_us + PRUNE_US
            self._pruning.run(now_us)
            self._trader.decided_us.clear()

    def values(self) -> PaperValues:
        """Return the account's totals; the profit is None while a position has no known value."""
        profit_micros, fees_micros, unvalued = self._profit()
        return PaperValues(
            queue=self.queue, profit_micros=profit_micros, fees_micros=fees_micros,
            max_drawdown_micros=self._max_drawdown_micros, fills=self._fills, turnover_micros=self._turnover_micros,
            orders=self._trader.outcomes[OrderOutcome.SENT], unvalued_markets=unvalued,
        )  # fmt: skip

    def _send(self, sent: Sent) -> None:
        self._venue.send(sent, self._now_us)

    def _record(self, events: Sequence[SimulationEvent]) -> None:
        if not events:
            return
        self._reports.record(events)
        for event in events:
            if isinstance(event, Filled):
                fill = event.fill
                paid_cc = fill.price_cc if fill.book_side is BookSide.BID else no_price(fill.price_cc)
                self._fills += 1
                self._turnover_micros += paid_cc * fill.size_centi

    def _value(self) -> None:
        profit_micros, _, _ = self._profit()
        if profit_micros is not None and self._max_drawdown_micros is not None:
            self._peak_micros = max(self._peak_micros, profit_micros)
            self._max_drawdown_micros = max(self._max_drawdown_micros, self._peak_micros - profit_micros)

    def _profit(self) -> tuple[int | None, int, int]:
        """Return profit, fees and the number of positions without a known value."""
        view = self._ledger.view()
        books = {}
        for market in view.markets:
            known = self._books.markets.get(market.ticker)
            if known is None or known.replica.stale is not None or known.metadata is None:
                continue
            if known.metadata.status in BEFORE_CLOSE:
                book = known.replica.book
                books[market.ticker] = (book.levels(BookSide.BID), book.levels(BookSide.ASK))
        values = account_values(view, books)
        profit_micros = None if values.equity_micros is None else values.equity_micros - values.deposits_micros
        return profit_micros, values.fees_micros, len(values.unvalued_markets)
