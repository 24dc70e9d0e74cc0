"""A batch of observations and a model: decisions, ids, and failing models."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.observations import observation
from support.services import make_context
from truebook.decision.strategy import Output
from truebook.features.layout import layout
from truebook.messages.actions import OmittedSides
from truebook.messages.envelope import BookSide
from truebook.messages.ids import action_id
from truebook.messages.reasons import Reason
from truebook.models.batch import action_of, decide_all, newest_per_market, stack
from truebook.models.errors import ModelFailed
from truebook.models.metadata import ModelMetadata

M1 = layout("m1")


class FakeModel:
    """Scores each row by a function of the test instead of an ONNX session."""

    def __init__(self, score: Any, **metadata: Any) -> None:
        values = {
            "name": "fake", "layout": "m1", "layout_hash": M1.hash, "output": Output.ACTION_LOGITS,
            "sizes_centi": (500,), "sha256": "00",
        }  # fmt: skip
        self.layout = M1
        self.metadata = ModelMetadata(**(values | metadata))
        self.score = score
        self.runs: list[int] = []

    def run(self, batch: Any) -> Any:
        assert batch.dtype == np.float32
        self.runs.append(len(batch))
        return self.score(batch)


def always(action: int, width: int = 5) -> Any:
    return lambda batch: np.eye(width, dtype=np.float32)[[action] * len(batch)]


def row(ticker: str = "T-1", **changed: Any) -> Any:
    values = {"layout": "m1", "layout_hash": M1.hash, "features": tuple(0.5 for _ in M1.names)}
    return observation(ticker=ticker, **(values | changed))


def test_a_batch_is_decided_by_one_run_in_its_order() -> None:
    model = FakeModel(lambda batch: np.eye(5, dtype=np.float32)[[int(each[0]) for each in batch]])
    rows = [row(f"T-{n}", features=(float(n), *([0.0] * (len(M1) - 1)))) for n in (0, 1, 3)]
    decisions, failures = decide_all(model, rows)  # type: ignore[arg-type]
    assert model.runs == [3]
    assert failures == []
    assert [decision.action for decision in decisions] == [0, 1, 3]
    assert [[target.book_side for target in decision.targets] for decision in decisions] == [
        [], [BookSide.BID], [BookSide.ASK],
    ]  # fmt: skip


def failing(batch: Any) -> Any:
    raise ModelFailed("no numbers")


@pytest.mark.parametrize(
    "score",
    [
        pytest.param(failing, id="the model fails"),
        pytest.param(always(1, width=7), id="rows of another width"),
    ],
)
def test_a_failing_model_gives_no_action_for_the_batch(score: Any) -> None:
    decisions, failures = decide_all(FakeModel(score), [row("T-1"), row("T-2")])  # type: ignore[arg-type]
    assert [(each.targets, each.omitted_sides, each.reason) for each in decisions] == [
        ((), OmittedSides.KEEP, Reason.INFERENCE_FAILED)
    ] * 2
    assert [(each.reason, each.rows) for each in failures] == [(Reason.INFERENCE_FAILED, 2)]


@pytest.mark.parametrize(
    "wrong", [{"layout_hash": "other"}, {"features": (0.5,)}], ids=["another hash", "another length"]
)
def test_a_vector_of_another_layout_gives_no_action(wrong: dict[str, Any]) -> None:
    model = FakeModel(always(1))
    decisions, failures = decide_all(model, [row("T-1", **wrong), row("T-2")])  # type: ignore[arg-type]
    assert model.runs == [1]
    assert [decision.reason for decision in decisions] == [Reason.MODEL_MISMATCH, None]
    assert [(each.reason, each.rows) for each in failures] == [(Reason.MODEL_MISMATCH, 1)]


def test_an_actions_deadline_follows_its_books_confirmed_time() -> None:
    seen = row(confirmed_us=1_000_000, best_bid_cc=4_000, best_ask_cc=4_500, taker_rate_ppm=1, maker_rate_ppm=9)
    decisions, _ = decide_all(FakeModel(always(1)), [seen])  # type: ignore[arg-type]
    action = action_of(
        make_context("policy").identity, seen, decisions[0], model="fake", now_us=1_200_000, max_age_us=5_000_000
    )
    assert (action.deadline_us, action.reference_cc, action.fee_rate_ppm) == (6_000_000, 4_250, 9)
    assert (action.cause_id, action.observation_id, action.frame_us) == (seen.id, seen.id, seen.frame_us)


def test_an_actions_id_does_not_depend_on_the_model() -> None:
    seen, shared = row(), make_context("policy").identity
    decided = {
        name: decide_all(FakeModel(always(number)), [seen])[0][0]  # type: ignore[arg-type]
        for number, name in ((1, "one"), (2, "two"))
    }
    actions = [action_of(shared, seen, decided[name], model=name, now_us=1, max_age_us=1) for name in decided]
    assert actions[0].id == actions[1].id == action_id("sim-main", "main", seen.id)


@given(st.lists(st.sampled_from("ABC"), max_size=12))
def test_only_the_last_observation_of_each_market_is_kept(tickers: list[str]) -> None:
    rows = [row(ticker, id=str(number)) for number, ticker in enumerate(tickers)]
    kept = newest_per_market(rows)
    last = {ticker: str(number) for number, ticker in enumerate(tickers)}
    assert {each.ticker: each.id for each in kept} == last
    assert len(kept) == len(last)


def test_stacked_vectors_equal_numpys_to_the_bit() -> None:
    vectors = [(0.1, -0.333333, 1e-30), (1.0, 123_456.789012, -0.0), (1e300, -1e300, 1e-50)]
    with np.errstate(over="ignore"):
        assert stack(vectors).tobytes() == np.array(vectors, np.float32).tobytes()
