"""One pass of the engine whose decisions come from outside, one observation at a time. It draws nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from truebook.backtest.engine.engine import Engine
from truebook.backtest.engine.settings import EngineSettings, Outside
from truebook.backtest.marks import equity_micros
from truebook.decision.decide import Decision
from truebook.features.layout import Layout
from truebook.gym.tapes import Tape
from truebook.gym.track import Track
from truebook.gym.tracked import TrackedEngine, TrackLeft
from truebook.messages.observations import Observation
from truebook.simulation.recorded.queue import QueueModel


class AccountState(NamedTuple):
    """The account at the time ``at_us``."""

    at_us: int
    cash_micros: int
    reserved_micros: int
    fees_micros: int
    equity_micros: int | None
    """Marked as in the report of a backtest; None where a position has no known value."""


class Episode:
    """Begins before the first observation: ``advance`` moves to it."""

    def __init__(self, tape: Tape, settings: EngineSettings, layout: Layout, queue: QueueModel) -> None:
        self.observation: Observation | None = None
        """What is to be decided now; None before the first and after the last."""
        self.tape = tape
        self.settings = settings
        self._layout = layout
        self.queue = queue
        self.begun: Engine | None = None
        """The engine, once it is needed."""
        self.batches: Iterator[Sequence[Observation]] = iter(())
        self.batch: Sequence[Observation] = ()
        self.decisions: list[Decision] = []

    @property
    def engine(self) -> Engine:
        """The engine, at the observation that is to be decided."""
        if self.begun is None:
            self.follow_books()
        assert self.begun is not None
        return self.begun

    def advance(self) -> None:
        """Move to the next observation, through all events up to it; after the last one the pass is complete."""
        _ = self.engine
        self.batch, self.decisions = self.next_batch(), []
        self.observation = self.batch[0] if self.batch else None

    def act(self, decision: Decision) -> None:
        """Decide the observation. Those of one instant are traded together, in their order, as those of a model."""
        self.decisions.append(decision)
        if len(self.decisions) < len(self.batch):
            self.observation = self.batch[len(self.decisions)]
            return
        self.engine.act(self.batch, self.decisions)
        self.advance()

    def row(self) -> NDArray[np.float32]:
        """Return the observation's features."""
        assert self.observation is not None
        return np.array(self.observation.features, np.float32)

    def account(self) -> AccountState:
        """Return the account as of now."""
        engine = self.engine
        totals = engine.ledger.state.totals
        return AccountState(
            engine.now_us, totals.net_micros, totals.reserved_micros, totals.fees_micros,
            equity_micros(engine.ledger, engine.data),
        )  # fmt: skip

    def is_settled(self) -> bool:
        """Return whether every market of the tape has its final value."""
        tickers = {one.ticker for one in self.tape.markets}
        listed = self.engine.exchange.queries.markets()
        return all(one.settlement_cc is not None for one in listed if one.ticker in tickers)

    def next_batch(self) -> Sequence[Observation]:
        """Move the engine on to what is to be decided together; empty at the end."""
        return next(self.batches, ())

    def follow_books(self) -> None:
        """Begin a pass of the engine on the tape."""
        tape = self.tape
        self.begun = Engine(
            self.settings, Outside(self._layout, "outside"), tape.markets, queue=self.queue,
            start_us=tape.events[0][0], others=tape.others,
        )  # fmt: skip
        self.batches = self._run(self.begun)

    def _run(self, engine: Engine) -> Iterator[Sequence[Observation]]:
        for at_us, event in self.tape.events:
            yield from engine.undecided(at_us, event)
        yield from engine.ending()


class TrackedEpisode(Episode):
    """An episode on a track: without an engine up to the first order, then with one that reads the track."""

    def __init__(self, track: Track, tape: Tape, settings: EngineSettings, queue: QueueModel) -> None:
        super().__init__(tape, settings, track.layout, queue)
        self.number = -1
        """Of the point that is to be decided."""
        self._part = track.flat
        self._track = track
        self._taken: list[Decision] = []
        """All decisions so far: an engine that begins later, or again without the track, repeats them."""

    @property
    def engine(self) -> Engine:
        if self.begun is None:
            self.begun = TrackedEngine(self._track, self.tape, self.settings, self.queue)
            self.batches = self.begun.ending()
            if self.number >= 0:
                self._repeat()
        return self.begun

    @property
    def track(self) -> Track:
        """What the episode reads."""
        return self._track

    def jump(self, number: int, decisions: Iterable[Decision]) -> None:
        """Move on to a point by decisions without orders, of which there was none before."""
        self._taken += decisions
        self.number = number - 1
        self.advance()

    @property
    def is_untouched(self) -> bool:
        """Whether no order was requested yet, so that the track has all that there is to know."""
        return self.begun is None

    def advance(self) -> None:
        if not self.is_untouched:
            super().advance()
            return
        self.number += 1
        points = self._part.points
        self.observation = points[self.number].observation if self.number < len(points) else None

    def act(self, decision: Decision) -> None:
        if decision.targets:
            _ = self.engine
        self._taken.append(decision)
        if self.is_untouched:
            self.advance()
        else:
            super().act(decision)

    def row(self) -> NDArray[np.float32]:
        if not self.is_untouched:
            return super().row()
        row: NDArray[np.float32] = self._part.rows[self.number].copy()
        return row

    def account(self) -> AccountState:
        if not self.is_untouched:
            return super().account()
        part, balance_micros = self._part, self.settings.balance_micros
        at_us = part.end_us if self.observation is None else self.observation.produced_us
        return AccountState(at_us, balance_micros, 0, 0, balance_micros)

    def is_settled(self) -> bool:
        return self._part.is_settled if self.is_untouched else super().is_settled()

    def next_batch(self) -> Sequence[Observation]:
        try:
            return super().next_batch()
        except TrackLeft:
            self.follow_books()
            return self._repeat()

    def _repeat(self) -> Sequence[Observation]:
        """Bring a new engine to where the episode is."""
        assert self.begun is not None
        self.batch, self.decisions = super().next_batch(), []
        for decision in self._taken:
            self.begun.act(self.batch, [decision])
            self.batch = super().next_batch()
        return self.batch
