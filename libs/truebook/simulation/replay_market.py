"""Capture mode: a venue whose market is a recording, and whose accounts, fees and orders are the simulated exchange's.

The caller feeds the recorded frames in their order; the recording itself stays the public feed, so only what happens to
accounts comes back as events, and ``market_changed`` where a market is met for the first time, its grid turns out
finer, or its recorded life goes on: pauses, moved closes and ends are followed. A recording ends leaving positions
open: nothing is ever determined or settled here, and a market whose outcome is recorded is closed by that.

Latency: ``place`` and ``cancel`` are carried out at the time they are given, which is the time of *arrival*. The caller
delays each (``simulation.latency``) and feeds all frames up to then first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol, runtime_checkable

import msgspec

from truebook.messages.envelope import BookSide
from truebook.messages.facts import LINEAR_CENT, FeeType, MarketFacts, MarketStatus, PriceRange
from truebook.simulation.desk import Desk
from truebook.simulation.events import MarketChanged, SimulationEvent, Traded
from truebook.simulation.market_plan import STANDARD_FEE_PPM, event_of
from truebook.simulation.order_entry import OrderEntry
from truebook.simulation.recorded import RecordedEngine
from truebook.simulation.recorded_queue import QueueModel
from truebook.venue.grid import on_grid

FAR_AWAY_US: Final = 10 * 365 * 24 * 3_600 * 1_000_000
ASSUMED: Final = (
    "event",
    "series",
    "status",
    "open_us",
    "close_us",
    "price_ranges",
    "fee_type",
    "fee_multiplier_ppm",
    "exclusive",
    "binary",
)
"""What a bare recording does not tell of a market."""

# Frames are known by their shape, since the client's frame classes stand above the simulation in the import order.


@runtime_checkable
class RecordedSnapshot(Protocol):
    """A whole book: ``truebook.kalshi.port.SnapshotFrame`` is one."""

    @property
    def ticker(self) -> str: ...
    @property
    def bids(self) -> tuple[tuple[int, int], ...]: ...
    @property
    def asks(self) -> tuple[tuple[int, int], ...]: ...


@runtime_checkable
class RecordedDelta(Protocol):
    """A level's change: ``truebook.kalshi.port.DeltaFrame`` is one."""

    @property
    def ticker(self) -> str: ...
    @property
    def book_side(self) -> BookSide: ...
    @property
    def price_cc(self) -> int: ...
    @property
    def delta_centi(self) -> int: ...


@runtime_checkable
class RecordedTrade(Protocol):
    """A public trade: ``truebook.kalshi.port.TradeFrame`` is one."""

    @property
    def ticker(self) -> str: ...
    @property
    def trade_id(self) -> str: ...
    @property
    def price_cc(self) -> int: ...
    @property
    def size_centi(self) -> int: ...
    @property
    def taker_side(self) -> BookSide: ...
    @property
    def block(self) -> bool: ...


@runtime_checkable
class RecordedLife(Protocol):
    """A step of a market's life: ``truebook.kalshi.port.LifecycleFrame`` is one."""

    @property
    def ticker(self) -> str: ...
    @property
    def close_us(self) -> int | None: ...
    @property
    def status(self) -> MarketStatus | None: ...


RecordedFrame = RecordedSnapshot | RecordedDelta | RecordedTrade | RecordedLife


