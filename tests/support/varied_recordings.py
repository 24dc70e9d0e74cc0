"""Made recordings with what happens to markets: events of several markets, closes with and without outcomes, pauses,
moved closes, lost and unreadable frames, inconsistent changes, a silent stream.

Trades follow their deltas or precede them, at the best prices and dense, so that resting orders are filled.
"""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any, Final

from truebook.book.order_book import OrderBook
from truebook.capture.writer import CaptureWriter
from truebook.messages.envelope import BookSide, Source
from truebook.messages.market_metadata import LINEAR_CENT, FeeType, MarketMetadata, MarketStatus
from truebook.money import ONE_DOLLAR_CC, format_price, format_size
from truebook.simulation.events import LevelChanged
from truebook_services.paper_exchange.stream import frames as wire

START_US: Final = 1_764_000_000_000_000
MICROS: Final = 1_000_000
DEPTH: Final = 4
TICK_CC: Final = 100
BOOKS, TRADES, LIFECYCLE = 1, 2, 3
"""Ids of the three subscriptions."""
DAY_US: Final = 86_400 * MICROS


class Market:
    """One market's book as the recorder would see it."""

    def __init__(self, metadata: MarketMetadata, middle_cc: int, rng: random.Random) -> None:
        self.metadata = metadata
        self.middle_cc = middle_cc
        self.book = OrderBook()
        self.is_paused = False
        for distance in range(1, DEPTH + 1):
            for side in BookSide:
                self.book.change_level(side, self.price_at(side, distance), rng.randrange(200, 4_000, 50))

    def price_at(self, side: BookSide, distance: int) -> int:
        return self.middle_cc + (-distance if side is BookSide.BID else distance) * TICK_CC


