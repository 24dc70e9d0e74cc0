"""Layout m1: golden vectors, bounds, and the meaning of its features, one row each."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.observations import NOW_US, example_market, feature_inputs
from truebook.book.order_book import OrderBook
from truebook.features.history import History
from truebook.features.layout import FeatureInputs, WorkingOrder, layout
from truebook.messages.envelope import BookSide

BID, ASK = BookSide.BID, BookSide.ASK
M1 = layout("m1")
GOLDEN = Path(__file__).parent / "golden" / "m1.json"
SECOND = 1_000_000


def history(*points: tuple[float, int, int]) -> History:
    """Changes given as (seconds before now, best bid, best ask); each differs by its size."""
    made = History()
    for index, (ago, bid_cc, ask_cc) in enumerate(points):
        made.changed(OrderBook([(bid_cc, 100 + index)], [(ask_cc, 100)]), NOW_US - int(ago * SECOND))
    return made


def value(name: str, **changed: Any) -> float:
    return dict(zip(M1.names, M1.compute(feature_inputs(**changed)), strict=True))[name]


def log_share(number: float, full: float) -> float:
    return round(math.log(1 + number) / math.log(1 + full), 6)


MOVING = history((20, 3_900, 4_100), (10, 4_000, 4_200), (5, 4_000, 4_000 + 260))
LONG = {"position_centi": 2_000, "position_cost_micros": 10_000_000}
SHORT = {"position_centi": -2_000, "position_cost_micros": 10_000_000}
SUB_CENT = OrderBook([(15, 70)], [(16, 10)])
ORDERS = (
    WorkingOrder(book_side=BID, price_cc=3_900, remaining_centi=300),
    WorkingOrder(book_side=BID, price_cc=3_800, remaining_centi=700),
    WorkingOrder(book_side=ASK, price_cc=4_500, remaining_centi=100),
)


@pytest.mark.parametrize(
    ("name", "changed", "expected"),
    [
        ("mid", {}, 0.42),
        ("mid", {"book": SUB_CENT}, 0.00155),
        ("spread", {}, 0.2),
        ("spread", {"book": OrderBook([(1, 1)], [(9_999, 1)])}, 1.0),
        ("micro_minus_mid", {}, 0.2),  # (40 × 10 + 44 × 30) / 40 = 43 cents: 1 cent above the mid
        ("imbalance_1", {}, 0.5),
        ("imbalance_3", {}, 0.4),  # 35 contracts bid, 15 offered
        ("imbalance_3", {"book": OrderBook([(p, 100) for p in (5, 4, 3, 2)], [(9, 100)])}, 0.5),
        ("imbalance_all", {"book": OrderBook([(p, 100) for p in (5, 4, 3, 2)], [(9, 100)])}, 0.6),
        ("bid_size", {}, log_share(30, 100_000)),
        ("ask_size", {}, log_share(10, 100_000)),
        ("depth", {}, log_share(50, 1_000_000)),
        ("momentum", {}, 0.0),
        ("momentum", {"history": MOVING}, 0.2),  # 42 − 40 cents
        ("last_move", {"history": MOVING}, 0.06),  # 41.3 − 41 cents
        ("last_move", {"history": history((1, 4_000, 4_100))}, 0.0),
        ("volatility", {"history": MOVING}, 0.325),  # (1 + 0.3) / 2 cents
        ("volatility", {"history": history((1, 4_000, 4_100))}, 0.0),
        ("activity", {}, 0.0),
        ("activity", {"history": MOVING}, log_share(3 / 20, 1_000)),
        ("since_change", {}, 1.0),
        ("since_change", {"history": MOVING}, log_share(5, 3_600)),
        ("to_close", {}, log_share(3_600, 30 * 86_400)),
        ("to_close", {"market": example_market(close_us=NOW_US - 1)}, 0.0),
        ("book_age", {"confirmed_us": NOW_US - 2 * SECOND}, 0.2),
        ("book_age", {"confirmed_us": NOW_US + SECOND}, 0.0),
        ("event_sum", {}, 0.0),
        ("event_sum", {"event_yes_sum_cc": 10_300}, 0.03),
        ("event_sum", {"event_yes_sum_cc": 0}, -1.0),
        ("event_sum_known", {}, 0.0),
        ("event_sum_known", {"event_yes_sum_cc": 0}, 1.0),
        ("position", LONG, log_share(20, 10_000)),
        ("position", SHORT, -log_share(20, 10_000)),
        ("exposure", LONG, 0.0084),  # 20 × 42 cents of $1,000
        ("exposure", SHORT, -0.0116),  # 20 × 58 cents
        ("exposure", LONG | {"equity_micros": 0}, 0.0),
        ("unrealised", LONG, -0.2),  # worth 20 × 40 cents, cost $10
        ("unrealised", SHORT, 0.12),  # worth 20 × 56 cents
        ("unrealised", {"position_centi": 2_000}, 0.0),
        ("cash_share", {"cash_micros": 250_000_000}, 0.25),
        ("cash_share", {"equity_micros": -1}, 0.0),
        ("working_bid", {"working": ORDERS}, log_share(10, 10_000)),
        ("working_ask", {"working": ORDERS}, log_share(1, 10_000)),
    ],
)
def test_each_feature_has_the_tabled_value(name: str, changed: dict[str, Any], expected: float) -> None:
    assert value(name, **changed) == pytest.approx(expected, abs=1e-6)


SCENES: dict[str, FeatureInputs] = {
    "quiet": feature_inputs(),
    "moving_long": feature_inputs(
        history=MOVING, working=ORDERS, event_yes_sum_cc=10_300, confirmed_us=NOW_US - SECOND, **LONG
    ),
    "sub_cent_short": feature_inputs(
        book=SUB_CENT, market=example_market(close_us=NOW_US + 90 * SECOND), cash_micros=125_000_001, **SHORT
    ),
}


class Golden(msgspec.Struct):
    """The file: rewriting it by hand means that models trained before are refused from now on."""

    hash: str
    names: tuple[str, ...]
    vectors: dict[str, tuple[float, ...]]


def test_the_golden_vectors_are_unchanged() -> None:
    """If this fails, a formula has changed: raise that feature's version, then write the golden file again."""
    golden = msgspec.json.decode(GOLDEN.read_bytes(), type=Golden)
    assert (M1.hash, M1.names) == (golden.hash, golden.names)
    assert golden.vectors.keys() == SCENES.keys()
    for scene, inputs in SCENES.items():
        assert M1.compute(inputs) == pytest.approx(golden.vectors[scene], abs=2e-6), scene


