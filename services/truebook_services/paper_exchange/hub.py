"""Tells the engine's events to every open connection, and answers what connections and requests read of markets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from truebook.messages.facts import MarketStatus
from truebook.simulation.events import (
    BookReplaced,
    Filled,
    GroupChanged,
    LevelChanged,
    MarketChanged,
    OrderChanged,
    SimulationEvent,
    Traded,
)
from truebook.simulation.order_entry import OrderEntry
from truebook.simulation.orders import OrderCosts
from truebook_services.paper_exchange import frames, private_frames
from truebook_services.paper_exchange.fault_board import FaultBoard
from truebook_services.paper_exchange.frames import Outgoing
from truebook_services.paper_exchange.market_stats import MarketStats
from truebook_services.paper_exchange.stream import StreamSession

_MOST_STATS: Final = 5_000
"""Markets whose last trade is remembered: the engine itself forgets ended markets."""


class Hub:
    """The exchange's public face: statistics of markets, and the connections that listen."""

    def __init__(
        self,
        engine: OrderEntry,
        now_us: Callable[[], int],
        steady_us: Callable[[], int],
        faults: FaultBoard,
        drop_sockets: Callable[[], None],
        *,
        both_sides: bool = False,
        stats: dict[str, MarketStats] | None = None,
    ) -> None:
        self.engine = engine
        self.sessions: dict[StreamSession, None] = {}
        self.now_us = now_us
        self.steady_us = steady_us
        self._faults = faults
        self._drop_sockets = drop_sockets
        self._both_sides = both_sides
        self.known_stats = {} if stats is None else stats

    # Reads.

    def stats(self, ticker: str) -> MarketStats:
        known = self.known_stats
        stats = known.get(ticker)
        if stats is None:
            if len(known) >= _MOST_STATS:
                self._forget_one_that_is_over()
            stats = known[ticker] = MarketStats()
        return stats

    def _forget_one_that_is_over(self) -> None:
        """The oldest may still be traded, and its open interest is nowhere else."""
        for ticker in self.known_stats:
            facts = self.engine.market(ticker)
            if facts is None or facts.status is MarketStatus.FINALIZED:
                del self.known_stats[ticker]
                return

    def snapshot(self, ticker: str, use_yes_price: bool) -> dict[str, Any] | None:
        if self.engine.market(ticker) is None:
            return None
        return frames.snapshot_body(
            ticker,
            self.engine.book(ticker),
            self.engine.clock_of(ticker),
            use_yes_price=use_yes_price,
            both_sides=self._both_sides,
        )

    def ticker(self, ticker: str) -> Outgoing | None:
        facts = self.engine.market(ticker)
        if facts is None:
            return None
        return frames.ticker_update(facts, self.stats(ticker), self.engine.book(ticker), self.now_us())

    # Telling.

    def learn(self, events: Iterable[SimulationEvent]) -> None:
        """Keep the statistics that follow from events: all that the replay of a journal needs."""
        for event in events:
            if isinstance(event, Traded):
                self.stats(event.ticker).traded(event)

    def deliver(self, events: Sequence[SimulationEvent]) -> None:
        """Tell a turn's events to all connections, in their order; tickers once a market, at the end."""
        self.learn(events)
        events = self._faults.delayed(events)
        sent = self._tell(events) if events and self.sessions else 0
        for session in list(self.sessions):
            session.tick()
            session.flush()
        if self._faults.drops_sockets(sent):
            self._drop_sockets()

    def left(self, session: StreamSession) -> None:
        """Forget a connection that has ended."""
        self.sessions.pop(session, None)

    def _tell(self, events: Sequence[SimulationEvent]) -> int:
        """Answer how many messages were told."""
        moved: dict[str, None] = {}
        sent = 0
        for event in events:
            if isinstance(event, LevelChanged | BookReplaced | Traded):
                moved[event.ticker] = None
            withheld = isinstance(event, LevelChanged) and self._faults.withholds_delta()
            for outgoing in self._outgoing(event):
                self._publish(outgoing, withheld=withheld)
                sent += 1
        for ticker in moved:
            update = self.ticker(ticker)
            if update is not None:
                self._publish(update)
        return sent

    def _publish(self, outgoing: Outgoing, *, withheld: bool = False) -> None:
        for session in self.sessions:
            if withheld:
                session.skip_one(outgoing)
            else:
                session.publish(outgoing)

    def _outgoing(self, event: SimulationEvent) -> list[Outgoing]:
        match event:
            case LevelChanged():
                return [frames.delta(event)]
            case BookReplaced():
                return [frames.snapshot(event, both_sides=self._both_sides)]
            case Traded():
                return [frames.trade(event)]
            case Filled():
                return [private_frames.fill(event), *self._position_of(event)]
            case OrderChanged(account=account, order=order):
                request = self.engine.order_request(account, order.exchange_order_id)
                costs = self.engine.order_costs(account, order.exchange_order_id)
                if request is None:
                    return []
                return [private_frames.user_order(event, costs or OrderCosts(), request)]
            case GroupChanged():
                return [private_frames.order_group(event)]
            case MarketChanged():
                announced = frames.lifecycle(event)
                return [] if announced is None else [announced]
            case _:
                return []

    def _position_of(self, event: Filled) -> list[Outgoing]:
        held = self.engine.position(event.account, event.fill.ticker)
        facts = self.engine.market(event.fill.ticker)
        if held is None or facts is None:
            return []
        return [private_frames.market_position(event.account, event.fill.ticker, held, facts.volume_centi)]
