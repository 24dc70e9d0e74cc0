"""Histories of a ledger with known times, and their statements."""

from __future__ import annotations

from datetime import date
from typing import Any
from zoneinfo import ZoneInfo

from support.ledger_verbs import AnyVerb, a_fill, a_reserve, an_acknowledge
from truebook.ledger.exchange_reports import RECONCILED
from truebook.ledger.journal.chain import chained
from truebook.ledger.port import JournalEntry
from truebook.ledger.rules.ledger import Ledger
from truebook.ledger.trading_holds import DIFFERENCE
from truebook.ledger.verbs import Adjust, AdvanceWatermark, OpenAccount, SettleMarket, timed
from truebook.messages.envelope import BookSide
from truebook.statement.days import period_of
from truebook.statement.fold import StatementFold
from truebook.statement.records import Statement

UTC_ZONE = ZoneInfo("UTC")
DAY = date(2026, 3, 10)
PERIOD = period_of(DAY, UTC_ZONE)
NEXT = period_of(date(2026, 3, 11), UTC_ZONE)
S = 1_000_000
NOON = PERIOD.from_us + 12 * 3600 * S
LATE = PERIOD.to_us - 1
NEXT_NOON = NOON + 24 * 3600 * S


class History:
    """A ledger whose entries are made at given times."""

    def __init__(self) -> None:
        self.ledger = Ledger("history")
        self.at_us = 0

    def apply(self, at_us: int, *applied: AnyVerb) -> History:
        for verb in applied:
            self.ledger.apply(timed(verb, lambda: at_us))
        return self

    def entries(self) -> list[JournalEntry]:
        return chained(self.ledger.journal(0, 1_000_000), None)

    def statement(self, period: Any = PERIOD, entries: list[JournalEntry] | None = None) -> Statement:
        fold = StatementFold(period, Ledger("history"))
        for entry in self.entries() if entries is None else entries:
            if not fold.add(entry):
                break
        return fold.finish("sim-main", NEXT.to_us)


def order(order_id: str, at_us: int, model: str = "", **changes: Any) -> list[AnyVerb]:
    reserve = a_reserve(order_id, now_us=at_us, deadline_us=at_us + S, model=model, **changes)
    return [reserve, an_acknowledge(order_id, ticker=reserve.ticker)]


def opened(at_us: int = NOON) -> History:
    return History().apply(at_us, OpenAccount(balance_micros=100 * S))


def two_days() -> History:
    """One model opens a position, another one closes most of it before midnight; its market settles on the next day."""
    history = opened()
    history.apply(NOON, *order("a", NOON, "maker"))
    history.apply(NOON, a_fill("t1", exchange_us=NOON + 1, fee_micros=70_000))
    history.apply(NOON, Adjust(adjust_id="d", amount_micros=5 * S, kind="deposit", reason="by hand"))
    sale = order("b", NOON + 2, "taker", book_side=BookSide.ASK, price_cc=6000, size_centi=300)
    history.apply(NOON + 2, *sale)
    history.apply(
        LATE,
        a_fill("t2", order_id="xb", book_side=BookSide.ASK, price_cc=6000, size_centi=300, exchange_us=LATE - 5),
        AdvanceWatermark(name=RECONCILED, to_us=LATE),
    )
    history.apply(NEXT_NOON, AdvanceWatermark(name=RECONCILED, to_us=NEXT_NOON), DIFFERENCE.place())
    return history.apply(NEXT_NOON + 5, SettleMarket(ticker="M", settlement_cc=10_000), DIFFERENCE.release())
