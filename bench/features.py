"""The vector of one market, shared values included: inputs are made anew for each."""

from __future__ import annotations

from collections.abc import Callable

from bench.measure import Row, cpu_s, micros
from bench.samples import facts, feature_inputs, history, holdings, levels
from truebook.book.order_book import OrderBook
from truebook.features.layout import layout

VECTORS = 400
MOST_S = {"m1": 15e-6, "c52": 30e-6}


def compute(name: str) -> Callable[[], None]:
    chosen, book, held, past, market = layout(name), OrderBook(*levels()), holdings(), history(), facts()

    def run() -> None:
        for _ in range(VECTORS):
            chosen.compute(feature_inputs(book, held, past, market))

    return run


def bench() -> list[Row]:
    rows = []
    for name, most_s in MOST_S.items():
        seconds = cpu_s(compute(name), VECTORS, 25)
        rows.append(Row(
            path=f"features of one market, `{name}`", ours=micros(seconds), floor="–", ratio="–",
            target=f"≤ {most_s * 1e6:.0f} µs", reached=seconds <= most_s,
        ))  # fmt: skip
    return rows
