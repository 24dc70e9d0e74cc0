"""Paper accounts on live messages: own orders are left out, and the queue models are a band."""

from __future__ import annotations

from typing import Any

import pytest

from support.samples import samples
from truebook.backtest.paper import account
from truebook.backtest.paper.books import LiveBooks
from truebook.backtest.paper.session import PaperSession
from truebook.capture.event_types import BookGap
from truebook.kalshi.port import DeltaFrame, LifecycleFrame, SnapshotFrame, TradeFrame
from truebook.messages.envelope import BookSide, Source
from truebook.messages.identity import Identity
from truebook.messages.ids import CLIENT_ORDER_PREFIX
from truebook.messages.market_metadata import LINEAR_CENT, FeeType, MarketMetadata, MarketStatus
from truebook.messages.markets import MarketUpdated
from truebook.messages.orderbook import BookDelta, BookSnapshot, BookStale, PublicTrade
from truebook.messages.reasons import Reason
from truebook.models.registry import BUNDLED
from truebook.models.session import load_model
from truebook_services.policy.paper_rules import paper_rules
from truebook_services.policy.settings import PolicySettings

START_US = 1_795_000_000_000_000
SECOND_US = 1_000_000
TICKER = "M"
OURS = f"{CLIENT_ORDER_PREFIX}1"
BIDS, ASKS = ((4_800, 5_000), (4_700, 9_000)), ((5_200, 5_000), (5_300, 9_000))


def envelope(at_us: int) -> dict[str, Any]:
    return {
        "id": f"i{at_us}", "cause_id": "", "account": "sim-main", "strategy": "main", "ticker": TICKER,
        "source": Source.SIMULATED, "exchange_us": at_us, "produced_us": at_us,
    }  # fmt: skip


def book(at_us: int, version: int) -> dict[str, Any]:
    return envelope(at_us) | {"epoch": 1, "version": version, "confirmed_us": at_us, "frame_us": 0}


def snapshot(at_us: int, version: int, bids: Any = BIDS, asks: Any = ASKS) -> BookSnapshot:
    return BookSnapshot(**book(at_us, version), bids=bids, asks=asks)


def delta(at_us: int, version: int, side: BookSide, price_cc: int, size_centi: int, ours: str = "") -> BookDelta:
    return BookDelta(
        **book(at_us, version), book_side=side, price_cc=price_cc, size_centi=size_centi, client_order_id=ours
    )  # fmt: skip


def trade(at_us: int, version: int, price_cc: int, size_centi: int, taker: BookSide, number: int = 0) -> PublicTrade:
    return PublicTrade(
        **book(at_us, version), trade_id=f"t{at_us}-{number}", price_cc=price_cc, size_centi=size_centi,
        taker_side=taker,
    )  # fmt: skip


def market(**changes: Any) -> MarketUpdated:
    fields: dict[str, Any] = {
        "ticker": TICKER, "event": "E", "series": "S", "status": MarketStatus.ACTIVE, "open_us": START_US - SECOND_US,
        "close_us": START_US + 3_600 * SECOND_US, "price_ranges": LINEAR_CENT, "fee_type": FeeType.QUADRATIC,
        "fee_multiplier_ppm": 1_000_000, "exclusive": False,
    }  # fmt: skip
    return MarketUpdated(**envelope(START_US), metadata=MarketMetadata(**(fields | changes)), selected=True)


# The books.


def test_a_snapshot_a_delta_and_a_trade_become_events() -> None:
    books = LiveBooks()
    [first] = books.update_book(snapshot(START_US, 1), START_US)
    assert isinstance(first, SnapshotFrame)
    assert (first.bids, first.asks) == (BIDS, ASKS)
    [second] = books.update_book(delta(START_US, 2, BookSide.BID, 4_800, 4_200), START_US)
    assert isinstance(second, DeltaFrame)
    assert (second.price_cc, second.delta_centi) == (4_800, -800)
    traded = trade(START_US, 2, 4_800, 800, BookSide.ASK)
    assert [type(each) for each in books.update_book(traded, START_US)] == [TradeFrame]
    assert books.update_book(traded, START_US) == [], "delivered twice"


def test_a_snapshot_that_confirms_the_book_is_no_event() -> None:
    books = LiveBooks()
    books.update_book(snapshot(START_US, 1), START_US)
    assert books.update_book(snapshot(START_US + SECOND_US, 1), START_US + SECOND_US) == []
    assert books.is_fresh(TICKER, SECOND_US, START_US + 2 * SECOND_US)
    assert not books.is_fresh(TICKER, SECOND_US, START_US + 3 * SECOND_US)


def test_orders_of_the_account_that_trades_are_not_in_the_books() -> None:
    books = LiveBooks()
    books.update_book(snapshot(START_US, 1), START_US)
    assert books.update_book(delta(START_US, 2, BookSide.BID, 4_900, 1_000, OURS), START_US) == []
    [other] = books.update_book(delta(START_US, 3, BookSide.BID, 4_900, 1_300), START_US)
    assert isinstance(other, DeltaFrame)
    assert other.delta_centi == 300
    assert books.update_book(delta(START_US, 4, BookSide.BID, 4_900, 300, OURS), START_US) == []
    assert books.markets[TICKER].replica.book.size_at(BookSide.BID, 4_900) == 300


def test_own_orders_that_end_unseen_are_corrected_by_the_ledger() -> None:
    books = LiveBooks()
    books.update_book(snapshot(START_US, 1), START_US)
    books.update_book(delta(START_US, 2, BookSide.BID, 4_900, 1_000, OURS), START_US)
    books.update_book(delta(START_US, 3, BookSide.BID, 4_900, 600), START_US)  # filled by another's order
    [event] = books.own_orders({}, START_US)
    assert isinstance(event, DeltaFrame)
    assert event.delta_centi == 600


