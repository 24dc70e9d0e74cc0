"""Fees: rates by series, the charge of a fill by the rules of October 2026, and the reservation that bounds it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from truebook.messages.market_metadata import FeeType
from truebook.venue.fees import (
    FeeRounding,
    UnsupportedFee,
    charge,
    maker_rate_ppm,
    taker_rate_ppm,
    worst_fee_micros,
)

RATES = st.sampled_from([0, 1, 17_500, 35_000, 70_000, 140_000])
SIZES = st.integers(1, 5_000)
PRICES = st.integers(1, 9_999)


@pytest.mark.parametrize(
    ("fee_type", "multiplier_ppm", "taker", "maker"),
    [
        (FeeType.QUADRATIC, 1_000_000, 70_000, 0),
        (FeeType.QUADRATIC_WITH_MAKER_FEES, 1_000_000, 70_000, 17_500),
        (FeeType.QUADRATIC_WITH_COMBO_MAKER_FEES, 1_000_000, 70_000, 35_000),
        (FeeType.QUADRATIC_WITH_MAKER_FEES, 500_000, 35_000, 8_750),
        (FeeType.QUADRATIC, 1, 1, 0),
        (FeeType.QUADRATIC, 0, 0, 0),
    ],
)
def test_rates_follow_the_series_and_are_rounded_up(
    fee_type: FeeType, multiplier_ppm: int, taker: int, maker: int
) -> None:
    assert taker_rate_ppm(fee_type, multiplier_ppm) == taker
    assert maker_rate_ppm(fee_type, multiplier_ppm) == maker


@pytest.mark.parametrize("fee_type", [FeeType.FLAT, FeeType.UNKNOWN])
def test_other_fee_types_are_refused(fee_type: FeeType) -> None:
    with pytest.raises(UnsupportedFee):
        taker_rate_ppm(fee_type, 1_000_000)
    with pytest.raises(UnsupportedFee):
        maker_rate_ppm(fee_type, 1_000_000)


def test_the_example_of_kalshis_documentation() -> None:
    """Precision $0.01: revenue -0.055, model fee 0.00363825: trade fee 0.003639, rounding 0.001361, in all 0.005."""
    fee, rounding = charge(100, 550, 70_000, -55_000, FeeRounding(), precision_micros=10_000)
    assert fee == 5_000
    assert rounding.accumulator_micros == 1_361


def test_a_direct_members_fee_of_one_contract_at_52_cents() -> None:
    """Model fee 0.017472, balance changes by -0.5375: the net fee of the first fill is 0.0175."""
    assert charge(100, 5_200, 70_000, -520_000, FeeRounding()) == (17_500, FeeRounding(28))


def test_rounding_is_refunded_once_it_is_a_whole_unit() -> None:
    """Four fills with 28 micros of rounding each: the fourth takes the accumulator over 100 and gets the rebate."""
    rounding, fees = FeeRounding(), []
    for _ in range(4):
        fee, rounding = charge(100, 5_200, 70_000, -520_000, rounding)
        fees.append(fee)
    assert fees == [17_500, 17_500, 17_500, 17_400]
    assert rounding.accumulator_micros == 12


def test_a_rebate_never_makes_a_fee_negative() -> None:
    assert charge(100, 5_000, 0, -500_000, FeeRounding(950)) == (0, FeeRounding(950))


@given(SIZES, PRICES, RATES, st.integers(0, 500), st.booleans(), st.sampled_from([100, 10_000]))
def test_the_balance_stays_aligned_and_no_fee_is_negative(
    size_centi: int, price_cc: int, rate_ppm: int, accumulated: int, buys: bool, precision: int
) -> None:
    revenue = -size_centi * price_cc if buys else size_centi * price_cc
    fee, rounding = charge(
        size_centi, price_cc, rate_ppm, revenue, FeeRounding(accumulated), precision_micros=precision
    )
    assert fee >= 0
    assert (revenue - fee) % precision == 0
    assert rounding.accumulator_micros >= 0


@given(st.lists(SIZES, min_size=1, max_size=30), PRICES, RATES, st.booleans())
def test_the_fees_of_any_split_stay_within_the_reservation(
    sizes: list[int], price_cc: int, rate_ppm: int, buys: bool
) -> None:
    rounding, paid = FeeRounding(), 0
    for size_centi in sizes:
        revenue = -size_centi * price_cc if buys else size_centi * price_cc
        fee, rounding = charge(size_centi, price_cc, rate_ppm, revenue, rounding)
        paid += fee
    assert paid <= worst_fee_micros(sum(sizes), price_cc, rate_ppm)


@given(st.integers(1, 300), st.integers(1, 9_999), st.integers(1, 9_999), RATES)
def test_a_better_price_never_costs_more_than_the_reservation(
    size_centi: int, limit_cc: int, price_cc: int, rate_ppm: int
) -> None:
    """A buyer filled below the limit may pay a higher fee, but never more in total."""
    price_cc = min(price_cc, limit_cc)
    fee, _ = charge(size_centi, price_cc, rate_ppm, -size_centi * price_cc, FeeRounding())
    reserved = size_centi * limit_cc + worst_fee_micros(size_centi, limit_cc, rate_ppm)
    assert size_centi * price_cc + fee <= reserved
