"""The price grid: valid order prices on uniform and banded grids."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from truebook.messages.market_metadata import LINEAR_CENT, PriceRange
from truebook.venue.grid import on_grid, round_down, round_up, tick_above, tick_below

TAPERED = (PriceRange(0, 1_000, 10), PriceRange(1_000, 9_000, 100), PriceRange(9_000, 10_000, 10))
CENTI = (PriceRange(0, 10_000, 1),)
HALVES = (PriceRange(0, 10_000, 5_000),)
GRIDS = st.sampled_from([LINEAR_CENT, TAPERED, CENTI, HALVES])
PRICES = st.integers(-100, 10_100)


@pytest.mark.parametrize(
    ("price_cc", "ranges", "valid"),
    [
        (100, LINEAR_CENT, True),
        (9_900, LINEAR_CENT, True),
        (150, LINEAR_CENT, False),
        (0, LINEAR_CENT, False),
        (10_000, LINEAR_CENT, False),
        (-100, LINEAR_CENT, False),
        (990, TAPERED, True),
        (1_000, TAPERED, True),
        (1_010, TAPERED, False),
        (9_010, TAPERED, True),
        (1, CENTI, True),
        (9_999, CENTI, True),
        (5_000, (), False),
    ],
)
def test_a_price_on_a_tick_of_a_band_is_on_the_grid(price_cc: int, ranges: tuple[PriceRange, ...], valid: bool) -> None:
    assert on_grid(price_cc, ranges) is valid


@pytest.mark.parametrize(
    ("price_cc", "ranges", "down", "up"),
    [
        (155, LINEAR_CENT, 100, 200),
        (99, LINEAR_CENT, None, 100),
        (9_901, LINEAR_CENT, 9_900, None),
        (1_005, TAPERED, 1_000, 1_100),
        (995, TAPERED, 990, 1_000),
        (8_999, TAPERED, 8_900, 9_000),
        (12_000, CENTI, 9_999, None),
        (-5, CENTI, None, 1),
    ],
)
def test_rounding_across_bands(price_cc: int, ranges: tuple[PriceRange, ...], down: int | None, up: int | None) -> None:
    assert (round_down(price_cc, ranges), round_up(price_cc, ranges)) == (down, up)


@given(PRICES, GRIDS)
def test_rounding_returns_the_nearest_grid_price_or_none(price_cc: int, ranges: tuple[PriceRange, ...]) -> None:
    valid = [price for price in range(1, 10_000) if on_grid(price, ranges)]
    assert round_down(price_cc, ranges) == max((price for price in valid if price <= price_cc), default=None)
    assert round_up(price_cc, ranges) == min((price for price in valid if price >= price_cc), default=None)


@given(PRICES, GRIDS)
def test_tick_above_and_below_are_inverse(price_cc: int, ranges: tuple[PriceRange, ...]) -> None:
    above = tick_above(price_cc, ranges)
    if above is not None and on_grid(price_cc, ranges):
        assert above > price_cc
        assert tick_below(above, ranges) == price_cc
