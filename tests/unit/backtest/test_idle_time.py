"""Time in which nothing happens is passed over, with the result that going through it gives."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from support.spaced_recordings import make_spaced_recording
from truebook.backtest.collect import Collector
from truebook.backtest.engine.engine import Engine
from truebook.backtest.engine.settings import EngineSettings
from truebook.backtest.result import PassResult
from truebook.backtest.window import Window, read_window
from truebook.ledger.verbs import Limits
from truebook.models.pointer import BUNDLED
from truebook.models.session import load_model
from truebook.runtime.settings import load
from truebook.simulation.recorded.queue import QueueModel
from truebook_services.embedded.backtest_settings import engine_settings
from truebook_services.embedded.settings import EmbeddedSettings

QUEUE = QueueModel.OPTIMISTIC


class Ran(msgspec.Struct):
    result: PassResult
    ledger: bytes
    seq: int
    instants: int


def run(path: Path, change: Callable[[EngineSettings], EngineSettings], *, is_passed: bool = True) -> Ran:
    data = read_window(path, Window())
    settings = change(engine_settings(load(EmbeddedSettings), path))
    model = load_model(BUNDLED / "maker.onnx")
    engine = Engine(settings, model, data.markets, queue=QUEUE, start_us=data.start_us)
    engine.passes_idle_time = is_passed
    collector, instants, step = Collector(QUEUE, data.markets), [0], engine.venue.step

    def counted(batch, now_us):  # type: ignore[no-untyped-def]
        instants[0] += 1
        return step(batch, now_us)

    engine.venue.step = counted  # type: ignore[method-assign]
    collector.attach(engine)
    for at_us, event in data.events:
        engine.feed(at_us, event)
    engine.finish()
    return Ran(collector.result(), bytes(engine.ledger.saved_state()), engine.ledger.seq, instants[0])


def pruned_soon(settings: EngineSettings) -> EngineSettings:
    return msgspec.structs.replace(
        settings, limits=Limits(drawdown_micros=10**12), mark_us=7_000_000, prune_us=90_000_000, retention_us=60_000_000
    )


def watched_oddly(settings: EngineSettings) -> EngineSettings:
    """Intervals that share no multiple with each other soon."""
    data = msgspec.structs.replace(settings.data, watch_us=370_000, refresh_s=11.0, snapshot_us=1_900_000)
    return msgspec.structs.replace(settings, data=data)


@pytest.mark.parametrize("change", [pruned_soon, watched_oddly], ids=["pruned soon", "odd intervals"])
def test_passing_over_idle_time_gives_the_same_result(
    tmp_path: Path, change: Callable[[EngineSettings], EngineSettings]
) -> None:
    made = make_spaced_recording(tmp_path / "made", seed=3, markets=4, open_s=25, every_s=700)
    passed, gone_through = run(made, change), run(made, change, is_passed=False)
    assert passed.result == gone_through.result
    assert (passed.seq, passed.ledger) == (gone_through.seq, gone_through.ledger)
    assert passed.instants < gone_through.instants * 0.7
    assert len(passed.result.fills) > 20
    assert passed.result.refusals["market_not_trading"] > 300


def test_a_market_that_is_quoted_is_not_passed_over(tmp_path: Path) -> None:
    """Without events its book is confirmed all the time, so that it is observed and traded."""
    made = make_spaced_recording(tmp_path / "made", seed=3, markets=1, open_s=120, every_s=200)
    last_us = max(order.created_us for order in run(made, lambda settings: settings).result.orders)
    metadata = read_window(made, Window()).markets[0]
    assert last_us > metadata.close_us - 20_000_000
