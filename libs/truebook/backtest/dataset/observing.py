"""The observations that a model would be given on a recording, by the engine of a backtest that never trades."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from truebook.backtest.dataset.request import DatasetRequest
from truebook.backtest.engine.engine import Engine
from truebook.backtest.engine.settings import Outside
from truebook.backtest.window import read_window
from truebook.decision.decide import Decision
from truebook.messages.observations import Observation
from truebook.simulation.recorded.queue import QueueModel

BLOCK_ROWS: Final = 4_096
BLOCK_EVENTS: Final = 65_536
"""A block of observations ends after so many rows or events: labels need the recording around a block in memory."""


class Block(NamedTuple):
    """Observations in the order of their times (maybe none), and what was read so far."""

    observations: list[Observation]
    events: int
    at_us: int
    refusals: Mapping[str, int]
    """How often a market was not observed, by reason."""


def observe(request: DatasetRequest) -> Iterator[Block]:
    """Iterate over all observations; raises ``CaptureError``.

    No decision is made: the account keeps its opening balance and no position, and no queue model matters.
    """
    data = read_window(request.recording, request.window)
    engine = Engine(
        request.settings, Outside(request.layout, "dataset"), data.markets, queue=QueueModel.REALISTIC,
        start_us=data.start_us, others=data.others,
    )  # fmt: skip
    engine.passes_idle_time = True
    made: list[Observation] = []
    at_us = data.start_us
    for count, (at_us, event) in enumerate(data.events, 1):
        for observations in engine.undecided(at_us, event):
            made += _kept(engine, observations)
        if len(made) >= BLOCK_ROWS or not count % BLOCK_EVENTS:
            yield Block(made, count, at_us, engine.refusals)
            made = []
    for observations in engine.ending():
        made += _kept(engine, observations)
    yield Block(made, engine.events, at_us, engine.refusals)


def _kept(engine: Engine, observations: Sequence[Observation]) -> Sequence[Observation]:
    engine.act(observations, [Decision()] * len(observations))  # no action
    return observations
