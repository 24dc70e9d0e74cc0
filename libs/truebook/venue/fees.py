"""The exchange's fees: rates, the worst case that an order has to promise, and the charge of one fill.

Rules as in force since October 2026 (Kalshi, "fee rounding"). The fee of a fill in model terms is
``rate x contracts x P x (1 - P)``; it is rounded up to a micro-dollar, then the balance is aligned downwards to the
member's precision, and what the alignment took is handed back by a rebate once an order has collected a whole unit.
"""

from __future__ import annotations

from typing import Final

import msgspec

from truebook.messages.facts import FeeType
from truebook.money import ONE_CONTRACT_CENTI, ONE_DOLLAR_CC, ceil_div

DIRECT_MEMBER_PRECISION_MICROS: Final = 100
"""Balances of direct members move in steps of $0.0001."""
WORST_ROUNDING_MICROS: Final = 100
"""What one fill can cost beyond its model fee; a fill has at least one hundredth of a contract."""

_TAKER_PPM: Final = 70_000
_MAKER_PPM: Final = {
    FeeType.QUADRATIC: 0,
    FeeType.QUADRATIC_WITH_MAKER_FEES: 17_500,
    FeeType.QUADRATIC_WITH_COMBO_MAKER_FEES: 35_000,
}
_MILLION: Final = 1_000_000


class UnsupportedFee(ValueError):
    """The series has a fee structure whose amount is not known beforehand: it is not traded."""

    def __init__(self, fee_type: FeeType) -> None:
        super().__init__(f"fee type {fee_type.value!r} is not supported")
        self.fee_type = fee_type


def taker_rate_ppm(fee_type: FeeType, multiplier_ppm: int) -> int:
    """Give the taker's rate in millionths (7 % at the standard multiplier), rounded up; raises UnsupportedFee."""
    if fee_type not in _MAKER_PPM:
        raise UnsupportedFee(fee_type)
    return ceil_div(_TAKER_PPM * multiplier_ppm, _MILLION)


def maker_rate_ppm(fee_type: FeeType, multiplier_ppm: int) -> int:
    """Give the maker's rate in millionths, rounded up: 0, a quarter or half of the taker's; raises UnsupportedFee."""
    if fee_type not in _MAKER_PPM:
        raise UnsupportedFee(fee_type)
    return ceil_div(_MAKER_PPM[fee_type] * multiplier_ppm, _MILLION)


def worst_fee_micros(size_centi: int, price_cc: int, rate_ppm: int) -> int:
    """Bound the fees of ``size_centi`` at one price, however many fills they come in.

    The model fee rounded up, plus ``WORST_ROUNDING_MICROS`` for each hundredth of a contract, since each may be a fill
    of its own.
    """
    per_contract_micros = ceil_div(rate_ppm * price_cc * (ONE_DOLLAR_CC - price_cc), ONE_DOLLAR_CC**2)
    return ceil_div(size_centi * per_contract_micros, ONE_CONTRACT_CENTI) + WORST_ROUNDING_MICROS * size_centi


class FeeRounding(msgspec.Struct, frozen=True):
    """What the alignment of the balance has taken from one order so far, over its taker and maker fills."""

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
    """Give the net fee of one fill and the order's new accumulator; the balance moves by revenue - fee.

    ``revenue_micros`` is what the fill brings before fees, below 0 when buying. The fee is never below 0, and
    revenue - fee is a whole number of ``precision_micros``. Source: Kalshi documentation, fee rounding, October 2026.
    """
    trade_fee = ceil_div(
        rate_ppm * size_centi * price_cc * (ONE_DOLLAR_CC - price_cc), ONE_CONTRACT_CENTI * ONE_DOLLAR_CC**2
    )
    aligned_change = _floor(revenue_micros - trade_fee, precision_micros)
    rounding_fee = revenue_micros - trade_fee - aligned_change
    accumulated = rounding.accumulator_micros + rounding_fee
    # The cap is aligned as well, or a rebate would break the alignment that it compensates.
    rebate = min(_floor(accumulated, precision_micros), _floor(trade_fee + rounding_fee, precision_micros))
    return trade_fee + rounding_fee - rebate, FeeRounding(accumulated - rebate)


def _floor(amount_micros: int, precision_micros: int) -> int:
    return amount_micros // precision_micros * precision_micros
