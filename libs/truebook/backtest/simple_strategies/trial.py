"""One trial: strategies on one synthetic market, for some minutes, without sockets and without latency.

Strategies that only take, and those that only rest, are in the same market, with one contract each; each sees the book
without any of their orders. Half of the trials are the first minutes of a market, the other half a whole market that
ends with them, its settlement included. A position that is left is valued at the hidden price, which is what it is
worth; a settled one at its settlement.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from random import Random
from typing import Final

import msgspec

from truebook.backtest.simple_strategies.strategies import MAX_POSITION_CENTI, SIZE_CENTI, Decision, Strategy, View
from truebook.book.order_book import OrderBook, net_of
from truebook.messages.envelope import BookSide, TimeInForce
from truebook.messages.market_metadata import MarketMetadata, MarketStatus
from truebook.simulation.events import Filled, SimulationEvent, Traded
from truebook.simulation.synthetic.presets import PARAMETERS, Preset
from truebook.simulation.synthetic.trader_events import MarketOpened
from truebook.simulation.synthetic.traders import Traders, apply
from truebook.simulation.venue.exchange import SimulatedExchange, synthetic_exchange
from truebook.venue.account import CreateResponse, OrderRequest

START_US: Final = 1_700_000_000_000_000
EDGE_S: Final = 10
_SECOND_US: Final = 1_000_000
_WARM_UP_S: Final = 10
_SEEN_S: Final = 30
_BALANCE_MICROS: Final = 100_000_000_000


class TrialResult(msgspec.Struct, frozen=True, kw_only=True):
    """What a strategy earned in one trial."""

    strategy: str
    seed: int
    pnl_micros: int
    """After fees, with what is left at the hidden price or the settlement."""
    edge_micros: int
    """After fees, with each fill at the hidden price ``EDGE_S`` later: the same expectation with less noise, since
    no taker is informed of more than the next move."""
    fees_micros: int
    traded_centi: int
    settled: bool


class _Trader:
    """A strategy's account."""

    def __init__(self, name: str, strategy: Strategy, exchange: SimulatedExchange) -> None:
        self.name = name
        self.resting: dict[tuple[BookSide, int], str] = {}
        self.position_centi = 0
        self.cash_micros = self.fees_micros = self.traded_centi = self.edge_micros = 0
        self._strategy = strategy
        self._exchange = exchange
        self._unvalued: deque[tuple[int, int, int]] = deque()
        """Fills whose later price is not known yet: time, signed size, price."""
        self._sent = 0
        exchange.open_account(name, _BALANCE_MICROS)

    def decisions(self, view: View | None) -> list[Decision]:
        if view is None:
            return []
        return [one for one in self._strategy(view) if self._is_allowed(one)]

    def _is_allowed(self, decision: Decision) -> bool:
        signed_centi = self.position_centi if decision.side is BookSide.BID else -self.position_centi
        return signed_centi < MAX_POSITION_CENTI

    def own_orders(self) -> list[tuple[BookSide, int, int]]:
        """Drop ended orders; return (side, price, size) of the others."""
        left = {key: self._left(order_id) for key, order_id in self.resting.items()}
        self.resting = {key: order_id for key, order_id in self.resting.items() if left[key]}
        return [(side, price_cc, size) for (side, price_cc), size in left.items() if size]

    def cancel_others(self, wanted: set[tuple[BookSide, int]], now_us: int) -> list[SimulationEvent]:
        events: list[SimulationEvent] = []
        for key, order_id in list(self.resting.items()):
            if key not in wanted:
                events += self._exchange.cancel(self.name, order_id, now_us)[1]
                del self.resting[key]
        return events

    def place(self, ticker: str, decision: Decision, now_us: int) -> list[SimulationEvent]:
        self._sent += 1
        force = TimeInForce.IMMEDIATE_OR_CANCEL if decision.takes else TimeInForce.GOOD_TILL_CANCELED
        request = OrderRequest(
            ticker=ticker, client_order_id=f"s{self._sent}", book_side=decision.side, price_cc=decision.price_cc,
            size_centi=SIZE_CENTI, time_in_force=force, post_only=not decision.takes,
        )  # fmt: skip
        response, events = self._exchange.place(self.name, request, now_us)
        if isinstance(response, CreateResponse) and response.remaining_centi and not decision.takes:
            self.resting[decision.side, decision.price_cc] = response.exchange_order_id
        return events

    def record(self, event: Filled) -> None:
        fill = event.fill
        signed_centi = fill.size_centi if fill.book_side is BookSide.BID else -fill.size_centi
        self.position_centi += signed_centi
        self.cash_micros -= fill.price_cc * signed_centi + fill.fee_micros
        self.edge_micros -= fill.fee_micros
        self.fees_micros += fill.fee_micros
        self.traded_centi += fill.size_centi
        self._unvalued.append((event.at_us, signed_centi, fill.price_cc))

    def value(self, value_cc: int, filled_before_us: int) -> None:
        """Value the fills before a time at the hidden price, or the settlement, of now."""
        while self._unvalued and self._unvalued[0][0] < filled_before_us:
            _, signed_centi, price_cc = self._unvalued.popleft()
            self.edge_micros += signed_centi * (value_cc - price_cc)

    def _left(self, order_id: str) -> int:
        order = self._exchange.queries.order(self.name, order_id)
        return 0 if order is None else order.remaining_centi


