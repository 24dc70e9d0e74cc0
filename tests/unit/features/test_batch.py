"""The vectors of many markets at once equal those of the single form, to the bit."""

from __future__ import annotations

import random
import struct
from collections.abc import Sequence
from typing import Any

import pytest

from support.observations import NOW_US, example_market, feature_inputs
from support.recordings import recording
from truebook.book.order_book import OrderBook
from truebook.capture.reader import read_capture
from truebook.features import layout as layouts
from truebook.features.feature import Feature, FeatureError, feature, signal
from truebook.features.history import History
from truebook.features.inputs import FeatureInputs, Holding, Holdings, WorkingOrder
from truebook.features.layout import Layout, layout
from truebook.kalshi.port import DeltaFrame, SnapshotFrame
from truebook.kalshi.stream.frames import decode_frame
from truebook.messages.envelope import BookSide


@pytest.fixture(autouse=True)
def _together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layouts, "BATCH_FROM", 1)


def bits(vector: tuple[float, ...] | FeatureError) -> Any:
    """A vector's bytes, in which 0 and −0 differ; of an error what it states."""
    return str(vector) if isinstance(vector, FeatureError) else struct.pack(f"{len(vector)}d", *vector)


def assert_equal(made: Layout, inputs: Sequence[FeatureInputs]) -> None:
    single: list[tuple[float, ...] | FeatureError] = []
    for each in inputs:
        try:
            single.append(made.compute(each))
        except FeatureError as error:
            single.append(error)
    together = made.compute_all(inputs)
    for mine, theirs in zip(together, single, strict=True):
        assert bits(mine) == bits(theirs), (mine, theirs)
        assert isinstance(mine, FeatureError) or (type(mine) is tuple and {*map(type, mine)} == {float})


def size(draw: random.Random) -> int:
    return draw.choice((draw.randint(1, 40), draw.randint(1, 10**6), 100))


def money(draw: random.Random) -> int:
    return draw.choice((0, 1, 9_999, 10_000, 10_001, draw.randint(-(10**6), 10**6), draw.randint(0, 10**10)))


def random_book(draw: random.Random) -> OrderBook:
    split_cc, step_cc, fewest = draw.randint(800, 9_200), draw.choice((1, 10, 100)), draw.random() > 0.1
    bids = [(split_cc - step_cc * place, size(draw)) for place in range(draw.randint(fewest, 7))]
    return OrderBook(
        bids, [(split_cc + step_cc * place, size(draw)) for place in range(1, draw.randint(fewest, 7) + 1)]
    )


def random_history(draw: random.Random) -> History:
    made, at_us = History(), NOW_US - draw.randint(0, 400_000_000)
    for _ in range(draw.choice((0, 1, 2, 3, 5, 6, 9, 10, 11, 12, 13))):
        at_us += draw.choice((0, 1, 1_000, 999_999, 30_000_000))
        book = random_book(draw)
        while book.best(BookSide.BID) is None and draw.random() < 0.8:
            book = random_book(draw)
        made.changed(book, at_us)
    return made


def random_inputs(draw: random.Random) -> FeatureInputs:
    holdings = tuple(
        Holding(ticker="T", position_centi=draw.randint(-9_999, 9_999), cost_micros=abs(money(draw)),
                value_micros=abs(money(draw)))
        for _ in range(draw.randint(0, 3))
    )  # fmt: skip
    working = tuple(
        WorkingOrder(book_side=draw.choice(list(BookSide)), price_cc=draw.randint(1, 9_999), remaining_centi=size(draw),
                     placed_us=draw.choice((0, NOW_US - 7_000_000, NOW_US)))
        for _ in range(draw.randint(0, 3))
    )  # fmt: skip
    return feature_inputs(
        book=random_book(draw), history=random_history(draw), now_us=NOW_US + draw.randint(0, 90_000_000_000),
        market=example_market(close_us=NOW_US + draw.choice((-5, 0, 3_600_000_000, 10**15, 2**53 - 1 - NOW_US, 2**60))),
        confirmed_us=NOW_US - draw.randint(-1_000, 10_000_000), cash_micros=money(draw), reserved_micros=money(draw),
        equity_micros=money(draw), position_centi=draw.choice((0, draw.randint(-(10**6), 10**6))),
        position_cost_micros=abs(money(draw)), event_yes_sum_cc=draw.choice((None, draw.randint(0, 30_000))),
        holdings=draw.choice((holdings, Holdings(holdings))), working=working,
    )  # fmt: skip


@pytest.mark.parametrize("name", ["m1", "c52"])
@pytest.mark.parametrize("seed", range(6))
def test_random_markets_have_the_vectors_of_the_single_form(name: str, seed: int) -> None:
    draw = random.Random(seed)
    assert_equal(layout(name), [random_inputs(draw) for _ in range(40)])


