"""Import a CSV of trades only, one a row, in any order.

Columns (the first name that the file has): ticker ``ticker`` or ``ticker_name``; time ``created_time`` or ``create_ts``
(RFC 3339); price in whole cents ``yes_price`` or ``price``, or in dollars ``yes_price_dollars``; size ``count`` or
``contracts_traded``; optionally ``trade_id`` and ``taker_side``. Where ``taker_side`` is missing or empty, the side is
assumed by the tick rule: a trade above the last other price of its market was bought, one below it was sold.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from truebook.capture.event_types import CapturedEvent
from truebook.capture.importers.source import BytesRead
from truebook.capture.importers.tables import Row, convert, read_rows, value_of
from truebook.capture.importers.values import cents_cc, dollars_cc, positive_centi, rfc3339_us, side
from truebook.capture.manifest import CaptureError
from truebook.kalshi.port import TradeFrame
from truebook.messages.envelope import BookSide

MAX_ROWS: Final = 5_000_000
"""The rows are sorted in memory."""
TICKER: Final = ("ticker", "ticker_name")
TIME: Final = ("created_time", "create_ts")
PRICE: Final = ("yes_price", "price")
DOLLARS: Final = "yes_price_dollars"
SIZE: Final = ("count", "contracts_traded")


def trade_events(path: Path, counter: BytesRead, assumed_sides: set[str]) -> Iterator[CapturedEvent]:
    """Iterate over the trades by time, adding markets with an assumed side to a set; raises ``CaptureError``."""
    trades: list[tuple[TradeFrame, bool]] = []
    ids: set[str] = set()
    for place, row in read_rows(path, counter):
        trade, has_side = convert(path, place, row, partial(_trade, new_id=f"{path.name}-{len(trades) + 1}"))
        if trade.trade_id in ids:
            raise CaptureError(f"{path}, {place}: trade {trade.trade_id} again; remove the duplicate")
        ids.add(trade.trade_id)
        trades.append((trade, has_side))
        if len(trades) > MAX_ROWS:
            raise CaptureError(f"{path}: more than {MAX_ROWS:,} trades; divide the file by time")
    trades.sort(key=lambda one: one[0].received_us)
    ticks: dict[str, tuple[int, BookSide]] = {}
    for trade, has_side in trades:
        if not has_side:
            assumed_sides.add(trade.ticker)
            trade = _with_tick_side(trade, ticks)
        yield CapturedEvent(trade.received_us, 0, trade)


def _trade(row: Row, new_id: str) -> tuple[TradeFrame, bool]:
    at_us = rfc3339_us(value_of(row, *TIME), TIME[0])
    taker_side = row.get("taker_side")
    trade = TradeFrame(
        sid=None, seq=None, received_us=at_us, ticker=str(value_of(row, *TICKER)),
        trade_id=str(row.get("trade_id") or row.get("") or new_id),
        price_cc=dollars_cc(row[DOLLARS], DOLLARS) if DOLLARS in row else cents_cc(value_of(row, *PRICE), PRICE[0]),
        size_centi=positive_centi(value_of(row, *SIZE), SIZE[0]),
        taker_side=side(taker_side, "taker_side") if taker_side else BookSide.BID, exchange_us=at_us,
    )  # fmt: skip
    return trade, bool(taker_side)


def _with_tick_side(trade: TradeFrame, ticks: dict[str, tuple[int, BookSide]]) -> TradeFrame:
    """Assume the taker's side: that of the last change of price, at the market's first trades a bid."""
    last_cc, taker_side = ticks.get(trade.ticker, (trade.price_cc, BookSide.BID))
    if trade.price_cc != last_cc:
        taker_side = BookSide.BID if trade.price_cc > last_cc else BookSide.ASK
    ticks[trade.ticker] = (trade.price_cc, taker_side)
    return msgspec.structs.replace(trade, taker_side=taker_side)
