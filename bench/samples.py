"""Inputs of the benchmarks: frames, books and feature inputs from a seed, in the form that the exchange sends."""

from __future__ import annotations

import random

from truebook.book.order_book import OrderBook
from truebook.features.history import History
from truebook.features.inputs import FeatureInputs, Holding, Holdings, WorkingOrder
from truebook.messages.envelope import BookSide
from truebook.messages.market_metadata import LINEAR_CENT, FeeType, MarketMetadata, MarketStatus

SEED = 20_241_124
NOW_US = 1_781_159_489_957_000
TICKER = "KXBTCD-26NOV2419-T98249.99"
LEVELS = 20
FRAME_BYTES = 187


def market_metadata(ticker: str = TICKER) -> MarketMetadata:
    return MarketMetadata(
        ticker=ticker, event=ticker.rpartition("-")[0], series=ticker.partition("-")[0], status=MarketStatus.ACTIVE,
        open_us=0, close_us=NOW_US + 3_600_000_000, price_ranges=LINEAR_CENT, fee_type=FeeType.QUADRATIC,
        fee_multiplier_ppm=1_000_000, exclusive=False, volume_centi=100_000,
    )  # fmt: skip


def levels(count: int = LEVELS, raise_cc: int = 0) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """Return bids from 40 cents down and asks from 42 cents up, or all of it this much higher."""
    draw = random.Random(SEED)
    bids = [(4_000 + raise_cc - 100 * step, draw.randrange(1_000, 100_000)) for step in range(count)]
    return bids, [(4_200 + raise_cc + 100 * step, draw.randrange(1_000, 100_000)) for step in range(count)]


def delta_frame(
    ticker: str, seq: int, price_cc: int, delta_centi: int, *, is_yes: bool, sid: int = 2, at_us: int = NOW_US
) -> str:
    """Format one delta as the exchange does; ``price_cc`` is on its own leg."""
    return (
        f'{{"type":"orderbook_delta","sid":{sid},"seq":{seq},"msg":{{"market_ticker":"{ticker}",'
        f'"price_dollars":"0.{price_cc:04d}","delta_fp":"{delta_centi / 100:.2f}","side":"{"yes" if is_yes else "no"}",'
        f'"ts_ms":{at_us // 1000}}}}}'
    )


def delta_frames(count: int) -> list[str]:
    """Build deltas of one market that keep sizes positive and the book uncrossed, of 187 bytes each on average.

    Six in ten change an existing level, the others remove one or add it again, as in recorded sessions.
    """
    draw = random.Random(SEED)
    bids, asks = levels()
    sides = {True: dict(bids), False: {10_000 - price_cc: size for price_cc, size in asks}}
    ticker = TICKER.ljust(len(TICKER) + FRAME_BYTES - len(delta_frame(TICKER, 5_000, 4_000, 12_345, is_yes=True)), "X")
    frames = []
    for seq in range(1, count + 1):
        is_yes = draw.random() < 0.5
        side = sides[is_yes]
        price_cc = draw.choice(list(side))
        held = side[price_cc]
        if held == 0:
            delta_centi = draw.randrange(10_000, 99_999)
        elif draw.random() < 0.2 and sum(size > 0 for size in side.values()) > LEVELS // 2:
            delta_centi = -held
        else:
            delta_centi = draw.randrange(-min(held - 1, 50_000), 50_000)
        side[price_cc] = held + delta_centi
        frames.append(delta_frame(ticker, seq, price_cc, delta_centi, is_yes=is_yes))
    return frames


def feature_inputs(book: OrderBook, holdings: Holdings, history: History, market: MarketMetadata) -> FeatureInputs:
    """Build the inputs of a market with a position and an order of ours on each side."""
    return FeatureInputs(
        book=book, history=history, market=market, now_us=NOW_US, confirmed_us=NOW_US - 30_000,
        cash_micros=900_000_000, reserved_micros=8_000_000, equity_micros=1_000_000_000, position_centi=2_000,
        position_cost_micros=8_000_000, event_yes_sum_cc=9_900, holdings=holdings,
        working=(
            WorkingOrder(book_side=BookSide.BID, price_cc=3_900, remaining_centi=300, placed_us=NOW_US - 10_000_000),
            WorkingOrder(book_side=BookSide.ASK, price_cc=4_400, remaining_centi=500, placed_us=NOW_US - 4_000_000),
        ),
    )  # fmt: skip


def history(seed: int = SEED) -> History:
    """Build a history of ten changes in the last ten seconds."""
    draw, made = random.Random(seed), History()
    for second in range(12, 0, -1):
        bid_cc = 3_900 + 100 * draw.randrange(3)
        book = OrderBook([(bid_cc, draw.randrange(100, 9_000))], [(bid_cc + 200, draw.randrange(100, 9_000))])
        made.changed(book, NOW_US - second * 1_000_000)
    return made


def holdings(count: int = 20) -> Holdings:
    draw = random.Random(SEED)
    return Holdings(
        Holding(ticker=f"T-{index}", position_centi=draw.randrange(-5_000, 5_000), cost_micros=draw.randrange(10**7),
                value_micros=draw.randrange(10**7))
        for index in range(count)
    )  # fmt: skip
