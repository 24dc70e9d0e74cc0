"""Book replay for a strategy that reads both best prices after each delta, against nautilus_trader's backtest engine.

The deltas are generated, or those of the busiest market of a recording: ``TRUEBOOK_BENCH_RECORDING=FOLDER``. The peer
is no dependency: ``TRUEBOOK_BENCH_NAUTILUS=PYTHON`` names an interpreter that has it; without it only ours is measured.
Both replay deltas that are in memory, and must see the same prices.
"""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import numpy as np

from bench.backtest_memory import bench_memory
from bench.backtest_orders import bench_orders
from bench.backtest_pipeline import bench_pipeline
from bench.measure import Pair, Row, cpu_s, pair_of
from bench.samples import NOW_US, delta_frames, levels
from truebook.backtest.tape.tops import TopTracker, replay_tops
from truebook.book.order_book import OrderBook
from truebook.capture.columns import CHUNK_ROWS, Columns, Kind, Side, read_columns
from truebook.messages.envelope import BookSide
from truebook.money import ONE_DOLLAR_CC, format_price, format_size, no_price

RECORDING: Final = "TRUEBOOK_BENCH_RECORDING"
EVENTS: Final = "TRUEBOOK_BENCH_EVENTS"
NAUTILUS: Final = "TRUEBOOK_BENCH_NAUTILUS"
PEER: Final = Path(__file__).parent / "nautilus_replay.py"
DELTAS: Final = 200_000
TURNS: Final = 5
TARGET: Final = 1.8
Table = np.ndarray[tuple[int, int], np.dtype[np.int64]]


@dataclass(frozen=True)
class _Deltas:
    """The deltas of one market, for both."""

    chunks: list[Columns]
    peer: Table
    """Time (ns), side, price_cc, size before and after."""
    count: int
    source: str


class _Checksum:
    """Adds up both best prices, as the peer's strategy does."""

    def __init__(self) -> None:
        self.total = 0

    def see(self, at_us: int, market: int, bid_cc: int, ask_cc: int) -> None:
        del at_us, market
        if bid_cc and ask_cc < ONE_DOLLAR_CC:
            self.total += bid_cc + ask_cc


def by_callback(deltas: _Deltas) -> int:
    """Call a Python function with both best prices after each delta."""
    checksum = _Checksum()
    replay_tops(deltas.chunks, checksum.see)
    return checksum.total


def by_columns(deltas: _Deltas) -> int:
    """Hand over the best prices after all deltas of a chunk as two arrays."""
    tracker, total = TopTracker(), 0
    for rows in deltas.chunks:
        tops = tracker.add(rows)
        both = (rows.kind == Kind.DELTA) & (tops.bid_cc > 0) & (tops.ask_cc < ONE_DOLLAR_CC)
        total += int(tops.bid_cc[both].sum(dtype=np.int64) + tops.ask_cc[both].sum(dtype=np.int64))
    return total


def by_book(deltas: _Deltas) -> int:
    """Change one order book delta by delta, at full depth, and call the same function."""
    book, checksum = OrderBook(), _Checksum()
    sides = {int(Side.BID): BookSide.BID, int(Side.ASK): BookSide.ASK}
    for rows in deltas.chunks:
        arrays = (rows.at_us, rows.market, rows.kind, rows.side, rows.price_cc, rows.size_centi)
        for at_us, market, kind, side, price_cc, size_centi in zip(*(one.tolist() for one in arrays), strict=True):
            if kind == Kind.DELTA:
                book.change_level(sides[side], price_cc, size_centi)
                bid, ask = book.best(BookSide.BID), book.best(BookSide.ASK)
                checksum.see(at_us, market, bid[0] if bid else 0, ask[0] if ask else ONE_DOLLAR_CC)
    return checksum.total


def bench() -> list[Row]:
    given, events = os.environ.get(RECORDING), os.environ.get(EVENTS)
    return [
        *_replays(),
        bench_orders(os.environ.get(NAUTILUS)),
        *([bench_pipeline(Path(given))] if given else []),
        *([bench_memory(int(events))] if events else []),
    ]


def _replays() -> list[Row]:
    deltas = _load()
    replays: tuple[tuple[str, Callable[[_Deltas], int]], ...] = (
        ("a callback", by_callback), ("the same, one book changed delta by delta", by_book),
        ("the same, prices as columns", by_columns),
    )  # fmt: skip
    path = f"replay of {deltas.count:,} {deltas.source} deltas, both best prices after each"
    with _peer(deltas) as peer:
        if peer is None:
            print(f"{NAUTILUS} names no interpreter with nautilus_trader: ours only", flush=True)
            return [_row(f"{path}: {name}", _alone(deltas, replay), None) for name, replay in replays]
        rows = []
        for name, replay in replays:
            pair = pair_of([_turn(deltas, replay, peer) for _ in range(TURNS)])
            rows.append(_row(f"{path}: {name}", pair.ours_s, pair))
        return rows


