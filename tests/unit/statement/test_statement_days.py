"""Days and their borders: clock changes, words, bad input."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from truebook.statement.days import BadDay, day_at, parse_day, period_of

NEW_YORK = ZoneInfo("America/New_York")
HOUR_US = 3_600_000_000
NOW_US = int(datetime(2026, 12, 1, 2, tzinfo=UTC).timestamp()) * 1_000_000


@pytest.mark.parametrize(("day", "hours"), [("2026-03-08", 23), ("2026-11-01", 25), ("2026-12-01", 24)])
def test_a_day_is_as_long_as_its_zone_makes_it(day: str, hours: int) -> None:
    period = period_of(date.fromisoformat(day), NEW_YORK)
    assert period.to_us - period.from_us == hours * HOUR_US
    following = period_of(date.fromisoformat(day) + timedelta(days=1), NEW_YORK)
    assert following.from_us == period.to_us
    assert day_at(period.from_us, NEW_YORK).isoformat() == day_at(period.to_us - 1, NEW_YORK).isoformat() == day


def test_words_and_dates_are_read() -> None:
    assert parse_day(None, NOW_US, NEW_YORK) == parse_day("today", NOW_US, NEW_YORK) == date(2026, 11, 30)
    assert parse_day("yesterday", NOW_US, NEW_YORK) == date(2026, 11, 29)
    assert parse_day("2026-01-02", NOW_US, NEW_YORK) == date(2026, 1, 2)
    assert parse_day("today", NOW_US, ZoneInfo("UTC")) == date(2026, 12, 1)


@pytest.mark.parametrize("text", ["", "2026-13-01", "2026-02-30", "1.12.2026", "tomorrow", "2026-12-01"])
def test_a_bad_or_future_day_is_one_clear_error(text: str) -> None:
    with pytest.raises(BadDay, match=r"is no day: expected YYYY-MM-DD|has not begun: today is 2026-11-30"):
        parse_day(text, NOW_US, NEW_YORK)


def test_the_last_day_of_the_calendar_is_refused() -> None:
    with pytest.raises(BadDay):
        period_of(date.max, NEW_YORK)
