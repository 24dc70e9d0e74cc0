"""Numbers as text with their units, for people."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, TypeVar

from truebook.money import format_dollars

MINUS: Final = "\N{MINUS SIGN}"
SPACE: Final = "\N{NO-BREAK SPACE}"
UNKNOWN: Final = "–"
Value = TypeVar("Value", int, float)


def dollars(micros: int) -> str:
    """Format micro-dollars: -1234567890 is '−$1,234.57'."""
    return format_dollars(micros, MINUS)


def whole_dollars(micros: int) -> str:
    """Format micro-dollars without cents from $1,000 on, where they only take space."""
    if abs(micros) < 1_000_000_000:
        return dollars(micros)
    rounded_micros = (abs(micros) + 500_000) // 1_000_000 * 1_000_000
    return dollars(-rounded_micros if micros < 0 else rounded_micros)[:-3]


def signed_dollars(micros: int) -> str:
    """Format a profit: with a plus sign where it is positive."""
    text = dollars(micros)
    return f"+{text}" if micros > 0 and text != dollars(0) else text


def percent(ratio: float, digits: int = 1) -> str:
    """Format a ratio: 0.1234 is '12.3 %'."""
    return f"{_signed(100 * ratio, digits)}{SPACE}%"


def cents(price_cc: float) -> str:
    """Format 1/100 cents per contract: -50 is '−0.50 ¢'."""
    return f"{_signed(price_cc / 100, 2)}{SPACE}¢"


def score(value: float) -> str:
    """Format a score with four decimals."""
    return _signed(value, 4)


def multiple(ratio: float) -> str:
    """Format a factor: 2.5 is '2.50 ×'."""
    return f"{_signed(ratio, 2)}{SPACE}×"


def count(value: int) -> str:
    """Format a count with separated thousands."""
    return f"{value:,}".replace("-", MINUS)


def plural(number: int, noun: str) -> str:
    """Format a count with its noun: '1 market', '2 markets'."""
    return f"{count(number)} {noun}{'' if number == 1 else 's'}"


def contracts(size_centi: int) -> str:
    """Format 1/100 contracts, without decimals where they are zero."""
    whole, part = divmod(abs(size_centi), 100)
    return f"{MINUS if size_centi < 0 else ''}{whole:,}" + (f".{part:02d}" if part else "")


def whole_contracts(size_centi: int) -> str:
    """Format 1/100 contracts without decimals from 1,000 contracts on."""
    return contracts(size_centi if abs(size_centi) < 100_000 else round(size_centi, -2))


def duration(us: int) -> str:
    """Format a duration in its largest fitting unit."""
    seconds = us / 1_000_000
    if seconds < 1:
        return f"{us / 1_000:,.0f} ms"
    if seconds < 120:
        return f"{seconds:,.1f} s"
    return f"{seconds / 60:,.1f} min" if seconds < 7_200 else f"{seconds / 3_600:,.1f} h"


def moment(at_us: int) -> str:
    """Format a time: '2026-09-21 14:13:20 UTC'."""
    return f"{_utc(at_us):%Y-%m-%d %H:%M:%S} UTC"


def day(at_us: int) -> str:
    """Format a day without its year: 'Sep 21'."""
    return f"{_utc(at_us):%b %d}".replace(" ", SPACE)


def clock_time(at_us: int) -> str:
    """Format a time of the day: '14:13:20 UTC'."""
    return f"{_utc(at_us):%H:%M:%S}{SPACE}UTC"


def optional(value: Value | None, form: Callable[[Value], str]) -> str:
    """Format a value; a dash where it is not known."""
    return UNKNOWN if value is None else form(value)


def _utc(at_us: int) -> datetime:
    return datetime.fromtimestamp(at_us // 1_000_000, UTC)


def _signed(value: float, digits: int) -> str:
    text = f"{abs(value):,.{digits}f}"
    return f"{MINUS}{text}" if value < 0 and text.strip("0.,") else text
