"""The bundled models are what their script writes, and decide as their page describes."""

from __future__ import annotations

import importlib.util
import random
from pathlib import Path
from types import ModuleType

import numpy as np
import onnx
import pytest

from support.observations import feature_inputs, observation
from truebook.book.order_book import OrderBook
from truebook.decision.decide import Decision, decide
from truebook.decision.strategy import Intent, intent_of
from truebook.features.layout import FeatureInputs, layout
from truebook.messages.actions import OmittedSides
from truebook.messages.envelope import BookSide
from truebook.models.check_rows import random_rows
from truebook.models.registry import BUNDLED
from truebook.models.session import Model, load_model

BID, ASK = BookSide.BID, BookSide.ASK
M1 = layout("m1")


@pytest.fixture(scope="module")
def build() -> ModuleType:
    path = Path(__file__).parents[3] / "deploy" / "models" / "build.py"
    spec = importlib.util.spec_from_file_location("truebook_models_build", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def maker() -> Model:
    return load_model(BUNDLED / "maker.onnx")


@pytest.fixture(scope="module")
def small() -> Model:
    return load_model(BUNDLED / "small.onnx")


@pytest.mark.parametrize("name", ["maker", "small", "hold", "random"])
def test_the_script_reproduces_the_bundled_file(build: ModuleType, name: str) -> None:
    rebuilt = getattr(build, f"build_{name}")()
    assert rebuilt == onnx.load(BUNDLED / f"{name}.onnx")


def test_the_bundled_files_run_on_old_runtimes() -> None:
    for path in BUNDLED.glob("*.onnx"):
        model = onnx.load(path)
        assert model.ir_version <= 10
        assert {imported.domain: imported.version for imported in model.opset_import}[""] == 17


def decide_inputs(model: Model, inputs: FeatureInputs) -> Decision:
    row = model.run(np.array([M1.compute(inputs)], np.float32))[0]
    bid, ask = inputs.book.best(BID), inputs.book.best(ASK)
    assert bid is not None
    assert ask is not None
    seen = observation(
        best_bid_cc=bid[0], best_bid_centi=bid[1], best_ask_cc=ask[0], best_ask_centi=ask[1],
        position_centi=inputs.position_centi, cash_micros=inputs.cash_micros,
    )  # fmt: skip
    return decide(seen, [float(score) for score in row], model.metadata)


@pytest.mark.parametrize(("bid_cc", "ask_cc"), [(4_000, 4_100), (4_000, 4_200), (4_000, 4_600), (300, 500)])
def test_the_maker_quotes_both_sides_inside_a_balanced_book(maker: Model, bid_cc: int, ask_cc: int) -> None:
    decision = decide_inputs(maker, feature_inputs(book=OrderBook([(bid_cc, 1_000)], [(ask_cc, 1_000)])))
    quotes = {target.book_side: target for target in decision.targets}
    assert set(quotes) == {BID, ASK}
    assert bid_cc <= quotes[BID].price_cc < quotes[ASK].price_cc <= ask_cc
    assert all(target.post_only and 0 < target.size_centi <= 2_000 for target in decision.targets)
    assert decision.omitted_sides is OmittedSides.CANCEL


def test_the_makers_fair_price_falls_with_its_inventory(maker: Model) -> None:
    fair = [
        float(maker.run(np.array([M1.compute(feature_inputs(position_centi=position))], np.float32))[0, 0])
        for position in (-10_000, -1_000, 0, 1_000, 10_000)
    ]
    assert fair == sorted(fair, reverse=True)
    assert fair[0] - fair[-1] == pytest.approx(0.04, abs=0.01)


def test_the_maker_only_offers_at_its_largest_position(maker: Model) -> None:
    decision = decide_inputs(maker, feature_inputs(position_centi=10_000, position_cost_micros=42_000_000))
    assert {target.book_side for target in decision.targets} == {ASK}


def test_the_small_network_follows_its_teacher(build: ModuleType, small: Model) -> None:
    samples = build._samples(M1, random.Random(1))
    selected = small.run(samples.astype(np.float32)).argmax(axis=1)
    expected = build._teacher(samples, M1).argmax(axis=1)
    assert (selected == expected).mean() > 0.75
    assert {intent_of(int(action), small.metadata.sizes_centi)[0] for action in selected} == set(Intent)


def test_hold_never_trades() -> None:
    hold = load_model(BUNDLED / "hold.onnx")
    rows = random_rows(M1, 200, 3)
    assert set(hold.run(rows).argmax(axis=1)) == {0}
    assert decide_inputs(hold, feature_inputs()).targets == ()


def test_random_takes_each_side_alike_and_seldom() -> None:
    model = load_model(BUNDLED / "random.onnx")
    rows = random_rows(M1, 20_000, 3)
    scores = model.run(rows)
    counts = np.bincount(scores.argmax(axis=1), minlength=5) / len(rows)
    assert counts[0] == pytest.approx(0.98, abs=0.005)
    assert counts[1:] == pytest.approx([0.005] * 4, abs=0.002)
    alone = np.concatenate([model.run(rows[at : at + 1]) for at in range(100)])
    assert np.array_equal(alone, scores[:100])


def test_the_trained_model_is_its_weights() -> None:
    """Its fair price is the mid price and a linear move, at most a few cents; nothing of the account counts."""
    path = BUNDLED / "gold15m.onnx"
    model = load_model(path)
    assert path.stat().st_size < 200_000
    assert model.metadata.check_rows is not None
    assert "8 markets" in model.metadata.trained
    rows = random_rows(M1, 500, 4)
    rows[:, M1.names.index("mid")] = 0.5
    fair = model.run(rows)[:, 0]
    assert np.abs(fair - 0.5).max() < 0.1
    rows[:, M1.names.index("position")] = 1.0
    assert np.array_equal(model.run(rows)[:, 0], fair)
