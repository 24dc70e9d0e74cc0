"""Latency of orders: a fixed part, plus a jitter that depends on the seed and the order id only."""

from __future__ import annotations

import pytest

from truebook.simulation.latency import Latency

IDS = [f"tb1-{number}" for number in range(400)]


@pytest.mark.parametrize(
    ("latency", "order", "cancel"),
    [
        (Latency(seed=1), (0, 0), (0, 0)),
        (Latency(seed=1, order_us=50_000, cancel_us=20_000), (50_000, 50_000), (20_000, 20_000)),
        (Latency(seed=1, order_us=50_000, cancel_us=20_000, jitter_us=10), (50_000, 50_010), (20_000, 20_010)),
        (Latency(seed=1, jitter_us=1), (0, 1), (0, 1)),
    ],
)
def test_a_latency_is_the_fixed_part_plus_a_bounded_jitter(
    latency: Latency, order: tuple[int, int], cancel: tuple[int, int]
) -> None:
    orders, cancels = [latency.of_order(one) for one in IDS], [latency.of_cancel(one) for one in IDS]
    assert (min(orders), max(orders)) == order
    assert (min(cancels), max(cancels)) == cancel


def test_the_latency_of_an_order_depends_on_seed_and_id_only() -> None:
    one, other = (Latency(seed=3, jitter_us=20_000) for _ in range(2))
    assert [one.of_order(each) for each in IDS] == [other.of_order(each) for each in reversed(IDS)][::-1]


def test_another_seed_or_kind_has_another_jitter() -> None:
    latency, other = Latency(seed=3, jitter_us=20_000), Latency(seed=4, jitter_us=20_000)
    assert [latency.of_order(each) for each in IDS] != [other.of_order(each) for each in IDS]
    assert [latency.of_order(each) for each in IDS] != [latency.of_cancel(each) for each in IDS]


def test_the_jitter_is_uniform() -> None:
    latency = Latency(seed=5, jitter_us=99)
    quarters = [0, 0, 0, 0]
    for number in range(4_000):
        quarters[latency.of_order(str(number)) // 25] += 1
    assert all(850 < quarter < 1_150 for quarter in quarters)
