"""The sources of market events that the core steps through: synthetic traders, or a recording."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from truebook.capture.events import BookGap, CapturedEvent, EventDecoder, SkippedFrame, SkipReason
from truebook.capture.reader import CapturedFrame
from truebook.kalshi.port import DeltaFrame, LifecycleFrame, SnapshotFrame, TradeFrame
from truebook.kalshi.stream.commands import USE_YES_PRICE
from truebook.messages.envelope import BookSide
from truebook.messages.market_metadata import MarketMetadata, MarketStatus
from truebook.simulation.events import BookReplaced, LevelChanged, SimulationEvent, Traded
from truebook.simulation.recorded.replay import MarketReplay
from truebook.simulation.synthetic.traders import Traders, apply
from truebook.simulation.venue.exchange import SimulatedExchange

ENDED: Final = (MarketStatus.DETERMINED, MarketStatus.FINALIZED)
Levels = tuple[tuple[int, int], ...]


class TraderSource:
    """Applies the synthetic traders' commands one by one. Their stream never ends."""

    def __init__(self, exchange: SimulatedExchange, traders: Traders) -> None:
        self.position = 0
        self._exchange = exchange
        self._traders = traders

    @property
    def seed(self) -> int:
        return self._traders.seed

    def reseed(self, seed: int) -> None:
        self._traders.reseed(seed)

    def next_due_us(self) -> int | None:
        return self._traders.next_due_us()

    def step(self) -> Sequence[SimulationEvent]:
        self.position += 1
        return apply(self._exchange, self._traders.step())

    def skip(self, until_us: int, at_us: int) -> Sequence[SimulationEvent]:
        """Shift the traders' stream and the closes of open markets by the pause; order expiries do not move."""
        events: list[SimulationEvent] = []
        for event in self._traders.shift(at_us - until_us):
            events += apply(self._exchange, event)
        return events


class FrameApplier:
    """Applies decoded frames to a recorded market, and returns the public events with those of accounts."""

    def __init__(self, replay: MarketReplay, log: Any) -> None:
        self._replay = replay
        self._queries = replay.exchange.queries
        self._log = log

    def lost_frames(self, captured: CapturedEvent, gap: BookGap) -> list[SimulationEvent]:
        at_us = captured.at_us
        self._log.warning("recording lacks frames", connection=captured.connection, sid=gap.sid, at_us=at_us)
        return [event for ticker in gap.tickers for event in self._snapshot(ticker, (), (), at_us)]

    def apply(self, captured: CapturedEvent) -> list[SimulationEvent]:
        at_us, event = captured.at_us, captured.event
        match event:
            case DeltaFrame():
                return self._delta(event, at_us)
            case SnapshotFrame():
                return self._snapshot(event.ticker, event.bids, event.asks, at_us)
            case LifecycleFrame():
                return self._follow(event, at_us)
            case TradeFrame():
                trade = Traded(
                    at_us=at_us,
                    ticker=event.ticker,
                    trade_id=event.trade_id,
                    price_cc=event.price_cc,
                    size_centi=event.size_centi,
                    taker_side=event.taker_side,
                    block=event.block,
                )
                return [*self._replay.trade(trade, exchange_us=event.exchange_us), trade]
        return []

    def _follow(self, event: LifecycleFrame, at_us: int) -> list[SimulationEvent]:
        events = self._replay.follow(
            event.ticker, close_us=event.close_us, price_ranges=event.price_ranges, status=event.status,
            settlement_cc=event.settlement_cc, at_us=at_us,
        )  # fmt: skip
        if event.status in ENDED and not self._replay.has_outcome(event.ticker):
            self._log.warning("recorded outcome has no value: positions stay open", ticker=event.ticker)
        return events

    def _snapshot(self, ticker: str, bids: Levels, asks: Levels, at_us: int) -> list[SimulationEvent]:
        return [*self._replay.snapshot(ticker, bids, asks, at_us), self._whole_book(ticker, at_us)]

    def _delta(self, event: DeltaFrame, at_us: int) -> list[SimulationEvent]:
        events = self._replay.delta(
            event.ticker, event.book_side, event.price_cc, event.delta_centi, at_us, exchange_us=event.exchange_us
        )
        if not self._replay.is_valid(event.ticker):  # the recording is inconsistent here
            events.append(self._whole_book(event.ticker, at_us))
            return events
        changed = LevelChanged(
            at_us=at_us, ticker=event.ticker, book_side=event.book_side, price_cc=event.price_cc,
            delta_centi=event.delta_centi, clock=self._queries.clock_of(event.ticker),
        )  # fmt: skip
        events.append(changed)
        return events

    def _whole_book(self, ticker: str, at_us: int) -> BookReplaced:
        book = self._queries.book(ticker)
        return BookReplaced(
            at_us=at_us, ticker=ticker, clock=self._queries.clock_of(ticker),
            bids=tuple(book.levels(BookSide.BID)), asks=tuple(book.levels(BookSide.ASK)),
        )  # fmt: skip


