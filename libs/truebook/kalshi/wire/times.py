"""The exchange's four formats of time, converted to and from microseconds (UTC since 1970).

| kind | where | precision |
|---|---|---|
| RFC 3339 text with 0 to 9 fractional digits | REST ``*_time``, ``as_of_time``, ``ts`` of a delta frame | 1 us |
| unix milliseconds | WebSocket ``ts_ms``, ``sending_ts_ms``, REST ``ts_ms`` | 1 ms |
| unix seconds | ``updated_ts``, ``expiration_time`` of a request, ``close_ts`` of lifecycle frames | 1 s |
| HTTP ``Date`` | every response | 1 s, truncated |

Fractions of a microsecond are truncated. No float is used.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache
from typing import Final

from truebook.money import WireFormatError

_RFC3339: Final = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt](\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?([Zz]|[+-]\d{2}:\d{2})", re.ASCII
)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
LAST_US: Final = 253_402_300_799_999_999
"""The last time that can be written: the end of the year 9999."""
_MICROSECOND: Final = timedelta(microseconds=1)
SECOND_US: Final = 1_000_000


def from_rfc3339(text: object, field: str = "time") -> int:
    """Read '2026-06-11T06:29:47.42784Z' as microseconds; the zone is required."""
    match = _RFC3339.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise WireFormatError(f"{field}: not an RFC 3339 time: {text!r}")
    day, clock, fraction, zone = match[1], match[2], match[3] or "", match[4]
    try:
        whole = datetime.fromisoformat(f"{day}T{clock}{'+00:00' if zone in 'Zz' else zone}")
    except ValueError as error:
        raise WireFormatError(f"{field}: no such time: {text!r}") from error
    return (whole - _EPOCH) // _MICROSECOND + int(fraction[:6].ljust(6, "0"))


def to_rfc3339(at_us: int) -> str:
    """Write microseconds as the exchange does: UTC, 'Z', a fraction without zeros at its end, none for a whole second.

    Later than the year 9999: its end.
    """
    seconds, micros = divmod(min(at_us, LAST_US), SECOND_US)
    fraction = f".{micros:06d}".rstrip("0") if micros else ""
    return f"{_second(seconds)}{fraction}Z"


@lru_cache(maxsize=64)  # frames of one moment share their second
def _second(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S")


def from_unix_s(seconds: int) -> int:
    """Read unix seconds."""
    return seconds * SECOND_US


def from_unix_ms(milliseconds: int) -> int:
    """Read unix milliseconds."""
    return milliseconds * 1_000


def to_unix_s(at_us: int) -> int:
    """Write microseconds as unix seconds, rounded down: right for 'not before' filters."""
    return at_us // SECOND_US


def from_http_date(text: str) -> int:
    """Read an HTTP ``Date`` header; it is truncated to seconds, so the true time is up to one second later."""
    try:
        moment = parsedate_to_datetime(text)
    except ValueError as error:
        raise WireFormatError(f"Date: not an HTTP date: {text!r}") from error
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - _EPOCH) // _MICROSECOND
