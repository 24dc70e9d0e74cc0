"""What a run has done, counted from the bus: an observer of every topic, never in the way of the pipeline."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Sequence

from truebook.book.replica import BookReplica
from truebook.evidence.recorder import Recorder
from truebook.ledger.valuation import Levels
from truebook.messages.actions import Action
from truebook.messages.dead_letters import DeadLetter
from truebook.messages.envelope import BookSide, Message
from truebook.messages.fills import FillBooked, MarketSettled
from truebook.messages.markets import Market
from truebook.messages.observations import Observation
from truebook.messages.orderbook import BookDelta, BookSnapshot, BookStale, PublicTrade
from truebook.messages.orders import OrderEvent, OrderOutcome
from truebook.messages.topics import TOPICS
from truebook.money import format_price, format_size
from truebook.runtime.context import Context
from truebook.runtime.frames import Consumer, Incoming

MOST_LATENCIES = 100_000
MOST_NEWS = 12
BOOKED = ("applied", "parked")
"""The ledger's words for a fill that it had not seen before."""


class Statistics:
    """Counters of one run, the books as their readers see them, and the newest news for the live view."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.outcomes: Counter[OrderOutcome] = Counter()
        self.refused: Counter[str] = Counter()
        self.fills_by_basis: Counter[str] = Counter()
        self.fills_by_side: Counter[str] = Counter()
        self.stale: Counter[str] = Counter()
        self.filled_tickers: set[str] = set()
        self.chosen: set[str] = set()
        self.books: dict[str, BookReplica] = {}
        self.latencies_us: deque[int] = deque(maxlen=MOST_LATENCIES)
        self.news: deque[str] = deque(maxlen=MOST_NEWS)
        self.missed = 0
        self.evidence = Recorder()

    def consumer(self, context: Context) -> Consumer:
        """The frame that feeds these statistics."""
        return Consumer(
            context, "truebook.statistics", TOPICS, self.take, observer=True, missed=self._took_gap, max_records=2_000
        )

    def followed(self) -> set[str]:
        """The markets whose books are followed and trusted, be they empty."""
        return {ticker for ticker, replica in self.books.items() if replica.stale is None}

    def levels(self) -> dict[str, tuple[Levels, Levels]]:
        """The trusted books, for valuing positions: ticker → (bids, asks)."""
        return {
            ticker: (replica.book.levels(BookSide.BID), replica.book.levels(BookSide.ASK))
            for ticker, replica in self.books.items()
            if replica.stale is None
        }

    def latency_ms(self) -> dict[str, float | None]:
        """Median and 99th percentile from the releasing frame to the POST, in milliseconds."""
        ordered = sorted(self.latencies_us)
        if not ordered:
            return {"p50": None, "p99": None}
        return {f"p{share}": round(ordered[(len(ordered) - 1) * share // 100] / 1000, 3) for share in (50, 99)}

    async def take(self, batch: Sequence[Incoming]) -> None:
        for incoming in batch:
            self.count(incoming.message)

    def _took_gap(self, missed: int) -> None:
        self.missed += missed

    def count(self, message: Message) -> None:
        """Take one message."""
        if isinstance(message, BookSnapshot | BookDelta | BookStale | PublicTrade):
            self._book(message)
            return
        self.evidence.take(message)
        match message:
            case Observation():
                self.counts["observations"] += 1
            case Action():
                self.counts["actions"] += 1
                self.counts["decisions"] += bool(message.targets)
            case OrderEvent():
                self._order(message)
            case FillBooked():
                self._fill(message)
            case MarketSettled():
                self._settled(message)
            case Market():
                (self.chosen.add if message.chosen else self.chosen.discard)(message.ticker)
            case DeadLetter():
                self.counts["dead_letters"] += 1
                self.news.append(f"dead letter from {message.origin}: {message.reason}")
            case _:
                pass

    def _book(self, message: BookSnapshot | BookDelta | BookStale | PublicTrade) -> None:
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
            self.evidence.saw_book(message, replica.stale)

    def _order(self, event: OrderEvent) -> None:
        self.outcomes[event.outcome] += 1
        if event.outcome is OrderOutcome.REFUSED and event.reason is not None:
            self.refused[str(event.reason)] += 1
        if event.outcome is OrderOutcome.ACKNOWLEDGED and event.tick_to_send_us is not None:
            self.latencies_us.append(event.tick_to_send_us)
        if event.outcome in (OrderOutcome.ACKNOWLEDGED, OrderOutcome.REJECTED, OrderOutcome.UNKNOWN):
            self._tell(str(event.outcome), event)

    def _fill(self, fill: FillBooked) -> None:
        if fill.answer not in BOOKED:
            self.counts["repeated_fills"] += 1
            return
        self.counts["fills"] += 1
        self.fills_by_basis[fill.basis or "untold"] += 1
        self.fills_by_side[str(fill.book_side)] += 1
        self.filled_tickers.add(fill.ticker)
        self._tell("fill", fill)

    def _tell(self, what: str, about: OrderEvent | FillBooked) -> None:
        terms = f"{about.book_side or '-'} {format_size(about.size_centi)} @ {format_price(about.price_cc)}"
        self.news.append(f"{what:<12} {terms}  {about.ticker}")

    def _settled(self, news: MarketSettled) -> None:
        if news.answer == "settled":
            self.counts["settlements"] += 1
            self.news.append(f"{'settled':<12} at {format_price(news.settlement_cc)}  {news.ticker}")
