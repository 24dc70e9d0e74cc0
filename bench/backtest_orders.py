"""The order path of a backtest: from a decision to the order that is acknowledged in the ledger, and its cancel.

Every 300 ms one level changes, the market is observed, and the decision quotes on one side, at another price every
second time: the order before is cancelled, then the next one is reserved, sent, matched and acknowledged. The same
events with decisions of no action are subtracted. The peer does the same with its cash account: ``nautilus_orders``.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from bench.measure import Row, micros, no_collection
from truebook.backtest.engine.engine import Engine
from truebook.backtest.engine.settings import Outside
from truebook.decision.decide import Decision
from truebook.features.layout import layout
from truebook.kalshi.port import DeltaFrame, SnapshotFrame
from truebook.messages.actions import OmittedSides, Target
from truebook.messages.envelope import BookSide
from truebook.messages.market_metadata import LINEAR_CENT, FeeType, MarketMetadata, MarketStatus
from truebook.runtime.settings import load
from truebook.simulation.latency import Latency
from truebook.simulation.recorded.queue import QueueModel
from truebook_services.embedded.backtest_settings import engine_settings
from truebook_services.embedded.settings import EmbeddedSettings

PEER: Final = Path(__file__).parent / "nautilus_orders.py"
STEPS: Final = 4_000
START_US: Final = 1_764_000_000_000_000
STEP_US: Final = 300_000
TARGET: Final = 0.5
TICKER: Final = "KXBENCH-1"


def bench_orders(nautilus: str | None, turns: int = 3) -> Row:
    """Measure the path per order; ``nautilus`` names an interpreter that has the peer."""
    times = sorted(_ours() for _ in range(turns))
    ours_s = times[turns // 2]
    path = "backtest: a decision to the acknowledged order, ledger included, and the cancel of the one before"
    target = f"≤ {TARGET} ×"
    if not nautilus:
        return Row(path=path, ours=micros(ours_s), baseline="–", ratio="–", target=target, reached=None)
    theirs = sorted(_peer(nautilus) for _ in range(turns))[turns // 2]
    ratio = ours_s / theirs
    return Row(
        path=path, ours=micros(ours_s), baseline=f"{micros(theirs)} (nautilus_trader)", ratio=f"{ratio:.2f} ×",
        target=target, reached=ratio <= TARGET,
    )  # fmt: skip


def _ours() -> float:
    with_s, orders = _run(True)
    without_s, _ = _run(False)
    return (with_s - without_s) / orders


def _run(is_trading: bool) -> tuple[float, int]:
    """Return the CPU seconds of a pass, and the number of its orders."""
    settings = msgspec.structs.replace(
        engine_settings(load(EmbeddedSettings), Path("none")), latency=Latency(order_us=1_000, cancel_us=1_000, seed=1)
    )
    market = MarketMetadata(
        ticker=TICKER, event="KXBENCH", series="KXBENCH", status=MarketStatus.ACTIVE, open_us=START_US - 10**9,
        close_us=START_US + 10**11, price_ranges=LINEAR_CENT, fee_type=FeeType.QUADRATIC_WITH_MAKER_FEES,
        fee_multiplier_ppm=1_000_000, exclusive=False,
    )  # fmt: skip
    engine = Engine(
        settings, Outside(layout("m1"), "bench"), (market,), queue=QueueModel.PESSIMISTIC, start_us=START_US
    )
    book = SnapshotFrame(
        sid=None, seq=None, received_us=START_US, ticker=TICKER, bids=((4_000, 50_000),), asks=((6_000, 50_000),),
        exchange_us=None,
    )  # fmt: skip
    changes = [
        DeltaFrame(
            sid=None, seq=None, received_us=START_US + number * STEP_US, ticker=TICKER, book_side=BookSide.BID,
            price_cc=3_900, delta_centi=100, exchange_us=None,
        )
        for number in range(1, STEPS + 1)
    ]  # fmt: skip
    with no_collection():
        began_s = time.thread_time()
        for event in (book, *changes):
            for batch in engine.undecided(event.received_us, event):
                engine.act(batch, [_decision(engine.decisions, is_trading)] * len(batch))
        spent_s = time.thread_time() - began_s
    return spent_s, engine.trader.outcomes["acknowledged"]


def _decision(number: int, is_trading: bool) -> Decision:
    """Quote a bid for two observations each at another price: the first one cancels, the second one sends."""
    if not is_trading:
        return Decision()
    target = Target(book_side=BookSide.BID, price_cc=3_000 + number // 2 % 2 * 100, size_centi=100)
    return Decision(targets=(target,), omitted_sides=OmittedSides.CANCEL)


def _peer(interpreter: str) -> float:
    rows = np.array(
        [
            ((START_US + number * STEP_US) * 1_000, 1, 3_900, 0 if not number else 100 * number, 100 * (number + 1))
            for number in range(STEPS)
        ],
        np.int64,
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "deltas.npy")
        np.save(path, rows)
        command = [interpreter, "-W", "ignore", str(PEER), str(path), str(STEPS)]
        run = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": ""})
    found = json.loads(run.stdout.splitlines()[-1])
    return float(found["with_s"] - found["without_s"]) / float(found["orders"])
