"""What a backtest is given of a recording that begins before its window."""

from __future__ import annotations

from typing import Any

import msgspec

from truebook.backtest.window import Window, select
from truebook.capture.event_types import BookGap, CapturedEvent
from truebook.kalshi.port import DeltaFrame, LifecycleFrame, SnapshotFrame, TradeFrame
from truebook.messages.envelope import BookSide
from truebook.messages.market_metadata import MarketStatus
from truebook.simulation.recorded.book import RecordedBook

HEAD: dict[str, Any] = {"sid": 1, "seq": None, "received_us": 0, "ticker": "A", "exchange_us": None}
START_US = 1_000_000


def snapshot(bids: tuple[tuple[int, int], ...], asks: tuple[tuple[int, int], ...], ticker: str = "A") -> SnapshotFrame:
    return SnapshotFrame(**(HEAD | {"ticker": ticker}), bids=bids, asks=asks)


def delta(side: BookSide, price_cc: int, delta_centi: int) -> DeltaFrame:
    return DeltaFrame(**HEAD, book_side=side, price_cc=price_cc, delta_centi=delta_centi)


def lifecycle(status: MarketStatus | None, close_us: int | None = None) -> LifecycleFrame:
    return LifecycleFrame(
        sid=3, seq=None, received_us=0, ticker="A", event_type="any", close_us=close_us, settlement_cc=None,
        status=status,
    )  # fmt: skip


def selected(*before: object) -> list[Any]:
    """Return the events of a window that begins after ``before``, with one trade in it."""
    trade = TradeFrame(
        **HEAD | {"exchange_us": 0}, trade_id="t", price_cc=5_000, size_centi=100, taker_side=BookSide.BID
    )  # fmt: skip
    events: list[Any] = [*before, trade]
    captured = [CapturedEvent(START_US + number, 0, event) for number, event in enumerate(events)]
    found = list(select(captured, Window(from_us=START_US + len(before))))
    assert {at_us for at_us, _ in found} == {START_US + len(before)}
    return [event for _, event in found][:-1]


def test_the_life_cycle_before_a_window_is_known_at_its_start() -> None:
    paused, moved = lifecycle(MarketStatus.INACTIVE), lifecycle(None, close_us=START_US + 9_000_000)
    found = selected(snapshot(((4_000, 100),), ((6_000, 100),)), paused, moved)
    assert found[:2] == [paused, moved]
    assert [type(each) for each in found[2:]] == [SnapshotFrame]


def test_a_book_that_is_crossed_at_the_start_is_known() -> None:
    found = selected(snapshot(((4_000, 100),), ((6_000, 100), (7_000, 50))), delta(BookSide.BID, 6_500, 300))
    book = RecordedBook()
    for event in found:
        if isinstance(event, SnapshotFrame):
            book.replace(event.bids, event.asks, START_US)
        else:
            book.change(event.book_side, event.price_cc, event.delta_centi, START_US)
    assert book.is_valid
    assert list(book.book.levels(BookSide.BID)) == [(6_500, 300), (4_000, 100)]
    assert list(book.book.levels(BookSide.ASK)) == [(6_000, 100), (7_000, 50)]


def test_a_book_with_lost_frames_is_unknown_at_the_start() -> None:
    assert selected(snapshot(((4_000, 100),), ()), snapshot((), (), "B"), BookGap(("A",))) == [
        msgspec.structs.replace(snapshot((), (), "B"), sid=None)
    ]


def test_the_life_cycle_of_other_markets_of_an_event_is_kept() -> None:
    """They are listed: whether one is active decides if the sum of the event's prices is known."""
    own, other = snapshot(((4_000, 100),), ()), snapshot((), (), "B")
    paused = msgspec.structs.replace(lifecycle(MarketStatus.INACTIVE), ticker="B")
    resumed = msgspec.structs.replace(lifecycle(MarketStatus.ACTIVE), ticker="B")
    captured = [CapturedEvent(START_US + number, 0, each) for number, each in enumerate((paused, own, other, resumed))]
    window = Window(markets=frozenset({"A"}))
    assert list(select(captured, window, frozenset({"B"}))) == [
        (START_US + 1, paused), (START_US + 1, own), (START_US + 3, resumed),
    ]  # fmt: skip
    assert list(select(captured, window)) == [(START_US + 1, own)]
    assert not list(select(captured[:1], window, frozenset({"B"}))), "no event of its own: the window is empty"
