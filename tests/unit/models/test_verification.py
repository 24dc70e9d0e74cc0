"""The comparison of a model file with its trainer: rows, tolerance, batches, and what an error states."""

from __future__ import annotations

import numpy as np
import pytest

from support.onnx_files import M1, metadata, onnx_bytes
from truebook.decision.strategy import Output
from truebook.features.feature import Feature
from truebook.features.layout import Layout, layout
from truebook.models.errors import NotConvertible, OutputsDiffer
from truebook.models.session import Model, parse_model
from truebook.models.verification import GENERATED_ROWS, Trainer, evenly_spaced, verification_rows, verify

TRAINER = Trainer("the trainer", "Do this")


def probability_model() -> Model:
    properties = metadata(output=Output.YES_PROBABILITY).to_properties()
    return parse_model(onnx_bytes(properties, outputs=1, weight=0.001, bias=0.5), "some.onnx", stem="some")


def test_equal_outputs_pass_with_their_difference() -> None:
    model, rows = probability_model(), verification_rows(M1, None)
    expected = rows.astype(np.float64).sum(axis=1, keepdims=True) * 0.001 + 0.5
    comparison = verify(model, rows, expected + 0.00005, TRAINER, "some.onnx")
    assert comparison.rows == GENERATED_ROWS
    assert comparison.max_difference == pytest.approx(0.00005, abs=1e-6)
    assert comparison.other_actions == 0


def test_an_error_names_the_row_both_values_and_what_to_do() -> None:
    model, rows = probability_model(), np.zeros((9, len(M1)), np.float32)
    expected = np.full((9, 1), 0.5)
    expected[[3, 7], 0] = 0.5004, 0.6
    with pytest.raises(OutputsDiffer) as refused:
        verify(model, rows, expected, TRAINER, "some.onnx")
    text = str(refused.value)
    assert "2 of 9 compared rows differ, most of all row 7: the trainer returns 0.600000, ONNX Runtime" in text
    assert "0.500000; allowed is a difference of 0.000160. Do this" in text
    assert (refused.value.expected, refused.value.found) == (0.6, 0.5)
    assert refused.value.inputs == (0.0,) * len(M1)


def test_an_output_within_the_tolerance_passes() -> None:
    rows = np.zeros((2, len(M1)), np.float32)
    verify(probability_model(), rows, np.full((2, 1), 0.50014), TRAINER, "some.onnx")
    with pytest.raises(OutputsDiffer):
        verify(probability_model(), rows, np.full((2, 1), 0.50016), TRAINER, "some.onnx")


def test_actions_that_rounding_decides_are_counted() -> None:
    model = parse_model(onnx_bytes(), "some.onnx", stem="some")
    expected = np.zeros((3, 5))
    expected[1, 2] = 1e-6
    assert verify(model, np.zeros((3, len(M1)), np.float32), expected, TRAINER, "some.onnx").other_actions == 1


@pytest.mark.parametrize(("value", "message"), [(np.nan, "not finite"), (1.2, "no probability in 0..1")])
def test_bad_outputs_of_the_trainer_are_refused(value: float, message: str) -> None:
    expected = np.array([[0.5], [value]])
    with pytest.raises(NotConvertible, match=rf"for row 1 .* the trainer returns .*{message}"):
        verify(probability_model(), np.zeros((2, len(M1)), np.float32), expected, TRAINER, "some.onnx")


def test_generated_rows_have_zeros_and_stay_in_their_ranges() -> None:
    rows = verification_rows(M1, None)
    assert rows.dtype == np.float32
    assert not rows[0].any()
    assert 0.2 < (rows[GENERATED_ROWS // 2 :] == 0).mean() < 0.4
    for place, each in enumerate(M1.features):
        assert rows[:, place].min() >= each.low
        assert rows[:, place].max() <= each.high


def test_no_zero_is_generated_outside_of_a_range() -> None:
    c52 = layout("c52")
    place = c52.names.index("yes_mid_price_norm")  # 0.01..0.99
    assert verification_rows(c52, None)[:, place].min() >= np.float32(0.01)


def test_samples_come_first() -> None:
    samples = np.full((5, len(M1)), 0.25)
    rows = verification_rows(M1, samples)
    assert len(rows) == 5 + GENERATED_ROWS
    assert (rows[:5] == 0.25).all()


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros((2, 3)), r"samples have shape \(2, 3\), expected \[rows, 24\]"),
        (np.array([[0.0] * 24, [np.nan] * 24]), "row 1 of samples has a feature that is missing"),
    ],
)
def test_wrong_samples_are_refused(samples: np.ndarray, message: str) -> None:
    with pytest.raises(NotConvertible, match=message):
        verification_rows(M1, samples)


def test_spaced_places_include_both_ends() -> None:
    assert evenly_spaced(5, 10).tolist() == [0, 1, 2, 3, 4]
    assert evenly_spaced(101, 3).tolist() == [0, 50, 100]
    assert evenly_spaced(1, 3).tolist() == [0]


def test_a_layout_of_ones_own_is_verified_too() -> None:
    own = Layout("own", [Feature(name="only", version=1, low=2.0, high=3.0, compute=lambda inputs: 2.0)])
    assert verification_rows(own, None).min() >= 2.0
