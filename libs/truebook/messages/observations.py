"""Topic ``observations``: the input of the policy, with its origin."""

from __future__ import annotations

from truebook.messages.envelope import Message
from truebook.messages.market_metadata import FeeType, PriceRange


class Observation(Message, frozen=True, kw_only=True, tag="observation"):
    """One market at one time. ``id`` is ``ids.observation_id``.

    Prices and sizes are of the book net of our own working orders; both sides are present (a one-sided book gives no
    observation). ``features`` has the layout's length and order.
    """

    layout: str
    layout_hash: str
    features: tuple[float, ...]
    book_epoch: int
    book_version: int
    confirmed_us: int
    frame_us: int
    ledger_seq: int
    signals_digest: str
    best_bid_cc: int
    best_bid_centi: int
    best_ask_cc: int
    best_ask_centi: int
    position_centi: int
    cash_micros: int
    event: str
    exclusive: bool
    price_ranges: tuple[PriceRange, ...]
    """The bands of the market's price grid."""
    fee_type: FeeType
    taker_rate_ppm: int
    maker_rate_ppm: int
    close_us: int
