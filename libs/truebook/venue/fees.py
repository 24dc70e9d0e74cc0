"""The exchange's fees: rates, the worst case that an order reserves, and the charge of one fill.

Rules in force since October 2026 (Kalshi, "fee rounding"). The model fee of a fill is
``rate x contracts x P x (1 - P)``, rounded up to a micro-dollar. Then the balance is aligned down to the member's
precision, and the rounding is refunded by a rebate once it adds up to a whole unit per order.
"""

from __future__ import annotations

from typing import Final

import msgspec

from truebook.messages.market_metadata import FeeType
from truebook.money import ONE_CONTRACT_CENTI, ONE_DOLLAR_CC, ceil_div

DIRECT_MEMBER_PRECISION_MICROS: Final = 100
"""Balances of direct members move in steps of $0.0001."""
WORST_ROUNDING_MICROS: Final = 100
"""Maximum cost of one fill beyond its model fee; a fill has at least 1/100 contract."""

_TAKER_PPM: Final = 70_000
_MAKER_PPM: Final = {
    FeeType.QUADRATIC: 0,
    FeeType.QUADRATIC_WITH_MAKER_FEES: 17_500,
    FeeType.QUADRATIC_WITH_COMBO_MAKER_FEES: 35_000,
}
_MILLION: Final = 1_000_000


class UnsupportedFee(ValueError):
    """The fee type's amount is not known in advance: such a series is not traded."""

    def __init__(self, fee_type: FeeType) -> None:
        super().__init__(f"fee type {fee_type.value!r} is not supported")
        self.fee_type = fee_type


def taker_rate_ppm(fee_type: FeeType, multiplier_ppm: int) -> int:
    """Return the taker's rate in millionths (7 % at the standard multiplier), rounded up; raises UnsupportedFee."""
    if fee_type not in _MAKER_PPM:
        raise UnsupportedFee(fee_type)
    return ceil_div(_TAKER_PPM * multiplier_ppm, _MILLION)


def maker_rate_ppm(fee_type: FeeType, multiplier_ppm: int) -> int:
    """Return the maker's rate in millionths, rounded up: 0, a quarter or half of the taker's; raises UnsupportedFee."""
    if fee_type not in _MAKER_PPM:
        raise UnsupportedFee(fee_type)
    return ceil_div(_MAKER_PPM[fee_type] * multiplier_ppm, _MILLION)


def worst_fee_micros(size_centi: int, price_cc: int, rate_ppm: int) -> int:
    """Return the maximum total fee of ``size_centi`` at one price, for any number of fills.

    The model fee rounded up, plus ``WORST_ROUNDING_MICROS`` per 1/100 contract, since each may be a separate fill.
    """
    per_contract_micros = ceil_div(rate_ppm * price_cc * (ONE_DOLLAR_CC - price_cc), ONE_DOLLAR_CC**2)
    return ceil_div(size_centi * per_contract_micros, ONE_CONTRACT_CENTI) + WORST_ROUNDING_MICROS * size_centi


class FeeRounding(msgspec.Struct, frozen=True):
    """The rounding charged to one order so far, over its taker and maker fills."""

    accumulator_micros: int = 0


def charge(
    size_centi: int,
    price_cc: int,
    rate_ppm: int,
    revenue_micros: int,
    rounding: FeeRounding,
    *,
    precision_micros: int = DIRECT_MEMBER_PRECISION_MICROS,
) -> tuple[int, FeeRounding]:
    """Return the net fee of one fill and the order's new accumulator; the balance changes by revenue - fee.

    ``revenue_micros`` is the fill's cash flow before fees, negative when buying. The fee is never below 0, and
    revenue - fee is a whole number of ``precision_micros``. Source: Kalshi documentation, fee rounding, October 2026.
    """
    trade_fee_micros = ceil_div(
        rate_ppm * size_centi * price_cc * (ONE_DOLLAR_CC - price_cc), ONE_CONTRACT_CENTI * ONE_DOLLAR_CC**2
    )
    aligned_micros = _floor(revenue_micros - trade_fee_micros, precision_micros)
    rounding_micros = revenue_micros - trade_fee_micros - aligned_micros
    accumulated_micros = rounding.accumulator_micros + rounding_micros
    # The cap is aligned as well; otherwise a rebate would break the alignment that it compensates.
    fee_micros = trade_fee_micros + rounding_micros
    rebate_micros = min(_floor(accumulated_micros, precision_micros), _floor(fee_micros, precision_micros))
    return fee_micros - rebate_micros, FeeRounding(accumulated_micros - rebate_micros)


def _floor(amount_micros: int, precision_micros: int) -> int:
    return amount_micros // precision_micros * precision_micros
