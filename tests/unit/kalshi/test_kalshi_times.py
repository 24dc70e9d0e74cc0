"""The exchange's formats of time, each read to the microsecond without a float."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from truebook.kalshi.rest.calls import Dated
from truebook.kalshi.rest.client import estimate_exchange_us
from truebook.kalshi.wire import times
from truebook.money import WireFormatError

SECOND = 1_781_159_387_000_000


@pytest.mark.parametrize(
    ("text", "expected_us"),
    [
        ("2026-06-11T06:29:47Z", SECOND),
        ("2026-06-11T06:29:47.4Z", SECOND + 400_000),
        ("2026-06-11T06:29:47.42784Z", SECOND + 427_840),
        ("2026-06-11T06:29:47.427841Z", SECOND + 427_841),
        ("2026-06-11T06:29:47.427841999Z", SECOND + 427_841),
        ("2026-06-11T08:29:47.5+02:00", SECOND + 500_000),
        ("1970-01-01T00:00:00Z", 0),
        ("0001-01-01T00:00:00Z", -62_135_596_800_000_000),
    ],
)
def test_rfc3339_is_read_with_any_number_of_fractional_digits(text: str, expected_us: int) -> None:
    assert times.from_rfc3339(text) == expected_us


@pytest.mark.parametrize(
    "text",
    ["", "2026-06-11", "2026-06-11T06:29:47", "2026-13-11T06:29:47Z", "2026-06-11T25:29:47Z", "20260611T062947Z",
     "2026-06-11 06:29:47Z", "2026-06-11T06:29:47.Z", "٢026-06-11T06:29:47Z", None, 1781159387, 1.5],
)  # fmt: skip
def test_an_invalid_rfc3339_time_is_refused(text: object) -> None:
    with pytest.raises(WireFormatError):
        times.from_rfc3339(text)


@given(st.integers(min_value=0, max_value=4_102_444_800_000_000))
def test_writing_and_reading_gives_the_same_microsecond(at_us: int) -> None:
    assert times.from_rfc3339(times.to_rfc3339(at_us)) == at_us


@pytest.mark.parametrize(
    ("micros", "fraction"), [(0, ""), (427_840, ".42784"), (427_841, ".427841"), (100_000, ".1"), (1, ".000001")]
)
def test_a_written_fraction_has_no_zeros_at_its_end(micros: int, fraction: str) -> None:
    assert times.to_rfc3339(SECOND + micros) == f"2026-06-11T06:29:47{fraction}Z"


def test_unix_times_are_scaled() -> None:
    assert times.from_unix_s(1_781_159_387) == times.from_unix_ms(1_781_159_387_000) == SECOND
    assert times.to_unix_s(SECOND + 999_999) == 1_781_159_387


def test_http_date_is_read_to_the_second() -> None:
    assert times.from_http_date("Thu, 11 Jun 2026 06:29:47 GMT") == SECOND
    with pytest.raises(WireFormatError):
        times.from_http_date("yesterday")


@pytest.mark.parametrize(
    ("as_of_us", "date_us", "round_trip_us", "expected_us"),
    [
        (SECOND + 250_000, None, 0, SECOND + 250_000),
        (SECOND + 250_000, SECOND, 0, SECOND + 250_000),  # both agree: the finer one
        (SECOND + 250_000, SECOND, 40_000, SECOND + 270_000),  # half of the way back
        (SECOND - 1, SECOND, 0, SECOND + 500_000),  # data lag: the middle of the Date's second
        (SECOND - 86_400_000_000, SECOND, 0, SECOND + 500_000),  # an outage of the data
        (SECOND + 999_999, SECOND, 0, SECOND + 999_999),
        (SECOND + 2_100_000, SECOND, 0, SECOND + 2_100_000),  # an old Date: the newer one
    ],
)
def test_the_exchanges_clock_is_estimated_from_both_times(
    as_of_us: int, date_us: int | None, round_trip_us: int, expected_us: int
) -> None:
    assert estimate_exchange_us(as_of_us, Dated(date_us, round_trip_us)) == expected_us


def test_a_time_beyond_the_calendar_is_written_as_the_last() -> None:
    assert times.to_rfc3339(1_795_582_455_245_000_000) == "9999-12-31T23:59:59.999999Z"