class CaptureSource:
    """Applies a recording's public events one by one, and returns them with those of accounts.

    The recorder's own orders and fills are skipped. After lost frames the books of that subscription are empty until
    their next snapshot, so that no order trades on an unknown book.
    """

    def __init__(self, replay: MarketReplay, events: Iterator[CapturedEvent], log: Any) -> None:
        self.position = 0
        self._applier = FrameApplier(replay, log)
        self._events = self._applicable(events)
        self._log = log
        self._next = next(self._events, None)

    def next_due_us(self) -> int | None:
        return None if self._next is None else self._next.at_us

    def step(self) -> Sequence[SimulationEvent]:
        """Apply the next recorded frame; a gap is one step with the frame that revealed it."""
        captured = self._next
        assert captured is not None, "the recording has ended"
        self.position += 1
        self._next = next(self._events, None)
        events: list[SimulationEvent] = []
        while isinstance(captured.event, BookGap):
            events += self._applier.lost_frames(captured, captured.event)
            following = self._next
            if following is None or following.at_us != captured.at_us:
                return events
            captured, self._next = following, next(self._events, None)
        return [*events, *self._applier.apply(captured)]

    def skip(self, until_us: int, at_us: int) -> Sequence[SimulationEvent]:
        """Do nothing: a recording has its own time."""
        return []

    def reseed(self, seed: int) -> None:
        """Do nothing: a recording is not drawn."""

    def _applicable(self, events: Iterator[CapturedEvent]) -> Iterator[CapturedEvent]:
        """Leave out frames that must not be applied: they move no time, at the recording's start and end too."""
        for captured in events:
            match captured.event:
                case SkippedFrame(reason=SkipReason.INVALID, detail=detail):
                    self._log.warning("recorded frame skipped: invalid", at_us=captured.at_us, error=detail)
                case SkippedFrame():
                    pass
                case _:
                    yield captured


class MirrorSource:
    """Applies the frames of another exchange as they are received. It has the methods of a recording's writer."""

    def __init__(self, replay: MarketReplay, log: Any) -> None:
        self.position = 0
        self._replay = replay
        self._applier = FrameApplier(replay, log)
        self._decoder = EventDecoder()
        self._log = log
        self._waiting: deque[tuple[int, CapturedEvent | MarketMetadata]] = deque()
        self._last_us = 0

    def next_due_us(self) -> int | None:
        return self._waiting[0][0] if self._waiting else None

    def step(self) -> Sequence[SimulationEvent]:
        self.position += 1
        at_us, waiting = self._waiting.popleft()
        if isinstance(waiting, MarketMetadata):
            return self._replay.add_market(waiting, at_us)
        if isinstance(waiting.event, BookGap):
            return self._applier.lost_frames(waiting, waiting.event)
        return self._applier.apply(waiting)

    def skip(self, until_us: int, at_us: int) -> Sequence[SimulationEvent]:
        """Do nothing: what was not received is unknown."""
        return []

    def reseed(self, seed: int) -> None:
        """Do nothing: the other exchange's markets are not drawn here."""

    def add_markets(self, markets: Iterable[MarketMetadata]) -> None:
        """List markets before their first frame."""
        self._waiting.extend((self._last_us, one) for one in markets)

    def add_frame(self, at_us: int, connection: int, text: str) -> None:
        """Take a frame as it was received; one that cannot be applied is left out."""
        self._last_us = at_us
        for captured in self._decoder.decode(CapturedFrame(at_us, connection, text, USE_YES_PRICE)):
            if not isinstance(captured.event, SkippedFrame):
                self._waiting.append((at_us, captured))
            elif captured.event.reason is SkipReason.INVALID:
                self._log.warning("frame of the mirrored exchange skipped: invalid", error=captured.event.detail)
