"""The times by which execution judges an action, in microseconds of exchange time."""

from __future__ import annotations

import msgspec


class Durations(msgspec.Struct, frozen=True, kw_only=True):
    """The settings' times in the unit of calculation, converted once."""

    max_book_age_us: int
    cancel_stale_after_us: int
    near_close_us: int
    order_lifetime_us: int
    signature_lifetime_us: int
    cancel_retry_us: int