class VariedRecorder:
    """Writes one recording; everything depends on the seed."""

    def __init__(self, folder: Path, *, seed: int, seconds: float, events: int, are_odd: bool) -> None:
        self.rng = random.Random(seed)
        self.now_us = START_US
        self.end_us = START_US + round(seconds * MICROS)
        self.are_odd = are_odd
        self.seqs = {BOOKS: 0, TRADES: 0, LIFECYCLE: 0}
        self.trades = 0
        self.missing: list[tuple[int, str]] = []
        """Books whose snapshot is due at a time, after frames were lost or inconsistent."""
        self.markets = {one.metadata.ticker: one for one in self._markets(seed, events, seconds)}
        self.writer = CaptureWriter(folder, source=Source.SIMULATED, hosts=["made"])

    def _markets(self, seed: int, events: int, seconds: float) -> list[Market]:
        made = []
        for event in range(events):
            members = 1 + event % 3
            for number in range(members):
                ticker = f"KXMADE{seed}-E{event}-T{number}"
                ends = event % 2 == 1 and number == 0
                close_us = START_US + (round(seconds * 0.6 * MICROS) // MICROS * MICROS if ends else DAY_US)
                outcome = self.rng.choice((0, ONE_DOLLAR_CC, None)) if ends else None
                metadata = MarketMetadata(
                    ticker=ticker, event=f"KXMADE{seed}-E{event}", series=f"KXMADE{seed}", status=MarketStatus.ACTIVE,
                    open_us=START_US - DAY_US, close_us=close_us, price_ranges=LINEAR_CENT,
                    fee_type=FeeType.QUADRATIC_WITH_MAKER_FEES, fee_multiplier_ppm=MICROS, exclusive=members > 1,
                    settlement_cc=outcome,
                )  # fmt: skip
                made.append(Market(metadata, 5_000 // members + self.rng.randrange(-5, 6) * TICK_CC, self.rng))
        return made

    def write(self) -> None:
        """Write frames until the end."""
        with self.writer as writer:
            writer.add_markets([one.metadata for one in self.markets.values()])
            if self.are_odd:
                self._raw("{")
                self.now_us += 700_000
            for ticker in self.markets:
                self._snapshot(ticker)
            while self.now_us < self.end_us:
                self.now_us += self._pause_us()
                self._due_snapshots()
                self._step()
            if self.are_odd:
                self.now_us += 300_000
                self._raw("}")

    def _pause_us(self) -> int:
        kind = self.rng.random()
        if kind < 0.2:
            return 0
        if kind < 0.99:
            return self.rng.randrange(1_000, 60_000)
        return self.rng.randrange(1_000_000, 4_000_000)

    def _step(self) -> None:
        market = self.rng.choice(list(self.markets.values()))
        kind = self.rng.random()
        if kind < 0.45:
            self._change(market)
        elif kind < 0.92:
            self._trade(market)
        elif kind < 0.96:
            self._snapshot(market.metadata.ticker)
        elif self.are_odd and kind < 0.965:
            self._lose()
        elif self.are_odd and kind < 0.97:
            self._inconsistent(market)
        elif self.are_odd and kind < 0.985:
            self._lifecycle(market)
        elif self.are_odd and kind < 0.987:
            self._raw('{"type": "orderbook_delta", "sid": 1}')

    # What happens.

    def _change(self, market: Market) -> None:
        side, distance = self.rng.choice(list(BookSide)), self.rng.randrange(1, DEPTH + 1)
        price_cc = market.price_at(side, distance)
        shown = market.book.size_at(side, price_cc)
        if shown and self.rng.random() < 0.5:
            delta = -min(shown, self.rng.randrange(50, 2_000, 50))
        else:
            delta = self.rng.randrange(50, 2_000, 50)
        self._delta(market, side, price_cc, delta)
        self._keep_two_sided(market)

    def _trade(self, market: Market) -> None:
        side = self.rng.choice(list(BookSide))
        best = market.book.best(side)
        if best is None:
            return
        price_cc, shown = best
        size = min(shown, self.rng.choice((100, 300, 1_000, 4_000)))
        is_first = self.rng.random() < 0.1
        if is_first:
            self._traded(market, side, price_cc, size)
        self._delta(market, side, price_cc, -size)
        if not is_first:
            self.now_us += self.rng.choice((0, 0, 300))
            self._traded(market, side, price_cc, size)
        self._keep_two_sided(market)

    def _keep_two_sided(self, market: Market) -> None:
        """Move the middle where a side's first level is gone, and fill the book up again."""
        for side in BookSide:
            best = market.book.best(side)
            if best is None or abs(best[0] - market.middle_cc) > 2 * TICK_CC:
                step_cc = -TICK_CC if side is BookSide.BID else TICK_CC
                if DEPTH * TICK_CC < market.middle_cc + step_cc < ONE_DOLLAR_CC - DEPTH * TICK_CC:
                    moved_cc = market.middle_cc + step_cc
                    if market.book.size_at(side, moved_cc):
                        continue
                    market.middle_cc = moved_cc
                    shown = market.book.size_at(side, market.price_at(side, 1))
                    if not shown:
                        self._delta(market, side, market.price_at(side, 1), self.rng.randrange(100, 3_000, 50))
                    other = side.other
                    if not market.book.size_at(other, market.price_at(other, 1)):
                        self._delta(market, other, market.price_at(other, 1), self.rng.randrange(100, 3_000, 50))

    def _lose(self) -> None:
        """Lose a frame of the books: each is sent again within two seconds."""
        self.seqs[BOOKS] += 1
        for ticker in self.markets:
            self.missing.append((self.now_us + self.rng.randrange(100_000, 2_000_000), ticker))

    def _inconsistent(self, market: Market) -> None:
        """Record a change that the book can't have had."""
        price_cc = market.price_at(BookSide.BID, 1)
        size = market.book.size_at(BookSide.BID, price_cc)
        self._send(BOOKS, "orderbook_delta", self._delta_body(market, BookSide.BID, price_cc, -size - 500))
        self.missing.append((self.now_us + self.rng.randrange(100_000, 3_000_000), market.metadata.ticker))

    def _lifecycle(self, market: Market) -> None:
        body: dict[str, Any] = {"market_ticker": market.metadata.ticker, "exchange_index": 0}
        if market.is_paused:
            market.is_paused = False
            body |= {"event_type": "activated", "is_deactivated": False}
        elif self.rng.random() < 0.5:
            market.is_paused = True
            body |= {"event_type": "deactivated", "is_deactivated": True}
        elif self.rng.random() < 0.6:
            close_ts = (self.now_us + self.rng.randrange(5, 20) * MICROS) // MICROS
            body |= {"event_type": "close_date_updated", "close_ts": close_ts}
        else:
            value_cc = self.rng.choice((0, ONE_DOLLAR_CC))
            body |= {
                "event_type": "determined", "result": "yes" if value_cc else "no",
                "determination_ts": self.now_us // MICROS, "settlement_value": format_price(value_cc),
            }  # fmt: skip
        self._send(LIFECYCLE, "market_lifecycle_v2", body)

    def _due_snapshots(self) -> None:
        for due_us, ticker in sorted(self.missing):
            if due_us <= self.now_us:
                self.missing.remove((due_us, ticker))
                self._snapshot(ticker)

    # Frames.

    def _delta(self, market: Market, side: BookSide, price_cc: int, delta: int) -> None:
        market.book.change_level(side, price_cc, delta)
        self._send(BOOKS, "orderbook_delta", self._delta_body(market, side, price_cc, delta))

    def _delta_body(self, market: Market, side: BookSide, price_cc: int, delta: int) -> dict[str, Any]:
        event = LevelChanged(
            at_us=self.now_us // 1000 * 1000, ticker=market.metadata.ticker, book_side=side, price_cc=price_cc,
            delta_centi=delta, clock=0,
        )  # fmt: skip
        body: dict[str, Any] = json.loads(wire.delta(event).body(False, False))
        return body

    def _traded(self, market: Market, maker_side: BookSide, price_cc: int, size: int) -> None:
        self.trades += 1
        taker = "yes" if maker_side is BookSide.ASK else "no"
        body = {
            "trade_id": f"made-{self.trades}", "market_ticker": market.metadata.ticker,
            "yes_price_dollars": format_price(price_cc), "no_price_dollars": format_price(ONE_DOLLAR_CC - price_cc),
            "count_fp": format_size(size), "taker_side": taker, "ts": self.now_us // MICROS,
            "ts_ms": self.now_us // 1000,
        }  # fmt: skip
        self._send(TRADES, "trade", body)

    def _snapshot(self, ticker: str) -> None:
        body = wire.snapshot_body(ticker, self.markets[ticker].book, 0, use_yes_price=False, both_sides=True)
        self._send(BOOKS, "orderbook_snapshot", body)

    def _send(self, sid: int, kind: str, body: dict[str, Any]) -> None:
        self.seqs[sid] += 1
        self._raw(json.dumps({"type": kind, "sid": sid, "seq": self.seqs[sid], "msg": body}))

    def _raw(self, text: str) -> None:
        self.writer.add_frame(self.now_us, 0, text)


def make_varied_recording(
    folder: Path, *, seed: int, seconds: float = 40.0, events: int = 3, are_odd: bool = True
) -> Path:  # fmt: skip
    """Write a recording; without ``are_odd`` every frame can be applied and no market changes but by its own close."""
    VariedRecorder(folder, seed=seed, seconds=seconds, events=events, are_odd=are_odd).write()
    return folder
