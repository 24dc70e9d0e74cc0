"""One pass of the engine whose decisions come from outside, one observation at a time. It draws nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from truebook.backtest.engine.engine import Engine
from truebook.backtest.engine.settings import EngineSettings, Outside
from truebook.backtest.marks import equity_micros
from truebook.decision.decide import Decision
from truebook.features.layout import Layout
from truebook.gym.tapes import Tape
from truebook.messages.observations import Observation
from truebook.simulation.recorded.queue import QueueModel


class Episode:
    """Begins before the first observation: ``advance`` moves to it."""

    def __init__(self, tape: Tape, settings: EngineSettings, layout: Layout, queue: QueueModel) -> None:
        start_us = tape.events[0][0]
        self.engine = Engine(
            settings, Outside(layout, "outside"), tape.markets, queue=queue, start_us=start_us, others=tape.others
        )
        self.observation: Observation | None = None
        """What is to be decided now; None before the first and after the last."""
        self._tickers = frozenset(one.ticker for one in tape.markets)
        self._batches = self._run(tape)
        self._batch: Sequence[Observation] = ()
        self._decisions: list[Decision] = []

    def advance(self) -> None:
        """Move to the next observation, through all events up to it; after the last one the pass is complete."""
        self._batch, self._decisions = next(self._batches, ()), []
        self.observation = self._batch[0] if self._batch else None

    def act(self, decision: Decision) -> None:
        """Decide the observation. Those of one instant are traded together, in their order, as those of a model."""
        self._decisions.append(decision)
        if len(self._decisions) < len(self._batch):
            self.observation = self._batch[len(self._decisions)]
            return
        self.engine.act(self._batch, self._decisions)
        self.advance()

    def equity_micros(self) -> int | None:
        """Return the marked equity, as in the report of a backtest; None where a position has no known value."""
        return equity_micros(self.engine.ledger, self.engine.data)

    def is_settled(self) -> bool:
        """Return whether every market of the tape has its final value."""
        listed = self.engine.exchange.queries.markets()
        return all(one.settlement_cc is not None for one in listed if one.ticker in self._tickers)

    def _run(self, tape: Tape) -> Iterator[Sequence[Observation]]:
        undecided = self.engine.undecided
        for at_us, event in tape.events:
            yield from undecided(at_us, event)
        yield from self.engine.ending()
