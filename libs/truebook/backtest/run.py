"""Runs a backtest: one reading of a recording for all passes: each queue model, with each factor and latency."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Final

from truebook.backtest.collect import Collector
from truebook.backtest.engine.engine import Engine
from truebook.backtest.engine.undisturbed import feed_block
from truebook.backtest.engine.venue import Recorded
from truebook.backtest.result import BacktestResult, DataInfo, ModelInfo, VariantResult
from truebook.backtest.setups import Request, Setup, setups
from truebook.backtest.window import WindowedData, digest_of, read_window_blocks
from truebook.capture.delta_block import DeltaBlock
from truebook.models.recorded_use import RecordedUses
from truebook.models.session import Model
from truebook.simulation.recorded.queue import QueueModel

__all__ = ["Progress", "Request", "run_backtest"]

PROGRESS_EVERY: Final = 4_096
"""Events between two checks for an interruption."""
Progress = Callable[[int, int], bool]
"""Called with (events so far, exchange time) now and then; returns whether to go on."""


def run_backtest(
    request: Request, model: Model, progress: Progress = lambda events, at_us: True, *,
    uses: RecordedUses | None = None,
) -> BacktestResult:  # fmt: skip
    """Run all passes; the result is partial if ``progress`` ended it. Raises ``CaptureError``.

    With ``uses`` each pass switches between models as a run had; ``model`` is the first of them.
    """
    data = read_window_blocks(request.path, request.window)
    groups = [(setup, _passes(setup, request.queues, data)) for setup in setups(request, model, uses)]
    passes = [one for _, own in groups for one in own]
    reached_us, count, partial = _feed(passes, data.events, progress)
    (setup, own), *others = groups
    return BacktestResult(
        data=DataInfo(
            name=request.path.name, sha256=digest_of(request.path), from_us=data.start_us,
            to_us=reached_us if partial or request.window.to_us is None else request.window.to_us,
            reached_us=reached_us, markets=passes[0].tickers(), events=count,
        ),
        model=_model_info(model),
        settings=setup.described(),
        passes=tuple(one.result() for one in own),
        variants=tuple(
            VariantResult(settings=other.described(), passes=tuple(one.result().summary() for one in its))
            for other, its in others
        ),
        partial=partial,
    )  # fmt: skip


def _passes(setup: Setup, queues: Collection[QueueModel], data: WindowedData[Recorded | DeltaBlock]) -> list[Collector]:
    passes = []
    for queue in QueueModel:
        if queue in queues:
            passes.append(collector := Collector(queue, data.markets, data.others))
            engine = Engine(
                setup.settings, setup.model, data.markets, queue=queue, start_us=data.start_us, others=data.others,
                uses=setup.uses,
            )  # fmt: skip
            engine.passes_idle_time = True
            collector.attach(engine)
    return passes


def _feed(
    passes: Sequence[Collector], events: Iterable[tuple[int, Recorded | DeltaBlock]], progress: Progress
) -> tuple[int, int, bool]:  # fmt: skip
    """Feed every event to every pass; return the last event's time, their number, and whether that was interrupted."""
    engines = [one.engine for one in passes]
    reached_us, count, partial, next_check = 0, 0, False, PROGRESS_EVERY
    for at_us, event in events:
        if isinstance(event, DeltaBlock):
            for engine in engines:
                feed_block(engine, event)
            reached_us = event.at_us[-1]
            count += len(event)
        else:
            for engine in engines:
                engine.feed(at_us, event)
            reached_us = at_us
            count += 1
        if count >= next_check:
            next_check = count + PROGRESS_EVERY
            if not progress(count, reached_us):
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