@pytest.mark.parametrize("name", ["m1", "c52"])
def test_an_ordinary_market_is_not_computed_alone(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    past = History()
    for place in range(12):
        past.changed(OrderBook([(4_000, 100 + place**2)], [(4_400, 100)]), NOW_US - (12 - place) * 1_000_000)
    several = [
        feature_inputs(history=past, market=example_market(close_us=close_us))
        for close_us in (NOW_US + 3_600_000_000, 2**53 - 1)
    ]
    made = layout(name)
    expected = [made.compute(each) for each in several]
    monkeypatch.setattr(made, "compute", None)
    assert made.compute_all(several) == expected


@pytest.mark.parametrize("name", ["m1", "c52"])
def test_values_between_two_roundings_are_those_of_the_single_form(name: str) -> None:
    """Nine mid prices: the volatility's last digit is often exactly between two."""
    several = []
    for step in range(1, 60):
        past = History()
        for place in range(9):
            bid_cc = 4_000 + (place % 2) * step + (place > 4)
            past.changed(OrderBook([(bid_cc, 100 + place)], [(bid_cc + 200, 100)]), NOW_US - (9 - place) * 1_000)
        several.append(feature_inputs(history=past))
    assert_equal(layout(name), several)


@pytest.mark.parametrize("name", ["m1", "c52"])
def test_a_sequence_of_equal_changes_has_no_trend_and_no_burst(name: str) -> None:
    past = History()
    for place in range(12):
        past.changed(OrderBook([(4_000, 100 + 37 * (place % 2))], [(4_400, 100)]), NOW_US - (12 - place) * 1_000_000)
    assert_equal(layout(name), [feature_inputs(history=past)] * 20)


def test_numbers_beyond_a_double_are_computed_alone() -> None:
    book = OrderBook([(4_000, 2**70)], [(4_400, 2**53 + 1)])
    past = History()
    past.changed(book, NOW_US)
    past.changed(OrderBook([(4_000, 2**70 + 8)], [(4_400, 5)]), NOW_US)
    for name in ("m1", "c52"):
        assert_equal(layout(name), [feature_inputs(book=book, history=past), feature_inputs(cash_micros=2**60 + 1)])


def test_recorded_markets_have_the_vectors_of_the_single_form() -> None:
    path = recording("ws", "jfreun123_demo_20260701_session.jsonl")
    books: dict[str, OrderBook] = {}
    pasts: dict[str, History] = {}
    several: list[FeatureInputs] = []
    for captured in read_capture(path):
        frame = decode_frame(captured.text, captured.at_us, use_yes_price=captured.use_yes_price)
        if isinstance(frame, SnapshotFrame):
            books[frame.ticker] = OrderBook(frame.bids, frame.asks)
        elif isinstance(frame, DeltaFrame):
            books[frame.ticker].change_level(frame.book_side, frame.price_cc, frame.delta_centi)
        else:
            continue
        past = pasts.setdefault(frame.ticker, History())
        past.changed(books[frame.ticker], captured.at_us)
        several.append(feature_inputs(
            book=books[frame.ticker].copy(), history=past.copy(), now_us=captured.at_us + 40_000,
            confirmed_us=captured.at_us, market=example_market(close_us=captured.at_us + 3_600_000_000),
        ))  # fmt: skip
    assert len(several) > 2_000
    for name in ("m1", "c52"):
        assert_equal(layout(name), several)


def own_features() -> Layout:
    """A user's layout: signals, failures, values of other types, and ranges of any size."""

    @feature(low=-5.0, high=5.0)
    def tick(of: FeatureInputs) -> float:
        """Sign of the position, as a whole number; fails for some."""
        return 7 // of.position_centi

    @feature()
    def odd(of: FeatureInputs) -> Any:
        """A text for some markets."""
        return "0.5" if of.position_centi == 3 else of.position_centi == 1

    zero = Feature(name="zero", version=1, low=0.0, high=1.0, compute=lambda _: -0.0)
    return layout("m1").extended("mine", [tick, odd, zero, signal("poll", low=-900.0, high=900.0)])


def test_a_users_features_keep_their_single_form() -> None:
    several = [
        feature_inputs(position_centi=position, signals={"poll": value} if value is not None else {})
        for position in range(-4, 5)
        for value in (None, 0.1234565, -1e9, float("nan"), 12.5)
    ]
    assert_equal(own_features(), several)


def test_a_range_too_wide_for_columns_is_rounded_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    wide = Feature(name="wide", version=1, low=-1e12, high=1e12, compute=lambda of: of.equity_micros / 7)
    made = layout("m1").extended("mine", [wide])
    several = [feature_inputs(equity_micros=10**9 * place) for place in range(20)]
    assert_equal(made, several)
    monkeypatch.setattr("truebook.features.batch.compute_columns", None)
    made.compute_all(several)


def test_a_few_markets_are_computed_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(layouts, "BATCH_FROM", 3)
    monkeypatch.setattr("truebook.features.batch.compute_columns", None)
    assert_equal(layout("m1"), [feature_inputs()] * 2)
    with pytest.raises(TypeError):
        layout("m1").compute_all([feature_inputs()] * 3)
