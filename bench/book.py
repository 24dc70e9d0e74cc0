"""One delta, from its bytes to both best prices, against a dict with ``max()`` and against pykalshi's book."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable

import msgspec

from bench.measure import Row, cpu_pair, cpu_s, micros
from bench.samples import delta_frames, levels
from truebook.book.order_book import OrderBook
from truebook.book.sequence import Sequence
from truebook.kalshi.port import DeltaFrame
from truebook.kalshi.stream.frames import decode_frame
from truebook.messages.envelope import BookSide

FRAMES = 5_000


class _Message(msgspec.Struct):
    market_ticker: str
    price_dollars: str
    delta_fp: str
    side: str


class _Frame(msgspec.Struct):
    type: str
    seq: int
    msg: _Message


def ours(frames: list[str]) -> Callable[[], None]:
    """Decode, check the sequence number, apply, check for a crossed book, read both best prices."""

    def run() -> None:
        book, sequence = OrderBook(*levels()), Sequence()
        for text in frames:
            frame = decode_frame(text, 0)
            assert type(frame) is DeltaFrame
            if sequence.take(frame.seq or 0, text) != "next":
                raise AssertionError(frame)
            book.change_level(frame.book_side, frame.price_cc, frame.delta_centi)
            if book.is_crossed():
                raise AssertionError(frame)
            book.best(BookSide.BID), book.best(BookSide.ASK)

    return run


def baseline(frames: list[str]) -> Callable[[], None]:
    """Decode with msgspec into two dicts of floats, call ``max()`` of each per delta, check nothing."""
    decode = msgspec.json.Decoder(_Frame).decode

    def run() -> None:
        bids, asks = levels()
        yes = {price_cc / 10_000: size / 100 for price_cc, size in bids}
        no = {(10_000 - price_cc) / 10_000: size / 100 for price_cc, size in asks}
        for text in frames:
            change = decode(text).msg
            side = yes if change.side == "yes" else no
            price = float(change.price_dollars)
            size = side.get(price, 0.0) + float(change.delta_fp)
            if size > 0.001:
                side[price] = size
            else:
                side.pop(price, None)
            max(yes), 1 - max(no)

    return run


def pykalshi(frames: list[str]) -> Callable[[], None] | None:
    """Use pykalshi's parser and book, both best prices per delta; None if it is not installed."""
    if importlib.util.find_spec("pykalshi") is None:
        return None
    from pykalshi.feed import _parse_message
    from pykalshi.orderbook import OrderbookManager

    def run() -> None:
        bids, asks = levels()
        book = OrderbookManager("T")
        book.apply_snapshot(
            [(f"0.{price_cc:04d}", f"{size / 100:.2f}") for price_cc, size in bids],
            [(f"0.{10_000 - price_cc:04d}", f"{size / 100:.2f}") for price_cc, size in asks],
        )
        for text in frames:
            _, _, change, _ = _parse_message(text)
            book.apply_delta(change.side, change.price_dollars, change.delta_fp)
            book.best_bid, book.best_ask  # noqa: B018 - properties that compute

    return run


def bench() -> list[Row]:
    frames = delta_frames(FRAMES)
    size = sum(map(len, frames)) / len(frames)
    pair = cpu_pair(ours(frames), baseline(frames), FRAMES)
    rows = [Row(
        path=f"decode + apply + both best prices + checks, one delta of {size:.0f} bytes", ours=micros(pair.ours_s),
        baseline=f"{micros(pair.baseline_s)} (msgspec, dict, `max()`)",
        ratio=f"{1 / pair.ratio:.2f} of the baseline's speed", target="≥ 0.6", reached=1 / pair.ratio >= 0.6,
    )]  # fmt: skip
    theirs = pykalshi(frames[:1_000])
    if theirs is not None:
        their_s = cpu_s(theirs, 1_000, 5)
        rows.append(Row(
            path="the same against pykalshi's parser and book", ours=micros(pair.ours_s),
            baseline=f"{micros(their_s)} (pykalshi)", ratio=f"{their_s / pair.ours_s:.1f} × as fast", target="≥ 2 ×",
            reached=their_s / pair.ours_s >= 2,
        ))  # fmt: skip
    return rows