def _row(path: str, ours_s: float, pair: Pair | None) -> Row:
    ours = f"{1 / ours_s:,.0f} deltas/s"
    if pair is None:
        return Row(path=path, ours=ours, baseline="–", ratio="–", target=f"≥ {TARGET} ×", reached=None)
    return Row(
        path=path, ours=ours, baseline=f"{1 / pair.baseline_s:,.0f} deltas/s (nautilus_trader)",
        ratio=f"{1 / pair.ratio:.1f} × as fast", target=f"≥ {TARGET} ×", reached=1 / pair.ratio >= TARGET,
    )  # fmt: skip


def _alone(deltas: _Deltas, replay: Callable[[_Deltas], int]) -> float:
    return cpu_s(lambda: replay(deltas), deltas.count, TURNS)


def _turn(
    deltas: _Deltas, replay: Callable[[_Deltas], int], peer: Callable[[], dict[str, float]]
) -> tuple[float, float]:
    """Measure ours and the peer once; returns CPU seconds per delta. Both must have seen the same prices."""
    ours_s, theirs = cpu_s(lambda: replay(deltas), deltas.count, 1), peer()
    if (theirs["calls"], theirs["checksum"]) != (deltas.count, replay(deltas)):
        raise AssertionError(f"the peer saw other prices: {theirs}, ours {deltas.count} {replay(deltas)}")
    return ours_s, theirs["cpu_s"] / deltas.count


@contextmanager
def _peer(deltas: _Deltas) -> Iterator[Callable[[], dict[str, float]] | None]:
    """Yield a function that measures the peer once; None without an interpreter for it."""
    interpreter = os.environ.get(NAUTILUS)
    if not interpreter:
        yield None
        return
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "deltas.npy")
        np.save(path, deltas.peer)
        command = [interpreter, "-W", "ignore", str(PEER), str(path)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdin is not None and process.stdout is not None
            requests, results = process.stdin, process.stdout

            def measure() -> dict[str, float]:
                requests.write("run\n")
                requests.flush()
                line = results.readline()
                if not line:
                    raise SystemExit(f"{interpreter} ended: it needs nautilus_trader; see {NAUTILUS}")
                return msgspec.json.decode(line, type=dict[str, float])

            yield measure
            requests.close()


def _load() -> _Deltas:
    given = os.environ.get(RECORDING)
    if given:
        return _of_busiest(list(read_columns(Path(given))), "recorded")
    bids, asks = levels()
    text = {"yes_dollars_fp": bids, "no_dollars_fp": [(no_price(price_cc), size) for price_cc, size in asks]}
    message: dict[str, object] = {
        side: [(format_price(price_cc), format_size(size)) for price_cc, size in each] for side, each in text.items()
    }
    message["market_ticker"] = json.loads(delta_frames(1)[0])["msg"]["market_ticker"]
    first = json.dumps(
        {"type": "orderbook_snapshot", "sid": 2, "seq": 0, "sending_ts_ms": NOW_US // 1000, "msg": message}
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "generated.jsonl")
        path.write_text("\n".join([first, *delta_frames(DELTAS)]) + "\n")
        return _of_busiest(list(read_columns(path)), "generated")


def _of_busiest(chunks: list[Columns], source: str) -> _Deltas:
    """Return the market with the most deltas; snapshots are the changes to the book before them."""
    market = np.bincount(np.concatenate([rows.market[rows.kind == Kind.DELTA] for rows in chunks])).argmax()
    sizes: dict[tuple[int, int], int] = {}
    dropped: dict[tuple[int, int], int] = {}
    found: list[tuple[int, int, int, int, int]] = []
    for at_us, kind, side, price_cc, size_centi in _rows_of(chunks, int(market)):
        key = (side, price_cc)
        if kind != Kind.LEVEL:
            found += [(at_us, *level, sizes.pop(level), 0) for level in dropped]
            dropped = dict(sizes) if kind == Kind.SNAPSHOT else {}
        if kind == Kind.LEVEL:
            dropped.pop(key, None)
        if kind in (Kind.LEVEL, Kind.DELTA):
            before = sizes.get(key, 0)
            after = size_centi if kind == Kind.LEVEL else before + size_centi
            sizes[key] = after
            if after != before:
                found.append((at_us, *key, before, after))
    rows = np.array([(found[0][0], 0, 0, 0, 0), *found], np.int64)
    peer = rows[1:] * (1_000, 1, 1, 1, 1)
    return _Deltas(list(_chunks(rows)), peer, len(found), source)


def _rows_of(chunks: list[Columns], market: int) -> Iterator[tuple[int, ...]]:
    for rows in chunks:
        here = (rows.market == market) & (rows.kind <= Kind.DELTA)
        arrays = (rows.at_us, rows.kind, rows.side, rows.price_cc, rows.size_centi)
        yield from zip(*(one[here].tolist() for one in arrays), strict=True)


def _chunks(rows: Table) -> Iterator[Columns]:
    """Make columns of an empty snapshot and the deltas."""
    for first in range(0, len(rows), CHUNK_ROWS):
        at_us, side, price_cc, before, after = rows[first : first + CHUNK_ROWS].T
        kind = np.full(len(side), Kind.DELTA, np.int8)
        kind[0] = Kind.DELTA if first else Kind.SNAPSHOT
        yield Columns(
            at_us=at_us, exchange_us=at_us, market=np.zeros(len(side), np.int32), kind=kind,
            side=side.astype(np.int8), price_cc=price_cc.astype(np.int32), size_centi=after - before,
        )  # fmt: skip