class _Trial:
    """A running trial."""

    def __init__(self, strategies: Mapping[str, Strategy], preset: Preset, seed: int, seconds: int) -> None:
        self._rng = Random(f"{seed}:strategies")
        self._exchange = synthetic_exchange(seed)
        self.traders = _make_traders(preset, seed, seconds)
        self._mids: deque[int] = deque(maxlen=_SEEN_S)
        self._flow: deque[int] = deque([0], maxlen=_SEEN_S)
        self.accounts = {name: _Trader(name, one, self._exchange) for name, one in strategies.items()}
        self.ticker = ""

    def advance(self, until_us: int) -> None:
        """Apply the traders' commands up to a time."""
        while self.traders.next_due_us() <= until_us:
            command = self.traders.step()
            if isinstance(command, MarketOpened) and not self.ticker:
                self.ticker = command.metadata.ticker
            self._record(apply(self._exchange, command), are_traders=True)
        self._record(self._exchange.advance(until_us))

    def market(self) -> MarketMetadata | None:
        return self._exchange.queries.market(self.ticker)

    def act(self, second: int, now_us: int) -> None:
        """Let the strategies see the market and do what they want."""
        market = self.market()
        if market is None or market.status is not MarketStatus.ACTIVE:
            return
        own = [one for account in self.accounts.values() for one in account.own_orders()]
        seen = self._see(net_of(self._exchange.queries.book(self.ticker), own), market, second)
        for account in self.accounts.values():
            view = None if seen is None else seen._replace(position_centi=account.position_centi)
            decisions = account.decisions(view)
            resting = {(one.side, one.price_cc) for one in decisions if not one.takes}
            self._record(account.cancel_others(resting, now_us))
            for one in decisions:
                if one.takes or (one.side, one.price_cc) not in account.resting:
                    self._record(account.place(self.ticker, one, now_us))
        self._flow.append(0)

    def _see(self, book: OrderBook, market: MarketMetadata, second: int) -> View | None:
        bid, ask = book.best(BookSide.BID), book.best(BookSide.ASK)
        if bid is None or ask is None:
            return None
        self._mids.append(bid[0] + ask[0])
        return View(
            second=second, grid=market.price_ranges, bid_cc=bid[0], bid_centi=bid[1], ask_cc=ask[0], ask_centi=ask[1],
            mids_half_cc=self._mids, flow_centi=self._flow, position_centi=0, rng=self._rng,
        )  # fmt: skip

    def _record(self, events: list[SimulationEvent], *, are_traders: bool = False) -> None:
        for event in events:
            if isinstance(event, Filled):
                self.accounts[event.account].record(event)
            elif are_traders and isinstance(event, Traded) and event.ticker == self.ticker:
                self._flow[-1] += event.size_centi if event.taker_side is BookSide.BID else -event.size_centi


def run_trial(strategies: Mapping[str, Strategy], preset: Preset, seed: int, seconds: int) -> list[TrialResult]:
    """Run strategies on one seed's market for so many seconds."""
    trial = _Trial(strategies, preset, seed, seconds)
    value_cc, settlement_cc = 0, None
    for second in range(1, seconds + 1):
        now_us = START_US + second * _SECOND_US
        trial.advance(now_us)
        market, hidden_cc = trial.market(), trial.traders.hidden_price_cc(trial.ticker)
        settlement_cc = None if market is None else market.settlement_cc
        if settlement_cc is not None:
            value_cc = settlement_cc
            break
        value_cc = value_cc if hidden_cc is None else hidden_cc
        for account in trial.accounts.values():
            account.value(value_cc, now_us - EDGE_S * _SECOND_US)
        if second > _WARM_UP_S:
            trial.act(second, now_us)
    for account in trial.accounts.values():
        account.value(value_cc, now_us + 1)
    return [
        TrialResult(
            strategy=name, seed=seed, pnl_micros=one.cash_micros + one.position_centi * value_cc,
            edge_micros=one.edge_micros, fees_micros=one.fees_micros, traded_centi=one.traded_centi,
            settled=settlement_cc is not None,
        )
        for name, one in trial.accounts.items()
    ]  # fmt: skip


def _make_traders(preset: Preset, seed: int, seconds: int) -> Traders:
    parameters = PARAMETERS.get(preset)
    if parameters is None or seed % 2:
        return Traders(seed, start_us=START_US, markets=1, preset=preset)
    # Durations are drawn up to a fifth shorter or longer than the parameter.
    value = msgspec.structs.replace(parameters.value, life_us=seconds * _SECOND_US * 4 // 5)
    short = msgspec.structs.replace(parameters, value=value)
    return Traders(seed, start_us=START_US, markets=1, preset=preset, parameters=short)
