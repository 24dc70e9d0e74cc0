"""What anyone may read at a simulated venue, the same whether its market data are synthetic or recorded."""

from __future__ import annotations

from itertools import takewhile

from truebook.book.order_book import OrderBook
from truebook.messages.facts import MarketFacts
from truebook.simulation.accounts import Position
from truebook.simulation.desk import Desk
from truebook.simulation.engine import Engine
from truebook.simulation.events import Traded
from truebook.simulation.orders import OrderCosts
from truebook.venue.account import (
    ExchangeBalance,
    ExchangeFill,
    ExchangeOrder,
    ExchangePosition,
    ExchangeSettlement,
    OrderRequest,
    OrderStatus,
)


class VenueReads:
    """The reads of a venue. Those of an account raise ``UnknownAccount`` where it was never opened."""

    def __init__(self, desk: Desk, engine: Engine) -> None:
        self._desk = desk
        self._engine = engine

    def has_account(self, account: str) -> bool:
        return account in self._desk.accounts

    # Markets

    def market(self, ticker: str) -> MarketFacts | None:
        record = self._desk.markets.get(ticker)
        return None if record is None else record.facts

    def markets(self) -> list[MarketFacts]:
        """List all markets, ended ones too as long as they are remembered, in the order in which they came."""
        return [record.facts for record in self._desk.markets]

    def trades(self, ticker: str | None, limit: int) -> list[Traded]:
        """List the public trades of a market, or of all, newest first."""
        return self._desk.markets.trades(ticker, limit)

    def book(self, ticker: str) -> OrderBook:
        """Copy the displayed book; empty where the market is not known."""
        return self._engine.book(ticker)

    def clock_of(self, ticker: str) -> int:
        """Give the number of changes that the market's book has seen, 0 where it is not known."""
        return self._engine.clock_of(ticker)

    # Accounts

    def orders(
        self, account: str, *, ticker: str | None = None, status: OrderStatus | None = None, since_us: int = 0
    ) -> list[ExchangeOrder]:
        """List an account's orders, newest first, optionally of one market or status, or created from a time on.

        An account's past is long: what rests, and what is new, is found without walking through it.
        """
        owner = self._desk.account(account)
        if status is OrderStatus.RESTING:
            resting = [one for open_orders in owner.open_orders.values() for one in open_orders.values()]
            resting.sort(key=lambda one: one.number, reverse=True)
            return [one.picture() for one in resting if ticker in (None, one.ticker)]
        recent = takewhile(lambda one: one.created_us >= since_us, reversed(owner.orders.values()))
        return [one.picture() for one in recent if ticker in (None, one.ticker) and status in (None, one.status)]

    def order(self, account: str, exchange_order_id: str) -> ExchangeOrder | None:
        found = self._desk.account(account).orders.get(exchange_order_id)
        return None if found is None else found.picture()

    def queue_position(self, account: str, exchange_order_id: str) -> int | None:
        """Give how much (1/100 contract) stands before a resting order; None where it does not rest."""
        found = self._desk.account(account).orders.get(exchange_order_id)
        return self._engine.ahead_of(found) if found is not None and found.is_resting else None

    def order_request(self, account: str, exchange_order_id: str) -> OrderRequest | None:
        """Give what was asked for (time in force, self-trade prevention, group), which ``order`` does not show."""
        found = self._desk.account(account).orders.get(exchange_order_id)
        return None if found is None else found.request

    def order_costs(self, account: str, exchange_order_id: str) -> OrderCosts | None:
        """Give costs and fees of an order's fills so far, as taker and as maker."""
        found = self._desk.account(account).orders.get(exchange_order_id)
        return None if found is None else found.costs

    def order_id_of(self, account: str, client_order_id: str) -> str | None:
        """Find the exchange's id of a client order id; None where no order came to be."""
        return self._desk.order_id_of(account, client_order_id)

    def fills(self, account: str, *, since_us: int = 0) -> list[ExchangeFill]:
        """List an account's fills, newest first, optionally from a time on."""
        newest_first = reversed(self._desk.account(account).fills)
        return list(takewhile(lambda fill: fill.created_us >= since_us, newest_first))

    def settlements(self, account: str) -> list[ExchangeSettlement]:
        """List an account's settlements, newest first."""
        return self._desk.account(account).settlements[::-1]

    def positions(self, account: str) -> list[ExchangePosition]:
        """List what an account holds in markets that have not settled; flat ones are left out."""
        return self._desk.account(account).exchange_positions()

    def traded_tickers(self, account: str) -> list[str]:
        """Name the markets that an account has traded in and that have not settled, in the order of the first trade."""
        return list(self._desk.account(account).positions)

    def position(self, account: str, ticker: str) -> Position | None:
        """Give the venue's record of a position (with realised profit and turnover); not to be changed."""
        return self._desk.account(account).positions.get(ticker)

    def balance(self, account: str) -> ExchangeBalance:
        """Give the available cash: what resting orders hold is taken off."""
        owner = self._desk.account(account)
        return ExchangeBalance(balance_micros=owner.available_micros(), updated_us=owner.updated_us)

    def held_micros(self, account: str) -> int:
        """Give what resting orders hold."""
        return self._desk.account(account).held_micros
