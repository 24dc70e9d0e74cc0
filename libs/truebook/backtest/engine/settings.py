"""What determines a backtest beside its data and its model, in the units of calculation.

The values are those of ``truebook run`` on a recording: the command derives them from the same settings.
"""

from __future__ import annotations

import msgspec

from truebook.execution.durations import Durations
from truebook.execution.plan import Tolerance
from truebook.features.layout import Layout
from truebook.ledger.verbs import Limits
from truebook.messages.envelope import Source
from truebook.messages.identity import Identity
from truebook.models.guard import GuardRules
from truebook.observation.builder import ObservationLimits
from truebook.simulation.latency import Latency
from truebook.universe.rules import UniverseRules
from truebook.venue.rate_tiers import Tier


class ObservationRules(msgspec.Struct, frozen=True, kw_only=True):
    """How often a market is observed."""

    limits: ObservationLimits
    throttle_us: int
    release_us: int
    """Interval of the checks for throttled changes that are due."""
    idle_us: int
    refresh_us: int
    """Interval of the reads of all positions."""


class DataRules(msgspec.Struct, frozen=True, kw_only=True):
    """How books are followed."""

    watch_us: int
    """Interval of the checks for due snapshots."""
    snapshot_us: int
    idle_probe_us: int
    snapshot_timeout_us: int
    max_snapshot_requests: int
    first_data_us: int
    """Time from a subscription to the first snapshot."""
    universe: UniverseRules
    """The filter of markets; tickers and places are those of the data."""
    refresh_s: float
    """Interval between selections of markets."""
    min_refresh_s: float


class ExecutionRules(msgspec.Struct, frozen=True, kw_only=True):
    """How orders are sent."""

    durations: Durations
    tolerance: Tolerance
    throttle_us: int
    breaker_errors: int
    breaker_window_us: int
    breaker_cooldown_us: int
    tier: Tier
    rate_reserve_share: float
    order_group_limit_centi: int
    max_concurrent_markets: int
    sweep_us: int


class Outside(msgspec.Struct, frozen=True):
    """In place of a model: observations have this layout, and the engine's caller decides."""

    layout: Layout
    name: str


class EngineSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything but data and model."""

    identity: Identity = Identity(account="sim-main", strategy="main", source=Source.CAPTURE)
    exchange_account: str
    ledger_id: str
    lead_us: int
    """Time before the first event, in which services would start."""
    after_us: int
    """Time after the last event, for the orders under way."""
    balance_micros: int
    latency: Latency
    limits: Limits
    max_age_us: int
    """A decision is valid until its book's confirmed time plus this."""
    reconciled_us: int
    """Interval of the reconciler's statements in the ledger."""
    swept_s: float
    """Interval of the sweeps of the account's reports, without their jitter."""
    mark_us: int
    """Interval of the marks of the equity, while a limit of losses is set."""
    day_zone: str
    """Time zone of the days of the limit of daily losses."""
    prune_us: int
    retention_us: int
    observation: ObservationRules
    data: DataRules
    execution: ExecutionRules
    guard: GuardRules
    """Limits of the model, which is stopped where it exceeds one."""
