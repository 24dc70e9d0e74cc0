"""Words, times and ids as the exchange spells them; no engine, no socket."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from truebook.messages.envelope import BookSide
from truebook.messages.facts import PriceRange
from truebook.money import format_fixed, format_price

_NAMESPACE: Final = uuid.UUID("5f0c9c1e-7d5b-5a53-9a43-6d1c2f1b7e10")

_STRUCTURES: Final[dict[tuple[tuple[int, int, int], ...], str]] = {
    ((0, 10_000, 100),): "linear_cent",
    ((0, 10_000, 10),): "deci_cent",
    ((0, 1_000, 10), (1_000, 9_000, 100), (9_000, 10_000, 10)): "tapered_deci_cent",
    ((0, 10_000, 1),): "center_centi_edge_centi_cent",
}


@lru_cache(maxsize=4_096)  # a digest for every frame otherwise
def market_id(ticker: str) -> str:
    """Give the market's UUID: a function of its ticker."""
    return str(uuid.uuid5(_NAMESPACE, f"market:{ticker}"))


def user_id(account: str) -> str:
    """Give the account holder's UUID: a function of the account's name."""
    return str(uuid.uuid5(_NAMESPACE, f"user:{account}"))


def outcome_side(side: BookSide) -> str:
    """Give the outcome that a side of the YES book is for."""
    return "yes" if side is BookSide.BID else "no"


def action(side: BookSide) -> str:
    """Give the deprecated word for a side; the deprecated ``side`` beside it always is 'yes'."""
    return "buy" if side is BookSide.BID else "sell"


def dollars_down(micros: int) -> str:
    """Write micro-dollars with the four decimals of a balance, rounded toward minus infinity."""
    return format_fixed(micros // 100, 4)


def price_structure(ranges: Sequence[PriceRange]) -> str:
    """Name the grid where the exchange has a name for it; the empty label is allowed, ``price_ranges`` is the truth."""
    return _STRUCTURES.get(tuple((band.start_cc, band.end_cc, band.step_cc) for band in ranges), "")


def price_ranges(ranges: Sequence[PriceRange]) -> list[dict[str, str]]:
    return [
        {"start": format_price(band.start_cc), "end": format_price(band.end_cc), "step": format_price(band.step_cc)}
        for band in ranges
    ]
