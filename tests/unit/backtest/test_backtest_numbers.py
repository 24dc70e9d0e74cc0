"""Numbers as text with their units."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from truebook.backtest.report import numbers


@pytest.mark.parametrize(
    ("form", "value", "text"),
    [
        (numbers.dollars, -1_234_567_890, "−$1,234.57"), (numbers.dollars, 5_000, "$0.01"),
        (numbers.dollars, -4_999, "$0.00"), (numbers.signed_dollars, 12_340_000, "+$12.34"),
        (numbers.signed_dollars, 4_999, "$0.00"), (numbers.signed_dollars, -10_000, "−$0.01"),
        (numbers.percent, -0.1234, "−12.3 %"), (numbers.percent, -0.0001, "0.0 %"),
        (numbers.cents, -50.0, "−0.50 ¢"), (numbers.score, 0.25, "0.2500"), (numbers.multiple, 1_234.5, "1,234.50 ×"),
        (numbers.count, -1_234, "−1,234"), (numbers.contracts, 123_450, "1,234.50"),
        (numbers.whole_dollars, 999_995_000, "$1,000.00"), (numbers.whole_dollars, -1_234_567_890, "−$1,235"),
        (numbers.whole_contracts, 99_950, "999.50"), (numbers.whole_contracts, 123_450, "1,234"),
        (numbers.contracts, -700, "−7"),
        (numbers.duration, 250_000, "250 ms"), (numbers.duration, 2_500_000, "2.5 s"),
        (numbers.duration, 600_000_000, "10.0 min"), (numbers.duration, 7_200_000_000, "2.0 h"),
        (numbers.moment, 1_790_000_000_999_999, "2026-09-21 14:13:20 UTC"),
        (numbers.day, 1_790_000_000_000_000, "Sep 21"), (numbers.clock_time, 1_790_000_000_000_000, "14:13:20 UTC"),
    ],
)  # fmt: skip
def test_a_number_has_its_unit(form: Callable[[Any], str], value: float, text: str) -> None:
    assert form(value).replace(numbers.SPACE, " ") == text


def test_what_is_not_known_is_a_dash() -> None:
    assert (numbers.optional(None, numbers.dollars), numbers.optional(0, numbers.dollars)) == ("–", "$0.00")
    assert (numbers.plural(1, "market"), numbers.plural(1_000, "market")) == ("1 market", "1,000 markets")
