"""The environments: gymnasium's contract, equality with a backtest, seeds, ends, errors."""

from __future__ import annotations

import copy
import itertools
import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env

import truebook.gym  # noqa: F401  # registers the environments
from support.made_recordings import make_recording
from support.recorded_gold import bare_gold
from support.training import actions, run_episode, training_settings
from truebook.backtest.collect import Collector
from truebook.backtest.result import PassResult
from truebook.backtest.run import Request, run_backtest
from truebook.backtest.window import Window, read_window
from truebook.decision.strategy import Output, PriceRule, Strategy
from truebook.features.layout import layout
from truebook.gym.environment import MarketEnv, PortfolioEnv, TradingEnv
from truebook.gym.made_market import MadeMarkets
from truebook.gym.tapes import NoData, RecordedTapes
from truebook.messages.market_metadata import MarketMetadata
from truebook.models.session import Model
from truebook.runtime.settings import load
from truebook.simulation.recorded.queue import QueueModel
from truebook_services.embedded.settings import EmbeddedSettings
from truebook_services.embedded.system import choose_model

PROBABILITY = Strategy(output=Output.YES_PROBABILITY, sizes_centi=(500,), price_rule=PriceRule.JOIN)
MADE = MadeMarkets(steps=8)
GOLD_FRAMES = 4_000


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_recording(tmp_path_factory.mktemp("made") / "recording", seconds=30, markets=4, seed=11)


def model_of(name: str) -> Model:
    return choose_model(load(EmbeddedSettings, model=name)).load(name)


def by_model(
    env: TradingEnv, model: Model, others: Sequence[MarketMetadata], **options: Any
) -> tuple[PassResult, float]:  # fmt: skip
    """Let a model decide each step; return the pass as a backtest reports it, and the sum of the rewards."""
    collector = Collector(QueueModel.REALISTIC, {}, others)

    def output(row: np.ndarray, number: int) -> Any:
        if number == 0:
            assert env.episode is not None
            collector.attach(env.episode.engine)
        found = model.run(row[np.newaxis])[0]
        return found if model.metadata.output is Output.YES_PROBABILITY else int(found.argmax())

    options["latency_seed"] = training_settings().latency.seed
    total, _, _ = run_episode(env, output, seed=1, options=options)
    return collector.result(), total


def check_equal(path: Path, env: TradingEnv, model: Model, window: Window, **options: Any) -> int:
    """Check an episode against the backtest of the same model and data; return the number of fills."""
    found, total = by_model(env, model, read_window(path, window).others, **options)
    request = Request(path=path, settings=training_settings(), queues=(QueueModel.REALISTIC,), window=window)
    expected = run_backtest(request, model).passes[0]
    for field in ("orders", "fills", "account", "markets", "refusals", "outcomes", "observations", "targets"):
        assert getattr(found, field) == getattr(expected, field), field
    assert found.equity[-1] == expected.equity[-1]
    equity_micros = expected.account.equity_micros
    if equity_micros is not None:
        assert total == pytest.approx((equity_micros - training_settings().balance_micros) / 1e6, abs=1e-6)
    return len(found.fills)


@pytest.mark.parametrize("name", ["maker", "small"])
def test_the_portfolio_gives_the_backtest_of_its_model(made: Path, name: str) -> None:
    model = model_of(name)
    env = PortfolioEnv(made, training_settings(), model.metadata)
    assert check_equal(made, env, model, Window()) >= 5


def test_a_market_gives_the_backtest_of_its_model(made: Path) -> None:
    model = model_of("maker")
    env = MarketEnv(made, training_settings(), model.metadata)
    env.reset(seed=1)
    ticker = env.reset(seed=1)[1]["ticker"]
    assert check_equal(made, env, model, Window(markets=frozenset({ticker})), market=ticker) >= 1


def test_a_recorded_market_gives_the_backtest_of_its_model(tmp_path: Path) -> None:
    """The first part of a production market's quarter of an hour."""
    whole = bare_gold(tmp_path)
    part = tmp_path / "part.jsonl"
    with whole.open() as lines:
        part.write_text("".join(itertools.islice(lines, GOLD_FRAMES)))
    model = model_of("maker")
    assert check_equal(part, PortfolioEnv(part, training_settings(), model.metadata), model, Window()) >= 10


@pytest.mark.parametrize("strategy", [actions(), PROBABILITY], ids=["action_logits", "yes_probability"])
def test_environment_follows_gymnasiums_contract(strategy: Strategy) -> None:
    check_env(TradingEnv(MADE, training_settings(), strategy), skip_render_check=True)


@pytest.mark.parametrize("name", ["truebook/Market-v0", "truebook/Portfolio-v0"])
def test_registered_environments_follow_the_contract(made: Path, name: str) -> None:
    env = gymnasium.make(name, data=made, settings=training_settings(), strategy=actions(), window_us=10_000_000)
    check_env(env.unwrapped, skip_render_check=True)


