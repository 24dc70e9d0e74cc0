"""The whole pipeline of a backtest on a recording: ``TRUEBOOK_BENCH_RECORDING=FOLDER``, model ``maker``, one pass.

Measured is ``run_backtest``: reading, books, observations, decisions, orders, matching and the ledger.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from bench.measure import Row, cpu_s
from truebook.backtest.run import Request, run_backtest
from truebook.runtime.settings import load
from truebook.simulation.recorded.queue import QueueModel
from truebook_services.cli.backtest import load_model
from truebook_services.embedded.backtest_settings import engine_settings
from truebook_services.embedded.settings import EmbeddedSettings

TARGET_PER_S: Final = 100_000
TURNS: Final = 3


def bench_pipeline(recording: Path) -> Row:
    settings = load(EmbeddedSettings, model="maker")
    model = load_model(settings, settings.model)
    request = Request(
        path=recording, settings=engine_settings(settings, recording), queues=(QueueModel.PESSIMISTIC,)
    )  # fmt: skip
    result = run_backtest(request, model)
    events, own = result.data.events, result.passes[0]
    per_s = 1 / cpu_s(lambda: run_backtest(request, model), events, TURNS)
    return Row(
        path=f"whole backtest of {events:,} events: {own.observations:,} observations, {len(own.orders):,} orders",
        ours=f"{per_s:,.0f} events/s", baseline="–", ratio="–", target=f"≥ {TARGET_PER_S:,} events/s",
        reached=per_s >= TARGET_PER_S,
    )  # fmt: skip
