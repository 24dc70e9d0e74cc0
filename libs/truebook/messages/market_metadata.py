"""A market's metadata in Truebook's units, as the topic ``markets`` carries it."""

from __future__ import annotations

from enum import StrEnum

import msgspec


class FeeType(StrEnum):
    """The exchange's fee structures; a series with one that is not listed here is not traded."""

    QUADRATIC = "quadratic"
    QUADRATIC_WITH_MAKER_FEES = "quadratic_with_maker_fees"
    QUADRATIC_WITH_COMBO_MAKER_FEES = "quadratic_with_combo_maker_fees"
    FLAT = "flat"
    UNKNOWN = "unknown"


class MarketStatus(StrEnum):
    """The exchange's states of a market."""

    INITIALIZED = "initialized"
    INACTIVE = "inactive"
    ACTIVE = "active"
    CLOSED = "closed"
    DETERMINED = "determined"
    DISPUTED = "disputed"
    AMENDED = "amended"
    FINALIZED = "finalized"


BEFORE_CLOSE = (MarketStatus.INITIALIZED, MarketStatus.ACTIVE, MarketStatus.INACTIVE)


class PriceRange(msgspec.Struct, frozen=True, array_like=True):
    """Prices from ``start_cc`` to ``end_cc`` (both on the grid) move in steps of ``step_cc``."""

    start_cc: int
    end_cc: int
    step_cc: int


LINEAR_CENT: tuple[PriceRange, ...] = (PriceRange(0, 10_000, 100),)


class MarketMetadata(msgspec.Struct, frozen=True, kw_only=True):
    """One market as the exchange's REST API describes it. Times are exchange time in microseconds."""

    ticker: str
    event: str
    series: str
    status: MarketStatus
    open_us: int
    close_us: int
    price_ranges: tuple[PriceRange, ...]
    fee_type: FeeType
    fee_multiplier_ppm: int
    """The series' fee multiplier in millionths: 1,000,000 is the standard fee."""
    exclusive: bool
    """At most one market of the event can settle at YES."""
    binary: bool = True
    settlement_cc: int | None = None
    """The value of a YES contract, 0..10,000, once determined."""
    volume_centi: int = 0
    strike: float | None = None
    assumed: tuple[str, ...] = ()
    """Names of the fields that were assumed, because the source (a bare capture) does not have them."""
    exchange_index: int = 0
    """The exchange shard on which the market trades."""
