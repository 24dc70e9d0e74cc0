"""The simulated exchange of a backtest: recorded events, and our commands after their latency."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable, Sequence
from typing import TypeAlias

from truebook.backtest.engine.trading import PlaceSent, Response, Sent
from truebook.capture.event_types import BookGap
from truebook.kalshi.port import DeltaFrame, LifecycleFrame, SnapshotFrame, StreamEvent, TradeFrame
from truebook.messages.market_metadata import MarketMetadata
from truebook.simulation.events import SimulationEvent, Traded
from truebook.simulation.latency import Latency
from truebook.simulation.recorded.book import RecordedBook
from truebook.simulation.recorded.queue import QueueModel
from truebook.simulation.recorded.replay import MarketReplay
from truebook.simulation.venue.orders import Rejected

Recorded: TypeAlias = StreamEvent | BookGap
Public: TypeAlias = DeltaFrame | SnapshotFrame | TradeFrame | str
"""What the exchange sends of a recorded event; a ticker is its book as an empty snapshot."""


class Venue:
    """One exchange with one account. Within an instant recorded events are first, then arriving commands."""

    def __init__(
        self, account: str, latency: Latency, markets: Iterable[MarketMetadata], queue: QueueModel, *,
        max_kept: int | None = None,
    ) -> None:  # fmt: skip
        self._replay = MarketReplay(latency.seed, markets, queue=queue, max_kept=max_kept)
        self.exchange = self._replay.exchange
        self.account = account
        self.public: list[Public] = []
        """What the newest step sends of its recorded events, in their order."""
        self._latency = latency
        self._in_flight: list[tuple[int, int, Sent]] = []
        self._numbers = itertools.count()

    def begin(self, balance_micros: int, now_us: int) -> None:
        """Open the account and list the recorded markets."""
        self.exchange.open_account(self.account, balance_micros)
        self._replay.begin(now_us)

    def open_group(self, limit_centi: int, now_us: int) -> str | None:
        """Create a group of orders with that limit; return its id, None if the exchange refuses it."""
        group, _ = self.exchange.groups.create(self.account, limit_centi, now_us)
        return None if isinstance(group, Rejected) else group.group_id

    def send(self, sent: Sent, now_us: int) -> None:
        """Take a command, which is executed after its latency."""
        if isinstance(sent, PlaceSent):
            delay_us = self._latency.of_order(sent.request.client_order_id)
        else:
            delay_us = self._latency.of_cancel(sent.exchange_order_id)
        heapq.heappush(self._in_flight, (now_us + delay_us, next(self._numbers), sent))

    def arrives_us(self) -> int | None:
        """Return when the next command arrives."""
        return self._in_flight[0][0] if self._in_flight else None

    def next_due_us(self) -> int | None:
        """Return the time of the next arrival, expiry, opening or close."""
        due_us = self.exchange.next_due_us()
        if not self._in_flight:
            return due_us
        arrive_us = self._in_flight[0][0]
        return arrive_us if due_us is None or arrive_us < due_us else due_us

    def undisturbed_book(self, ticker: str) -> RecordedBook | None:
        """Return a market's book if its changes disturb nothing else; see ``MarketReplay``."""
        return self._replay.undisturbed_book(ticker)

    def pass_time(self, at_us: int) -> None:
        """Set the time, before which nothing was due."""
        self._replay.pass_time(at_us)

    def outcome_due_us(self) -> int:
        """Return the time from which on a recorded outcome may be due."""
        return self._replay.outcome_due_us()

    def step(self, batch: Sequence[Recorded], now_us: int) -> tuple[list[SimulationEvent], list[tuple[Sent, Response]]]:
        """Do all that is due in an instant; return its events, and the responses in the order of execution."""
        self.public = []
        events = self._apply(batch, now_us) if batch else []
        responses: list[tuple[Sent, Response]] = []
        while self._in_flight and self._in_flight[0][0] <= now_us:
            sent = heapq.heappop(self._in_flight)[2]
            response, more = self._execute(sent, now_us)
            events += more
            responses.append((sent, response))
        due_us = self.exchange.next_due_us()
        if due_us is not None and due_us <= now_us:
            events += self.exchange.advance(now_us)
        return events, responses

    def _execute(self, sent: Sent, now_us: int) -> tuple[Response, list[SimulationEvent]]:
        if isinstance(sent, PlaceSent):
            return self.exchange.place(self.account, sent.request, now_us)
        return self.exchange.cancel(self.account, sent.exchange_order_id, now_us)

    def _apply(self, batch: Sequence[Recorded], now_us: int) -> list[SimulationEvent]:
        """Apply recorded events, which fill our orders."""
        replay, public = self._replay, self.public
        events: list[SimulationEvent] = []
        for event in batch:
            match event:
                case DeltaFrame():
                    events += replay.delta(
                        event.ticker, event.book_side, event.price_cc, event.delta_centi, now_us,
                        exchange_us=event.exchange_us,
                    )  # fmt: skip
                    public.append(event if replay.is_valid(event.ticker) else event.ticker)
                case SnapshotFrame():
                    events += replay.snapshot(event.ticker, event.bids, event.asks, now_us)
                    public.append(event if replay.is_valid(event.ticker) else event.ticker)
                case TradeFrame():
                    events += replay.trade(_traded(event, now_us), exchange_us=event.exchange_us)
                    public.append(event)
                case LifecycleFrame():
                    events += replay.follow(
                        event.ticker, close_us=event.close_us, price_ranges=event.price_ranges, status=event.status,
                        settlement_cc=event.settlement_cc, at_us=now_us,
                    )  # fmt: skip
                case BookGap():
                    for ticker in event.tickers:
                        events += replay.snapshot(ticker, (), (), now_us)
                        public.append(ticker)
        return events


def _traded(event: TradeFrame, now_us: int) -> Traded:
    return Traded(
        at_us=now_us, ticker=event.ticker, trade_id=event.trade_id, price_cc=event.price_cc,
        size_centi=event.size_centi, taker_side=event.taker_side, block=event.block,
    )  # fmt: skip
