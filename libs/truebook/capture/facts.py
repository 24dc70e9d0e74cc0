"""What is known about the markets of a recording: told by its ``markets.jsonl``, or assumed for a bare file.

Assumed facts say so, field by field: event and series are cut from the ticker, the fee is the standard one, the grid
is whole cents unless the frames show finer prices, and the close lies far behind the recording's end.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from truebook.capture.manifest import MARKETS, CaptureError, checked_file, read_manifest
from truebook.capture.reader import CapturedFrame, read_capture
from truebook.clock import MICROS
from truebook.kalshi.frames import decode_frame
from truebook.kalshi.port import DeltaFrame, FrameError, SnapshotFrame, TradeFrame
from truebook.messages.facts import LINEAR_CENT, FeeType, MarketFacts, MarketStatus, PriceRange

CLOSES_AFTER_END_US: Final = 30 * 86_400 * MICROS
ASSUMED: Final = (
    "event", "series", "status", "open_us", "close_us", "price_ranges", "fee_type", "fee_multiplier_ppm", "exclusive",
    "binary",
)  # fmt: skip
_STANDARD_MULTIPLIER_PPM: Final = 1_000_000


def capture_facts(path: Path) -> tuple[MarketFacts, ...]:
    """Give the facts of every market in a recording, by ticker; raises ``CaptureError``.

    A bare file, or a folder whose recorder wrote no markets, is read through once to assume them.
    """
    told = _recorded_facts(path) if path.is_dir() else ()
    return told or assume_facts(read_capture(path))


def assume_facts(frames: Iterable[CapturedFrame]) -> tuple[MarketFacts, ...]:
    """Assume facts for every ticker whose book or trades are in the frames. Unreadable frames tell nothing."""
    steps: dict[str, int] = {}
    first_us = last_us = None
    for frame in frames:
        first_us = frame.at_us if first_us is None else first_us
        last_us = frame.at_us
        try:
            event = decode_frame(frame.text, 0, use_yes_price=frame.use_yes_price)
        except FrameError:
            continue
        if isinstance(event, SnapshotFrame):
            prices = [price_cc for price_cc, _ in (*event.bids, *event.asks)]
        elif isinstance(event, DeltaFrame | TradeFrame):
            prices = [event.price_cc]
        else:
            continue
        steps[event.ticker] = min(steps.get(event.ticker, 100), *map(_step, prices), 100)
    if first_us is None or last_us is None:
        return ()
    return tuple(_assumed(ticker, step, first_us, last_us) for ticker, step in sorted(steps.items()))


def _step(price_cc: int) -> int:
    """The coarsest of the exchange's steps (1 cent, 0.1 cent, 0.01 cent) whose grid holds a price."""
    return next(step for step in (100, 10, 1) if price_cc % step == 0)


def _assumed(ticker: str, step_cc: int, first_us: int, last_us: int) -> MarketFacts:
    event = ticker.rpartition("-")[0] or ticker
    return MarketFacts(
        ticker=ticker,
        event=event,
        series=ticker.partition("-")[0],
        status=MarketStatus.ACTIVE,
        open_us=first_us,
        close_us=last_us + CLOSES_AFTER_END_US,
        price_ranges=LINEAR_CENT if step_cc == 100 else (PriceRange(0, 10_000, step_cc),),
        fee_type=FeeType.QUADRATIC,
        fee_multiplier_ppm=_STANDARD_MULTIPLIER_PPM,
        exclusive=False,
        assumed=ASSUMED,
    )


def _recorded_facts(folder: Path) -> tuple[MarketFacts, ...]:
    manifest = read_manifest(folder)
    entry = manifest.files.get(MARKETS)
    if entry is None:
        return ()
    path = checked_file(folder, MARKETS, entry)
    facts = []
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            facts.append(msgspec.json.decode(line, type=MarketFacts))
        except msgspec.DecodeError as error:
            raise CaptureError(f"{path}, line {number}: not the facts of a market: {error}; record again") from error
    return tuple(sorted(facts, key=lambda one: one.ticker))
