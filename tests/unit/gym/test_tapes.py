"""What an episode is given of a recording: other markets of its event, and windows of recordings with pauses."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from support.training import actions, run_episode, training_settings
from truebook.backtest.engine.engine import Engine
from truebook.backtest.engine.settings import Outside
from truebook.backtest.engine.venue import Recorded
from truebook.backtest.window import Window, read_window
from truebook.capture.columnar.writer import ColumnarWriter
from truebook.capture.event_types import CapturedEvent
from truebook.decision.decide import Decision
from truebook.features.layout import layout
from truebook.gym.environment import MarketEnv, PortfolioEnv, TradingEnv
from truebook.gym.made_market import MadeMarkets
from truebook.gym.tapes import EmptyTape, NoData, Tape
from truebook.kalshi.port import LifecycleFrame
from truebook.messages.envelope import Source
from truebook.messages.market_metadata import MarketMetadata
from truebook.models.batch import stack
from truebook.simulation.recorded.queue import QueueModel

S = 1_000_000
PAUSE_US = 3_600 * S
M1 = layout("m1")
EVENT_SUM = [feature.name for feature in M1.features].index("event_sum")
KNOWN = [feature.name for feature in M1.features].index("event_sum_known")


def recorded(folder: Path, events: Iterable[tuple[int, Recorded]], markets: Sequence[MarketMetadata]) -> Path:
    with ColumnarWriter(folder, source=Source.SIMULATED, imported_from="made markets") as writer:
        for at_us, event in sorted(events, key=lambda one: one[0]):
            writer.add(CapturedEvent(at_us, 0, event))
        writer.finish(iter(markets))
    return folder


@pytest.fixture(scope="module")
def one_event(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Record two markets of one event that trade at the same time."""
    generator = np.random.default_rng(1)
    events: list[tuple[int, Recorded]] = []
    markets = []
    for ticker in ("E-A", "E-B"):
        tape = MadeMarkets(steps=20).tape(generator)
        markets.append(msgspec.structs.replace(tape.markets[0], ticker=ticker, event="E"))
        events += [(at_us, msgspec.structs.replace(event, ticker=ticker)) for at_us, event in tape.events]
    return recorded(tmp_path_factory.mktemp("event") / "recording", events, markets)


@pytest.fixture(scope="module")
def paused(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Record a market that trades for ten seconds, and for ten more after an hour."""
    tape = MadeMarkets(steps=20).tape(np.random.default_rng(1))
    begin_us = tape.events[0][0]
    events = [
        (at_us if at_us < begin_us + 10 * S else at_us + PAUSE_US, event)
        for at_us, event in tape.events
        if not isinstance(event, LifecycleFrame)
    ]
    market = msgspec.structs.replace(tape.markets[0], close_us=begin_us + 2 * PAUSE_US)
    return recorded(tmp_path_factory.mktemp("paused") / "recording", events, [market])


def backtested(path: Path, ticker: str) -> list[np.ndarray]:
    """Return the vectors that a backtest of that market gives a model which never trades."""
    data = read_window(path, Window(markets=frozenset({ticker})))
    settings = training_settings()
    engine = Engine(
        settings, Outside(M1, "test"), data.markets, queue=QueueModel.REALISTIC, start_us=data.start_us,
        others=data.others,
    )  # fmt: skip
    rows = []

    def decide(batches: Iterable[Any]) -> None:
        for batch in batches:
            rows.extend(stack((one.features,))[0].copy() for one in batch)
            engine.act(batch, [Decision()] * len(batch))

    for at_us, event in data.events:
        decide(engine.undecided(at_us, event))
    decide(engine.ending())
    return rows


def rows_of(env: TradingEnv, **options: Any) -> tuple[list[np.ndarray], bool]:
    """Return the vectors of an episode without trades, and whether it was terminated."""
    rows: list[np.ndarray] = []

    def hold(row: np.ndarray, number: int) -> int:
        rows.append(row.copy())
        return 0

    _, _, is_terminated = run_episode(env, hold, seed=1, options=options)
    return rows, is_terminated


@pytest.mark.parametrize("kind", ["market", "portfolio"])
def test_a_market_of_an_event_is_observed_as_in_a_backtest(one_event: Path, kind: str) -> None:
    if kind == "market":
        rows, is_terminated = rows_of(MarketEnv(one_event, training_settings(), actions()), market="E-A")
    else:
        rows, is_terminated = rows_of(PortfolioEnv(one_event, training_settings(), actions(), tickers=["E-A"]))
    expected = backtested(one_event, "E-A")
    assert len(rows) > 10
    np.testing.assert_array_equal(rows, expected)
    assert {(row[EVENT_SUM], row[KNOWN]) for row in rows} == {(0.0, 0.0)}, "the other market's book is not known"
    assert is_terminated, "the other market, which is only listed, never settles"


def test_a_window_begins_where_the_recording_has_events(paused: Path) -> None:
    env = MarketEnv(paused, training_settings(), actions(), window_us=3 * S)
    begun = [env.reset(seed=seed)[1]["at_us"] for seed in range(20)]
    assert len(set(begun)) > 5
    assert max(begun) - min(begun) > PAUSE_US, "both parts are drawn"


class Drawn(msgspec.Struct):
    """Finds no event in the first draws."""

    empty: int
    draws: int = 0

    def draw(self, generator: np.random.Generator, options: Mapping[str, Any]) -> Tape:
        self.draws += 1
        if self.draws <= self.empty:
            raise EmptyTape("no event in the window")
        return MadeMarkets(steps=8).draw(generator, options)


def test_an_empty_tape_is_drawn_again() -> None:
    tapes = Drawn(empty=3)
    TradingEnv(tapes, training_settings(), actions()).reset(seed=1)
    assert tapes.draws >= 4


def test_only_empty_tapes_are_an_error() -> None:
    with pytest.raises(NoData, match=r"no observation in 20 tapes.*no event in the window"):
        TradingEnv(Drawn(empty=100), training_settings(), actions()).reset(seed=1)