def test_observations_are_within_the_layouts_ranges() -> None:
    env = TradingEnv(MADE, training_settings(), actions(), layout="c52")
    assert env.observation_space.shape == (52,)
    row, _ = env.reset(seed=1)
    assert env.observation_space.contains(row)


def test_a_seed_gives_one_episode() -> None:
    env = TradingEnv(MADE, training_settings(), actions())
    first, again, other = (run_episode(env, lambda row, n: [1, 3, 0][n % 3], seed=seed)[1] for seed in (3, 3, 4))
    assert first == again
    assert first != other


def test_rewards_add_up_to_the_profit_in_dollars() -> None:
    env = TradingEnv(MADE, training_settings(), actions())
    total, infos, is_terminated = run_episode(env, lambda row, number: 1, seed=5)
    assert is_terminated
    assert infos[-1]["fees_micros"] > 0
    assert round(total * 1_000_000) == infos[-1]["equity_micros"] - infos[0]["equity_micros"]
    assert infos[-1]["equity_micros"] == infos[-1]["cash_micros"]  # settled


def test_money_in_the_info_is_whole() -> None:
    _, infos, _ = run_episode(TradingEnv(MADE, training_settings(), actions()), lambda row, number: 1, seed=5)
    money = [value for info in infos for name, value in info.items() if name.endswith("_micros")]
    assert {type(value) for value in money} == {int}


def test_a_window_ends_before_the_outcome(made: Path) -> None:
    env = MarketEnv(made, training_settings(), actions(), window_us=10_000_000)
    _, infos, is_terminated = run_episode(env, lambda row, number: 0, seed=2)
    assert not is_terminated
    assert infos[-1]["at_us"] - infos[0]["at_us"] <= 11_000_000


def test_the_seed_draws_market_and_start(made: Path) -> None:
    env = MarketEnv(made, training_settings(), actions(), window_us=10_000_000)
    begun = [env.reset(seed=seed)[1] for seed in range(12)]
    assert len({info["ticker"] for info in begun}) > 1
    assert len({info["at_us"] for info in begun}) > 6
    assert env.reset(seed=1, options={"market": begun[0]["ticker"]})[1]["ticker"] == begun[0]["ticker"]


def test_unknown_markets_are_refused(made: Path) -> None:
    with pytest.raises(NoData, match="no market 'X'"):
        MarketEnv(made, training_settings(), actions(), tickers=["X"])
    with pytest.raises(NoData, match="no market 'X'"):
        MarketEnv(made, training_settings(), actions()).reset(options={"market": "X"})


def test_a_tape_without_an_observation_is_an_error(made: Path) -> None:
    env = MarketEnv(made, training_settings(), actions())
    with pytest.raises(NoData, match="no event from"):
        env.reset(options={"from_us": 2**50 * 2})


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_a_vector_runs_episodes_of_different_lengths(made: Path, mode: str) -> None:
    vector = gymnasium.make_vec(
        "truebook/Market-v0", num_envs=2, vectorization_mode=mode, data=RecordedTapes(made, each=True),
        settings=training_settings(), strategy=actions(),
        vector_kwargs={"context": "spawn"} if mode == "async" else {},
    )  # fmt: skip
    _, begun = vector.reset(seed=[1, 2])
    assert begun["equity_micros"].tolist() == [training_settings().balance_micros] * 2
    ends = np.zeros(2, int)
    for _ in range(150):
        rows, _, terminated, truncated, info = vector.step(np.array([1, 0]))
        ends += terminated | truncated
        assert rows.shape == (2, len(layout("m1")))
        assert info["fees_micros"].dtype == np.int64
    vector.close()
    assert ends.min() >= 1


def test_an_ended_episode_refuses_a_step() -> None:
    env = TradingEnv(MADE, training_settings(), actions())
    run_episode(env, lambda row, number: 0, seed=1)
    with pytest.raises(RuntimeError, match="call reset"):
        env.step(0)


@pytest.mark.parametrize(("strategy", "action"), [(actions(), 5), (PROBABILITY, [1.5]), (PROBABILITY, [np.nan])])
def test_an_output_that_no_model_has_is_refused(strategy: Strategy, action: Any) -> None:
    env = TradingEnv(MADE, training_settings(), strategy)
    env.reset(seed=1)
    with pytest.raises(ValueError, match=r"outside|must be in|one probability"):
        env.step(action)


def test_copies_share_data_and_processes_read_them(made: Path) -> None:
    tapes = RecordedTapes(made, each=True)
    drawn = tapes.draw(np.random.default_rng(1), {})
    assert copy.deepcopy(tapes) is tapes
    assert pickle.loads(pickle.dumps(tapes)).draw(np.random.default_rng(1), {}) == drawn
