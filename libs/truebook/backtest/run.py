"""Runs a backtest: one reading of a recording for all queue models, which are the error band of the result."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

import msgspec

from truebook.backtest.collect import Collector
from truebook.backtest.engine.engine import Engine
from truebook.backtest.engine.settings import EngineSettings
from truebook.backtest.engine.venue import Recorded
from truebook.backtest.result import BacktestResult, BacktestSettings, DataInfo, ModelInfo
from truebook.backtest.window import Window, digest_of, read_window
from truebook.messages.market_metadata import MarketMetadata
from truebook.models.session import Model
from truebook.simulation.recorded.queue import QueueModel

PROGRESS_EVERY: Final = 4_096
"""Events between two checks for an interruption."""
Progress = Callable[[int, int], bool]
"""Called with (events so far, exchange time) now and then; returns whether to go on."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What is to be run on a recording."""

    path: Path
    settings: EngineSettings
    queues: tuple[QueueModel, ...] = tuple(QueueModel)
    window: Window = Window()
    latency: str = ""
    """Name of the latency profile, for the result."""


def run_backtest(request: Request, model: Model, progress: Progress = lambda events, at_us: True) -> BacktestResult:
    """Run all passes; the result is partial if ``progress`` ended it. Raises ``CaptureError``."""
    data = read_window(request.path, request.window)
    passes = _passes(request, model, data.markets, data.start_us)
    reached_us, count, partial = _feed(passes, data.events, progress)
    tickers = sorted({one.ticker for one in passes[0].engine.exchange.queries.markets()})
    return BacktestResult(
        data=DataInfo(
            name=request.path.name, sha256=digest_of(request.path), from_us=data.start_us,
            to_us=request.window.to_us if partial and request.window.to_us is not None else reached_us,
            reached_us=reached_us, markets=tuple(tickers), events=count,
        ),
        model=_model_info(model),
        settings=_settings(request),
        passes=tuple(one.result() for one in passes),
        partial=partial,
    )  # fmt: skip


def _passes(
    request: Request, model: Model, markets: Sequence[MarketMetadata], start_us: int
) -> list[Collector]:  # fmt: skip
    outcomes = {one.ticker: one.settlement_cc for one in markets if one.settlement_cc is not None}
    passes = []
    for queue in QueueModel:
        if queue in request.queues:
            passes.append(collector := Collector(queue, outcomes))
            collector.attach(Engine(request.settings, model, markets, queue=queue, start_us=start_us))
    return passes


def _feed(
    passes: Sequence[Collector], events: Iterable[tuple[int, Recorded]], progress: Progress
) -> tuple[int, int, bool]:  # fmt: skip
    """Feed every event to every pass; return the last event's time, their number, and whether that was interrupted."""
    feeds = [one.engine.feed for one in passes]
    reached_us, count, partial = 0, 0, False
    for at_us, event in events:
        for feed in feeds:
            feed(at_us, event)
        reached_us = at_us
        count += 1
        if not count % PROGRESS_EVERY and not progress(count, at_us):
            partial = True
            break
    for one in passes:
        one.engine.finish()
    return reached_us, count, partial


def _model_info(model: Model) -> ModelInfo:
    metadata = model.metadata
    return ModelInfo(
        name=metadata.name, sha256=metadata.sha256, layout=metadata.layout, layout_hash=metadata.layout_hash,
        output=metadata.output, trained=metadata.trained,
    )  # fmt: skip


def _settings(request: Request) -> BacktestSettings:
    settings = request.settings
    latency = settings.latency
    return BacktestSettings(
        seed=latency.seed, balance_micros=settings.balance_micros, order_latency_us=latency.order_us,
        cancel_latency_us=latency.cancel_us, jitter_us=latency.jitter_us,
        throttle_us=settings.observation.throttle_us,
        order_lifetime_us=settings.execution.durations.order_lifetime_us, latency=request.latency,
    )  # fmt: skip