@pytest.mark.parametrize("is_lost", [True, False], ids=["skipped", "stale"])
def test_a_lost_book_is_a_gap_until_its_snapshot(is_lost: bool) -> None:
    books = LiveBooks()
    books.update_book(snapshot(START_US, 1), START_US)
    stale = BookStale(**book(START_US, 1), reason=Reason.SEQUENCE_GAP)
    assert (books.lose({TICKER}) if is_lost else books.update_book(stale, START_US)) == [BookGap((TICKER,))]
    assert books.update_book(delta(START_US, 2, BookSide.BID, 4_800, 1), START_US) == []
    assert [type(each) for each in books.update_book(snapshot(START_US, 3), START_US)] == [SnapshotFrame]


def test_a_settlement_is_a_life_cycle_event() -> None:
    books = LiveBooks()
    assert books.update_market(market()) == []
    assert books.update_market(market()) == []
    [event] = books.update_market(market(status=MarketStatus.FINALIZED, settlement_cc=10_000))
    assert isinstance(event, LifecycleFrame)
    assert (event.status, event.settlement_cc, event.close_us) == (MarketStatus.FINALIZED, 10_000, None)


# The accounts.


class Run:
    """A session of the bundled models, a second at a time."""

    def __init__(self, *first: Any) -> None:
        rules = paper_rules(PolicySettings(), Identity(account="a", strategy="s", source=Source.SIMULATED))
        models = [load_model(BUNDLED / f"{name}.onnx") for name in ("maker", "small")]
        self.now_us = START_US
        self.session = PaperSession(rules, *models, START_US)
        self.version = 1
        self.give(*(first or (market(), snapshot(START_US, 1))))

    def give(self, *messages: Any, may_go_on: bool = True) -> int:
        return self.session.take(messages, self.now_us, lambda: may_go_on)

    def second(self, *sizes: tuple[BookSide, int, int]) -> None:
        """Let a second pass; each change is (side, price_cc, new size)."""
        for step in range(10):
            self.now_us += SECOND_US // 10
            if step == 0:
                for side, price_cc, size_centi in sizes:
                    self.version += 1
                    self.give(delta(self.now_us, self.version, side, price_cc, size_centi))
            for _ in self.session.advance(self.now_us):
                pass


def test_a_quote_that_trades_reach_is_filled_and_valued() -> None:
    run = Run()
    run.second((BookSide.BID, 4_800, 5_100))
    active, _ = run.session.results()
    assert {each.orders for each in active} == {2}, "the maker quotes both sides"
    for number in range(3):
        run.give(trade(run.now_us, run.version, 4_700, 50_000, BookSide.ASK, number))
    run.second()
    active, shadow = run.session.results()
    assert {each.fills for each in active} == {1}
    assert all(each.profit_micros is not None for each in active)
    assert all(each.turnover_micros > 0 for each in active)
    assert {each.fills for each in shadow} == {0}


def test_a_market_that_is_listed_after_its_first_snapshot_is_traded() -> None:
    run = Run(snapshot(START_US, 1), market())
    run.give(snapshot(START_US, 1))
    run.second((BookSide.BID, 4_800, 5_100))
    active, _ = run.session.results()
    assert {each.orders for each in active} == {2}, "the maker quotes both sides"
    for number in range(3):
        run.give(trade(run.now_us, run.version, 4_700, 50_000, BookSide.ASK, number))
    run.second()
    active, _ = run.session.results()
    assert {each.fills for each in active} == {1}
    for each in run.session._accounts:
        assert each._venue.undisturbed_book(TICKER) is not None, "the exchange has the book"


def test_a_settled_market_is_paid_out_and_dropped() -> None:
    run = Run()
    run.second((BookSide.BID, 4_800, 5_100))
    run.give(trade(run.now_us, run.version, 4_700, 50_000, BookSide.ASK))
    run.second()
    run.give(market(status=MarketStatus.FINALIZED, settlement_cc=10_000))
    run.second()
    active, _ = run.session.results()
    assert min(each.profit_micros or 0 for each in active) > 4_000_000, "ten contracts pay more than 50 cents each"
    run.give(snapshot(run.now_us, 9))
    run.second()


def test_skipped_messages_are_counted_and_trade_nothing() -> None:
    run = Run()
    assert run.give(delta(run.now_us, 2, BookSide.BID, 4_800, 1), market(), may_go_on=False) == 1
    events = run.session.events
    run.second((BookSide.BID, 4_800, 5_100))
    assert run.session.events == events, "the book is unknown until its next snapshot"
    run.give(snapshot(run.now_us, 9))
    assert run.session.events == events + 1


def test_ended_orders_are_not_kept_for_as_long_as_a_run_lasts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(account, "MAX_KEPT", 20, raising=False)
    run = Run()
    for number in range(400):
        run.second(
            (BookSide.BID, (4_800, 4_900)[number % 2], 5_100 + number), (BookSide.BID, 4_900, number % 2 * 5_000)
        )
        if number % 60 == 0:
            run.give(snapshot(run.now_us, run.version))
    [paper, *_] = run.session._active
    assert paper.values().orders > 200
    exchange = paper._venue.exchange.queries._accounts.accounts[account.ACCOUNT]
    assert len(exchange.orders) <= 20 + 2
    assert len(exchange.client_ids) <= 20 + 2
    assert len(paper._ledger.state.orders) < paper.values().orders // 2, "those of the newest minutes"


def test_all_kinds_of_messages_are_taken() -> None:
    run = Run()
    assert run.give(*samples().values()) == 0
