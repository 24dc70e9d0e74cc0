"""The script of the bundled trained model: it trains on the first markets only, and writes a checked file."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from support.made_tapes import LIFE_US, START_US, make_tape, ticker_of
from truebook.features.layout import layout
from truebook.models.check_rows import random_rows

pytest.importorskip("sklearn")
SCRIPTS = Path(__file__).parents[3] / "deploy" / "models"
ROWS = random_rows(layout("m1"), 500, 5)


@pytest.fixture
def train(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(SCRIPTS))
    spec = importlib.util.spec_from_file_location("truebook_models_train", SCRIPTS / "train.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.modules.pop("build", None)
    return module


def test_later_markets_do_not_change_the_model(
    tmp_path: Path, train: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    monkeypatch.setattr(train, "TRAIN_MARKETS", 3)
    monkeypatch.setattr(train, "VALIDATION_MARKETS", 1)
    later_us = START_US + 3 * LIFE_US
    outputs = []
    for name, other_from_us in (("one", None), ("two", later_us + 40_000_000)):
        tape = make_tape(tmp_path / name, markets=4, other_from_us=other_from_us)
        assert train.training_window(tape).markets == {ticker_of(number) for number in range(3)}
        model = train.train(tape, tmp_path / f"{name}.onnx").model
        assert "of 3 markets" in model.metadata.trained
        assert model.metadata.check_rows is not None
        outputs.append(model.run(ROWS))
    assert np.array_equal(*outputs)


def test_too_few_markets_are_refused(tmp_path: Path, train: ModuleType) -> None:
    with pytest.raises(SystemExit, match="2 markets; more than 8 are needed"):
        train.training_window(make_tape(tmp_path / "tape"))
