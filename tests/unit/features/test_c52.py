"""Layout c52 against an independent, naive implementation: four books in cents, numpy, formulas as documented."""

from __future__ import annotations

import datetime
import math
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.observations import NOW_US, feature_inputs
from truebook.book.order_book import OrderBook
from truebook.features.history import History
from truebook.features.layout import FeatureInputs, Holding, WorkingOrder, layout
from truebook.messages.envelope import BookSide

BID, ASK = BookSide.BID, BookSide.ASK
C52 = layout("c52")
GOLDEN = Path(__file__).parent / "golden" / "c52.json"
SECOND = 1_000_000


def naive_market(bids: dict[int, int], asks: dict[int, int]) -> list[float]:
    """Features 0 to 25 from the four sides that the original kept, prices in cents, sizes in contracts."""
    yes_bids = {price / 100: size / 100 for price, size in bids.items()}
    no_bids = {(10_000 - price) / 100: size / 100 for price, size in asks.items()}
    yes_asks = {100 - price: size for price, size in no_bids.items()}
    no_asks = {100 - price: size for price, size in yes_bids.items()}
    yb, ya, nb, na = max(yes_bids), min(yes_asks), max(no_bids), min(no_asks)
    vyb, vya = sum(yes_bids.values()), sum(yes_asks.values())
    vnb, vna = sum(no_bids.values()), sum(no_asks.values())
    volume = vyb + vya + vnb + vna

    def regime(spread: float) -> float:
        return float(np.select([spread < limit - 1e-9 for limit in (2, 5, 10, 20)], [0, 0.25, 0.5, 0.75], 1.0))

    def concentration(one: dict[float, float], two: dict[float, float]) -> float:
        sizes = [*one.values(), *two.values()]
        return sum(sorted(sizes, reverse=True)[:3]) / sum(sizes)

    return [
        yb / 100, ya / 100, nb / 100, na / 100,
        float(np.clip((yb + ya) / 200, 0.01, 0.99)), float(np.clip((nb + na) / 200, 0.01, 0.99)),
        (ya - yb) / 100, (na - nb) / 100,
        min((ya - yb) / ((yb + ya) / 2), 2), min((na - nb) / ((nb + na) / 2), 2),
        regime(ya - yb), regime(na - nb), (ya - yb) / 100, (na - nb) / 100,
        min(math.log(1 + volume) / math.log(10_001), 1),
        ((vyb + vya) - (vnb + vna)) / volume, (vyb - vya) / (vyb + vya), (vnb - vna) / (vnb + vna),
        math.tanh(0.5 * (math.log(1 + vyb + vnb) - math.log(1 + vya + vna))), abs(yb + na - 100) / 100,
        (yb * vya + ya * vyb) / (vyb + vya) / 100, (nb * vna + na * vnb) / (vnb + vna) / 100,
        min((len(yes_bids) + len(yes_asks)) / 20, 1), min((len(no_bids) + len(no_asks)) / 20, 1),
        concentration(yes_bids, yes_asks), concentration(no_bids, no_asks),
    ]  # fmt: skip


Past = list[tuple[int, int, int, int]]
"""Changes as (microseconds before now, best bid, best ask, contracts on the bid), oldest first."""


def naive_time(past: Past) -> list[float]:
    """Features 26 to 35. Every change here moves the bid side's total, and only that."""
    when = datetime.datetime.fromtimestamp(NOW_US / 1e6, datetime.UTC)
    points, last = [], None
    for ago, bid, ask, contracts in past:
        moved = 0 if last is None else abs(contracts - last)
        points.append((ago, (bid + ask) / 200, min(1.0, math.log(1 + moved) / math.log(10_001))))
        last = contracts
    points = points[-10:]
    acts = np.array([act for _, _, act in points])
    mids = [mid for _, mid, _ in points]
    moves = np.abs(np.diff(mids)) if len(mids) > 1 else np.array([])
    before = points[:-1][-5:]
    frequency = 0.1 if len(before) < 2 else min(len(before) / max(before[0][0] / 1e6, 1) / 2, 1)
    momentum = 0.0
    if len(mids) >= 3 and abs(mids[-2] - mids[-3]) > 0.001:
        first, second = mids[-2] - mids[-3], mids[-1] - mids[-2]
        momentum = math.tanh((second - first) / abs(first))
    return [
        min(points[-2][0] / 1e6 / 300, 1) if len(points) > 1 else 1.0,
        (when.hour - 9) / 7 if 9 <= when.hour <= 16 else 0.0,
        acts[-1] if len(acts) else 0.0,
        math.tanh(acts[-1] - acts[-2]) if len(acts) > 1 else 0.0,
        frequency,
        float(len(acts) >= 3 and acts[-1] > acts.mean() + 1.5 * acts.std() + 1e-9),
        math.tanh(10 * np.polyfit(np.arange(len(acts)), acts, 1)[0]) if len(acts) >= 5 else 0.0,
        momentum,
        min(float(np.std(moves[-5:])) / 5, 1) if len(mids) >= 6 else 0.1,
        max(0.0, 1 - float(np.mean(moves[-2:])) / 5) if len(mids) >= 3 else 0.5,
    ]


