"""Units of Truebook, and the only module that parses and formats the wire's decimal strings.

| quantity | unit | name |
|---|---|---|
| price | 1/10,000 dollar, 1..9,999 on the YES leg | ``price_cc`` |
| size | 1/100 contract, unsigned | ``size_centi`` |
| signed position | 1/100 contract, + YES, - NO | ``position_centi`` |
| money | 1/1,000,000 dollar | ``*_micros`` |

``price_cc * size_centi`` is exact micro-dollars. No value passes through a float: a float given to this module is a bug
of the caller and raises ``WireFormatError``.
"""

from __future__ import annotations

import re
from typing import Final

ONE_DOLLAR_CC: Final = 10_000
ONE_CONTRACT_CENTI: Final = 100
MICROS_PER_CENT: Final = 10_000
PAIR_MICROS_PER_CENTI: Final = 10_000
"""Value of 1/100 of a YES and NO pair: $1 / 100."""
MIN_PRICE_CC: Final = 1
MAX_PRICE_CC: Final = ONE_DOLLAR_CC - 1
MAX_AMOUNT: Final = 2**53 - 1
"""Largest amount: exactly representable as a double, which Lua and JSON readers use."""

_DECIMAL = re.compile(r"(-?)(\d{1,15})(?:\.(\d{1,18}))?", re.ASCII)


class WireFormatError(ValueError):
    """A wire value is not the fixed-point string that the field requires."""


def parse_fixed(text: object, decimals: int, field: str = "value") -> int:
    """Parse a decimal string as an integer of ``10**-decimals``; further digits must be zero."""
    if not isinstance(text, str):
        raise WireFormatError(f"{field}: expected a decimal string, got {text!r}")
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise WireFormatError(f"{field}: not a decimal number: {text!r}")
    sign, whole, fraction = match[1], match[2], match[3] or ""
    if fraction[decimals:].strip("0"):
        raise WireFormatError(f"{field}: finer than {decimals} decimals: {text!r}")
    value: int = int(whole) * 10**decimals + int(fraction[:decimals].ljust(decimals, "0") or "0")
    if value > MAX_AMOUNT:
        raise WireFormatError(f"{field}: too large: {text!r}")
    return -value if sign else value


def format_fixed(value: int, decimals: int) -> str:
    """Format an integer of ``10**-decimals`` with exactly that many decimals."""
    whole, fraction = divmod(abs(value), 10**decimals)
    sign = "-" if value < 0 else ""
    return f"{sign}{whole}.{fraction:0{decimals}d}" if decimals else f"{sign}{whole}"


def parse_price_cc(text: object, field: str = "price") -> int:
    """Parse a dollar price as 1/10,000 dollar; 0 and 10,000 are valid, since the wire uses them for 'none'."""
    return parse_fixed(text, 4, field)


def format_price(price_cc: int) -> str:
    """Format a price as dollars with four decimals: 5600 is '0.5600'."""
    return format_fixed(price_cc, 4)


def parse_size_centi(text: object, field: str = "count") -> int:
    """Parse a contract count as 1/100 contract; signed, since deltas and positions are."""
    return parse_fixed(text, 2, field)


def format_size(size_centi: int) -> str:
    """Format 1/100 contracts with two decimals: 1000 is '10.00'."""
    return format_fixed(size_centi, 2)


def parse_micros(text: object, field: str = "amount") -> int:
    """Parse a dollar amount as micro-dollars."""
    return parse_fixed(text, 6, field)


def format_micros(micros: int) -> str:
    """Format micro-dollars as dollars with six decimals."""
    return format_fixed(micros, 6)


def format_dollars(micros: int, minus: str = "-") -> str:
    """Format an amount for people, in whole cents: -1234567890 is '-$1,234.57'.

    Half a cent is rounded away from zero, so that what is shown is within half a cent of the amount, and a loss has the
    digits of a profit of its size. Cutting would show each amount of a sum too small. An amount that rounds to nothing
    has no sign. The page's ``dollars`` (``dashboard/static/format.js``) has the same rule.
    """
    cents = (abs(micros) + MICROS_PER_CENT // 2) // MICROS_PER_CENT
    return f"{minus if micros < 0 and cents else ''}${cents // 100:,}.{cents % 100:02d}"


def no_price(price_cc: int) -> int:
    """Return the NO price of a YES price, and vice versa: they add up to $1."""
    return ONE_DOLLAR_CC - price_cc


def ceil_div(numerator: int, denominator: int) -> int:
    """Divide and round up (toward plus infinity)."""
    return -(-numerator // denominator)
