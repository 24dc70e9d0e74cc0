"""Errors of models."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from truebook.models.errors import MissingLibrary, ModelError, ModelRefused, OutputsDiffer, RegistryReadOnly

ERRORS = [
    ModelRefused("a.onnx", ["no output", "no layout"]),
    OutputsDiffer("a.onnx", "differs", inputs=(1.0,), expected=0.5, found=0.4),
    MissingLibrary("torch", "train", ImportError("no torch")),
    RegistryReadOnly(Path("models"), OSError(30, "read-only")),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_arrives_from_a_worker_process(error: ModelError) -> None:
    arrived = pickle.loads(pickle.dumps(error))
    assert type(arrived) is type(error)
    assert str(arrived) == str(error)
    assert arrived.__dict__.keys() == error.__dict__.keys()
