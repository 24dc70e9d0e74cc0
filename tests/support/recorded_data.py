"""The same small session in every format that can be imported: one market, two books, changes and trades."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from truebook.kalshi.port import DeltaFrame, SnapshotFrame, StreamEvent, TradeFrame
from truebook.messages.envelope import BookSide

T = "KXREC-26NOV24-T50"
START_MS = 1_764_028_800_000
START_US = START_MS * 1_000
CLOSE = "2025-11-25T00:15:00Z"
Line = dict[str, Any]


def wrapped(at_ms: int, kind: str, sid: int, seq: int, ticker: str = T, **message: Any) -> Line:
    event = {"type": kind, "sid": sid, "seq": seq, "msg": {"market_ticker": ticker, **message}}
    return {"recv_ms": START_MS + at_ms, "event": event}


def snapshot(at_ms: int, seq: int, ticker: str = T, **sides: Any) -> Line:
    return wrapped(at_ms, "orderbook_snapshot", 1, seq, ticker, **sides)


def delta(at_ms: int, seq: int, price: str, size: str, side: str = "yes", ticker: str = T) -> Line:
    ts_ms = START_MS + at_ms - 12
    return wrapped(
        at_ms, "orderbook_delta", 1, seq, ticker, price_dollars=price, delta_fp=size, side=side, ts_ms=ts_ms
    )  # fmt: skip


def trade(at_ms: int, seq: int, trade_id: str, price: str, size: str, side: str = "yes") -> Line:
    return wrapped(
        at_ms, "trade", 2, seq, trade_id=trade_id, yes_price_dollars=price, count_fp=size, taker_side=side,
        ts_ms=START_MS + at_ms - 12,
    )  # fmt: skip


SESSION: Sequence[Line] = (
    snapshot(0, 7),
    snapshot(100, 90, yes_dollars_fp=[["0.5000", "10.00"]], no_dollars_fp=[["0.4700", "1.50"]]),
    delta(200, 95, "0.5100", "2.25"),
    trade(250, 4, "t-1", "0.5300", "0.50"),
    delta(251, 99, "0.4700", "-0.50", "no"),
    snapshot(
        300, 120, yes_dollars_fp=[["0.5000", "10.00"], ["0.5100", "2.25"]], no_dollars_fp=[["0.4700", "1.00"]]
    ),
    delta(400, 130, "0.5100", "-2.25"),
)  # fmt: skip
"""An empty first book, a second one that differs, and a third to which the changes lead."""

BIDS, ASKS = ((5_000, 1_000),), ((5_300, 150),)
EVENTS: Sequence[tuple[str, int, Any]] = (
    ("snapshot", 0, ((), ())),
    ("snapshot", 100, (BIDS, ASKS)),
    ("delta", 200, (BookSide.BID, 5_100, 225)),
    ("trade", 250, (BookSide.BID, 5_300, 50)),
    ("delta", 251, (BookSide.ASK, 5_300, -50)),
    ("snapshot", 300, (((5_100, 225), (5_000, 1_000)), ((5_300, 100),))),
    ("delta", 400, (BookSide.BID, 5_100, -225)),
)
"""What every format gives: kind, milliseconds since the start, content."""


def content(at_us: int, event: object) -> tuple[str, int, Any]:
    """Return an imported event as ``EVENTS`` states it."""
    at_ms = (at_us - START_US) // 1_000
    match event:
        case SnapshotFrame():
            return "snapshot", at_ms, (event.bids, event.asks)
        case DeltaFrame():
            return "delta", at_ms, (event.book_side, event.price_cc, event.delta_centi)
        case TradeFrame():
            return "trade", at_ms, (event.taker_side, event.price_cc, event.size_centi)
    assert isinstance(event, StreamEvent), event
    return type(event).__name__, at_ms, None


def write_wrapped(root: Path, lines: Sequence[Line] = SESSION, *, ticker: str = T, day: str = "2025-11-25") -> Path:
    """Write one market's file below ``root/events``; returns the root."""
    folder = root / "events" / ticker
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{day}.ndjson.gz").write_bytes(gzip.compress(text(lines)))
    return root


def text(lines: Sequence[Line]) -> bytes:
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def write_markets(root: Path, tickers: Sequence[str] = (T,)) -> None:
    """Write the table of markets beside wrapped frames."""
    names = (
        "window", "event_ticker", "open_time", "close_time", "floor_strike", "status", "result",
        "settlement_value_dollars", "price_level_structure", "volume_fp",
    )  # fmt: skip
    rows = [
        (ticker, "KXREC-26NOV24", "2025-11-25T00:00:00Z", CLOSE, "4128.56", "finalized", "yes", "1.0000",
         "linear_cent", "12.50")
        for ticker in tickers
    ]  # fmt: skip
    write_csv(root / "MARKETS.csv", names, rows)


