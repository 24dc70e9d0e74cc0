"""Reads of the simulated exchange, the same for synthetic and recorded markets."""

from __future__ import annotations

from collections.abc import Callable
from itertools import takewhile

from truebook.book.order_book import OrderBook
from truebook.messages.market_metadata import MarketMetadata
from truebook.simulation.events import Traded
from truebook.simulation.venue.account_book import AccountBook
from truebook.simulation.venue.accounts import Position, SubaccountTransfer
from truebook.simulation.venue.engine import Engine
from truebook.simulation.venue.orders import OrderCosts
from truebook.simulation.venue.subaccount_names import PRIMARY, number_of
from truebook.venue.account import (
    CashTransfer,
    ExchangeBalance,
    ExchangeFill,
    ExchangeOrder,
    ExchangePosition,
    ExchangeSettlement,
    OrderRequest,
    OrderStatus,
)
from truebook.venue.shards import ShardCash, ShardStatus, ShardTransfer, TargetAllocation


class VenueQueries:
    """Reads of markets and accounts. Those of an account raise ``UnknownAccount`` where it was never opened."""

    def __init__(self, accounts: AccountBook, engine: Engine) -> None:
        self._accounts = accounts
        self._engine = engine

    # Markets

    def market(self, ticker: str) -> MarketMetadata | None:
        record = self._accounts.markets.get(ticker)
        return None if record is None else record.metadata

    def markets(self) -> list[MarketMetadata]:
        """List all markets, ended ones included as long as they are kept, in the order of listing."""
        return [record.metadata for record in self._accounts.markets]

    def trades(self, ticker: str | None, limit: int) -> list[Traded]:
        """List the recent public trades of a market, or of all, newest first."""
        return self._accounts.markets.trades(ticker, limit)

    def book(self, ticker: str) -> OrderBook:
        """Copy the displayed book; empty for an unknown market."""
        return self._engine.book(ticker)

    def clock_of(self, ticker: str) -> int:
        """Return the number of changes of the market's book, 0 for an unknown market."""
        return self._engine.clock_of(ticker)

    # Accounts

    def subaccounts(self, owner: str) -> list[str]:
        """List the names of an owner's subaccounts by number, the primary one first."""
        return [one.name for _, one in sorted(self._accounts.family(owner).items())]

    def all_accounts(self) -> list[str]:
        """List the names of all subaccounts of all owners, in the order in which they were opened."""
        return list(self._accounts.accounts)

    def shards_of(self, account: str) -> list[int]:
        """List the shards on which a subaccount exists; the primary one does on all of them."""
        if number_of(account) == PRIMARY:
            return list(self._accounts.shards.plan.indices)
        return sorted(self._accounts.account(account).wallets)

    def subaccount_transfers(self, owner: str) -> list[SubaccountTransfer]:
        """List an owner's transfers between subaccounts, newest first."""
        return list(self._accounts.account(owner).subaccount_transfers.values())[::-1]

    def is_netting(self, account: str) -> bool:
        """Return whether NO contracts bought from now on take part in collateral return."""
        return self._accounts.account(account).is_netting

    def returned_micros(self, account: str, *, on: Callable[[int], bool]) -> int:
        """Return the collateral that a subaccount was returned on the selected shards."""
        returns = self._accounts.account(account).returns.values()
        markets = self._accounts.markets
        return sum(one.returned_micros for one in returns if one.sizes and on(markets[next(iter(one.sizes))].shard))

    def orders(
        self, account: str, *, ticker: str | None = None, status: OrderStatus | None = None, since_us: int = 0
    ) -> list[ExchangeOrder]:
        """List an account's orders, newest first, optionally of one market or status, or created since a time.

        Resting and recent orders are found without a scan of the account's whole history.
        """
        owner = self._accounts.account(account)
        if status is OrderStatus.RESTING:
            resting = [one for open_orders in owner.open_orders.values() for one in open_orders.values()]
            resting.sort(key=lambda one: one.number, reverse=True)
            return [one.exported() for one in resting if ticker in (None, one.ticker)]
        recent = takewhile(lambda one: one.created_us >= since_us, reversed(owner.orders.values()))
        return [one.exported() for one in recent if ticker in (None, one.ticker) and status in (None, one.status)]

    def order(self, account: str, exchange_order_id: str) -> ExchangeOrder | None:
        found = self._accounts.account(account).orders.get(exchange_order_id)
        return None if found is None else found.exported()

    def queue_position(self, account: str, exchange_order_id: str) -> int | None:
        """Return the size (1/100 contract) ahead of a resting order; None where it does not rest."""
        found = self._accounts.account(account).orders.get(exchange_order_id)
        return self._engine.queue_ahead(found) if found is not None and found.is_resting else None

    def order_request(self, account: str, exchange_order_id: str) -> OrderRequest | None:
        """Return an order's request (time in force, self-trade prevention, group), which ``order`` does not show."""
        found = self._accounts.account(account).orders.get(exchange_order_id)
        return None if found is None else found.request

    def order_costs(self, account: str, exchange_order_id: str) -> OrderCosts | None:
        """Return the total cost and fees of an order's fills, as taker and as maker."""
        found = self._accounts.account(account).orders.get(exchange_order_id)
        return None if found is None else found.costs

    def order_id_of(self, account: str, client_order_id: str) -> str | None:
        """Find the exchange order id of a client order id; None where no order was accepted."""
        return self._accounts.order_id_of(account, client_order_id)

    def fills(self, account: str, *, since_us: int = 0) -> list[ExchangeFill]:
        """List an account's fills, newest first, optionally since a time."""
        newest_first = reversed(self._accounts.account(account).fills)
        return list(takewhile(lambda fill: fill.created_us >= since_us, newest_first))

    def fill_count(self, account: str) -> int:
        """Return how many fills of an account are kept."""
        return len(self._accounts.account(account).fills)

    def settlements(self, account: str) -> list[ExchangeSettlement]:
        """List an account's settlements, newest first."""
        return self._accounts.account(account).settlements[::-1]

    def transfers(self, account: str) -> list[CashTransfer]:
        """List an account's deposits and (negative) withdrawals, newest first."""
        return list(self._accounts.account(account).transfers.values())[::-1]

    def shard_transfers(self, account: str) -> list[ShardTransfer]:
        """List an account's transfers between shards, newest first."""
        return list(self._accounts.account(account).shard_transfers.values())[::-1]

    def shard_transfer(self, account: str, exchange_transfer_id: str) -> ShardTransfer | None:
        return self._accounts.account(account).shard_transfers.get(exchange_transfer_id)

    def allocation(self, account: str) -> TargetAllocation:
        """Return how the account's free cash is to be distributed."""
        return self._accounts.account(account).allocation

    def shard_statuses(self) -> tuple[ShardStatus, ...]:
        """List the shards of the exchange by index."""
        return self._accounts.shards.statuses()

    def positions(self, account: str) -> list[ExchangePosition]:
        """List open positions in markets that have not settled; flat ones are left out."""
        return self._accounts.account(account).exchange_positions()

    def traded_tickers(self, account: str) -> list[str]:
        """List the unsettled markets in which an account has traded, in the order of the first trade."""
        return list(self._accounts.account(account).positions)

    def settled_tickers(self, account: str) -> list[str]:
        """List the settled markets in which an account had traded, the last settled first; the oldest are dropped."""
        return list(reversed(self._accounts.account(account).settled_positions))

    def position(self, account: str, ticker: str) -> Position | None:
        """Return the record of a position (with realized P&L and turnover), settled or not; not to be modified."""
        owner = self._accounts.account(account)
        return owner.positions.get(ticker) or owner.settled_positions.get(ticker)

    def balance(self, account: str) -> ExchangeBalance:
        """Return the available cash on each shard: cash held by resting orders is deducted."""
        owner = self._accounts.account(account)
        by_shard = tuple(
            ShardCash(
                exchange_index=index,
                balance_micros=owner.wallets[index].available_micros if index in owner.wallets else 0,
            )
            for index in self._accounts.shards.plan.indices
        )
        return ExchangeBalance(
            balance_micros=by_shard[0].balance_micros, updated_us=owner.updated_us, by_shard=by_shard
        )

    def held_micros(self, account: str) -> int:
        """Return the cash held by resting orders, on all shards."""
        return self._accounts.account(account).held_micros

    def held_by_shard(self, account: str) -> tuple[ShardCash, ...]:
        """Return the cash held by resting orders on each shard, by index."""
        wallets = self._accounts.account(account).wallets
        return tuple(
            ShardCash(exchange_index=index, balance_micros=wallets[index].held_micros if index in wallets else 0)
            for index in self._accounts.shards.plan.indices
        )
