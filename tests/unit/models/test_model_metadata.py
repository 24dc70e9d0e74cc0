"""Metadata: written and read without loss; every problem is reported at once."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.onnx_files import metadata
from truebook.decision.strategy import Output, PriceRule
from truebook.models.errors import ModelRefused
from truebook.models.metadata import ModelMetadata, read_properties

GOOD = metadata().to_properties()


def read(**changed: str | None) -> ModelMetadata:
    given = {f"truebook.{key}": value for key, value in changed.items()}
    properties = {key: value for key, value in (GOOD | given).items() if value is not None}
    return read_properties(properties, "some.onnx", stem="some", sha256="aa")


@given(
    st.sampled_from(Output),
    st.sampled_from(PriceRule),
    st.sets(st.integers(1, 10**6), min_size=1, max_size=6),
    st.tuples(st.integers(0, 10_000), st.integers(0, 10**6), st.integers(1, 10**6)),
    st.one_of(st.none(), st.integers(1, 10**6)),
)
def test_written_metadata_is_read_without_loss(
    output: Output, rule: PriceRule, sizes: set[int], numbers: tuple[int, int, int], bound: int | None
) -> None:
    written = metadata(
        output=output, price_rule=rule, sizes_centi=tuple(sorted(sizes)), min_edge_cc=numbers[0],
        kelly_fraction_ppm=numbers[1], cash_share_ppm=numbers[2], max_position_centi=bound, trained="2026",
    )  # fmt: skip
    assert read_properties(written.to_properties(), "x", stem="y") == written


def test_optional_keys_have_their_documented_defaults() -> None:
    optional = ("name", "price_rule", "min_edge_cc", "kelly_fraction_ppm", "cash_share_ppm")
    sparse = read(**dict.fromkeys(optional))
    assert (sparse.name, sparse.price_rule, sparse.sha256) == ("some", PriceRule.CROSS, "aa")
    assert (sparse.min_edge_cc, sparse.kelly_fraction_ppm, sparse.cash_share_ppm) == (0, 0, 200_000)
    assert sparse.max_position_centi is None


def test_properties_without_our_prefix_are_ignored() -> None:
    assert read_properties(GOOD | {"author": "me"}, "x", stem="y").name == "test"


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"format": None}, "truebook.format must be '1'"),
        ({"format": "2"}, "truebook.format must be '1'"),
        ({"layout": None}, "truebook.layout is missing"),
        ({"layout_hash": ""}, "truebook.layout_hash is missing"),
        ({"output": None}, "truebook.output must be one of action_logits, yes_probability"),
        ({"output": "logits"}, "it is 'logits'"),
        ({"price_rule": "best"}, "join, improve, cross, mid"),
        ({"sizes_centi": None}, "truebook.sizes_centi must list"),
        ({"sizes_centi": "500,500"}, "rising"),
        ({"sizes_centi": "5.0"}, "hundredths"),
        ({"sizes_centi": "0,5"}, "rising"),
        ({"sizes_centi": "500,"}, "must list"),
        ({"min_edge_cc": "-1"}, "0..10000"),
        ({"kelly_fraction_ppm": "1000001"}, "0..1000000"),
        ({"cash_share_ppm": "0"}, "1..1000000"),
        ({"max_position_centi": "many"}, "whole number"),
        ({"action_map": None}, "hold,buy_yes,sell_yes,buy_no,sell_no"),
        ({"action_map": "hold,sell_yes,buy_yes,buy_no,sell_no"}, "the order of the action ids is fixed"),
        ({"price_rul": "join"}, "truebook.price_rul is unknown"),
    ],
)
def test_each_problem_is_refused_with_its_key_and_range(changed: dict[str, Any], message: str) -> None:
    with pytest.raises(ModelRefused) as refused:
        read(**changed)
    assert message in str(refused.value)
    assert "some.onnx" in str(refused.value)


def test_all_problems_are_reported_at_once() -> None:
    with pytest.raises(ModelRefused) as refused:
        read(layout=None, output="x", min_edge_cc="x")
    assert len(refused.value.problems) == 3


def test_a_file_without_metadata_is_refused_with_a_remedy() -> None:
    with pytest.raises(ModelRefused, match="to_properties"):
        read_properties({"author": "me"}, "x", stem="y")
