"""Turns faults of markets into commands to the engine, at their begin and at their end."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

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

    def __init__(self, faults: FaultInjector, queries: VenueQueries, accounts: Sequence[str]) -> None:
        self._faults = faults
        self._queries = queries
        self._accounts = accounts
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
            market = self._market(fault.ticker, now_us)
            if market is None:
                continue  # waits for an open market
            schedule.of_markets.remove(fault)
            self._faults.report(fault.kind, market.ticker)
            commands += self._began(fault.kind, market)
            if fault.until_us is not None:
                self._begun.append(_Begun(fault, market))
        return commands

    def _market(self, ticker: str, now_us: int) -> MarketMetadata | None:
        """Return the named market, or an open one: with the most resting orders of accounts, else the first."""
        if ticker:
            return self._queries.market(ticker)
        found = [
            one
            for one in self._queries.markets()
            if one.status is MarketStatus.ACTIVE and one.close_us > now_us + MIN_LEFT_US
        ]
        resting: dict[str, int] = {}
        for account in self._accounts:
            for order in self._queries.orders(account, status=OrderStatus.RESTING):
                resting[order.ticker] = resting.get(order.ticker, 0) + 1
        return max(found, key=lambda one: resting.get(one.ticker, 0), default=None)

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
                return [ChangeMarket(ticker, MarketChange.SETTLE, value=self._middle_cc(ticker))]
            case FaultKind.GRID_CHANGE:
                return [ChangeMarket(ticker, MarketChange.GRID, price_ranges=FIVE_CENTS)]
            case FaultKind.FEE_CHANGE:
                return [ChangeMarket(ticker, MarketChange.FEES, value=2 * market.fee_multiplier_ppm)]
            case _:
                raise ValueError(f"{kind} is not a fault of a market")

    def _middle_cc(self, ticker: str) -> int:
        """Return the middle of the book in whole cents; 50 cents for a book without both sides."""
        book = self._queries.book(ticker)
        bid, ask = book.best(BookSide.BID), book.best(BookSide.ASK)
        return (bid[0] + ask[0]) // 200 * 100 if bid and ask else 5_000


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