def naive_portfolio(holdings: list[tuple[int, int, int]], cash: int, value: int) -> list[float]:
    """Features 36 to 46 from (centi, cost, value) of each position; money in dollars."""
    if value <= 10_000:
        return [1.0, *[0.0] * 10]
    held = [(centi / 100, cost / 1e6, worth / 1e6) for centi, cost, worth in holdings if centi]
    pv, dollars = value / 1e6, cash / 1e6
    ratio = float(np.clip(dollars / pv, 0, 1))
    rest = float(np.clip((pv - dollars) / pv, 0, 1))
    if not held:
        return [ratio, rest, *[0.0] * 9]
    sizes = np.array([size for size, _, _ in held])
    worths = np.array([worth for _, _, worth in held])
    costs = np.array([cost for _, cost, _ in held])
    return [
        ratio, rest, min(len(held) / 10, 1), min(float(np.abs(sizes).mean()) / 1000, 1), float((sizes > 0).mean()),
        float((sizes < 0).mean()), math.tanh(sizes.sum() / np.abs(sizes).sum()), min(float(worths.max()) / pv, 1),
        float(np.clip(sizes[np.abs(sizes).argmax()] / 1000, -1, 1)), math.tanh(float((worths - costs).sum()) / pv),
        min(float(worths.sum()) / pv, 2) / 2,
    ]  # fmt: skip


def naive_orders(orders: list[tuple[BookSide, int, int]], mid_cents: float) -> list[float]:
    """Features 47 to 51 from (side, price_cc, age in seconds)."""
    buys = [price / 100 for side, price, _ in orders if side is BID]
    sells = [price / 100 for side, price, _ in orders if side is ASK]
    return [
        1.0 if buys else 0.0, 1.0 if sells else 0.0, min(abs(mid_cents - max(buys)) / 100, 1) if buys else 0.0,
        min(abs(min(sells) - mid_cents) / 100, 1) if sells else 0.0,
        min(min(age for _, _, age in orders) / 300, 1) if orders else 0.0,
    ]  # fmt: skip


def history_of(past: Past) -> History:
    made = History()
    for ago, bid, ask, contracts in past:
        made.changed(OrderBook([(bid, contracts * 100)], [(ask, 100)]), NOW_US - ago)
    return made


def inputs_of(
    levels: tuple[dict[int, int], dict[int, int]] = ({4_000: 100}, {6_000: 100}),
    past: Past = [],  # noqa: B006 - never changed
    holdings: list[tuple[int, int, int]] = [],  # noqa: B006
    orders: list[tuple[BookSide, int, int]] = [],  # noqa: B006
    **more: Any,
) -> FeatureInputs:
    return feature_inputs(
        book=OrderBook(levels[0].items(), levels[1].items()),
        history=history_of(past),
        holdings=tuple(
            Holding(ticker=f"T-{index}", position_centi=centi, cost_micros=cost, value_micros=value)
            for index, (centi, cost, value) in enumerate(holdings)
        ),
        working=tuple(
            WorkingOrder(book_side=side, price_cc=price, remaining_centi=100, placed_us=NOW_US - age * SECOND)
            for side, price, age in orders
        ),
        **more,
    )


def test_c52_has_the_predecessors_blocks_at_their_places() -> None:
    assert len(C52) == 52
    assert C52.signals == ()
    firsts = {0: "best_yes_bid", 26: "time_since_last_update", 36: "cash_ratio", 47: "has_open_buy"}
    assert {index: C52.names[index] for index in firsts} == firsts


sides_of_book = st.tuples(
    st.dictionaries(st.integers(1, 4_999), st.integers(1, 10**7), min_size=1, max_size=14),
    st.dictionaries(st.integers(5_000, 9_999), st.integers(1, 10**7), min_size=1, max_size=14),
)


@given(sides_of_book)
def test_the_market_block_equals_the_naive_one(levels: tuple[dict[int, int], dict[int, int]]) -> None:
    assert C52.compute(inputs_of(levels))[:26] == pytest.approx(naive_market(*levels), abs=2e-6)


@st.composite
def pasts(draw: st.DrawFn) -> Past:
    count = draw(st.integers(0, 14))
    agos = sorted(draw(st.lists(st.integers(0, 10**9), min_size=count, max_size=count)), reverse=True)
    tops = draw(st.lists(st.tuples(st.integers(1, 4_999), st.integers(5_000, 9_999)), min_size=count, max_size=count))
    past, contracts = [], 1
    for ago, (bid, ask) in zip(agos, tops, strict=True):
        contracts = draw(st.integers(1, 20_000).filter(lambda size, old=contracts: size != old))
        past.append((ago, bid, ask, contracts))
    return past


@given(pasts())
def test_the_temporal_block_equals_the_naive_one(past: Past) -> None:
    assert C52.compute(inputs_of(past=past))[26:36] == pytest.approx(naive_time(past), abs=2e-6)


