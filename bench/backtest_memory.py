"""Memory of a backtest over a long recording: changes of one market, made block by block, through engine and result.

``TRUEBOOK_BENCH_EVENTS=50000000`` sets their number, and by that turns it on: 50 million take minutes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from bench.measure import Row, peak_mb
from truebook.backtest.collect import Collector
from truebook.backtest.engine.engine import Engine
from truebook.backtest.engine.undisturbed import feed_block
from truebook.capture.delta_block import MAX_ROWS, DeltaBlock
from truebook.kalshi.port import SnapshotFrame
from truebook.messages.market_metadata import LINEAR_CENT, FeeType, MarketMetadata, MarketStatus
from truebook.models.pointer import BUNDLED
from truebook.models.session import load_model
from truebook.runtime.settings import load
from truebook.simulation.recorded.queue import QueueModel
from truebook_services.embedded.backtest_settings import engine_settings
from truebook_services.embedded.settings import EmbeddedSettings

START_US: Final = 1_764_000_000_000_000
EVERY_US: Final = 1_000
LIMIT_MB: Final = 500
TICKER: Final = "KXBENCH-1"
DEPTH: Final = 5


def bench_memory(events: int) -> Row:
    """Run the maker over so many events, a thousand a second; the result is the process's highest memory."""
    market = MarketMetadata(
        ticker=TICKER, event="KXBENCH", series="KXBENCH", status=MarketStatus.ACTIVE, open_us=START_US - 10**9,
        close_us=START_US + 10**12, price_ranges=LINEAR_CENT, fee_type=FeeType.QUADRATIC_WITH_MAKER_FEES,
        fee_multiplier_ppm=1_000_000, exclusive=False,
    )  # fmt: skip
    engine = Engine(
        engine_settings(load(EmbeddedSettings), Path("made")), load_model(BUNDLED / "maker.onnx"), (market,),
        queue=QueueModel.PESSIMISTIC, start_us=START_US,
    )  # fmt: skip
    collector = Collector(QueueModel.PESSIMISTIC, (market,))
    collector.attach(engine)
    bids = tuple((4_500 - 100 * number, 50_000) for number in range(DEPTH))
    asks = tuple((5_500 + 100 * number, 50_000) for number in range(DEPTH))
    engine.feed(
        START_US,
        SnapshotFrame(
            sid=None, seq=None, received_us=START_US, ticker=TICKER, bids=bids, asks=asks, exchange_us=None
        ),
    )  # fmt: skip
    half_mb = 0.0
    for first in range(1, events + 1, MAX_ROWS):
        feed_block(engine, _block(first, min(MAX_ROWS, events + 1 - first)))
        if not half_mb and first > events // 2:
            half_mb = peak_mb()
    engine.finish()
    orders = len(collector.result().orders)
    mb = peak_mb()
    return Row(
        path=f"memory of a backtest of {events:,} generated events, {orders:,} orders kept for the result",
        ours=f"{mb:,.0f} MB, {half_mb:,.0f} MB after half of them", baseline="–", ratio="–",
        target=f"< {LIMIT_MB} MB", reached=mb < LIMIT_MB,
    )  # fmt: skip


def _block(first: int, count: int) -> DeltaBlock:
    """Let sizes of the levels beside the best grow and shrink in turn."""
    numbers = range(first, first + count)
    at_us = [START_US + number * EVERY_US for number in numbers]
    level_cc = [(4_400 - 100 * (number // 2 % 3)) if number % 4 < 2 else -5_700 for number in numbers]
    delta_centi = [100 if number // 12 % 2 else -100 for number in numbers]
    changes = list(zip(level_cc, delta_centi, strict=True))
    return DeltaBlock(
        ticker=TICKER, at_us=at_us, exchange_us=at_us, level_cc=level_cc, delta_centi=delta_centi,
        grown_bid_cc=[level if level > 0 and delta > 0 else 0 for level, delta in changes],
        grown_ask_cc=[level if level < 0 and delta > 0 else -10_000 for level, delta in changes],
    )  # fmt: skip
