"""Limits within which no cap changes an order's size, and a grid as a table: what many decisions at once compare."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Final

from truebook.decision.prices import Grid
from truebook.decision.strategy import MILLION
from truebook.money import ONE_CONTRACT_CENTI, ONE_DOLLAR_CC, ceil_div
from truebook.venue.fees import WORST_ROUNDING_MICROS
from truebook.venue.grid import on_grid

MAX_RATE_PPM: Final = MILLION
"""The highest fee rate for which ``enough_micros`` is enough."""
TICK: Final = b"\x01"
_MAX_CONTRACT: Final = (ONE_DOLLAR_CC + WORST_ROUNDING_MICROS) * ONE_CONTRACT_CENTI + MAX_RATE_PPM // 4
"""A contract costs at most this, in hundredths of a micro-dollar: its fee is at most a quarter of the rate."""


def enough_micros(requested_centi: int, share_ppm: int) -> float:
    """Return the cash from which ``size_order`` does not cap this size by cash, at any price."""
    budget_micros = ceil_div(requested_centi * _MAX_CONTRACT, ONE_CONTRACT_CENTI) + 1
    return ceil_div(budget_micros * MILLION, share_ppm) if share_ppm > 0 else math.inf


def lowest_held_centi(requested_centi: int, max_position_centi: int | None) -> float:
    """Return the position from which the largest position does not cap this size.

    Positions here are positive if the order would close them, so that this is 0 or less where nothing is closed.
    """
    return -math.inf if max_position_centi is None else requested_centi - max_position_centi


def whole_centi(requested_centi: int) -> int:
    """Return the size of an order that opens as much as is requested: whole contracts."""
    return requested_centi // ONE_CONTRACT_CENTI * ONE_CONTRACT_CENTI


@lru_cache(maxsize=64)
def ticks(grid: Grid) -> bytes:
    """Return ``TICK`` for each price on the grid, else 0: one look at a price instead of a search of its bands."""
    return bytes(on_grid(price_cc, grid) for price_cc in range(ONE_DOLLAR_CC + 1))
