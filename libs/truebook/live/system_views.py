"""What an operator's page shows of the account, the services and the models; units and null as in ``views``."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

import msgspec

ACTION_KINDS: Final = ("quote", "bid", "ask", "none")
"""A decision has targets on both sides, on one, or on none."""


class AccountPoint(msgspec.Struct, frozen=True, array_like=True):
    """One point of the equity curve; null where a position had no known value."""

    at_us: int
    equity_micros: int | None
    deposits_micros: int
    cash_micros: int
    position_cost_micros: int
    fees_micros: int


class AccountState(msgspec.Struct, frozen=True, kw_only=True):
    """The account's newest report (``truebook.messages.accounts.AccountReported``), or what the last run left of it."""

    at_us: int
    account: str
    ledger_seq: int | None
    opened: bool
    mode: str
    holds: tuple[str, ...]
    deposits_micros: int
    cash_micros: int
    overdrawn_micros: int
    reserved_micros: int
    position_cost_micros: int
    positions: int | None
    open_orders: int | None
    equity_micros: int | None
    valued_us: int | None
    realized_micros: int
    unrealized_micros: int | None
    fees_micros: int
    conservation_error_micros: int
    differences: tuple[str, ...] | None
    compared_us: int | None
    true_since_us: int | None
    unknown_orders: int
    unknown_since_us: int | None
    daily_loss_micros: int | None
    drawdown_micros: int | None
    peak_micros: int | None
    """Highest profit (equity less deposits) of the known history."""
    below_peak_micros: int | None
    """How far the profit is below it now."""


class ServiceState(StrEnum):
    """Whether a process works, as its newest report states."""

    WORKS = "works"
    STANDBY = "standby"
    NOT_READY = "not_ready"
    STOPPED = "stopped"
    SILENT = "silent"
    """Its report is overdue: it has crashed, hangs or can't reach the bus."""


class ServiceRow(msgspec.Struct, frozen=True, kw_only=True):
    """One process of one service."""

    service: str
    instance: str
    version: str
    state: ServiceState
    since_us: int
    """When it entered this state, as far as this view has seen it."""
    started_us: int
    reported_us: int
    not_ready: tuple[str, ...]
    lag: Mapping[str, int]
    gauges: Mapping[str, int]
    model: str | None


class ActionsMinute(msgspec.Struct, frozen=True, kw_only=True):
    """How many decisions of each kind one minute had; kinds are in ``ACTION_KINDS``."""

    at_us: int
    """Start of the minute."""
    counts: Mapping[str, int]


class ProbabilityPoint(msgspec.Struct, frozen=True, array_like=True):
    """The model's probability and the market's mid price at one decision."""

    at_us: int
    ticker: str
    fair_ppm: int
    mid_cc: int


class CalibrationBin(msgspec.Struct, frozen=True, kw_only=True):
    """Settled markets whose last probability was in one tenth: how many, and how many of them paid.

    A market counts once, with the last probability that was decided on before its close.
    """

    from_ppm: int
    to_ppm: int
    markets: int
    mean_fair_ppm: int
    mean_settlement_ppm: int
    """Mean pay-out of one YES contract, as a share of a dollar."""


class LabelledObservation(msgspec.Struct, frozen=True, kw_only=True):
    """The newest observation: feature ``names[n]`` has ``values[n]``; names are empty where the layout is unknown."""

    ticker: str
    at_us: int
    layout: str
    names: tuple[str, ...]
    values: tuple[float, ...]


class ModelFailureView(msgspec.Struct, frozen=True, kw_only=True):
    """An automatic stop or roll-back."""

    model: str
    at_us: int | None
    by: str | None
    reason: str | None


class ModelView(msgspec.Struct, frozen=True, kw_only=True):
    """The model in use and its shadow, and what they did. The names of all models: request ``ListModels``."""

    at_us: int
    active: str | None
    """Null while no decision was seen and no service has reported one."""
    active_sha256: str | None
    shadow: str | None
    stopped: ModelFailureView | None
    rolled_back: ModelFailureView | None
    minutes: tuple[ActionsMinute, ...]
    """Oldest first, at most ``MAX_MINUTES``."""
    probabilities: tuple[ProbabilityPoint, ...]
    """Oldest first, thinned; empty for a model without probabilities."""
    observations: tuple[LabelledObservation, ...]
    """Of the markets observed last, newest first, at most ``MAX_OBSERVATIONS``."""
    calibration: tuple[CalibrationBin, ...]
    """Bins with at least one settled market since the start of this view."""


class DeadLetterRow(msgspec.Struct, frozen=True, kw_only=True):
    """One unusable record."""

    at_us: int
    id: str
    origin: str
    service: str
    reason: str
    detail: str


class SystemView(msgspec.Struct, frozen=True, kw_only=True):
    """What runs, and what went wrong."""

    at_us: int
    since_us: int
    """Since when this view counts."""
    services: tuple[ServiceRow, ...]
    dead_letters: tuple[DeadLetterRow, ...]
    """Newest first, at most ``MAX_DEAD_LETTERS``."""
    dead_letter_count: int
    refused: Mapping[str, int]
    """Orders refused by execution and the ledger, by reason."""
    outcomes: Mapping[str, int]
    """Order events by outcome."""
    stale: Mapping[str, int]
    """Books invalidated, by reason."""
    counts: Mapping[str, int]
    """Messages by topic."""
    skipped_messages: int
    """Messages that this view was too slow to read; its counts lack them."""
    tick_to_send_p50_us: int | None
    tick_to_send_p99_us: int | None
    """Of the newest ``MAX_LATENCIES`` orders."""