def write_csv(path: Path, names: Sequence[str], rows: Sequence[Sequence[object]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = io.StringIO(newline="")
    csv.writer(lines).writerows([names, *rows])
    content = lines.getvalue().encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def write_parquet(path: Path, rows: Sequence[Mapping[str, Any]], schema: pa.Schema | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(list(rows), schema=schema), path)
    return path


def predictiondata_book() -> list[dict[str, Any]]:
    """Return the table ``complete``: absolute sizes, nanoseconds."""
    empty = dict.fromkeys(
        (
            "price_level_update_price", "price_level_update_quantity", "price_level_update_side",
            *(f"snapshot_{side}_{what}" for side in ("bid", "ask") for what in ("prices", "sizes")),
        )
    )  # fmt: skip

    def row(at_ms: int, kind: str, **values: Any) -> dict[str, Any]:
        local = (START_MS + at_ms) * 1_000_000
        return {"exchange": "kalshi", "ticker": T, "local_timestamp": local, "message_type": kind, **empty, **values}

    def book(at_ms: int, bids: tuple[str, str], asks: tuple[str, str]) -> dict[str, Any]:
        return row(
            at_ms, "snapshot", snapshot_bid_prices=bids[0], snapshot_bid_sizes=bids[1], snapshot_ask_prices=asks[0],
            snapshot_ask_sizes=asks[1],
        )  # fmt: skip

    def update(at_ms: int, side: str, price: float, quantity: float) -> dict[str, Any]:
        return row(
            at_ms, "price_level_update", price_level_update_side=side, price_level_update_price=price,
            price_level_update_quantity=quantity,
        )  # fmt: skip

    return [
        book(0, ("", ""), ("", "")),
        book(100, ("0.5", "10.0"), ("0.53", "1.5")),
        update(200, "bid", 0.51, 2.25),
        update(251, "ask", 0.53, 1.0),
        book(300, ("0.51,0.5", "2.25,10.0"), ("0.53", "1.0")),
        update(400, "bid", 0.51, 0.0),
    ]


def predictiondata_trades() -> list[dict[str, Any]]:
    local = (START_MS + 250) * 1_000_000
    common = {"exchange": "kalshi", "ticker": T, "local_timestamp": local}
    return [{**common, "price": 0.53, "quantity": 0.5, "taker_side": "bid"}]


def kalshieye_book() -> list[dict[str, Any]]:
    """Return ``book_l2``: signed changes, yes and no bids, floats with noise."""
    rows = [
        (0, 1, True, None, None, None),
        (100, 2, True, "yes", 0.5, 10.0), (100, 2, True, "no", 0.47, 1.5),
        (200, 3, False, "yes", 0.51, 2.25), (251, 4, False, "no", 0.47000000000000003, -0.5),
        (300, 5, True, "yes", 0.5, 10.0), (300, 5, True, "yes", 0.51, 2.25), (300, 5, True, "no", 0.47, 1.0),
        (400, 6, False, "yes", 0.51, -2.25),
    ]  # fmt: skip
    names = ("seq", "is_snapshot", "side", "price", "size")
    return [
        {"ticker": T, "ts_recv": START_US + at_ms * 1_000, **dict(zip(names, values, strict=True))}
        for at_ms, *values in rows
    ]


def kalshieye_trades() -> list[dict[str, Any]]:
    at_us = START_US + 250_000
    return [{"ticker": T, "ts_recv": at_us, "trade_id": "t-1", "price": 0.53, "size": 0.5, "taker_side": "yes"}]


def write_kalshieye(root: Path) -> Path:
    """Write the four datasets in the layout of the lake; ``ts_recv`` is a time stamp."""
    day = "date=2025-11-25/series=KXREC/part.parquet"
    for name, rows in (("book_l2", kalshieye_book()), ("trades", kalshieye_trades())):
        table = pa.Table.from_pylist(rows)
        place = table.column_names.index("ts_recv")
        stamp = table.column("ts_recv").cast(pa.timestamp("us", tz="UTC"))
        path = root / name / day
        path.parent.mkdir(parents=True)
        pq.write_table(table.set_column(place, "ts_recv", stamp), path)
    market = {
        "ticker": T, "event_ticker": "KXREC-26NOV24", "series_ticker": "KXREC", "floor_strike": 4128.56,
        "open_time": START_US, "close_time": START_US + 900_000_000,
    }  # fmt: skip
    write_parquet(root / "markets" / "markets.parquet", [market])
    settlement = {"ticker": T, "result": "yes", "settlement_value": 1.0, "ts_recv": START_US}
    write_parquet(root / "settlements" / "settlements.parquet", [settlement])
    return root


def write_predictiondata(root: Path, *, as_csv: bool) -> Path:
    """Write ``complete`` and ``trades`` of one market and day."""
    for name, rows in (("complete", predictiondata_book()), ("trades", predictiondata_trades())):
        path = root / T / name / ("2025-11-25.csv.gz" if as_csv else "2025-11-25.parquet")
        if as_csv:
            cells = [["" if value is None else value for value in row.values()] for row in rows]
            write_csv(path, tuple(rows[0]), cells)
        else:
            write_parquet(path, rows)
    return root
