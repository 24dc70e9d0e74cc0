"""Settings of the reconciler; every field has a default."""

from __future__ import annotations

import re

from pydantic import Field, field_validator

from truebook.ledger.verbs import LIMIT_NAMES
from truebook.runtime.settings import Section
from truebook.runtime.time_zones import TimeZoneName
from truebook.venue.shards import MAX_SHARD
from truebook_services.reconciler.treasury_plan import TreasuryRules


class TreasurerSettings(Section):
    """Moving cash between shards of the exchange, ahead of need. A market can only be traded with the cash of its
    shard."""

    enabled: bool = False
    """Move cash at all. Transfers that others made are recorded in any case."""
    interval_s: float = Field(default=5.0, gt=0)
    """Interval between plans; one transfer is under way at a time."""
    shares: tuple[str, ...] = ()
    """The part of the free cash that each shard is to have, as ``SHARD:WEIGHT``, for example ``0:60`` and ``2:40``.
    Empty: by need, the number of followed markets on each shard."""
    max_transfer_micros: int = Field(default=100_000_000, ge=0)
    """Largest amount of one transfer."""
    max_day_micros: int = Field(default=1_000_000_000, ge=0)
    """Largest sum of the transfers within 24 hours."""
    min_transfer_micros: int = Field(default=1_000_000, ge=100)
    """Smaller transfers are not made."""
    min_kept_micros: int = Field(default=0, ge=0)
    """Free cash that a transfer leaves on the shard that it is taken from."""

    @field_validator("shares")
    @classmethod
    def _check_shares(cls, shares: tuple[str, ...]) -> tuple[str, ...]:
        named = [re.fullmatch(r"(\d{1,3}):\d{1,9}", share) for share in shares]
        indices = [int(match[1]) for match in named if match is not None and int(match[1]) <= MAX_SHARD]
        if len(set(indices)) != len(shares):
            raise ValueError(f"{shares}: write SHARD:WEIGHT, each shard from 0 to {MAX_SHARD} once")
        if shares and not any(int(share.partition(":")[2]) for share in shares):
            raise ValueError(f"{shares}: every weight is 0, so that no cash would be moved; give one shard a weight")
        return shares

    def weights(self) -> dict[int, int]:
        """Return the weights by shard."""
        return {int(shard): int(weight) for shard, _, weight in (share.partition(":") for share in self.shares)}

    def rules(self) -> TreasuryRules:
        """Return the limits as the plan takes them."""
        return TreasuryRules(
            max_transfer_micros=self.max_transfer_micros, max_day_micros=self.max_day_micros,
            min_transfer_micros=self.min_transfer_micros, min_kept_micros=self.min_kept_micros,
        )  # fmt: skip


class ReconcilerSettings(Section):
    """How often ledger and exchange are compared, and what is corrected without an operator."""

    orders_s: float = Field(default=3.0, gt=0)
    """Interval between comparisons of open and unknown orders."""
    account_s: float = Field(default=30.0, gt=0)
    """Interval between comparisons of positions and balance; while they differ, each comparison of orders includes
    one."""
    watch_s: float = Field(default=1.0, gt=0)
    """Interval between checks of the ledger's totals against their parts, which also set its gauges."""
    opening_poll_s: float = Field(default=0.2, gt=0)
    """Before the account is opened: interval between checks whether all orders have ended."""
    grace_s: float = Field(default=2.0, ge=0)
    """Younger orders are left to execution and fill_listener: the exchange's lists lag behind its responses."""
    overlap_s: float = Field(default=60.0, ge=0)
    """Fills are read from this long before the watermark."""
    persist_rounds: int = Field(default=4, ge=2)
    """A difference is acted on once this many consecutive comparisons have found it, in the same direction, and for
    ``persist_s``."""
    persist_s: float = Field(default=10.0, ge=0)
    """How long a difference must have lasted before it is acted on (real time)."""
    max_adjustment_micros: int = Field(default=10_000, ge=0)
    """A cash difference up to this (one cent) of a constant amount is recorded as an adjustment while no order is open;
    any other difference halts trading."""
    prune_interval_s: float = Field(default=600.0, gt=0)
    """Interval between prunings of the ledger."""
    retention_s: float = Field(default=3_600.0, ge=3_600)
    """Ended orders with the ids of their fills, and settled markets, are kept for this long, and for two prunings at
    least."""
    mark_s: float = Field(default=10.0, gt=0)
    """Interval between marks of the account's equity, while a limit of losses or that of the model is set."""
    max_model_drawdown_micros: int | None = Field(default=None, ge=0)
    """A larger fall of the account's profit from its peak since the active model was activated rolls that model back.
    None: never."""
    day_zone: TimeZoneName = "America/New_York"
    """Time zone at whose midnight the day of ``limits.daily_loss_micros`` and of a statement begins; by default that of
    the exchange."""
    treasurer: TreasurerSettings = TreasurerSettings()
    """Moving cash between shards of the exchange."""
    journal_s: float = Field(default=1.0, gt=0)
    """Interval between copies of the ledger's journal to the topic ``journal``."""
    journal_segment_bytes: int = Field(default=64 * 2**20, ge=2**16)
    """Size at which a segment of the journal's file (``truebook run``) is closed and compressed."""
    journal_max_bytes: int = Field(default=2**30, ge=0)
    """Size of the closed segments with their anchors; beyond it the oldest ones are removed."""
    journal_max_days: int = Field(default=30, ge=1)
    """Age at which a closed segment is removed."""
    journal_keep: int = Field(default=10_000, ge=100)
    """Copied entries that the ledger keeps, about 0.3 KB each."""


class LimitsSettings(Section):
    """The account's limits, applied to its ledger at each start of the reconciler. A limit that an operator set by
    `truebook limits set` is kept until `truebook limits clear`. None is no limit."""

    price_collar_cc: int | None = Field(default=None, ge=0)
    """Largest distance of an order's price from the price that the decision was based on."""
    order_size_centi: int | None = Field(default=None, ge=0)
    """Largest size of an order."""
    orders_per_minute: int | None = Field(default=None, ge=0)
    """Number of orders in a minute."""
    open_orders: int | None = Field(default=None, ge=0)
    """Number of open orders; orders that only close are allowed beyond it."""
    market_centi: int | None = Field(default=None, ge=0)
    """Largest position in a market, open orders included."""
    event_loss_micros: int | None = Field(default=None, ge=0)
    """Largest possible loss in an event."""
    total_loss_micros: int | None = Field(default=None, ge=0)
    """Largest sum of the possible losses of all events."""
    cash_floor_micros: int | None = Field(default=None, ge=0)
    """Cash that orders which open positions must leave."""
    daily_loss_micros: int | None = Field(default=None, ge=0)
    """A larger loss of the account since the start of the day stops trading by the hold ``daily_loss``."""
    drawdown_micros: int | None = Field(default=None, ge=0)
    """A larger fall of the account's profit from its peak stops trading by the hold ``drawdown``."""

    def given(self) -> dict[str, int]:
        """Return the limits that are set."""
        values = {name: getattr(self, name) for name in LIMIT_NAMES}
        return {name: value for name, value in values.items() if value is not None}
