"""Made recordings of markets that are traded one after another, with idle time between them."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Final

import msgspec

from support.varied_recordings import DAY_US, MICROS, START_US, Market, VariedRecorder
from truebook.messages.market_metadata import LINEAR_CENT, FeeType, MarketMetadata, MarketStatus
from truebook.money import ONE_DOLLAR_CC

OUTCOMES: Final = (ONE_DOLLAR_CC, None, 0)
"""Of the markets in turn; None: the data end without it."""


class SpacedRecorder(VariedRecorder):
    """Writes one recording; each market opens when the one before has been closed for a while."""

    def __init__(self, folder: Path, *, seed: int, markets: int, open_s: int, every_s: int) -> None:
        self._open_us, self._every_us = open_s * MICROS, every_s * MICROS
        super().__init__(folder, seed=seed, seconds=markets * every_s, events=markets, are_odd=False)

    def _markets(self, seed: int, events: int, seconds: float) -> list[Market]:
        return [self._market(f"KXSPACED{seed}-E{number}", number) for number in range(events)]

    def _market(self, event: str, number: int) -> Market:
        open_us = START_US + number * self._every_us
        metadata = MarketMetadata(
            ticker=f"{event}-T", event=event, series="KXSPACED", status=MarketStatus.ACTIVE, open_us=open_us,
            close_us=open_us + self._open_us, price_ranges=LINEAR_CENT, fee_type=FeeType.QUADRATIC_WITH_MAKER_FEES,
            fee_multiplier_ppm=MICROS, exclusive=False, settlement_cc=OUTCOMES[number % len(OUTCOMES)],
        )  # fmt: skip
        if not number:
            metadata = msgspec.structs.replace(metadata, open_us=START_US - DAY_US)
        return Market(metadata, 5_000, random.Random(f"{event}:{number}"))

    def write(self) -> None:
        """Write the frames of all markets."""
        every = list(self.markets.values())
        with self.writer as writer:
            writer.add_markets([one.metadata for one in every])
            for market in every:
                self.markets = {market.metadata.ticker: market}
                end_us = market.metadata.close_us - 3 * MICROS
                self.now_us = market.metadata.close_us - self._open_us + MICROS
                self._snapshot(market.metadata.ticker)
                while (now_us := self.now_us + self._pause_us()) < end_us:
                    self.now_us = now_us
                    self._step()


def make_spaced_recording(folder: Path, *, seed: int, markets: int, open_s: int, every_s: int) -> Path:
    """Write a recording of so many markets, each open for ``open_s`` of ``every_s`` seconds."""
    SpacedRecorder(folder, seed=seed, markets=markets, open_s=open_s, every_s=every_s).write()
    return folder
