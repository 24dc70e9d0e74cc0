"""The vector environment gives what single ones give; its automatic resets are those that gymnasium describes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv

import truebook.gym  # noqa: F401  # registers the environments
from support.made_recordings import make_recording
from support.training import actions, training_settings
from truebook.decision.strategy import Output, PriceRule, Strategy
from truebook.gym.made_market import MadeMarkets, record
from truebook.gym.tapes import RecordedTapes
from truebook.gym.vector import MarketVectorEnv

SEEDS = [3, 1, 4, 1, 5]
PROBABILITY = Strategy(output=Output.YES_PROBABILITY, sizes_centi=(500,), price_rule=PriceRule.JOIN)
Ids = Callable[[np.random.Generator, int], np.ndarray]
IDS: dict[str, Ids] = {
    "random": lambda draw, step: draw.integers(5, size=len(SEEDS)),
    "hold": lambda draw, step: np.zeros(len(SEEDS), np.int64),
    "rarely": lambda draw, step: draw.integers(5, size=len(SEEDS)) * (draw.random(len(SEEDS)) < 0.04),
    "sells": lambda draw, step: np.full(len(SEEDS), 2) * (draw.random(len(SEEDS)) < 0.5),
}


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three markets that close and have an outcome: episodes are terminated."""
    folder = tmp_path_factory.mktemp("settled") / "recording"
    record(MadeMarkets(steps=12), folder, markets=3, seed=5)
    return folder