@given(
    st.lists(
        st.tuples(st.integers(-200_000, 200_000), st.integers(0, 10**10), st.integers(0, 10**10)),
        max_size=12,
        unique_by=lambda held: abs(held[0]),
    ),
    st.integers(0, 10**10),
    st.integers(-(10**6), 10**10),
)
def test_the_portfolio_block_equals_the_naive_one(holdings: list[tuple[int, int, int]], cash: int, value: int) -> None:
    inputs = inputs_of(holdings=holdings, cash_micros=cash, equity_micros=value)
    assert C52.compute(inputs)[36:47] == pytest.approx(naive_portfolio(holdings, cash, value), abs=2e-6)


@given(st.lists(st.tuples(st.sampled_from([BID, ASK]), st.integers(1, 9_999), st.integers(0, 1_000)), max_size=4))
def test_the_order_block_equals_the_naive_one(orders: list[tuple[BookSide, int, int]]) -> None:
    assert C52.compute(inputs_of(orders=orders))[47:] == pytest.approx(naive_orders(orders, 50), abs=2e-6)


# What the predecessor served was not what it trained on; each row is one of its faults, mended.

MOVING: Past = [(9 * SECOND - i * SECOND, 4_000 + 30 * i, 6_000 + 10 * i * i, 10 + i * i * 40) for i in range(10)]
LATER: Past = [(ago + 5 * SECOND, bid, ask, size) for ago, bid, ask, size in MOVING]


def value(name: str, inputs: FeatureInputs) -> float:
    return C52.compute(inputs)[C52.names.index(name)]


@pytest.mark.parametrize(
    "name",
    [
        "current_activity_score", "activity_change", "activity_trend", "price_momentum", "volatility_regime",
        "price_stability", "update_frequency", "time_since_last_update",
    ],
)  # fmt: skip
def test_a_temporal_feature_that_was_constant_live_now_changes(name: str) -> None:
    assert value(name, inputs_of(past=MOVING)) != value(name, inputs_of())


def test_a_burst_of_activity_is_detected() -> None:
    past: Past = [(10 * SECOND - i, 4_000, 6_000, 100 + i % 2) for i in range(9)] + [(0, 4_000, 6_000, 5_000)]
    assert value("activity_burst_indicator", inputs_of(past=past)) == 1.0
    assert value("activity_burst_indicator", inputs_of(past=past[:-1])) == 0.0


def test_the_observation_interval_does_not_change_the_history() -> None:
    """The gap is between changes: another observation a moment later adds nothing."""
    inputs = inputs_of(past=MOVING)
    once = C52.compute(inputs)
    assert C52.compute(inputs) == once
    later = C52.compute(inputs_of(past=LATER))
    assert later[28:30] == once[28:30]
    assert later[31:36] == once[31:36]


def test_shares_do_not_depend_on_the_unit_of_money() -> None:
    """10 contracts of $4.80 in an account of $100: 0.048 and 0.024, not 1 and 1."""
    inputs = inputs_of(holdings=[(1_000, 5_000_000, 4_800_000)], equity_micros=100_000_000, cash_micros=95_200_000)
    assert value("position_concentration", inputs) == 0.048
    assert value("leverage", inputs) == 0.024


def test_order_distances_come_before_the_orders_age() -> None:
    inputs = inputs_of(orders=[(BID, 4_500, 30), (ASK, 5_700, 60)])
    assert C52.compute(inputs)[47:] == (1.0, 1.0, 0.05, 0.07, 0.1)


SCENES = {
    "empty_account": inputs_of(),
    "busy": inputs_of(
        ({4_000: 1_250, 3_900: 700, 3_850: 33}, {4_250: 900, 4_300: 4_000}),
        MOVING,
        [(1_500, 6_000_000, 6_150_000), (-300, 1_400_000, 1_290_000)],
        [(BID, 3_900, 12), (ASK, 4_300, 45)],
        cash_micros=80_000_000,
        equity_micros=95_000_000,
    ),
}


class Golden(msgspec.Struct):
    hash: str
    names: tuple[str, ...]
    vectors: dict[str, tuple[float, ...]]


def test_the_golden_vectors_of_c52_are_unchanged() -> None:
    """If this fails, a formula has changed: raise that feature's version, then write the golden file again."""
    golden = msgspec.json.decode(GOLDEN.read_bytes(), type=Golden)
    assert (C52.hash, C52.names) == (golden.hash, golden.names)
    assert golden.vectors.keys() == SCENES.keys()
    for scene, inputs in SCENES.items():
        assert C52.compute(inputs) == pytest.approx(golden.vectors[scene], abs=2e-6), scene


if __name__ == "__main__":  # writes the golden file again, see docs/contributing.md
    current = Golden(C52.hash, C52.names, {scene: C52.compute(inputs) for scene, inputs in SCENES.items()})
    GOLDEN.write_bytes(msgspec.json.format(msgspec.json.encode(current), indent=1) + b"\n")