def test_m1_stays_compact() -> None:
    assert len(M1) <= 24
    assert M1.signals == ()


sides_of_book = st.tuples(
    st.dictionaries(st.integers(1, 4_999), st.integers(1, 10**10), min_size=1, max_size=12),
    st.dictionaries(st.integers(5_000, 9_999), st.integers(1, 10**10), min_size=1, max_size=12),
)


@given(
    sides_of_book,
    st.lists(st.tuples(st.floats(0, 1e6), st.integers(1, 4_000), st.integers(5_000, 9_999)), max_size=12),
    st.integers(-(10**8), 10**8),
    st.integers(0, 10**12),
    st.integers(-(10**9), 10**12),
    st.one_of(st.none(), st.integers(0, 10**6)),
)
def test_values_are_finite_in_range_and_equal_in_float32(
    levels: tuple[dict[int, int], dict[int, int]],
    past: list[tuple[float, int, int]],
    position: int,
    cost: int,
    equity: int,
    event_sum: int | None,
) -> None:
    vector = M1.compute(
        feature_inputs(
            book=OrderBook(levels[0].items(), levels[1].items()), history=history(*sorted(past, reverse=True)),
            position_centi=position, position_cost_micros=cost, equity_micros=equity, event_yes_sum_cc=event_sum,
        )
    )  # fmt: skip
    for each, number in zip(M1.features, vector, strict=True):
        assert math.isfinite(number)
        assert each.low <= number <= each.high
        assert -1.0 <= number <= 1.0
        assert float(np.float32(number)) == pytest.approx(number, abs=1e-7)


if __name__ == "__main__":  # writes the golden file again, see docs/contributing.md
    current = Golden(M1.hash, M1.names, {scene: M1.compute(inputs) for scene, inputs in SCENES.items()})
    GOLDEN.write_bytes(msgspec.json.format(msgspec.json.encode(current), indent=1) + b"\n")
