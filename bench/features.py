"""The vectors of markets, one by one and many at once, shared values included; the inputs are created for each vector.

One by one, the changes of a history are computed once; many at once, they are read again for each vector.
"""

from __future__ import annotations

from collections.abc import Callable

from bench.measure import Row, cpu_pair, cpu_s, micros
from bench.samples import SEED, feature_inputs, history, holdings, levels, market_metadata
from truebook.book.order_book import OrderBook
from truebook.features.inputs import FeatureInputs
from truebook.features.layout import layout

MARKETS = 300
MAX_S = {"m1": 15e-6, "c52": 30e-6}
MAX_TOGETHER_S = {"m1": 4e-6, "c52": 8e-6}


def inputs() -> Callable[[], list[FeatureInputs]]:
    """Return what creates the inputs of all markets."""
    held, market = holdings(), market_metadata()
    markets = [(OrderBook(*levels()), history(SEED + number)) for number in range(MARKETS)]
    return lambda: [feature_inputs(book, held, past, market) for book, past in markets]


def bench() -> list[Row]:
    rows, make = [], inputs()
    for name, max_s in MAX_S.items():
        selected = layout(name)

        def one_by_one(compute: Callable[[FeatureInputs], object] = selected.compute) -> None:
            for each in make():
                compute(each)

        def together(compute: Callable[[list[FeatureInputs]], object] = selected.compute_all) -> None:
            compute(make())

        seconds, max_together_s = cpu_s(one_by_one, MARKETS, 25), MAX_TOGETHER_S[name]
        pair = cpu_pair(together, one_by_one, MARKETS, 25)
        rows += [
            Row(
                path=f"features of one market, `{name}`", ours=micros(seconds), baseline="–", ratio="–",
                target=f"≤ {max_s * 1e6:.0f} µs", reached=seconds <= max_s,
            ),
            Row(
                path=f"the same, {MARKETS} markets at once, `{name}`", ours=micros(pair.ours_s),
                baseline=f"{micros(pair.baseline_s)} (one by one)", ratio=f"{1 / pair.ratio:.1f} × as fast",
                target=f"≤ {max_together_s * 1e6:.0f} µs", reached=pair.ours_s <= max_together_s,
            ),
        ]  # fmt: skip
    return rows
