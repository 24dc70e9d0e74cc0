"""The account as features read it: cash, positions, and the proceeds of selling them now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from truebook.book.order_book import OrderBook
from truebook.features.inputs import Holding, Holdings
from truebook.ledger.port import AccountView, LedgerView, MarketView
from truebook.ledger.valuation import position_cost, sale_value
from truebook.messages.envelope import BookSide
from truebook.observation.markets import ObservedMarket

_DEPTH: Final = 4


class Portfolio(msgspec.Struct, frozen=True, kw_only=True):
    """The account at one ledger sequence number."""

    account: AccountView
    holdings: Holdings
    equity_micros: int
    """Cash of all shards, reserved and in transit too + positions at the price at which they could be sold now."""


class _Valued(msgspec.Struct, frozen=True):
    """A position's value; valid until the position or its book changes."""

    view: MarketView
    epoch: int
    version: int
    holding: Holding


class Positions:
    """The newest view of each market with an open position; some are older than the account's view."""

    def __init__(self) -> None:
        self._markets: dict[str, MarketView] = {}
        self._valued: dict[str, _Valued] = {}

    def update(self, view: LedgerView) -> None:
        for market in view.markets:
            if market.position_centi and market.settlement_cc is None:
                self._markets[market.ticker] = market
            else:
                self._markets.pop(market.ticker, None)
                self._valued.pop(market.ticker, None)

    def replace(self, view: LedgerView) -> None:
        """Take a view of the live markets, or of all: positions that it does not contain are dropped."""
        self._markets.clear()
        self._valued.clear()
        self.update(view)

    def value(self, account: AccountView, observed: Mapping[str, ObservedMarket]) -> Portfolio:
        """Value the account by the books of this process.

        A position is valued at its cost if its book is stale or read by another process.
        """
        holdings = Holdings(self._value(market, observed.get(market.ticker)) for market in self._markets.values())
        return Portfolio(
            account=account,
            holdings=holdings,
            equity_micros=account.owned_micros + sum([holding.value_micros for holding in holdings]),
        )  # fmt: skip

    def _value(self, market: MarketView, observed: ObservedMarket | None) -> Holding:
        epoch = version = -1
        if observed is not None and observed.replica.stale is None:
            epoch, version = observed.replica.epoch, observed.replica.version
        known = self._valued.get(market.ticker)
        if known is None or known.view is not market or (known.epoch, known.version) != (epoch, version):
            known = _Valued(market, epoch, version, _holding(market, observed))
            self._valued[market.ticker] = known
        return known.holding


def sale_micros(position_centi: int, book: OrderBook) -> int:
    """Return what selling a position on this book would bring; its best levels are mostly enough."""
    side = BookSide.BID if position_centi > 0 else BookSide.ASK
    best = book.levels(side, _DEPTH)
    micros, left_centi = sale_value(position_centi, best, best)
    if left_centi and len(best) == _DEPTH:
        levels = book.levels(side)
        micros, _ = sale_value(position_centi, levels, levels)
    return micros


def _holding(market: MarketView, observed: ObservedMarket | None) -> Holding:
    cost_micros = value_micros = position_cost(market)
    if observed is not None and observed.replica.stale is None:
        value_micros = sale_micros(market.position_centi, observed.replica.book)
    return Holding(
        ticker=market.ticker,
        position_centi=market.position_centi,
        cost_micros=cost_micros,
        value_micros=value_micros,
    )
