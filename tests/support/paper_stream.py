"""A stream session of the product over books set by a test, for tests of the session itself and its raw frames."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from truebook.book.order_book import OrderBook
from truebook.messages.envelope import BookSide
from truebook.simulation.events import LevelChanged, Traded
from truebook_services.paper_exchange.stream import frames
from truebook_services.paper_exchange.stream.frames import Outgoing
from truebook_services.paper_exchange.stream.session import StreamLimits, StreamSession
from truebook_services.paper_exchange.wire_fields import market_id

NOW_US = 1_764_000_000_000_000


class FixedView:
    """Books by ticker."""

    def __init__(self) -> None:
        self.books = {
            "A": OrderBook([(4_700, 300)], [(5_200, 200), (5_300, 100)]),
            "B": OrderBook([(100, 50)]),
            "C": OrderBook(),
        }
        self.tickers: dict[str, Outgoing] = {}
        self.steady = 0

    def now_us(self) -> int:
        return NOW_US

    def scheduled(self) -> None: ...
    def renewed(self, session: StreamSession) -> None: ...

    def steady_us(self) -> int:
        return self.steady

    def snapshot(self, ticker: str, use_yes_price: bool) -> dict[str, Any] | None:
        book = self.books.get(ticker)
        if book is None:
            return None
        return frames.snapshot_body(ticker, book, 7, use_yes_price=use_yes_price, both_sides=False)

    def ticker(self, ticker: str) -> Outgoing | None:
        return self.tickers.get(ticker)

    def tickers_of_ids(self, market_ids: Sequence[str]) -> list[str]:
        by_id = {market_id(one): one for one in self.books}
        return [by_id[one] for one in market_ids if one in by_id]


class StreamClient:
    """Sends commands to a session and reads its frames."""

    def __init__(self, *, outbox: int = 1_000, first_data_delay_us: int = 0, account: str = "me") -> None:
        self.view = FixedView()
        self.woken = 0
        limits = StreamLimits(outbox, first_data_delay_us)
        self.session = StreamSession(account, self.view, limits, self._wake, lambda session: None)

    def _wake(self) -> None:
        self.woken += 1

    def send(self, cmd: str, command_id: int | None = 1, **params: Any) -> list[dict[str, Any]]:
        self.session.receive(json.dumps({"id": command_id, "cmd": cmd, "params": params}))
        return self.frames()

    def frames(self) -> list[dict[str, Any]]:
        taken = []
        while (frame := self.session.take()) is not None:
            assert frame.endswith(b"\n")
            taken.append(json.loads(frame))
        return taken

    def book_of(self, *tickers: str) -> int:
        """Subscribe to books; returns the sid."""
        frames = self.send("subscribe", channels=["orderbook_delta"], market_tickers=list(tickers))
        sid: int = frames[0]["msg"]["sid"]
        return sid


def changed(
    ticker: str, side: BookSide = BookSide.BID, price_cc: int = 4_700, delta: int = 100, **more: Any
) -> Outgoing:
    return frames.delta(
        LevelChanged(at_us=NOW_US, ticker=ticker, book_side=side, price_cc=price_cc, delta_centi=delta, clock=8, **more)
    )


def traded(ticker: str) -> Outgoing:
    return frames.trade(
        Traded(at_us=NOW_US, ticker=ticker, trade_id="t", price_cc=4_800, size_centi=50, taker_side=BookSide.BID)
    )
