"""Settings of the embedded system: the common ones and a section per service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, ValidationInfo, field_validator

from truebook.runtime.settings import TruebookSettings
from truebook_services.execution.settings import ExecutionSettings
from truebook_services.fill_listener.settings import FillListenerSettings
from truebook_services.ingest.settings import IngestSettings, UniverseSettings
from truebook_services.observation.settings import ObservationSettings
from truebook_services.operator.settings import OperatorSettings
from truebook_services.paper_exchange.settings import PaperExchangeSettings
from truebook_services.policy.settings import PolicySettings
from truebook_services.reconciler.settings import ReconcilerSettings

TIER: Final = "premier"
"""Rate limits of the embedded exchange, and what the trader may use of them."""


MAX_SPEED: Final = "max"


class EmbeddedSettings(TruebookSettings):
    """What ``truebook run`` can be told; every field also as ``TRUEBOOK_…`` or in ``truebook.toml``."""

    for_s: float | None = Field(default=None, gt=0)
    """Length of the run in seconds; null runs until it is stopped."""
    model: str = "maker"
    """A shipped or registered model's name, or the path of an ONNX file."""
    capture: Path | None = None
    """A recorded session as market data."""
    speed: Annotated[float, Field(gt=0)] | Literal["max"] = 1.0
    """How many times as fast as it was recorded; ``max``: in lock-step, as fast as this machine can."""
    fresh: bool = False
    """Start with empty books instead of going on where the last run ended."""
    crash_at: str | None = None
    """For crash tests: LABEL[:COUNT], see ``serving/crash.py``."""

    # A private exchange: no reason to trade fewer markets or slower than it allows, nor to stay away from their close.
    paper_exchange: PaperExchangeSettings = PaperExchangeSettings(tier=TIER)
    ingest: IngestSettings = IngestSettings(universe=UniverseSettings(most_markets=1_000, least_time_to_close_s=10))
    observation: ObservationSettings = ObservationSettings()
    policy: PolicySettings = PolicySettings()
    execution: ExecutionSettings = ExecutionSettings(tier=TIER, near_close_s=5)
    fill_listener: FillListenerSettings = FillListenerSettings()
    reconciler: ReconcilerSettings = ReconcilerSettings()
    operator: OperatorSettings = OperatorSettings()

    @field_validator("speed")
    @classmethod
    def _check_speed(cls, speed: float | str, info: ValidationInfo) -> float | str:
        if speed == MAX_SPEED and info.data.get("capture") is None:
            raise ValueError("the speed max needs a recording (--capture): other markets run in real time")
        if speed == MAX_SPEED and info.data.get("exchange_url") is not None:
            raise ValueError("the speed max runs its own exchange: leave the exchange's address (--exchange) away")
        return speed

    @property
    def in_lockstep(self) -> bool:
        """Whether market time moves only while the system is idle."""
        return self.speed == MAX_SPEED
