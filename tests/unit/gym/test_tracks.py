"""An account on a track has the pass of the engine, field for field, whatever it does and when it begins to trade."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from support.made_recordings import make_recording
from support.recorded_gold import bare_gold
from support.training import actions, run_episode, training_settings
from truebook.backtest.collect import Collector
from truebook.backtest.engine.settings import EngineSettings
from truebook.backtest.result import PassResult
from truebook.book.order_book import OrderBook
from truebook.capture.market_metadata import capture_metadata
from truebook.decision.decide import decide_action
from truebook.decision.strategy import PriceRule
from truebook.features.feature import feature
from truebook.features.history import History
from truebook.features.inputs import FeatureInputs
from truebook.features.layout import Layout, layout
from truebook.gym.account_features import AccountFeatures, PublicInputs
from truebook.gym.environment import MarketEnv, TradingEnv
from truebook.gym.episode import Episode, TrackedEpisode
from truebook.gym.made_market import MadeMarkets, record
from truebook.gym.tapes import RecordedTapes, Tape
from truebook.gym.track import Track
from truebook.gym.tracked import TrackedEngine, TrackLeft
from truebook.gym.tracking import record_track
from truebook.messages.market_metadata import PriceRange
from truebook.simulation.recorded.queue import QueueModel

Script = Callable[[int, np.random.Generator], int]
SCRIPTS: dict[str, Script] = {
    "hold": lambda number, draw: 0,
    "alternating": lambda number, draw: (1, 3)[number % 2],
    "random": lambda number, draw: int(draw.integers(5)),
    "late": lambda number, draw: int(draw.integers(5)) if number > 3 else 0,
    "keeps": lambda number, draw: int(number == 3),
}


@pytest.fixture(scope="module")
def traded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two markets with traders, which do not end."""
    return make_recording(tmp_path_factory.mktemp("traded") / "recording", seconds=30, markets=2, seed=11)


