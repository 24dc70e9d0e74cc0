"""The settings of a seed's services: each seed has its own pace and patience, within what an operator may set."""

from __future__ import annotations

from random import Random

import msgspec

from truebook_services.execution.settings import ExecutionSettings
from truebook_services.ingest.settings import IngestSettings, UniverseSettings
from truebook_services.observation.settings import ObservationSettings


class Habits(msgspec.Struct, frozen=True):
    """What the services are told; ``is_skewed``: execution's machine has a clock of its own, ``skew_us`` off."""

    ingest: IngestSettings
    observation: ObservationSettings
    execution: ExecutionSettings
    skew_us: int
    is_skewed: bool
    is_jittery: bool
    """Bus and ledger take their time with each call, so that the services' steps interleave in other ways."""


def draw(seed: int) -> Habits:
    """Draw a seed's habits."""
    random = Random(f"{seed}:habits")
    return Habits(
        ingest=IngestSettings(
            universe=UniverseSettings(most_markets=100, least_time_to_close_s=10), gather_ms=20, watch_s=0.5
        ),
        observation=ObservationSettings(throttle_ms=random.choice((500, 1_000, 2_000)), release_ms=250),
        execution=ExecutionSettings(
            tier="premier",
            near_close_s=random.choice((0, 5, 30)),
            order_life_s=random.choice((3, 8, 20)),
            send_timeout_s=random.choice((1, 3)),
            price_tolerance_cc=random.choice((0, 0, 100)),
            keep_share=random.choice((0.2, 0.5, 1.0)),
            most_markets_at_once=random.choice((1, 3, 32)),
        ),
        skew_us=random.randint(-4_000_000, 4_000_000),
        is_skewed=random.random() < 0.4,
        is_jittery=random.random() < 0.3,
    )
