"""Where the market's events come from, as the core steps through them: synthetic traders, or a recording."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, Literal

from truebook.book.sequence import Sequence as FrameSequence
from truebook.capture.reader import CapturedFrame
from truebook.kalshi.frames import decode_frame
from truebook.kalshi.port import (
    DeltaFrame,
    FrameError,
    LifecycleFrame,
    SnapshotFrame,
    StreamEvent,
    Subscribed,
    TradeFrame,
)
from truebook.messages.envelope import BookSide
from truebook.simulation.events import BookReplaced, LevelChanged, SimulationEvent, Traded
from truebook.simulation.exchange import SimulatedExchange
from truebook.simulation.replay_market import CaptureMarket
from truebook.simulation.traders import Traders, apply

TRADES_REMEMBERED: Final = 10_000
Stream = tuple[int, int | None]
"""A connection of the recorder, and a subscription on it."""


class TraderSource:
    """The synthetic traders' commands, one by one. Their stream never ends."""

    def __init__(self, exchange: SimulatedExchange, traders: Traders) -> None:
        self.position = 0
        self._exchange = exchange
        self._traders = traders

    def next_due_us(self) -> int | None:
        return self._traders.next_due_us()

    def step(self) -> Sequence[SimulationEvent]:
        self.position += 1
        return apply(self._exchange, self._traders.step())

    def away(self, until_us: int, at_us: int) -> Sequence[SimulationEvent]:
        """Let the traders go on where they stopped, and the open markets close as much later.

        Times that were promised to an account (the expiry of its orders) stay what they are.
        """
        events: list[SimulationEvent] = []
        for event in self._traders.shift(at_us - until_us):
            events += apply(self._exchange, event)
        return events


class CaptureSource:
    """A recording's public frames, one by one, and the public events that they show.

    The recording's own orders and fills are left out: they belong to whoever recorded. A market is followed on the
    connection that showed its newest snapshot. What was recorded twice (a frame again, a trade on two connections)
    counts once. Where the recorder lost frames, the books of that subscription are empty until their next snapshot:
    nobody trades on a book that was not seen.
    """

    def __init__(self, market: CaptureMarket, frames: Iterator[CapturedFrame], log: Any) -> None:
        self.position = 0
        self._market = market
        self._frames = frames
        self._log = log
        self._next = next(frames, None)
        self._shown_on: dict[str, Stream] = {}
        self._sequences: dict[Stream, FrameSequence] = {}
        self._trades: dict[str, None] = {}

    def next_due_us(self) -> int | None:
        return None if self._next is None else self._next.at_us

    def step(self) -> Sequence[SimulationEvent]:
        frame = self._next
        assert frame is not None, "the recording has ended"
        self._next = next(self._frames, None)
        self.position += 1
        try:
            event = decode_frame(frame.text, frame.at_us, use_yes_price=frame.use_yes_price)
        except FrameError as error:
            self._log.warning("a recorded frame can't be read and is left out", frame=self.position, error=str(error))
            return []
        if event is None:
            return []
        stream = (frame.connection, event.sid)
        verdict = self._verdict(stream, event)
        if verdict == "old":
            return []
        shown = self._show(stream, event, frame.at_us)
        return shown if verdict == "next" else [*self._lost_frames(stream, frame.at_us), *shown]

    def away(self, until_us: int, at_us: int) -> Sequence[SimulationEvent]:
        """Stand still: a recording is bound to its own time."""
        return []

    def _verdict(self, stream: Stream, event: StreamEvent) -> Literal["next", "gap", "old"]:
        """Judge a frame's number; a subscription that begins anew under its old number counts from its beginning."""
        if isinstance(event, Subscribed):
            self._sequences.pop(stream, None)
        if event.seq is None:
            return "next"
        sequence = self._sequences.get(stream)
        if sequence is None or (event.seq == 1 and isinstance(event, SnapshotFrame)):
            sequence = self._sequences[stream] = FrameSequence()
        return sequence.take(event.seq)

    def _lost_frames(self, stream: Stream, at_us: int) -> list[SimulationEvent]:
        self._log.warning("the recording lacks frames here", connection=stream[0], sid=stream[1], at_us=at_us)
        events: list[SimulationEvent] = []
        for ticker in [one for one, shown_on in self._shown_on.items() if shown_on == stream]:
            empty = SnapshotFrame(
                sid=stream[1], seq=None, received_us=at_us, ticker=ticker, bids=(), asks=(), exchange_us=None
            )
            events += self._feed(empty, at_us)
        return events

    def _show(self, stream: tuple[int, int | None], event: StreamEvent, at_us: int) -> list[SimulationEvent]:
        match event:
            case DeltaFrame(ticker=ticker):
                return self._feed(event, at_us) if self._shown_on.get(ticker) == stream else []
            case SnapshotFrame(ticker=ticker):
                self._shown_on[ticker] = stream
                return self._feed(event, at_us)
            case LifecycleFrame():
                return self._market.feed(event, at_us)
            case TradeFrame() if self._is_new(event.trade_id):
                private = self._market.feed(event, at_us)
                trade = Traded(
                    at_us=at_us,
                    ticker=event.ticker,
                    trade_id=event.trade_id,
                    price_cc=event.price_cc,
                    size_centi=event.size_centi,
                    taker_side=event.taker_side,
                    block=event.block,
                )
                return [*private, trade]
            case _:
                return []

    def _is_new(self, trade_id: str) -> bool:
        """Tell whether a trade was not shown before, as far as the newest ones are remembered."""
        if trade_id in self._trades:
            return False
        self._trades[trade_id] = None
        if len(self._trades) > TRADES_REMEMBERED:
            del self._trades[next(iter(self._trades))]
        return True

    def _feed(self, event: SnapshotFrame | DeltaFrame, at_us: int) -> list[SimulationEvent]:
        if isinstance(event, SnapshotFrame):
            return [*self._market.feed(event, at_us), self._whole_book(event.ticker, at_us)]
        told = self._market.feed(event, at_us)
        if not self._market.is_known(event.ticker):
            return [*told, self._whole_book(event.ticker, at_us)]  # the recording contradicts itself here
        changed = LevelChanged(
            at_us=at_us, ticker=event.ticker, book_side=event.book_side, price_cc=event.price_cc,
            delta_centi=event.delta_centi, clock=self._market.clock_of(event.ticker),
        )  # fmt: skip
        told.append(changed)
        return told

    def _whole_book(self, ticker: str, at_us: int) -> BookReplaced:
        book = self._market.book(ticker)
        return BookReplaced(
            at_us=at_us, ticker=ticker, clock=self._market.clock_of(ticker),
            bids=tuple(book.levels(BookSide.BID)), asks=tuple(book.levels(BookSide.ASK)),
        )  # fmt: skip
