"""Units, and the decimal strings of the wire."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from truebook import money
from truebook.money import WireFormatError

AMOUNTS = st.integers(-money.MAX_AMOUNT, money.MAX_AMOUNT)


@given(AMOUNTS, st.integers(1, 6))
def test_formatted_values_are_parsed_back_exactly(value: int, decimals: int) -> None:
    assert money.parse_fixed(money.format_fixed(value, decimals), decimals) == value


@given(AMOUNTS, st.integers(1, 6))
def test_the_text_is_the_exact_decimal(value: int, decimals: int) -> None:
    text = money.format_fixed(value, decimals)
    assert Decimal(text) == Decimal(value).scaleb(-decimals)
    assert len(text.partition(".")[2]) == decimals


@given(st.text(alphabet="0123456789.-+eE_ \u0661", max_size=12))
def test_parsed_values_equal_the_decimal(text: str) -> None:
    try:
        value = money.parse_fixed(text, 4)
    except WireFormatError:
        return
    assert Decimal(value).scaleb(-4) == Decimal(text)


@pytest.mark.parametrize(
    ("text", "decimals", "expected"),
    [
        ("0.5600", 4, 5600),
        ("0.56", 4, 5600),
        ("0.560000000000000000", 4, 5600),
        ("10.00", 2, 1000),
        ("-3.50", 2, -350),
        ("-0.00", 2, 0),
        ("7", 2, 700),
        ("007.1", 2, 710),
        ("9007199254.740991", 6, money.MAX_AMOUNT),
    ],
)
def test_wire_strings_are_parsed(text: str, decimals: int, expected: int) -> None:
    assert money.parse_fixed(text, decimals) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", ".", "-", ".5", "5.", "1e3", "+1", " 1", "1 ", "1\n", "1,000.00", "0x10", "NaN", "inf", "--1",
        "0.56001", "1" * 16, "1." + "0" * 19, "\u0661", "9007199254.740992", 0.56, 1, None, True, b"1", Decimal(1),
    ],
)  # fmt: skip
def test_anything_but_a_decimal_string_is_refused(text: object) -> None:
    with pytest.raises(WireFormatError):
        money.parse_fixed(text, 4 if text != "9007199254.740992" else 6)


def test_the_error_names_the_field() -> None:
    with pytest.raises(WireFormatError, match="yes_price_dollars"):
        money.parse_price_cc("cheap", "yes_price_dollars")


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (money.format_price(5600), "0.5600"),
        (money.format_price(1), "0.0001"),
        (money.format_price(10_000), "1.0000"),
        (money.format_size(1000), "10.00"),
        (money.format_size(-5), "-0.05"),
        (money.format_micros(-1), "-0.000001"),
        (money.format_micros(1_000_000_000), "1000.000000"),
        (money.format_fixed(-7, 0), "-7"),
    ],
)
def test_amounts_are_formatted_as_on_the_wire(written: str, expected: str) -> None:
    assert written == expected


@given(st.integers(0, 10_000))
def test_the_prices_of_both_legs_sum_to_a_dollar(price_cc: int) -> None:
    assert price_cc + money.no_price(price_cc) == money.ONE_DOLLAR_CC
    assert money.no_price(money.no_price(price_cc)) == price_cc


@given(st.integers(-(10**12), 10**12), st.integers(1, 10**6))
def test_ceil_div_rounds_toward_plus_infinity(numerator: int, denominator: int) -> None:
    quotient = money.ceil_div(numerator, denominator)
    assert (quotient - 1) * denominator < numerator <= quotient * denominator


def test_price_times_size_is_exact_micro_dollars() -> None:
    assert money.parse_micros("4.600000") == 4_600 * 1_000
    assert money.PAIR_MICROS_PER_CENTI * money.ONE_CONTRACT_CENTI == 1_000_000
