"""Faults of markets: which market they take, why one waits, and which never happens."""

from __future__ import annotations

from typing import Any

import structlog

from support.manual_exchange import ACCOUNT, ManualExchange, request
from truebook.messages.envelope import BookSide
from truebook.simulation.faults import parse_fault
from truebook.simulation.venue.subaccounts import SubaccountMove
from truebook.venue.account import CreateResponse
from truebook_services.paper_exchange.engine.commands import CreateSubaccount, MoveBetweenSubaccounts, PlaceOrder

NAMED = "KXA-26-X"


class Faulty:
    """An exchange whose ticks are run by hand, with what its log states of faults."""

    def __init__(self, *faults: str, tickers: tuple[str, ...] = (NAMED,)) -> None:
        self.exchange = ManualExchange(tickers=tickers, settlement_delay_ms=0)
        schedule = self.exchange.server.state.faults.schedule
        for text in faults:
            schedule.add(parse_fault(text), from_us=self.exchange.clock.now_us())
        self.logged: list[tuple[str, str]] = []

    def pass_s(self, seconds: float) -> None:
        with structlog.testing.capture_logs() as logs:
            self.exchange.tick(seconds)
            while not self.exchange.server.tick():
                pass
        self.logged += [(one["event"], one["reason"]) for one in logs if "fault" in one]

    def market(self) -> Any:
        return self.exchange.engine.queries.market(NAMED)

    @property
    def waiting(self) -> list[str]:
        return self.exchange.server.state.faults.schedule.listed()


async def test_a_fault_of_an_unknown_market_is_logged_once_and_waits() -> None:
    faulty = Faulty("early_close@t=0:TYPO")
    faulty.pass_s(1)
    faulty.pass_s(1)
    assert faulty.logged == [("a fault waits", "no market TYPO is listed")]
    assert faulty.waiting == ["early_close@t=0:TYPO"]


async def test_a_fault_whose_time_is_over_before_its_market_is_dropped() -> None:
    faulty = Faulty("paused@t=0..3:TYPO")
    faulty.pass_s(1)
    faulty.pass_s(5)
    assert [event for event, _ in faulty.logged] == ["a fault waits", "a fault did not happen"]
    assert faulty.waiting == []


async def test_a_void_waits_for_both_sides_of_the_book() -> None:
    """Its value is the middle of the book; there is no default."""
    faulty = Faulty(f"void_outcome@t=0:{NAMED}")
    queries = faulty.exchange.engine.queries
    faulty.pass_s(0)
    assert faulty.logged == [("a fault waits", f"the book of {NAMED} lacks a side: a void has no value")]
    for _ in range(60):
        book = queries.book(NAMED)
        bid, ask = book.best(BookSide.BID), book.best(BookSide.ASK)
        if faulty.market().settlement_cc is not None:
            break
        middle_cc = (bid[0] + ask[0]) // 200 * 100 if bid and ask else None
        faulty.pass_s(1)
    assert faulty.market().settlement_cc is not None and faulty.waiting == []
    assert middle_cc is None or faulty.market().settlement_cc % 100 == 0


async def test_a_determined_market_takes_no_fault() -> None:
    faulty = Faulty(f"scalar_outcome@t=1:{NAMED}", f"paused@t=3..9:{NAMED}")
    faulty.pass_s(2)
    assert faulty.market().settlement_cc == 3_700
    faulty.pass_s(2)
    assert faulty.logged == [("a fault did not happen", "the market is determined")]


async def test_a_fault_takes_the_market_of_a_subaccounts_orders() -> None:
    other = "KXB-26-Y"
    faulty = Faulty("fee_change@t=5..9", tickers=(NAMED, other))
    exchange = faulty.exchange
    exchange.tick(1)
    cash = SubaccountMove(transfer_id="one", from_number=0, to_number=1, amount_micros=10_000_000, shard=0)
    order = PlaceOrder(f"{ACCOUNT}/1", request(other, 1, price_cc=100, size_centi=100))
    *_, placed = await exchange.command(CreateSubaccount(ACCOUNT, 0), MoveBetweenSubaccounts(ACCOUNT, cash), order)
    assert isinstance(placed, CreateResponse)
    taken: list[str] = []
    exchange.server.state.faults.on_injected = lambda one: taken.append(one.subject)
    faulty.pass_s(5)
    assert taken == [other]
