"""Counters of what was published on the bus. A passive consumer of every topic: it never slows the pipeline."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence
from operator import attrgetter

from cachetools import FIFOCache

from truebook.book.replica import BookReplica
from truebook.evidence.recorder import Recorder
from truebook.ledger.valuation import Levels
from truebook.live.state import LiveState
from truebook.messages.actions import Action
from truebook.messages.dead_letters import DeadLetter
from truebook.messages.envelope import BookSide, Message
from truebook.messages.fills import FillRecorded, MarketSettled
from truebook.messages.market_metadata import BEFORE_CLOSE
from truebook.messages.markets import MarketUpdated
from truebook.messages.observations import Observation
from truebook.messages.orderbook import BookDelta, BookSnapshot, BookStale, PublicTrade
from truebook.messages.orders import OrderEvent, OrderOutcome
from truebook.messages.refusals import DecisionsCounted
from truebook.messages.topics import TOPICS
from truebook.money import format_price, format_size
from truebook.runtime.context import Context
from truebook.runtime.frames import Consumer, Incoming
from truebook_services.operator.port import Latency

PRODUCED = attrgetter("produced_us")
MAX_LATENCIES = 100_000
MAX_EVENTS = 12
MAX_CLOSED = 1_000
"""Closed markets whose books are kept: an hour of fifty synthetic markets."""
MAX_FILLS = 20_000
"""The newest fills, whose repetitions are not counted."""


class Statistics:
    """Counters since the start, the books as their readers see them, and the newest events for the live view."""

    def __init__(self, from_us: int = 0) -> None:
        """``from_us``: the funnel counts from then on; see ``recall``."""
        self.counts: Counter[str] = Counter()
        self.outcomes: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.fills_by_basis: Counter[str] = Counter()
        self.fills_by_side: Counter[str] = Counter()
        self.stale: Counter[str] = Counter()
        self.filled_tickers: set[str] = set()
        self.selected: set[str] = set()
        self.was_selected = False
        """Whether any market was selected at any time."""
        self.books: dict[str, BookReplica] = {}
        self.closed: dict[str, None] = {}
        """The newest markets that have closed, in that order: an empty book is no price there."""
        self.dropped_markets = 0
        """How many closed markets before those had a book."""
        self.latencies_us: deque[int] = deque(maxlen=MAX_LATENCIES)
        self.events: deque[str] = deque(maxlen=MAX_EVENTS)
        self.evidence = Recorder(from_us)
        self.live: LiveState | None = None
        """Fed with each message after these counters; None where no page may ask."""
        self.since_us = 0
        """Fills from before this exchange time are of an earlier run; sweeps report the newest of them again."""
        self._fills: FIFOCache[str, None] = FIFOCache(MAX_FILLS)

    def consumer(self, context: Context) -> Consumer:
        """Return the consumer that feeds these statistics; it skips what it is too slow to read."""
        return Consumer(
            context, "truebook.statistics", TOPICS, self.take, observer=True, max_records=2_000, missed=self.skip
        )

    def fresh(self) -> set[str]:
        """Return the markets whose books are fresh, empty books included."""
        return {ticker for ticker, replica in self.books.items() if replica.stale is None}

    def levels(self) -> dict[str, tuple[Levels, Levels]]:
        """Return the fresh books of markets that are not closed, for valuing positions: ticker → (bids, asks)."""
        return {
            ticker: (replica.book.levels(BookSide.BID), replica.book.levels(BookSide.ASK))
            for ticker, replica in self.books.items()
            if replica.stale is None and ticker not in self.closed
        }

    def latency(self) -> Latency:
        """Return the time from the frame that caused an order to its POST."""
        ordered = sorted(self.latencies_us)
        if not ordered:
            return Latency(p50=None, p99=None)
        return Latency(**{f"p{n}": round(ordered[(len(ordered) - 1) * n // 100] / 1000, 3) for n in (50, 99)})

    async def take(self, batch: Sequence[Incoming]) -> None:
        """Count a batch in the order of time: topics have no common order, and an event follows its decision."""
        messages = [incoming.message for incoming in batch if isinstance(incoming.message, Message)]
        for message in sorted(messages, key=PRODUCED):
            self.count(message)

    def skip(self, messages: int) -> None:
        """Note that the bus has replaced messages before they were read: the other counts lack them."""
        self.counts["skipped_messages"] += messages

    def count(self, message: Message) -> None:
        """Count one message."""
        if isinstance(message, BookSnapshot | BookDelta | BookStale | PublicTrade):
            self._count_book(message)
        else:
            self._count_other(message)
        if self.live is not None:
            self.live.take(message)

    def recall(self, message: Message) -> None:
        """Record a message from before the counts began: it explains what comes, and is not counted itself."""
        self.evidence.record(message)
        if self.live is not None:
            self.live.take(message)

    def _count_other(self, message: Message) -> None:
        self.evidence.record(message)
        match message:
            case Observation():
                self.counts["observations"] += 1
            case Action():
                self.counts["actions"] += 1
                self.counts["decisions"] += 1
            case DecisionsCounted():
                self.counts["decisions"] += sum(message.counts.values())
            case OrderEvent():
                self._count_order(message)
            case FillRecorded():
                self._count_fill(message)
            case MarketSettled():
                self._count_settlement(message)
            case MarketUpdated():
                self.was_selected = self.was_selected or message.selected
                (self.selected.add if message.selected else self.selected.discard)(message.ticker)
                is_closed = message.metadata.status not in BEFORE_CLOSE
                self._close(message.ticker) if is_closed else self.closed.pop(message.ticker, None)
            case DeadLetter():
                self.counts["dead_letters"] += 1
                self.events.append(f"dead letter from {message.origin}: {message.reason}")
            case _:
                pass

    def _count_book(self, message: BookSnapshot | BookDelta | BookStale | PublicTrade) -> None:
        match message:
            case BookDelta():
                self.counts["deltas"] += 1
            case BookSnapshot():
                self.counts["snapshots"] += 1
            case PublicTrade():
                self.counts["public_trades"] += 1
            case BookStale():
                self.stale[str(message.reason)] += 1
        replica = self.books.get(message.ticker)
        if replica is None:
            replica = self.books[message.ticker] = BookReplica()
        replica.apply(message)
        if not isinstance(message, PublicTrade):
            self.evidence.record_book(message, replica.stale)

    def _close(self, ticker: str) -> None:
        """Note that a market has closed; of the oldest ones the books are dropped, so that their number is bounded."""
        self.closed[ticker] = None
        while len(self.closed) > MAX_CLOSED:
            oldest = next(iter(self.closed))
            del self.closed[oldest]
            self.dropped_markets += self.books.pop(oldest, None) is not None

    def _count_order(self, event: OrderEvent) -> None:
        self.outcomes[event.outcome] += 1
        if event.outcome is OrderOutcome.REFUSED and event.reason is not None:
            self.refused[str(event.reason)] += 1
        if event.outcome is OrderOutcome.ACKNOWLEDGED and event.tick_to_send_us is not None:
            self.latencies_us.append(event.tick_to_send_us)
        if event.outcome in (OrderOutcome.ACKNOWLEDGED, OrderOutcome.REJECTED, OrderOutcome.UNKNOWN):
            self._show(str(event.outcome), event)

    def _count_fill(self, fill: FillRecorded) -> None:
        """Count each recorded fill once, whichever service recorded it first."""
        is_earlier = fill.exchange_us is not None and fill.exchange_us < self.since_us
        if fill.outcome.is_error or is_earlier or fill.id in self._fills:
            self.counts["repeated_fills"] += 1
            return
        self._fills[fill.id] = None
        self.counts["fills"] += 1
        self.fills_by_basis[fill.basis or "unknown"] += 1
        self.fills_by_side[str(fill.book_side)] += 1
        self.filled_tickers.add(fill.ticker)
        self._show("fill", fill)

    def _show(self, what: str, about: OrderEvent | FillRecorded) -> None:
        terms = f"{about.book_side or '-'} {format_size(about.size_centi)} @ {format_price(about.price_cc)}"
        self.events.append(f"{what:<12} {terms}  {about.ticker}")

    def _count_settlement(self, settled: MarketSettled) -> None:
        if settled.outcome.is_new:
            self.counts["settlements"] += 1
            self.events.append(f"{'settled':<12} at {format_price(settled.settlement_cc)}  {settled.ticker}")
