"""Layouts: hash, clipping, refusals, users' own features."""

from __future__ import annotations

from importlib.metadata import EntryPoint
from typing import Any

import pytest

from support.observations import feature_inputs
from truebook.book.order_book import OrderBook
from truebook.features import plugins
from truebook.features.feature import Feature, FeatureError, feature, signal
from truebook.features.layout import FeatureInputs, Layout, UnknownLayout, layout
from truebook.messages.reasons import Reason


def constant(name: str, value: Any, version: int = 1) -> Feature:
    return Feature(name=name, version=version, low=-1.0, high=1.0, compute=lambda _: value)


def test_the_hash_covers_names_versions_and_order() -> None:
    one, two = constant("one", 1), constant("two", 2)
    hashes = [
        Layout("a", features).hash
        for features in ([one, two], [two, one], [one], [one, constant("two", 2, version=2)], [one, constant("TWO", 2)])
    ]
    assert len(set(hashes)) == len(hashes)
    assert Layout("other", [one, two]).hash == hashes[0]


@pytest.mark.parametrize("features", [[], [constant("same", 1), constant("same", 2)]])
def test_a_layout_needs_features_with_distinct_names(features: list[Feature]) -> None:
    with pytest.raises(ValueError, match="distinct names"):
        Layout("bad", features)


def test_values_are_clipped_and_rounded() -> None:
    made = Layout("a", [constant("high", 7), constant("low", -7), constant("fine", 0.12345678)])
    assert made.compute(feature_inputs()) == (1.0, -1.0, 0.123457)


@pytest.mark.parametrize("book", [OrderBook(), OrderBook([(4_000, 1)]), OrderBook([], [(4_000, 1)])])
def test_a_one_sided_book_gives_no_vector(book: OrderBook) -> None:
    with pytest.raises(FeatureError) as refused:
        layout("m1").compute(feature_inputs(book=book))
    assert refused.value.reason is Reason.ONE_SIDED_BOOK


def test_a_missing_signal_gives_no_vector_and_names_it() -> None:
    made = layout("m1").extended("mine", [signal("poll", low=-5, high=5)])
    assert made.signals == ("poll",)
    with pytest.raises(FeatureError) as refused:
        made.compute(feature_inputs(signals={"other": 1.0}))
    assert (refused.value.reason, refused.value.detail) == (Reason.SIGNAL_MISSING, "poll")
    assert made.compute(feature_inputs(signals={"poll": 2.5}))[-1] == 2.5


@pytest.mark.parametrize("value", [float("nan"), float("inf"), "text", None])
def test_a_function_without_a_finite_result_is_named(value: Any) -> None:
    with pytest.raises(FeatureError, match="broken") as refused:
        Layout("a", [constant("broken", value)]).compute(feature_inputs())
    assert refused.value.reason is Reason.INFERENCE_FAILED


def test_a_function_that_fails_is_named() -> None:
    @feature()
    def divides(inputs: FeatureInputs) -> float:
        """Divide by the position."""
        return 1 / inputs.position_centi

    with pytest.raises(FeatureError, match=r"divides.*ZeroDivisionError"):
        Layout("a", [divides]).compute(feature_inputs())
    assert (divides.name, divides.about) == ("divides", "Divide by the position.")


def test_an_unknown_layout_is_named_with_the_available_ones() -> None:
    with pytest.raises(UnknownLayout, match="m1"):
        layout("m0")


MINE = layout("m1").extended("mine", [constant("extra", 0.5)])
SHORT = [constant("only", 0.5)]
NOTHING: list[Feature] = []
NUMBER = 7


def point(name: str, attribute: str, module: str = __name__) -> EntryPoint:
    return EntryPoint(name=name, value=f"{module}:{attribute}", group=plugins.GROUP)


def test_a_users_layout_is_found_by_its_entry_point() -> None:
    installed = [point("mine", "MINE"), point("short", "SHORT")]
    assert plugins.find_layout("mine", installed).hash == MINE.hash
    assert plugins.find_layout("short", installed).names == ("only",)


def test_a_bundled_layout_cannot_be_replaced() -> None:
    assert plugins.find_layout("m1", [point("m1", "MINE")]) is layout("m1")


def test_only_the_requested_layouts_package_is_imported() -> None:
    installed = [point("broken", "x", module="no_such_package"), point("mine", "MINE")]
    assert plugins.find_layout("mine", installed).name == "mine"


@pytest.mark.parametrize(
    ("requested", "message"),
    [
        (point("x", "MISSING"), "cannot be loaded"),
        (point("x", "x", module="no_such_package"), "cannot be loaded"),
        (point("x", "MINE"), "give both the same name"),
        (point("x", "NUMBER"), "must be a Layout"),
        (point("x", "NOTHING"), "must be a Layout"),
    ],
)
def test_a_bad_entry_point_is_named_with_what_it_must_be(requested: EntryPoint, message: str) -> None:
    with pytest.raises(plugins.BadPlugin, match=message):
        plugins.find_layout("x", [requested])


def test_an_unknown_name_lists_the_installed_ones() -> None:
    with pytest.raises(UnknownLayout, match="c52, m1, mine"):
        plugins.find_layout("nothing", [point("mine", "MINE")])
    with pytest.raises(UnknownLayout):
        plugins.find_layout("nothing")
