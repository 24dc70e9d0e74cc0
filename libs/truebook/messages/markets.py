"""Topic ``markets`` (compacted): what is known of a market, written by ingest."""

from __future__ import annotations

from truebook.messages.envelope import Message
from truebook.messages.facts import MarketFacts


class Market(Message, frozen=True, kw_only=True, tag="market"):
    """The newest facts of one market; the newest message of a ticker replaces all older ones."""

    facts: MarketFacts
    chosen: bool
    """True while the market belongs to the traded universe; false once ingest has dropped it."""