@pytest.fixture(scope="module")
def open_ended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two markets that do not end: episodes are truncated."""
    return make_recording(tmp_path_factory.mktemp("open") / "recording", seconds=20, markets=2, seed=11)


def vector_of(data: Any, strategy: Strategy | None = None, **options: Any) -> VectorEnv[Any, Any, Any]:
    return gymnasium.make_vec(
        "truebook/Market-v0", num_envs=len(SEEDS), vectorization_mode="vector_entry_point", data=data,
        settings=training_settings(), strategy=strategy or actions(), **options,
    )  # fmt: skip


def singles_of(data: Any, strategy: Strategy | None = None, **options: Any) -> SyncVectorEnv:
    """Single environments, which gymnasium steps one after the other."""
    found = gymnasium.make_vec(
        "truebook/Market-v0", num_envs=len(SEEDS), vectorization_mode="sync", data=data, settings=training_settings(),
        strategy=strategy or actions(), **options,
    )  # fmt: skip
    assert isinstance(found, SyncVectorEnv)
    return found


def plain(value: Any) -> Any:
    """Return an info without arrays, to be compared: what is masked is left out."""
    return {
        name: [(item, type(item)) for item, known in zip(found.tolist(), value[f"_{name}"], strict=True) if known]
        for name, found in value.items()
        if not name.startswith("_") and value[f"_{name}"].any()
    }


def check_equal(one: VectorEnv[Any, Any, Any], other: VectorEnv[Any, Any, Any], draw_ids: Ids, steps: int) -> int:
    """Step both; return the number of episodes that ended."""
    ends, draw = 0, np.random.default_rng(2)
    (rows, infos), (other_rows, other_infos) = one.reset(seed=SEEDS), other.reset(seed=SEEDS)
    assert (rows == other_rows).all()
    assert plain(infos) == plain(other_infos)
    for step in range(steps):
        ids = draw_ids(draw, step)
        found, expected = one.step(ids), other.step(ids)
        for part, wanted in zip(found[:4], expected[:4], strict=True):
            assert part.dtype == wanted.dtype
            assert (part == wanted).all(), step
        assert plain(found[4]) == plain(expected[4]), step
        ends += int((found[2] | found[3]).sum())
    return ends


@pytest.mark.parametrize("draw_ids", IDS.values(), ids=list(IDS))
@pytest.mark.parametrize("data", ["recording", "open_ended"])
def test_a_vector_equals_single_environments(data: str, draw_ids: Ids, request: pytest.FixtureRequest) -> None:
    path = request.getfixturevalue(data)
    assert check_equal(vector_of(path), singles_of(RecordedTapes(path, each=True)), draw_ids, 70) >= 5


def test_probabilities_and_windows_equal_single_ones(recording: Path) -> None:
    options = {"window_us": 5_000_000}
    assert check_equal(vector_of(recording, **options), singles_of(recording, **options), IDS["random"], 25) >= 5

    def probabilities(draw: np.random.Generator, step: int) -> np.ndarray:
        return draw.random((len(SEEDS), 1)).astype(np.float32)

    one, other = vector_of(recording, PROBABILITY), singles_of(recording, PROBABILITY)
    assert check_equal(one, other, probabilities, 40) >= 5


def test_a_source_of_made_markets_equals_single_ones() -> None:
    made = MadeMarkets(steps=4)
    assert check_equal(vector_of(made), singles_of(made), IDS["random"], 20) >= 5


def test_the_data_are_read_once(recording: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read, count = RecordedTapes._read, []

    def counted(self: RecordedTapes) -> Any:
        if self._tapes is None:
            count.append(1)
        return read(self)

    monkeypatch.setattr(RecordedTapes, "_read", counted)
    vector_of(recording).reset(seed=1)
    assert count == [1]


@pytest.mark.parametrize("action", [0, 1])
def test_the_step_after_an_end_only_begins_an_episode(recording: Path, action: int) -> None:
    vector = vector_of(recording)
    assert vector.metadata["autoreset_mode"] is AutoresetMode.NEXT_STEP
    vector.reset(seed=SEEDS)
    ids, over, begun = np.full(len(SEEDS), action), np.zeros(len(SEEDS), np.bool_), 0
    for _ in range(60):
        rows, rewards, terminated, truncated, infos = vector.step(ids)
        if over.any():
            begun += int(over.sum())
            assert not (terminated | truncated)[over].any()
            assert not rewards[over].any()
            assert not infos["targets"][over].any()
            assert (infos["equity_micros"][over] == training_settings().balance_micros).all()
            assert not infos.get("_reason", np.zeros(len(SEEDS), np.bool_))[over].any()
        over = terminated | truncated
        assert vector.observation_space.contains(rows)
    assert begun >= 5


def test_one_seed_counts_up_and_a_list_is_taken_as_it_is(recording: Path) -> None:
    vector = vector_of(recording)
    rows, infos = vector.reset(seed=7)
    again, _ = vector.reset(seed=[7, 8, 9, 10, 11])
    assert (rows == again).all()
    assert len(set(infos["ticker"])) > 1
    options = {"market": infos["ticker"][0]}
    assert set(vector.reset(seed=1, options=options)[1]["ticker"]) == {options["market"]}


def test_wrong_arguments_of_a_vector_are_refused(recording: Path) -> None:
    vector = vector_of(recording)
    with pytest.raises(ValueError, match="2 seeds for 5"):
        vector.reset(seed=[1, 2])
    with pytest.raises(ValueError, match="reset_mask"):
        vector.reset(options={"reset_mask": np.ones(5, np.bool_)})
    vector.reset(seed=1)
    for wrong in (np.full(5, 5), np.full(5, -1), np.zeros(4)):
        with pytest.raises(ValueError, match=r"outside Discrete\(5\)|4 actions for 5"):
            vector.step(wrong)
    with pytest.raises(ValueError, match="at least one"):
        MarketVectorEnv(0, recording, training_settings(), actions())


def test_actions_before_the_first_order_are_dropped_in_time(recording: Path) -> None:
    vector = vector_of(recording)
    assert isinstance(vector, MarketVectorEnv)
    vector.reset(seed=SEEDS)
    for _ in range(300):
        vector.step(np.zeros(len(SEEDS), np.int64))
    assert len(vector._steps) < 60
