"""The vector of one market, shared values included; the inputs are created for each vector."""

from __future__ import annotations

from collections.abc import Callable

from bench.measure import Row, cpu_s, micros
from bench.samples import feature_inputs, history, holdings, levels, market_metadata
from truebook.book.order_book import OrderBook
from truebook.features.layout import layout

VECTORS = 400
MAX_S = {"m1": 15e-6, "c52": 30e-6}


def compute(name: str) -> Callable[[], None]:
    selected, book, held, past, market = layout(name), OrderBook(*levels()), holdings(), history(), market_metadata()

    def run() -> None:
        for _ in range(VECTORS):
            selected.compute(feature_inputs(book, held, past, market))

    return run


def bench() -> list[Row]:
    rows = []
    for name, max_s in MAX_S.items():
        seconds = cpu_s(compute(name), VECTORS, 25)
        rows.append(Row(
            path=f"features of one market, `{name}`", ours=micros(seconds), baseline="–", ratio="–",
            target=f"≤ {max_s * 1e6:.0f} µs", reached=seconds <= max_s,
        ))  # fmt: skip
    return rows
