"""The services' settings of a seed: each seed draws its own timeouts and rates, within what an operator may set."""

from __future__ import annotations

from random import Random

import msgspec

from truebook_services.execution.settings import ExecutionSettings
from truebook_services.ingest.settings import IngestSettings, UniverseSettings
from truebook_services.observation.settings import ObservationSettings
from truebook_services.reconciler.settings import LimitsSettings, ReconcilerSettings, TreasurerSettings

SHARDS = ("2:SIMCUP", "3:SIMRATE+SIMFLASH")
SHARDED_SHARE = 0.35


class DrawnSettings(msgspec.Struct, frozen=True):
    """The services' settings; ``is_skewed``: execution's machine has its own clock, off by ``skew_us``."""

    ingest: IngestSettings
    observation: ObservationSettings
    execution: ExecutionSettings
    limits: LimitsSettings
    reconciler: ReconcilerSettings
    shards: tuple[str, ...]
    """Further shards of the exchange; with them the treasurer moves cash, and many of its requests fail."""
    skew_us: int
    is_skewed: bool
    is_jittery: bool
    """Bus and ledger delay each call, so that the services' steps interleave in other ways."""


def draw(seed: int) -> DrawnSettings:
    """Draw the settings of a seed."""
    random = Random(f"{seed}:drawn")
    return DrawnSettings(
        ingest=IngestSettings(
            universe=UniverseSettings(max_markets=100, min_time_to_close_s=10), linger_ms=20, watch_s=0.5
        ),
        observation=ObservationSettings(throttle_ms=random.choice((500, 1_000, 2_000)), release_ms=250),
        execution=ExecutionSettings(
            tier="premier",
            near_close_s=random.choice((0, 5, 30)),
            order_lifetime_s=random.choice((3, 8, 20)),
            send_timeout_s=random.choice((1, 3)),
            price_tolerance_cc=random.choice((0, 0, 100)),
            min_remaining_share=random.choice((0.2, 0.5, 1.0)),
            max_concurrent_markets=random.choice((1, 3, 32)),
        ),
        limits=_limits(Random(f"{seed}:limits")),
        shards=SHARDS if is_sharded(seed) else (),
        reconciler=ReconcilerSettings(treasurer=_treasurer(Random(f"{seed}:treasurer"), is_on=is_sharded(seed))),
        skew_us=random.randint(-4_000_000, 4_000_000),
        is_skewed=random.random() < 0.4,
        is_jittery=random.random() < 0.3,
    )


def is_sharded(seed: int) -> bool:
    """Return whether the exchange of a seed has several shards."""
    return Random(f"{seed}:shards").random() < SHARDED_SHARE


def _treasurer(random: Random, *, is_on: bool) -> TreasurerSettings:
    return TreasurerSettings(
        enabled=is_on, shares=random.choice(((), ("0:40", "2:30", "3:30"))),
        max_transfer_micros=random.choice((40_000_000, 150_000_000)), max_day_micros=2_000_000_000,
    )  # fmt: skip


def _limits(random: Random) -> LimitsSettings:
    """Draw limits of losses that no run reaches, so that its equity is marked; or none."""
    micros = random.choice((None, 10**13))
    return LimitsSettings(daily_loss_micros=micros, drawdown_micros=micros)
