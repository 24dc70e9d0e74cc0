"""Time zones by their names, as settings and requests give them."""

from __future__ import annotations

from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator


class UnknownTimeZone(ValueError):
    """A name is not that of a time zone of this machine."""


def zone_named(name: str) -> ZoneInfo:
    """Return the time zone of that name; raises UnknownTimeZone."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise UnknownTimeZone(
            f"{name!r} is not a time zone of this machine, such as America/New_York or UTC"
        ) from error


def _checked(name: str) -> str:
    zone_named(name)
    return name


TimeZoneName = Annotated[str, AfterValidator(_checked)]
"""The name of a time zone, as a setting."""
