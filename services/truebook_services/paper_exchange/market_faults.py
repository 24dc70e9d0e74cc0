"""Turns faults of markets into commands to the engine, at their begin and at their end."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from truebook.messages.envelope import BookSide
from truebook.messages.market_metadata import MarketMetadata, MarketStatus, PriceRange
from truebook.simulation.faults import Fault, FaultKind
from truebook.simulation.venue.queries import VenueQueries
from truebook.venue.account import OrderStatus
from truebook_services.paper_exchange.engine.market_commands import ChangeMarket, MarketChange
from truebook_services.paper_exchange.faults import FaultInjector

FIVE_CENTS: Final = (PriceRange(0, 10_000, 500),)
SCALAR_CC: Final = 3_700
MIN_LEFT_US: Final = 60_000_000


class _Begun(msgspec.Struct):
    """A fault that has begun, with the market as it was before."""

    fault: Fault
    before: MarketMetadata


class MarketFaults:
    """The scheduled faults of markets, and those that have begun."""

    def __init__(self, faults: FaultInjector, queries: VenueQueries, log: Any) -> None:
        self._log = log
        self._waiting: set[Fault] = set()
        self._faults = faults
        self._queries = queries
        self._begun: list[_Begun] = []

    def due(self, now_us: int) -> list[ChangeMarket]:
        """Return the commands that are due; each fault is returned once at its begin and once at its end."""
        schedule = self._faults.schedule
        if not schedule.of_markets and not self._begun:
            return []
        at_us = schedule.since_start_us(now_us)
        commands: list[ChangeMarket] = []
        for begun in [one for one in self._begun if (one.fault.until_us or 0) <= at_us]:
            self._begun.remove(begun)
            commands += _ended(begun.fault.kind, begun.before)
        for fault in [one for one in schedule.of_markets if (one.after_us or 0) <= at_us]:
            if fault.until_us is not None and fault.until_us <= at_us:
                self._dropped(fault, "its time is over before there was such a market")
                continue
            market = self._market(fault, now_us)
            if isinstance(market, str):
                self._waits(fault, market)
                continue
            if market.settlement_cc is not None:
                self._dropped(fault, "the market is determined")
                continue
            schedule.of_markets.remove(fault)
            self._waiting.discard(fault)
            self._faults.report(fault.kind, market.ticker)
            commands += self._began(fault.kind, market)
            if fault.until_us is not None:
                self._begun.append(_Begun(fault, market))
        return commands

    def _waits(self, fault: Fault, reason: str) -> None:
        if fault not in self._waiting:
            self._waiting.add(fault)
            self._log.warning("a fault waits", fault=str(fault), reason=reason)

    def _dropped(self, fault: Fault, reason: str) -> None:
        self._faults.schedule.of_markets.remove(fault)
        self._waiting.discard(fault)
        self._log.warning("a fault did not happen", fault=str(fault), reason=reason)

    def _market(self, fault: Fault, now_us: int) -> MarketMetadata | str:
        """Return the market of a fault, or why it has to wait.

        That is the named market, or an open one: with the most resting orders of accounts, else the first. A void needs
        both sides of the book, whose middle is its value.
        """
        is_void = fault.kind is FaultKind.VOID_OUTCOME
        if fault.ticker:
            named = self._queries.market(fault.ticker)
            if named is None:
                return f"no market {fault.ticker} is listed"
            if is_void and named.settlement_cc is None and self._middle_cc(fault.ticker) is None:
                return f"the book of {fault.ticker} lacks a side: a void has no value"
            return named
        found = [
            one
            for one in self._queries.markets()
            if one.status is MarketStatus.ACTIVE
            and one.close_us > now_us + MIN_LEFT_US
            and not (is_void and self._middle_cc(one.ticker) is None)
        ]
        resting: dict[str, int] = {}
        for account in self._queries.all_accounts():
            for order in self._queries.orders(account, status=OrderStatus.RESTING):
                resting[order.ticker] = resting.get(order.ticker, 0) + 1
        if not found:
            return "no market is open for another minute" + (" with both sides of its book" if is_void else "")
        return max(found, key=lambda one: resting.get(one.ticker, 0))

    def _began(self, kind: FaultKind, market: MarketMetadata) -> list[ChangeMarket]:
        ticker = market.ticker
        match kind:
            case FaultKind.PAUSED:
                return [ChangeMarket(ticker, MarketChange.PAUSE)]
            case FaultKind.REOPENED:
                return [ChangeMarket(ticker, MarketChange.CLOSE)]
            case FaultKind.EARLY_CLOSE:
                return [ChangeMarket(ticker, MarketChange.MOVE_CLOSE)]
            case FaultKind.SCALAR_OUTCOME:
                return [ChangeMarket(ticker, MarketChange.SETTLE, value=SCALAR_CC)]
            case FaultKind.VOID_OUTCOME:
                value_cc = self._middle_cc(ticker)
                assert value_cc is not None, "checked by _market"
                return [ChangeMarket(ticker, MarketChange.SETTLE, value=value_cc)]
            case FaultKind.GRID_CHANGE:
                return [ChangeMarket(ticker, MarketChange.GRID, price_ranges=FIVE_CENTS)]
            case FaultKind.FEE_CHANGE:
                return [ChangeMarket(ticker, MarketChange.FEES, value=2 * market.fee_multiplier_ppm)]
            case _:
                raise ValueError(f"{kind} is not a fault of a market")

    def _middle_cc(self, ticker: str) -> int | None:
        """Return the middle of the book in whole cents; None for a book without both sides."""
        book = self._queries.book(ticker)
        bid, ask = book.best(BookSide.BID), book.best(BookSide.ASK)
        return (bid[0] + ask[0]) // 200 * 100 if bid and ask else None


def _ended(kind: FaultKind, before: MarketMetadata) -> list[ChangeMarket]:
    ticker = before.ticker
    match kind:
        case FaultKind.PAUSED | FaultKind.REOPENED:
            return [ChangeMarket(ticker, MarketChange.OPEN)]
        case FaultKind.GRID_CHANGE:
            return [ChangeMarket(ticker, MarketChange.GRID, price_ranges=before.price_ranges)]
        case FaultKind.FEE_CHANGE:
            return [ChangeMarket(ticker, MarketChange.FEES, value=before.fee_multiplier_ppm)]
        case _:
            return []
