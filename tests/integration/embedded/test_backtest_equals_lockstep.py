"""A backtest gives the orders, fills and final values of a run in lock-step, field for field: also ids and times."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from support.equal_runs import both, check_equal, lines_of
from support.made_recordings import make_recording
from support.recordings import recording
from support.spaced_recordings import make_spaced_recording
from support.varied_recordings import make_varied_recording
from truebook.models.check_rows import Batch
from truebook.models.errors import ModelFailed
from truebook.models.registry import ModelRegistry
from truebook.models.session import Model

GOLD_FRAMES = 6_000


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("model", ["maker", "small"])
def test_many_markets_give_equal_histories(tmp_path: Path, model: str) -> None:
    made = make_recording(tmp_path / "made", seconds=40, markets=8, seed=11)
    assert check_equal(made, model).summary.orders.sent >= 10


def test_another_queue_and_latency_give_equal_histories(tmp_path: Path) -> None:
    made = make_recording(tmp_path / "made", seconds=30, seed=4)
    exchange = {"queue": "optimistic", "order_latency_us": 0, "cancel_latency_us": 250_000, "seed": 9}
    assert check_equal(made, "maker", paper_exchange=exchange).fills >= 3


def test_orders_on_their_way_at_the_end_give_equal_histories(tmp_path: Path) -> None:
    """The latency is longer than what follows the last frame: nothing more is sent meanwhile."""
    made = make_recording(tmp_path / "made", seconds=20, seed=5)
    ran = both(made, "maker", paper_exchange={"order_latency_us": 2_000_000})
    assert lines_of(ran.result) == ran.history
    assert ran.result.passes[0].account.cash_micros == ran.summary.cash_micros
    assert ran.summary.orders.sent >= 10


def test_a_real_session_gives_equal_histories() -> None:
    ran = check_equal(recording("ws", "jfreun123_demo_20260701_session.jsonl"), "maker")
    assert ran.fills >= 20


def test_a_busy_real_market_gives_equal_histories(tmp_path: Path) -> None:
    """The market's frames, numbered again: their subscription was shared with other markets."""
    source = next(iter(recording("gold15m", "events", "KXGOLD15M-26AUG102130-30").glob("*.gz")))
    bare = tmp_path / "gold.jsonl"
    numbers: dict[int, int] = {}
    with gzip.open(source, "rt") as lines, bare.open("w") as out:
        for _, line in zip(range(GOLD_FRAMES), lines, strict=False):
            frame = json.loads(line)["event"]
            if "seq" in frame:
                numbers[frame["sid"]] = frame["seq"] = numbers.get(frame["sid"], 0) + 1
            out.write(json.dumps(frame) + "\n")
    assert check_equal(bare, "maker").fills >= 10


def test_a_model_that_fails_is_stopped_alike(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: Model, batch: Batch) -> Batch:
        raise ModelFailed("no finite number")

    made = make_recording(tmp_path / "made", seconds=30, markets=3, seed=2)
    registry = ModelRegistry(tmp_path / "models")
    monkeypatch.setattr("support.equal_runs.choose_model", lambda settings: registry)
    monkeypatch.setattr("truebook_services.embedded.system.choose_model", lambda settings: registry)
    registry.load("maker")  # its checks run it
    monkeypatch.setattr(Model, "run", fail)
    ran = check_equal(made, "maker")
    assert ran.refused["inference_failed"] >= 10
    assert ran.refused["model_stopped"] >= 5


@pytest.mark.parametrize("seed", [1, 4])
def test_markets_that_close_give_equal_histories(tmp_path: Path, seed: int) -> None:
    made = make_varied_recording(tmp_path / "made", seed=seed, are_odd=False)
    assert check_equal(made, "maker").fills >= 50


@pytest.mark.parametrize("seed", [1, 3])
def test_markets_with_faults_and_pauses_give_equal_histories(tmp_path: Path, seed: int) -> None:
    """Lost, unreadable and inconsistent frames, also the first and the last one, and changes of the life cycle."""
    made = make_varied_recording(tmp_path / "made", seed=seed)
    reconciler = {"orders_s": 4.0}  # its statements have numbers in the ledger
    assert check_equal(made, "maker", reconciler=reconciler).fills >= 20


def test_idle_time_between_markets_gives_equal_histories(tmp_path: Path) -> None:
    made = make_spaced_recording(tmp_path / "made", seed=6, markets=3, open_s=20, every_s=200)
    assert check_equal(made, "maker").fills >= 20
