"""The borders of a day in a time zone: a day has 23 or 25 hours where its clocks change."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from truebook.clock import MICROS
from truebook.statement.records import Period


class BadDay(ValueError):
    """A text is no day, or a day that has not begun."""


def day_at(at_us: int, zone: ZoneInfo) -> date:
    """Return the day of a time."""
    return datetime.fromtimestamp(at_us // MICROS, zone).date()


def parse_day(text: str | None, now_us: int, zone: ZoneInfo) -> date:
    """Read YYYY-MM-DD, None or ``today`` is the day of now, ``yesterday`` the one before; raises BadDay."""
    today = day_at(now_us, zone)
    if text in (None, "today"):
        return today
    if text == "yesterday":
        return today - timedelta(days=1)
    try:
        day = date.fromisoformat(text or "")
    except ValueError:
        raise BadDay(f"{text!r} is no day: expected YYYY-MM-DD, such as {today.isoformat()}") from None
    if day > today:
        raise BadDay(f"{day.isoformat()} has not begun: today is {today.isoformat()} in {zone.key}")
    return day


def period_of(day: date, zone: ZoneInfo) -> Period:
    """Return the borders of a day; raises BadDay at the ends of the calendar."""
    try:
        following = day + timedelta(days=1)
        return Period(day=day.isoformat(), zone=zone.key, from_us=_midnight_us(day, zone),
                      to_us=_midnight_us(following, zone))  # fmt: skip
    except OverflowError as error:
        raise BadDay(f"{day.isoformat()} is not a day with a statement") from error


def _midnight_us(day: date, zone: ZoneInfo) -> int:
    return int(datetime.combine(day, time.min, zone).timestamp()) * MICROS
