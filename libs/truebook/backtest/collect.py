"""Collects the result of one pass while the engine runs."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from truebook.backtest.engine.engine import Engine
from truebook.backtest.marks import known_books
from truebook.backtest.result import (
    MARK_OUTS_S,
    AccountResult,
    EquityPoint,
    Fill,
    MarketResult,
    Order,
    PassResult,
    Prediction,
)
from truebook.decision.decide import Decision
from truebook.ledger.port import LedgerView, MarketView
from truebook.ledger.valuation import AccountValues, Books, account_values, position_cost, realized_profit, sale_value
from truebook.messages.market_metadata import MarketMetadata
from truebook.messages.observations import Observation
from truebook.simulation.events import Basis, Filled, OrderChanged, Settled, SimulationEvent
from truebook.simulation.recorded.queue import QueueModel
from truebook.venue.account import ExchangeFill, OrderStatus

MICROS: Final = 1_000_000


class Collector:
    """The observer of one engine; ``result`` may be read at any time, for a partial result too."""

    def __init__(
        self, queue: QueueModel, markets: Iterable[MarketMetadata], others: Iterable[MarketMetadata] = ()
    ) -> None:
        self._queue = queue
        self._recorded = {one.ticker: one for one in markets}
        self._others = frozenset(one.ticker for one in others)
        """Listed, but no part of the backtest."""
        self._engine: Engine | None = None
        self._equity: list[EquityPoint] = []
        self._fills: list[tuple[ExchangeFill, int | None, list[int | None]]] = []
        self._marks: list[tuple[int, int, int]] = []
        self._queue_ahead: dict[str, int] = {}
        self._predictions: list[Prediction] = []
        self._settled: dict[str, MarketView] = {}

    def attach(self, engine: Engine) -> None:
        """Observe an engine from its start."""
        self._engine = engine
        engine.watch = self._watch
        engine.sampled = self._sample
        engine.pruned = self._keep_settled
        engine.decided = self._predict
        self._sample(engine.now_us)

    @property
    def engine(self) -> Engine:
        assert self._engine is not None, "attached first"
        return self._engine

    # While the engine runs.

    def _keep_settled(self) -> None:
        """Keep the settled markets, which the ledger adds up in one record later."""
        view = self.engine.ledger.view()
        self._settled |= {
            one.ticker: one for one in view.markets if one.settlement_cc is not None and not one.pruned_markets
        }

    def _watch(self, now_us: int, events: Sequence[SimulationEvent]) -> None:
        is_changed = False
        queries, account = self.engine.exchange.queries, self.engine.settings.exchange_account
        for event in events:
            match event:
                case OrderChanged(order=order):
                    if order.status is OrderStatus.RESTING and order.exchange_order_id not in self._queue_ahead:
                        ahead_centi = queries.queue_position(account, order.exchange_order_id)
                        self._queue_ahead[order.exchange_order_id] = ahead_centi or 0
                case Filled(fill=fill):
                    for number, seconds in enumerate(MARK_OUTS_S):
                        heapq.heappush(self._marks, (fill.created_us + seconds * MICROS, len(self._fills), number))
                    self._fills.append((fill, self._mid(fill.ticker), [None] * len(MARK_OUTS_S)))
                    self.engine.mark_at(self._marks[0][0], self._mark)
                    is_changed = True
                case Settled():
                    is_changed = True
                case _:
                    pass
        if is_changed:
            self._sample(now_us)

    def _mark(self, before_us: int) -> int | None:
        """Read the mid prices that are due before an instant; return the next time."""
        while self._marks and self._marks[0][0] < before_us:
            _, fill, number = heapq.heappop(self._marks)
            found, _, marks = self._fills[fill]
            marks[number] = self._mid(found.ticker)
        return self._marks[0][0] if self._marks else None

    def _mid(self, ticker: str) -> int | None:
        """Return best bid + best ask; None without a fresh two-sided book."""
        market = self.engine.data.markets.get(ticker)
        return None if market is None or market.stale is not None else market.bid_plus_ask_cc

    def _predict(self, observations: Sequence[Observation], decisions: Sequence[Decision]) -> None:
        for each, decision in zip(observations, decisions, strict=True):
            if decision.probability is not None:
                self._predictions.append(
                    Prediction(
                        at_us=each.produced_us, ticker=each.ticker,
                        probability_ppm=round(decision.probability * MICROS),
                        mid_half_cc=each.best_bid_cc + each.best_ask_cc, outcome_cc=None,
                    )
                )  # fmt: skip

    def _values(self) -> tuple[LedgerView, AccountValues]:
        view = self.engine.ledger.view()
        return view, account_values(view, known_books(self.engine.data, view))

    def _sample(self, now_us: int) -> None:
        """Add a point; of a run of equal ones only the first and the last are kept."""
        _, values = self._values()
        added = EquityPoint(
            at_us=now_us, equity_micros=values.equity_micros, cash_micros=values.cash_micros,
            reserved_micros=values.reserved_micros, exposure_micros=values.position_cost_micros,
            fees_micros=values.fees_micros,
        )  # fmt: skip
        if len(self._equity) > 1 and _is_equal(self._equity[-2], added) and _is_equal(self._equity[-1], added):
            self._equity.pop()
        self._equity.append(added)

    # The result.

    def tickers(self) -> tuple[str, ...]:
        """Return the markets of the backtest: the recorded ones, and those seen without metadata."""
        listed = {one.ticker for one in self.engine.exchange.queries.markets()}
        return tuple(sorted((self._recorded.keys() | listed) - self._others))

    def result(self) -> PassResult:
        """Return what is known now."""
        engine = self.engine
        self._mark(engine.now_us)
        self._sample(engine.now_us)
        view, values = self._values()
        held = self._settled | {market.ticker: market for market in view.markets if not market.pruned_markets}
        books = known_books(self.engine.data, view)
        fills = tuple(self._fill(*one) for one in self._fills)
        markets = tuple(
            self._market(ticker, held.get(ticker), books, fills) for ticker in sorted({*self.tickers(), *held})
        )
        outcomes = {one.ticker: one.settlement_cc for one in self._recorded.values() if one.settlement_cc is not None}
        outcomes |= {one.ticker: one.outcome_cc for one in markets if one.outcome_cc is not None}
        return PassResult(
            queue=self._queue,
            account=self._account(values, held),
            equity=tuple(self._equity),
            orders=self._orders(),
            fills=fills,
            markets=markets,
            refusals={
                str(reason): count for reason, count in sorted((engine.refusals + engine.trader.refusals).items())
            },
            outcomes={str(outcome): count for outcome, count in sorted(engine.trader.outcomes.items())},
            observations=engine.observations,
            decisions=engine.decisions,
            targets=engine.targets,
            predictions=tuple(
                msgspec.structs.replace(one, outcome_cc=outcomes.get(one.ticker)) for one in self._predictions
            ),
            switches=() if engine.deciding is None else engine.deciding.switches,
        )

    def _account(self, values: AccountValues, held: Mapping[str, MarketView]) -> AccountResult:
        queries, account = self.engine.exchange.queries, self.engine.settings.exchange_account
        positions = {one.ticker: one.position_centi for one in queries.positions(account)}
        ours = {
            one.ticker: one.position_centi for one in held.values() if one.position_centi and one.settlement_cc is None
        }
        cash = queries.balance(account).balance_micros + queries.held_micros(account)
        return AccountResult(
            deposits_micros=values.deposits_micros, cash_micros=values.cash_micros,
            reserved_micros=values.reserved_micros, position_cost_micros=values.position_cost_micros,
            realized_micros=values.realized_micros, unrealized_micros=values.unrealized_micros,
            fees_micros=values.fees_micros, equity_micros=values.equity_micros,
            unvalued_markets=values.unvalued_markets,
            ledger_equals_exchange=positions == ours
            and cash == values.cash_micros - values.overdrawn_micros + values.reserved_micros,
        )  # fmt: skip

    def _orders(self) -> tuple[Order, ...]:
        engine = self.engine
        decided = engine.trader.decided_us
        return tuple(
            Order(
                ticker=order.ticker, order_id=order.exchange_order_id, client_order_id=order.client_order_id,
                side=order.book_side, price_cc=order.price_cc, size_centi=order.initial_centi,
                filled_centi=order.filled_centi, status=order.status, last_update_reason=order.last_update_reason,
                decided_us=decided[order.client_order_id], created_us=order.created_us or 0,
                ended_us=None if order.status is OrderStatus.RESTING else order.updated_us,
                expires_us=order.expires_us, queue_ahead_centi=self._queue_ahead.get(order.exchange_order_id),
            )
            for order in reversed(engine.exchange.queries.orders(engine.settings.exchange_account))
        )  # fmt: skip

    @staticmethod
    def _fill(fill: ExchangeFill, mid_half_cc: int | None, marks: Sequence[int | None]) -> Fill:
        assert fill.basis is not None, "a simulated fill has its basis"
        return Fill(
            at_us=fill.created_us, ticker=fill.ticker, trade_id=fill.trade_id, order_id=fill.exchange_order_id,
            side=fill.book_side, price_cc=fill.price_cc, size_centi=fill.size_centi, fee_micros=fill.fee_micros,
            is_taker=fill.is_taker, basis=Basis(fill.basis), mid_half_cc=mid_half_cc, mark_outs_half_cc=tuple(marks),
        )  # fmt: skip

    def _market(
        self, ticker: str, market: MarketView | None, books: Books, fills: Sequence[Fill]
    ) -> MarketResult:  # fmt: skip
        metadata = self.engine.exchange.queries.market(ticker) or self._recorded.get(ticker)  # ended ones are dropped
        volume_centi = 0 if metadata is None else metadata.volume_centi
        event = market.event if market is not None else metadata.event if metadata is not None else ""
        outcome_cc = None if metadata is None else metadata.settlement_cc
        if market is None:
            return MarketResult(
                ticker=ticker, event=event, position_centi=0, cost_micros=0, realized_micros=0, unrealized_micros=0,
                fees_micros=0, outcome_cc=outcome_cc, bought_centi=0, turnover_micros=0, fills=0,
                market_volume_centi=volume_centi,
            )  # fmt: skip
        cost_micros, unrealized = position_cost(market), 0 if market.settlement_cc is not None else None
        if market.position_centi == 0:
            unrealized = 0
        elif market.settlement_cc is None and ticker in books:
            unrealized = sale_value(market.position_centi, *books[ticker])[0] - cost_micros
        return MarketResult(
            ticker=ticker, event=event, position_centi=market.position_centi, cost_micros=cost_micros,
            realized_micros=realized_profit(market), unrealized_micros=unrealized, fees_micros=market.fees_micros,
            outcome_cc=outcome_cc if market.settlement_cc is None else market.settlement_cc,
            bought_centi=market.yes_bought_centi + market.no_bought_centi,
            turnover_micros=market.yes_cost_micros + market.no_cost_micros, fills=market.fills,
            market_volume_centi=volume_centi,
        )  # fmt: skip


def _is_equal(one: EquityPoint, other: EquityPoint) -> bool:
    """Return whether the two differ in time only."""
    return msgspec.structs.replace(one, at_us=other.at_us) == other
