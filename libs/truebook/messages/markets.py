"""Topic ``markets`` (compacted): the metadata of markets, published by ingest."""

from __future__ import annotations

from enum import StrEnum

from truebook.messages.envelope import Message
from truebook.messages.market_metadata import MarketMetadata


class Exclusion(StrEnum):
    """Why ingest does not follow a market, in the order in which it checks."""

    NOT_LISTED = "not_listed"
    """The exchange does not list it, or does not list it as open."""
    NOT_CONFIGURED = "not_configured"
    """The settings name other markets or series."""
    MULTIVARIATE = "multivariate"
    """A combination of other markets, which the settings do not include."""
    EXCHANGE_SHARD = "exchange_shard"
    """It trades on a shard of the exchange that the settings do not include."""
    NOT_TRADING = "not_trading"
    """Its status does not allow orders."""
    FEE_TYPE = "fee_type"
    """Its fees cannot be computed."""
    CLOSES_SOON = "closes_soon"
    VOLUME = "volume"
    NOT_PROBED = "not_probed"
    """Its book has not been read yet: busier candidates come first."""
    NO_BOOK = "no_book"
    """A side of its book is empty."""
    SPREAD = "spread"
    DEPTH = "depth"
    UNIVERSE_FULL = "universe_full"
    """It passes the filter, but busier markets take all places."""


class MarketUpdated(Message, frozen=True, kw_only=True, tag="market_updated"):
    """The newest metadata of one market; the newest message of a ticker replaces all older ones."""

    metadata: MarketMetadata
    selected: bool
    """True while the market belongs to the traded universe."""
    exclusion: Exclusion | None = None
    """Why the market is not selected; null where it is selected, or until the next selection finds the reason."""
