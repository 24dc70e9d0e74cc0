"""Times, durations and sizes as people read them."""

from __future__ import annotations

from datetime import datetime, tzinfo
from typing import Final

from truebook.clock import MICROS

_UNITS: Final = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def duration(us: int) -> str:
    """Return a duration in its two largest units, such as ``2 h 5 min``."""
    left = max(0, us) // MICROS
    for index, (seconds, name) in enumerate(_UNITS):
        count, left = divmod(left, seconds)
        if count and left and index + 1 < len(_UNITS):
            smaller_s, smaller = _UNITS[index + 1]
            rest = left // smaller_s
            return f"{count} {name} {rest} {smaller}" if rest else f"{count} {name}"
        if count:
            return f"{count} {name}"
    return "0 s"


def moment(us: int, zone: tzinfo) -> str:
    """Return a time such as ``2026-12-01 08:30:05 UTC``."""
    return datetime.fromtimestamp(us / MICROS, zone).strftime("%Y-%m-%d %H:%M:%S %Z")


def size(count: int) -> str:
    """Return a number of bytes in GiB or MiB, rounded down."""
    tenths, unit = (count * 10 // 2**30, "GiB") if count >= 2**30 else (count * 10 // 2**20, "MiB")
    return f"{tenths // 10}.{tenths % 10} {unit}"


def counted(count: int, noun: str) -> str:
    """Return ``1 order`` or ``2 orders``."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def listed(names: list[str], max_names: int = 5) -> str:
    """Return the first names and how many more there are."""
    more = len(names) - max_names
    return ", ".join(names[:max_names]) + (f" and {more} more" if more > 0 else "")