class CaptureMarket(OrderEntry):
    """A venue fed by a recording. ``facts`` are those that the recording brings; of other markets they are assumed."""

    def __init__(
        self, seed: int = 0, facts: Iterable[MarketFacts] = (), *, queue: QueueModel = QueueModel.PESSIMISTIC
    ) -> None:
        desk = Desk(seed)
        engine = RecordedEngine(desk, queue)
        super().__init__(desk, engine, settlement_delay_us=0)
        self._recorded = engine
        self._begun = False
        self._takers: dict[type, Callable[[Any, int], list[SimulationEvent]]] = {}
        self._known = {one.ticker: one for one in facts}

    def begin(self, at_us: int) -> list[SimulationEvent]:
        """List the markets whose facts the recording brings; the first frame does so, too."""
        events = self.advance(at_us)
        if not self._begun:
            self._begun = True
            for ticker in self._known:
                events += self._meet(ticker)
        return events

    def feed(self, frame: RecordedFrame, at_us: int) -> list[SimulationEvent]:
        """Take the next recorded frame; ``at_us`` is the recording's time of it, which never goes back."""
        events = self.begin(at_us)
        kind = type(frame)
        taker = self._takers.get(kind)
        if taker is None:
            taker = self._takers[kind] = self._taker_of(frame)
        events += taker(frame, self._now_us)
        return events + self._groups.settle(self._now_us)

    def _taker_of(self, frame: RecordedFrame) -> Callable[[Any, int], list[SimulationEvent]]:
        """Judge the shape of a class of frames: once, since that is slow."""
        if isinstance(frame, RecordedSnapshot):
            return self._take_snapshot
        if isinstance(frame, RecordedLife):
            return self._take_life
        return self._take_delta if isinstance(frame, RecordedDelta) else self._take_trade

    def _take_life(self, frame: RecordedLife, now_us: int) -> list[SimulationEvent]:
        """Follow the life of a market that the recording shows; of others the exchange tells, too."""
        events: list[SimulationEvent] = []
        if frame.close_us is not None:
            events += self._life.move_close(frame.ticker, frame.close_us, now_us)
        if frame.status is not None:
            events += self._life.follow(frame.ticker, frame.status, now_us)
        return events

    def _take_snapshot(self, frame: RecordedSnapshot, now_us: int) -> list[SimulationEvent]:
        events = self._meet(frame.ticker)
        events += self._refine_grid(frame.ticker, [price for price, _ in (*frame.bids, *frame.asks)])
        return events + self._recorded.snapshot(frame.ticker, frame.bids, frame.asks, now_us)

    def _take_delta(self, frame: RecordedDelta, now_us: int) -> list[SimulationEvent]:
        events = self._meet(frame.ticker)
        events += self._refine_grid(frame.ticker, (frame.price_cc,))
        return events + self._recorded.delta(frame.ticker, frame.book_side, frame.price_cc, frame.delta_centi, now_us)

    def _take_trade(self, frame: RecordedTrade, now_us: int) -> list[SimulationEvent]:
        events = self._meet(frame.ticker)
        events += self._refine_grid(frame.ticker, (frame.price_cc,))
        self._desk.markets.traded(
            Traded(
                at_us=now_us,
                ticker=frame.ticker,
                trade_id=frame.trade_id,
                price_cc=frame.price_cc,
                size_centi=frame.size_centi,
                taker_side=frame.taker_side,
                block=frame.block,
            )
        )
        if frame.block:
            return events
        return events + self._recorded.trade(frame.ticker, frame.price_cc, frame.size_centi, frame.taker_side, now_us)

    def is_known(self, ticker: str) -> bool:
        """Whether the recorded book can be trusted: not before its snapshot, nor after what no book can undergo."""
        return self._recorded.is_known(ticker)

    def _meet(self, ticker: str) -> list[SimulationEvent]:
        if self._recorded.has(ticker) or self._desk.markets.get(ticker) is not None:
            return []
        return self._life.add(self._known.get(ticker) or assumed_facts(ticker, self._now_us), self._now_us)

    def _refine_grid(self, ticker: str, prices_cc: Iterable[int]) -> list[SimulationEvent]:
        """Widen an assumed grid to the prices that the recording shows."""
        record = self._desk.markets[ticker]
        facts = record.facts
        if not facts.assumed or "price_ranges" not in facts.assumed:
            return []
        finer = [price_cc for price_cc in prices_cc if not on_grid(price_cc, facts.price_ranges)]
        if not finer:
            return []
        step_cc = 10 if all(price_cc % 10 == 0 for price_cc in finer) else 1
        record.replace_facts(msgspec.structs.replace(facts, price_ranges=(PriceRange(0, 10_000, step_cc),)))
        return [MarketChanged(at_us=self._now_us, facts=record.facts, event_type="price_level_structure_updated")]


def assumed_facts(ticker: str, at_us: int) -> MarketFacts:
    """Assume the facts of a market that a recording only names: whole cents, the standard fee, no close in sight."""
    event = event_of(ticker)
    return MarketFacts(
        ticker=ticker,
        event=event,
        series=event.partition("-")[0],
        status=MarketStatus.ACTIVE,
        open_us=at_us,
        close_us=at_us + FAR_AWAY_US,
        price_ranges=LINEAR_CENT,
        fee_type=FeeType.QUADRATIC,
        fee_multiplier_ppm=STANDARD_FEE_PPM,
        exclusive=False,
        assumed=ASSUMED,
    )
