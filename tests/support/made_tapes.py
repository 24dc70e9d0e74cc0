"""Recordings of quick markets, one after the other, whose events before a chosen time are the same in all of them."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from truebook.capture.writer import CaptureWriter
from truebook.messages.envelope import Source
from truebook.messages.market_metadata import LINEAR_CENT
from truebook.money import format_price, format_size
from truebook.venue.assumed_market import assumed_metadata

START_US: Final = 1_764_000_000_000_000
STEP_US: Final = 200_000
LIFE_US: Final = 150_000_000
PAUSE_US: Final = 10_000_000


def ticker_of(number: int) -> str:
    return f"KXMADE-26NOV{number + 1:02d}-A"


def make_tape(
    folder: Path, *, markets: int = 2, seed: int = 1, other_from_us: int | None = None, gap_us: int | None = None
) -> Path:  # fmt: skip
    """Record markets that trade for 150 s each; from ``other_from_us`` on, other events.

    From the first event after ``gap_us`` (after the start) on 5 s of events are missing, until a snapshot.
    """
    with CaptureWriter(folder, source=Source.SIMULATED, hosts=["made"]) as writer:
        listed = []
        for number in range(markets):
            begin_us = START_US + number * (LIFE_US + PAUSE_US)
            market = assumed_metadata(ticker_of(number), begin_us, begin_us + LIFE_US + 5_000_000, LINEAR_CENT)
            listed.append(msgspec.structs.replace(market, settlement_cc=10_000 * (number % 2), assumed=()))
        writer.add_markets(listed)
        for number in range(markets):
            for at_us, frame in _Market(number, seed, other_from_us, gap_us).frames():
                writer.add_frame(at_us, 0, msgspec.json.encode(frame).decode())
    return folder


class _Market:
    def __init__(self, number: int, seed: int, other_from_us: int | None, gap_us: int | None) -> None:
        self._number, self._other_from_us, self._gap_us = number, other_from_us, gap_us
        self._draw = random.Random(f"{seed}:{number}")
        self._bids = {price: 1_000 + 10 * price for price in range(35, 45)}
        self._asks = {price: 2_500 - 10 * price for price in range(47, 57)}
        self._seq = 0
        self._at_us = START_US + number * (LIFE_US + PAUSE_US)

    def frames(self) -> Iterator[tuple[int, dict[str, Any]]]:
        yield self._at_us, self._snapshot()
        begin_us, is_missing, is_over = self._at_us, False, False
        while self._at_us < begin_us + LIFE_US:
            self._at_us += STEP_US
            if self._other_from_us is not None and self._at_us >= self._other_from_us and not is_over:
                self._draw, is_over = random.Random(f"other:{self._number}"), True
            step = self._step()
            after_us = self._at_us - begin_us - (self._gap_us or 0)
            if self._gap_us is not None and 0 <= after_us < 5_000_000:
                is_missing = True
            elif is_missing:
                is_missing = False
                yield self._at_us, self._snapshot()
            else:
                yield from ((self._at_us, frame) for frame in step)

    def _step(self) -> list[dict[str, Any]]:
        """Trade at a best price, or change a level near it."""
        is_bid = self._draw.random() < 0.5
        own, best = (self._bids, max(self._bids)) if is_bid else (self._asks, min(self._asks))
        if self._draw.random() < 0.2:
            size = min(own[best], 100 * self._draw.randint(1, 30))
            return [self._change(own, best, -size), self._trade(best, size, is_bid=is_bid)]
        inner = (min(self._asks) - 1 if is_bid else max(self._bids) + 1) if self._draw.random() < 0.3 else best
        price = inner if self._draw.random() < 0.5 else best + self._draw.randint(1, 4) * (-1 if is_bid else 1)
        if len(own) > 4 and price in own and self._draw.random() < 0.4:
            return [self._change(own, price, -own[price])]
        return [self._change(own, price, 100 * self._draw.randint(1, 20))]

    def _change(self, own: dict[int, int], price: int, change: int) -> dict[str, Any]:
        own[price] = own.get(price, 0) + change
        if not own[price]:
            del own[price]
            if not own:  # a side is never empty
                raise AssertionError("the made market lost a side")
        is_bid = own is self._bids
        self._seq += 1
        return self._frame(
            "orderbook_delta", seq=self._seq, side="yes" if is_bid else "no", delta_fp=format_size(change),
            price_dollars=format_price(100 * (price if is_bid else 100 - price)),
        )  # fmt: skip

    def _trade(self, price: int, size: int, *, is_bid: bool) -> dict[str, Any]:
        return self._frame(
            "trade", trade_id=f"{self._number}-{self._at_us}", yes_price_dollars=format_price(100 * price),
            count_fp=format_size(size), taker_side="no" if is_bid else "yes",
        )  # fmt: skip

    def _snapshot(self) -> dict[str, Any]:
        self._seq += 1
        bids = [[format_price(100 * price), format_size(size)] for price, size in sorted(self._bids.items())]
        asks = [[format_price(10_000 - 100 * price), format_size(size)] for price, size in sorted(self._asks.items())]
        return self._frame("orderbook_snapshot", seq=self._seq, yes_dollars_fp=bids, no_dollars_fp=asks)

    def _frame(self, type_: str, seq: int | None = None, **message: object) -> dict[str, Any]:
        sid = 2 * self._number + (1 if seq is not None else 2)
        about = {"market_ticker": ticker_of(self._number), "ts_ms": self._at_us // 1_000}
        return {"type": type_, "sid": sid, "msg": {**about, **message}} | ({} if seq is None else {"seq": seq})
