"""Made markets with known laws, to test what learns: without an edge no policy may profit, with one a policy should.

The mid price moves by a tick at each step, up or down, until it is near 0 or 1; the outcome is drawn with the last mid
price as its probability. Without an edge it is a martingale. Each move is caused by a taker. He takes the whole best
level, by a trade that is paired with the level's decrease, and as much again from orders that were not shown, by a
trade without one, so that our order at that price is filled. The new mid price is the price of both (Glosten and
Milgrom 1985: the price after a trade contains what the trade reveals). So neither side of the spread has an expected
profit before fees.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import numpy as np

from truebook.backtest.engine.venue import Recorded
from truebook.capture.columnar.writer import ColumnarWriter
from truebook.capture.event_types import CapturedEvent
from truebook.gym.tapes import Tape
from truebook.kalshi.port import DeltaFrame, LifecycleFrame, SnapshotFrame, TradeFrame
from truebook.messages.envelope import BookSide, Source
from truebook.messages.market_metadata import LINEAR_CENT, FeeType, MarketMetadata, MarketStatus

TICK_CC: Final = 100
LOW_CC: Final = 400
HIGH_CC: Final = 9_600
"""The mid price rests where it is beyond these."""
START_US: Final = 1_790_000_000_000_000
CLOSES_AFTER_US: Final = 6_000_000
"""Time from the last move to the close."""
OPENS_BEFORE_US: Final = 3_600_000_000
SIZES_CENTI: Final = (10_000, 30_000)
"""Size of a level; the larger one is on the side that the edge pushes."""
_BID, _ASK = BookSide.BID, BookSide.ASK
_NO_IDS: Final[dict[str, Any]] = {"sid": None, "seq": None, "received_us": 0}


class MadeMarkets(msgspec.Struct, frozen=True, kw_only=True):
    """Draws a market an episode. The options of ``reset`` are not used."""

    steps: int = 60
    step_us: int = 1_000_000
    edge: float = 0.0
    """How much more often the price moves to the side whose level is larger: P(up) = (1 ± edge) / 2. With 0 the sizes
    mean nothing."""

    def draw(self, generator: np.random.Generator, options: Mapping[str, Any]) -> Tape:
        del options
        return self.tape(generator)

    def tape(self, generator: np.random.Generator, number: int = 0) -> Tape:
        """Return the market of that number; a later one begins after the one before has settled."""
        start_us = START_US + number * (self.steps * self.step_us + 2 * CLOSES_AFTER_US)
        metadata = MarketMetadata(
            ticker=f"MADE-{number}", event=f"MADE-{number}", series="MADE", status=MarketStatus.ACTIVE,
            open_us=start_us - OPENS_BEFORE_US, close_us=start_us + self.steps * self.step_us + CLOSES_AFTER_US,
            price_ranges=LINEAR_CENT, fee_type=FeeType.QUADRATIC, fee_multiplier_ppm=1_000_000, exclusive=False,
        )  # fmt: skip
        return Tape((metadata,), list(self._events(generator, metadata, start_us)))

    def _events(
        self, generator: np.random.Generator, market: MarketMetadata, start_us: int
    ) -> Iterator[tuple[int, Recorded]]:
        mid_cc, is_pushed_up = 100 * int(generator.integers(30, 71)), bool(generator.random() < 0.5)
        sizes = SIZES_CENTI if is_pushed_up else SIZES_CENTI[::-1]
        ask_centi, bid_centi = sizes
        yield start_us, SnapshotFrame(
            **_NO_IDS, ticker=market.ticker, exchange_us=start_us,
            bids=tuple((mid_cc - k * TICK_CC, bid_centi) for k in range(1, mid_cc // TICK_CC)),
            asks=tuple((mid_cc + k * TICK_CC, ask_centi) for k in range(1, (10_000 - mid_cc) // TICK_CC)),
        )  # fmt: skip
        p_up = (1 + (self.edge if is_pushed_up else -self.edge)) / 2
        for step in range(1, self.steps + 1):
            at_us, is_up = start_us + step * self.step_us, bool(generator.random() < p_up)
            if not LOW_CC <= mid_cc <= HIGH_CC:
                continue
            yield from ((at_us, event) for event in _move(market.ticker, at_us, mid_cc, is_up, (bid_centi, ask_centi)))
            mid_cc += TICK_CC if is_up else -TICK_CC
        outcome_cc = 10_000 if generator.random() < mid_cc / 10_000 else 0
        yield market.close_us + 1_000_000, LifecycleFrame(
            **_NO_IDS, ticker=market.ticker, event_type="determined", close_us=None, settlement_cc=outcome_cc,
            status=MarketStatus.CLOSED,
        )  # fmt: skip


def record(made: MadeMarkets, folder: Path, *, markets: int, seed: int) -> None:
    """Write so many markets, one after the other, as a recording that a backtest reads; needs ``truebook[research]``.

    Raises ``CaptureError`` if the folder exists.
    """
    generator = np.random.default_rng(seed)
    tapes = [made.tape(generator, number) for number in range(markets)]
    with ColumnarWriter(folder, source=Source.SIMULATED, imported_from="made markets") as writer:
        for tape in tapes:
            for at_us, event in tape.events:
                writer.add(CapturedEvent(at_us, 0, event))
        writer.finish(one for tape in tapes for one in tape.markets)


def _move(ticker: str, at_us: int, mid_cc: int, is_up: bool, sizes: tuple[int, int]) -> Iterator[Recorded]:
    """One tick: two trades take the best level and what was hidden there; the other side gets a new best level."""
    bid_centi, ask_centi = sizes
    sign, hit, other = (1, _ASK, _BID) if is_up else (-1, _BID, _ASK)
    hit_centi, other_centi = (ask_centi, bid_centi) if is_up else (bid_centi, ask_centi)
    trade_cc = mid_cc + sign * TICK_CC
    for name in ("shown", "hidden"):
        yield TradeFrame(
            **_NO_IDS, ticker=ticker, trade_id=f"{ticker}-{at_us}-{name}", price_cc=trade_cc, size_centi=hit_centi,
            taker_side=other, exchange_us=at_us,
        )  # fmt: skip
    yield DeltaFrame(
        **_NO_IDS, ticker=ticker, book_side=hit, price_cc=trade_cc, delta_centi=-hit_centi, exchange_us=at_us
    )  # fmt: skip
    yield DeltaFrame(
        **_NO_IDS, ticker=ticker, book_side=other, price_cc=mid_cc, delta_centi=other_centi, exchange_us=at_us
    )  # fmt: skip
