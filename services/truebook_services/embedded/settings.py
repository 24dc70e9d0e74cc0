"""Settings of the embedded system: the common ones and a section per service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, ValidationInfo, field_validator

from truebook.runtime.settings import TruebookSettings
from truebook_services.alerts.settings import AlertsSettings
from truebook_services.dashboard.settings import DashboardSection
from truebook_services.execution.settings import ExecutionSettings
from truebook_services.fill_listener.settings import FillListenerSettings
from truebook_services.ingest.settings import IngestSettings, UniverseSettings
from truebook_services.observation.settings import ObservationSettings
from truebook_services.operator.settings import OperatorSettings
from truebook_services.paper_exchange.settings import PRIVATE_TIER, PaperExchangeSettings
from truebook_services.policy.settings import PolicySettings
from truebook_services.reconciler.settings import LimitsSettings, ReconcilerSettings

MAX_SPEED: Final = "max"


class EmbeddedSettings(TruebookSettings):
    """Settings of ``truebook run``; every field also as ``TRUEBOOK_…`` or in ``truebook.toml``."""

    duration_s: float | None = Field(default=None, gt=0)
    """Length of the run in seconds; null: until it is stopped."""
    model: str = ""
    """Name of a bundled or registered model, or path of an ONNX file; empty: the registry's active one, also when it is
    switched during the run."""
    model_history: Path | None = None
    """Path of a registry's `changes.jsonl`: a replay switches between models where it states."""
    capture: Path | None = None
    """Path of a recording that is the market data."""
    speed: Annotated[float, Field(gt=0)] | Literal["max"] = 1.0
    """Speed of a recording relative to real time; ``max``: in lock-step, as fast as this machine can."""
    fresh: bool = False
    """Start with an empty ledger and exchange instead of continuing from the last run."""
    crash_at: str | None = None
    """For crash tests: LABEL[:COUNT], see ``serving/crash.py``."""

    # A private exchange: no reason for fewer markets, a lower rate or a wide margin before their close. Its responses
    # wait for the disk, as the ledger's do: after a loss of power the two must still be equal.
    paper_exchange: PaperExchangeSettings = PaperExchangeSettings(tier=PRIVATE_TIER, journal_sync_ms=0)
    ingest: IngestSettings = IngestSettings(universe=UniverseSettings(max_markets=1_000, min_time_to_close_s=10))
    observation: ObservationSettings = ObservationSettings()
    policy: PolicySettings = PolicySettings()
    execution: ExecutionSettings = ExecutionSettings(tier=PRIVATE_TIER, near_close_s=5)
    fill_listener: FillListenerSettings = FillListenerSettings()
    reconciler: ReconcilerSettings = ReconcilerSettings()
    limits: LimitsSettings = LimitsSettings()
    operator: OperatorSettings = OperatorSettings()
    alerts: AlertsSettings = AlertsSettings()
    dashboard: DashboardSection = DashboardSection()

    @field_validator("speed")
    @classmethod
    def _check_speed(cls, speed: float | str, info: ValidationInfo) -> float | str:
        if speed == MAX_SPEED and info.data.get("capture") is None:
            raise ValueError("the speed max needs a recording (--capture): other market data are in real time")
        if speed == MAX_SPEED and info.data.get("exchange_url") is not None:
            raise ValueError("the speed max runs its own exchange: remove the exchange's address (--exchange)")
        return speed

    @property
    def in_lockstep(self) -> bool:
        """Whether market time moves only while the system is idle."""
        return self.speed == MAX_SPEED
