"""The filter by which markets are selected, and how often: the values of ingest's settings."""

from __future__ import annotations

import msgspec


class UniverseRules(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of the filter; the settings of ingest describe each of them."""

    max_markets: int
    tickers: tuple[str, ...] = ()
    """Only these markets, whatever their activity; empty allows all."""
    series: tuple[str, ...] = ()
    exchange_shards: tuple[int, ...] = ()
    """Only markets of these shards of the exchange; empty allows all."""
    shard: int = 0
    shards: int = 1
    multivariate: bool = False
    max_spread_cc: int
    min_depth_centi: int
    min_volume_centi: int
    min_time_to_close_s: float
    leave_factor: float
    leave_after_failures: int
    displace_factor: float
    max_excluded: int