@pytest.fixture(scope="module")
def settled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two markets that close and have an outcome."""
    folder = tmp_path_factory.mktemp("settled") / "recording"
    record(MadeMarkets(steps=15), folder, markets=2, seed=5)
    return folder


def tapes_in(path: Path) -> list[Tape]:
    source = RecordedTapes(path, each=True)
    return [source.draw(np.random.default_rng(0), {"market": one.ticker}) for one in capture_metadata(path)]


def run(
    tape: Tape, track: Track | None, script: Script, *, rule: PriceRule = PriceRule.CROSS, name: str = "m1",
    settings: EngineSettings | None = None,
) -> tuple[list[Any], PassResult]:  # fmt: skip
    """Return what each step gives, and the pass as a backtest reports it."""
    settings, queue = settings or training_settings(), QueueModel.REALISTIC
    episode = (
        Episode(tape, settings, layout(name), queue) if track is None else TrackedEpisode(track, tape, settings, queue)
    )
    collector = Collector(queue, {}, tape.others)
    collector.attach(episode.engine)
    episode.advance()
    draw, steps = np.random.default_rng(1), []
    while episode.observation is not None:
        found = episode.observation
        episode.act(decide_action(found, script(len(steps), draw), actions(rule)))
        steps.append((found, episode.account()))
    return [*steps, episode.is_settled(), episode.engine.events], collector.result()


def check_equal(tape: Tape, script: Script, name: str = "m1", settings: EngineSettings | None = None) -> int:
    """Return the number of fills of a pass that is equal with and without its track."""
    track = record_track(tape, settings or training_settings(), layout(name))
    assert track is not None
    fills = 0
    for rule in (PriceRule.CROSS, PriceRule.JOIN):
        expected, result = run(tape, None, script, rule=rule, name=name, settings=settings)
        steps, found = run(tape, track, script, rule=rule, name=name, settings=settings)
        assert steps == expected
        assert found == result
        fills += len(found.fills)
    return fills


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=list(SCRIPTS))
@pytest.mark.parametrize("recording", ["traded", "settled"])
def test_a_track_gives_the_pass_of_the_engine(recording: str, script: Script, request: pytest.FixtureRequest) -> None:
    fills = sum(check_equal(tape, script) for tape in tapes_in(request.getfixturevalue(recording)))
    assert (fills > 0) is (script is not SCRIPTS["hold"])


@pytest.mark.parametrize(("name", "throttle_us"), [("c52", 250_000), ("m1", 0)])
def test_layouts_and_throttles_on_a_track(traded: Path, name: str, throttle_us: int) -> None:
    settings = training_settings()
    rules = msgspec.structs.replace(settings.observation, throttle_us=throttle_us)
    assert check_equal(
        tapes_in(traded)[0], SCRIPTS["random"], name, msgspec.structs.replace(settings, observation=rules)
    )


def test_a_recorded_market_on_a_track(tmp_path: Path) -> None:
    """The first part of a production market's quarter of an hour, whose frames don't state its price grid."""
    tape = tapes_in(bare_gold(tmp_path))[0]
    assert record_track(tape, training_settings(), layout("m1")) is None
    market = msgspec.structs.replace(tape.markets[0], assumed=(), price_ranges=(PriceRange(0, 10_000, 10),))
    assert check_equal(Tape((market,), tape.events[:4_000]), SCRIPTS["random"]) >= 10


def test_a_pass_that_leaves_its_track_is_made_again(settled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tape = tapes_in(settled)[0]
    expected, _ = run(tape, None, SCRIPTS["random"])
    track = record_track(tape, training_settings(), layout("m1"))
    assert track is not None
    left: list[int] = []

    def leave(self: TrackedEngine, now_us: int) -> None:
        if now_us > track.flat.points[9].at_us:
            left.append(now_us)
            raise TrackLeft

    monkeypatch.setattr(TrackedEngine, "_check_selection", leave)
    steps, _ = run(tape, track, SCRIPTS["random"])
    assert left
    assert steps == expected


def test_an_account_held_otherwise_leaves_the_track(settled: Path) -> None:
    """A track whose second pass has no position at the close is wrong for an account with one."""
    tape = tapes_in(settled)[0]
    track = record_track(tape, training_settings(), layout("m1"))
    assert track is not None
    assert track.flat.selections != track.held.selections
    expected, _ = run(tape, None, SCRIPTS["keeps"])
    steps, _ = run(tape, msgspec.structs.replace(track, held=track.flat), SCRIPTS["keeps"])
    assert steps == expected


def test_the_environment_gives_the_same_with_a_track(settled: Path) -> None:
    """The first episode of a tape has no track, the second has one."""
    env, draw = MarketEnv(settled, training_settings(), actions()), np.random.default_rng(3)
    ticker = capture_metadata(settled)[0].ticker
    script = [0, 0, 0, 2, 4, *draw.integers(5, size=100).tolist()]  # nothing to sell at first
    options = {"market": ticker, "latency_seed": 1}
    found = []
    for episode in (Episode, TrackedEpisode):
        rows: list[list[float]] = []

        def policy(row: np.ndarray, number: int, rows: list[list[float]] = rows) -> int:
            rows.append(row.tolist())
            return script[number]

        found.append((*run_episode(env, policy, seed=1, options=options), rows))
        assert type(env.episode) is episode
    assert found[0] == found[1]


def test_no_order_needs_no_engine(settled: Path) -> None:
    env = MarketEnv(settled, training_settings(), actions(), tickers=[capture_metadata(settled)[0].ticker])
    run_episode(env, lambda row, number: 1, seed=1)
    run_episode(env, lambda row, number: 2, seed=1)  # sells what it does not have
    assert isinstance(env.episode, TrackedEpisode)
    assert env.episode.is_untouched


def test_made_markets_and_portfolios_have_no_track(traded: Path) -> None:
    env = TradingEnv(MadeMarkets(steps=3), training_settings(), actions())
    for _ in range(3):
        env.reset(seed=1)
        assert type(env.episode) is Episode


def test_a_formula_may_read_the_account_at_times() -> None:
    @feature()
    def public(inputs: FeatureInputs) -> float:
        return inputs.mid_cc / 10_000

    @feature()
    def sometimes(inputs: FeatureInputs) -> float:
        try:
            return inputs.spread_cc / 10_000 if inputs.now_us < 10 else inputs.position_centi / 10_000
        except Exception:  # noqa: BLE001  # it can't hide what it reads
            return 0.0

    market = MadeMarkets(steps=3).tape(np.random.default_rng(1)).markets[0]
    features = AccountFeatures(Layout("mine", (public, sometimes)))
    for now_us, places in ((5, ()), (15, (1,)), (5, (1,))):
        features.note(
            PublicInputs(
                book=OrderBook([(4_000, 100)], [(6_000, 100)]), history=History(), market=market, now_us=now_us,
                confirmed_us=0, cash_micros=0, reserved_micros=0, equity_micros=0, position_centi=0,
                position_cost_micros=0,
            )
        )  # fmt: skip
        assert features.places() == places
