"""What the passes of one reading trade with: the settings as requested, then other sizes and other latencies."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from truebook.backtest.engine.settings import EngineSettings
from truebook.backtest.result import BacktestSettings
from truebook.backtest.window import Window
from truebook.models.recorded_use import RecordedUses
from truebook.models.session import Model
from truebook.simulation.latency import Latency
from truebook.simulation.recorded.queue import QueueModel

PPM: Final = 1_000_000


class NamedLatency(msgspec.Struct, frozen=True):
    """A latency and the name that the result gives it."""

    name: str
    latency: Latency


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be run on a recording."""

    path: Path
    settings: EngineSettings
    queues: tuple[QueueModel, ...] = tuple(QueueModel)
    window: Window = Window()
    latency: str = ""
    """Name of the latency profile, for the result."""
    sizes_ppm: tuple[int, ...] = ()
    """Further factors of the model's sizes and of the cash, in millionths."""
    latencies: tuple[NamedLatency, ...] = ()
    """Further latencies."""


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """What one group of passes trades with."""

    settings: EngineSettings
    model: Model
    uses: RecordedUses | None = None
    """In place of ``model``: the models that had decided in a run, by its history."""
    size_ppm: int = PPM
    latency: str = ""

    def described(self) -> BacktestSettings:
        """Return the settings for the result."""
        settings, latency = self.settings, self.settings.latency
        return BacktestSettings(
            seed=latency.seed, balance_micros=settings.balance_micros, order_latency_us=latency.order_us,
            cancel_latency_us=latency.cancel_us, jitter_us=latency.jitter_us,
            throttle_us=settings.observation.throttle_us,
            order_lifetime_us=settings.execution.durations.order_lifetime_us, size_ppm=self.size_ppm,
            latency=self.latency,
        )  # fmt: skip


def setups(request: Request, model: Model, uses: RecordedUses | None = None) -> Iterator[Setup]:
    """Yield the requested settings first, then each factor and each latency that differs from them."""
    own = request.settings
    yield Setup(settings=own, model=model, uses=uses, latency=request.latency)
    for size_ppm in dict.fromkeys(request.sizes_ppm):
        if size_ppm != PPM:
            settings = msgspec.structs.replace(own, balance_micros=own.balance_micros * size_ppm // PPM)
            changed = partial(scaled, size_ppm=size_ppm)
            yield Setup(
                settings=settings, model=changed(model), uses=None if uses is None else uses.changed(changed),
                size_ppm=size_ppm, latency=request.latency,
            )  # fmt: skip
    seen = [own.latency]
    for named in request.latencies:
        if named.latency not in seen:
            seen.append(named.latency)
            settings = msgspec.structs.replace(own, latency=named.latency)
            yield Setup(settings=settings, model=model, uses=uses, latency=named.name)


def scaled(model: Model, size_ppm: int) -> Model:
    """Return the model with its sizes and its largest position multiplied, in hundredths of a contract.

    The cash of the account is to be multiplied too: else it limits the orders before the market does.
    """
    found = copy.copy(model)
    metadata, largest = model.metadata, model.metadata.max_position_centi
    found.metadata = msgspec.structs.replace(
        metadata,
        sizes_centi=tuple(size * size_ppm // PPM for size in metadata.sizes_centi),
        max_position_centi=None if largest is None else largest * size_ppm // PPM,
    )
    return found
