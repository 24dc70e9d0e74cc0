"""Read values of foreign tables in Truebook's units. A value in a wrong unit is refused: ``WireFormatError``.

Prices and sizes that were stored as floating point are rounded back: up to 0.000001 beside a multiple of the exchange's
smallest step is noise.
"""

from __future__ import annotations

import math
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Final

from truebook.kalshi.port import DeltaFrame, SnapshotFrame, StreamEvent, TradeFrame
from truebook.kalshi.wire import times
from truebook.messages.envelope import BookSide
from truebook.money import MAX_PRICE_CC, MIN_PRICE_CC, WireFormatError

EARLIEST_US: Final = 1_500_000_000_000_000
LATEST_US: Final = 4_000_000_000_000_000
"""Times outside of 2017 to 2096 are in another unit than expected."""
NOISE: Final = Decimal("0.000001")
NANOSECONDS: Final = {
    "seconds": 1_000_000_000, "milliseconds": 1_000_000, "microseconds": 1_000, "nanoseconds": 1
}  # fmt: skip
"""Nanoseconds per unit of time."""
MAX_SID: Final = 2**31 - 1
"""The largest id of a subscription that a recording can store."""
_SIDES: Final = {"yes": BookSide.BID, "no": BookSide.ASK, "bid": BookSide.BID, "ask": BookSide.ASK}


def time_us(value: object, unit: str, field: str) -> int:
    """Read a time since 1970 in a unit of ``NANOSECONDS``; refuses one that is right in another unit only."""
    try:
        number = value if isinstance(value, int) else int(str(value))
    except ValueError:
        raise WireFormatError(f"{field}: not a whole number of {unit} since 1970: {value!r}") from None
    at_us = number * NANOSECONDS[unit] // 1_000
    if EARLIEST_US <= at_us < LATEST_US:
        return at_us
    fitting = [name for name, factor in NANOSECONDS.items() if EARLIEST_US <= number * factor // 1_000 < LATEST_US]
    hint = f"; it is a time in {fitting[0]}" if fitting else ""
    raise WireFormatError(f"{field}: {value!r} is not a time in {unit}{hint}")


def check_frame(event: StreamEvent) -> None:
    """Refuse a decoded frame whose subscription or exchange's time is not one of the exchange."""
    check_sid(event)
    if isinstance(event, SnapshotFrame | DeltaFrame | TradeFrame) and event.exchange_us is not None:
        check_time(event.exchange_us, "exchange's time")


def check_sid(event: StreamEvent) -> None:
    """Refuse an id of a subscription that cannot be stored."""
    if event.sid is not None and not 0 <= event.sid <= MAX_SID:
        raise WireFormatError(f"sid: {event.sid} is not between 0 and {MAX_SID:,}")


def check_time(at_us: int, field: str) -> None:
    """Refuse a time, converted from milliseconds, that is right in another unit only."""
    if not EARLIEST_US <= at_us < LATEST_US:
        time_us(at_us // 1_000, "milliseconds", field)


def rfc3339_us(value: object, field: str) -> int:
    """Read an RFC 3339 time within the years of the exchange."""
    at_us = times.from_rfc3339(value, field)
    if not EARLIEST_US <= at_us < LATEST_US:
        raise WireFormatError(f"{field}: not a time of the exchange: {value!r}")
    return at_us


@lru_cache(maxsize=65_536)
def dollars_cc(value: object, field: str) -> int:
    """Read a price in dollars, between 0 and 1 exclusively, as 1/100 cent."""
    price_cc = _scaled(value, 10_000, field)
    if price_cc > MAX_PRICE_CC:
        raise WireFormatError(f"{field}: {value} is not below $1; prices are in dollars")
    if price_cc < MIN_PRICE_CC:
        raise WireFormatError(f"{field}: {value} is not above $0")
    return price_cc


@lru_cache(maxsize=1_024)
def cents_cc(value: object, field: str) -> int:
    """Read a price in whole cents, 1 to 99, as 1/100 cent."""
    price_cc = _scaled(value, 100, field)
    if not MIN_PRICE_CC <= price_cc <= MAX_PRICE_CC or price_cc % 100:
        raise WireFormatError(f"{field}: {value} is not a whole number of cents from 1 to 99")
    return price_cc


@lru_cache(maxsize=65_536)
def contracts_centi(value: object, field: str) -> int:
    """Read a signed number of contracts as 1/100 contract."""
    return _scaled(value, 100, field)


def positive_centi(value: object, field: str) -> int:
    """Read a number of contracts above zero, such as a trade's, as 1/100 contract."""
    size_centi = contracts_centi(value, field)
    if size_centi <= 0:
        raise WireFormatError(f"{field}: {value} is not above zero")
    return size_centi


def absolute_centi(value: object, field: str) -> int:
    """Read a level's number of contracts, which may be zero, as 1/100 contract."""
    size_centi = contracts_centi(value, field)
    if size_centi < 0:
        raise WireFormatError(f"{field}: {value} is below zero; sizes are absolute")
    return size_centi


def optional_number(value: object, field: str) -> float | None:
    """Read a number such as a strike; None for an empty cell."""
    if value is None or value == "":
        return None
    try:
        number = float(str(value))
    except ValueError:
        number = math.inf
    if math.isinf(number):
        raise WireFormatError(f"{field}: not a number: {value!r}")
    return None if math.isnan(number) else number


def side(value: object, field: str) -> BookSide:
    """Read a book side: ``yes``, ``no``, ``bid`` or ``ask``."""
    found = _SIDES.get(str(value).lower())
    if found is None:
        raise WireFormatError(f"{field}: {value!r} is neither yes, no, bid nor ask")
    return found


def _scaled(value: object, factor: int, field: str) -> int:
    try:
        exact = Decimal(str(value))
        nearest = int((exact * factor).to_integral_value())
    except (InvalidOperation, ValueError, OverflowError):
        raise WireFormatError(f"{field}: not a number: {value!r}") from None
    if abs(exact - Decimal(nearest) / factor) > NOISE:
        raise WireFormatError(f"{field}: {value} is finer than the exchange's smallest step")
    return nearest
