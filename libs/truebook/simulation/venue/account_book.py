"""All accounts of the simulated exchange: admission of orders, cash, fills and payouts.

Matching happens elsewhere (``matching``: the exchange's own book; ``recorded``: a recorded one). Ids are derived from
the seed, the account or market, and a counter per owner: equal commands give equal ids, whatever other accounts do.
"""

from __future__ import annotations

from truebook.messages.envelope import BookSide, TimeInForce
from truebook.messages.ids import digest
from truebook.simulation.events import Filled, OrderChanged, Settled, SimulationEvent
from truebook.simulation.venue.accounts import Account, Wallet
from truebook.simulation.venue.markets import MarketRecord, MarketRecords
from truebook.simulation.venue.orders import MICROS_PER_SECOND, LiveOrder, Match, Rejected, UpdateReason, is_synthetic
from truebook.simulation.venue.shard_plan import Route, ShardPlan, Shards
from truebook.simulation.venue.subaccount_names import is_plain, name_of, number_of, owner_of
from truebook.venue.account import CashTransfer, OrderRequest
from truebook.venue.grid import on_grid
from truebook.venue.lifecycle import takes_orders
from truebook.venue.shards import AUTOMATIC, DEFAULT_SHARD

MARKET_NOT_FOUND = Rejected(404, "market_not_found", "market not found")
NOT_FOUND = Rejected(404, "not_found", "not found")
USER_NOT_FOUND = Rejected(404, "user_not_found", "user not found")
"""The account never had cash on the market's shard."""
MARKET_CLOSED = Rejected(409, "market_closed", "market closed")
ORDER_ALREADY_EXISTS = Rejected(409, "order_already_exists", "order already exists")
FILL_OR_KILL = Rejected(409, "fill_or_kill_insufficient_resting_volume", "fill or kill insufficient resting volume")
POST_ONLY_CROSS = Rejected(400, "invalid_order", "post only cross")
TRANSFER_CONFLICT = Rejected(409, "transfer_conflict", "the id was used for another amount")
INSUFFICIENT_BALANCE = Rejected(400, "insufficient_balance", "insufficient balance")
INVALID_PRICE = Rejected(400, "invalid_price", "invalid price")
INVALID_ORDER_SIZE = Rejected(400, "invalid_order_size", "invalid order size")


class UnknownAccount(LookupError):
    """No account with that name is open."""


class AccountBook:
    """Accounts, orders and markets of one simulated exchange.

    ``max_kept`` limits the ended orders, and the fills and settlements, that each account keeps; None keeps all.
    """

    def __init__(self, seed: int, *, max_kept: int | None = None, plan: ShardPlan | None = None) -> None:
        self._seed = seed
        self.shards = Shards(plan or ShardPlan())
        self._max_kept = max_kept
        self.markets = MarketRecords()
        self.accounts: dict[str, Account] = {}
        self._families: dict[str, dict[int, Account]] = {}
        self._trader_orders: dict[str, LiveOrder] = {}
        self._trader_clients: dict[tuple[str, str], str] = {}
        self._counters: dict[str, int] = {}
        self._group_fills: list[tuple[LiveOrder, int, int]] = []

    def open_account(self, name: str, balance_micros: int) -> None:
        """Open an account with a balance on the default shard.

        Raises ``ValueError`` where it exists or the balance is negative.
        """
        if name in self.accounts or is_synthetic(name) or not is_plain(name):
            raise ValueError(f"account {name!r} exists already or is reserved")
        if balance_micros < 0:
            raise ValueError(f"account {name!r} cannot open with a balance of {balance_micros} micros")
        self._add(Account(name, {DEFAULT_SHARD: Wallet(balance_micros)}))

    def open_subaccount(self, owner: str, number: int, shard: int) -> Account:
        """Open a numbered subaccount on a shard without cash; it may exist on other shards already."""
        name, primary = name_of(owner, number), self.account(owner)
        found = self.accounts.get(name)
        if found is None:
            found = self._add(Account(name, {}, is_netting=primary.is_netting))
        found.wallet(shard)
        return found

    def _add(self, account: Account) -> Account:
        self.accounts[account.name] = account
        self._families.setdefault(owner_of(account.name), {})[number_of(account.name)] = account
        return account

    def family(self, owner: str) -> dict[int, Account]:
        """Return an owner's subaccounts by number, the primary one included; raises ``UnknownAccount``."""
        try:
            return self._families[owner]
        except KeyError:
            raise UnknownAccount(owner) from None

    def is_used(self, owner: str, client_order_id: str | None) -> bool:
        """Return whether an owner has used a client order id, in whatever subaccount."""
        return any(client_order_id in one.client_ids for one in self._families[owner].values())

    def account(self, name: str) -> Account:
        """Return an account; raises ``UnknownAccount``."""
        try:
            return self.accounts[name]
        except KeyError:
            raise UnknownAccount(name) from None

    def next_id(self, kind: str, owner: str) -> str:
        """Return the next id of an owner, in the form of a UUID."""
        key = f"{kind}:{owner}"
        count = self._counters[key] = self._counters.get(key, 0) + 1
        text = digest("simulation", self._seed, kind, owner, count)
        return f"{text[:8]}-{text[8:12]}-5{text[13:16]}-a{text[17:20]}-{text[20:]}"

    def drop_market(self, ticker: str) -> None:
        """Drop the trade counter of a market that has ended."""
        self._counters.pop(f"trade:{ticker}", None)

    # Admission

    def admit(self, account: str, request: OrderRequest, at_us: int) -> LiveOrder | Rejected:
        """Run every check that needs no book, cash included; changes nothing until ``accept``."""
        record = self.markets.get(request.ticker)
        if record is None:
            return MARKET_NOT_FOUND
        if request.exchange_index not in (None, AUTOMATIC, record.shard):
            return MARKET_NOT_FOUND
        synthetic = is_synthetic(account)
        if not synthetic and record.shard not in self.account(account).wallets:
            return USER_NOT_FOUND
        if not synthetic and self.is_used(owner_of(account), request.client_order_id):
            return ORDER_ALREADY_EXISTS
        paused = self.shards.entry_rejection(record.shard)
        if paused is not None or not takes_orders(record.status):
            return paused or MARKET_CLOSED
        if not record.takes_orders:
            return invalid_parameters("the market's fee type is not simulated")
        rejection = field_rejection(request, record, at_us)
        if rejection is not None:
            return rejection
        order = LiveOrder.create(account, request, at_us, record.shard)
        if not synthetic and not self._is_affordable(self.accounts[account], order, record):
            return INSUFFICIENT_BALANCE
        return order

    def _is_affordable(self, account: Account, order: LiveOrder, record: MarketRecord) -> bool:
        """Return whether there is cash for an order; a reduce-only one needs it only if collateral was returned."""
        return (order.request.reduce_only and not account.returns) or account.can_afford(order, record)

    def accept(self, order: LiveOrder) -> None:
        """Assign an admitted order its id and keep it."""
        order.exchange_order_id = self.next_id("order", order.account)
        if order.is_synthetic:
            self._trader_orders[order.exchange_order_id] = order
            self._trader_clients[order.account, order.request.client_order_id] = order.exchange_order_id
            return
        account = self.accounts[order.account]
        order.number = account.accepted
        account.accepted += 1
        account.orders[order.exchange_order_id] = order
        account.client_ids[order.request.client_order_id] = order.exchange_order_id
        self.markets[order.ticker].used = True

    def consume_client_id(self, order: LiveOrder) -> None:
        """Mark the client order id of a killed order as used; the order itself was never accepted."""
        if not order.is_synthetic:
            account = self.accounts[order.account]
            account.client_ids[order.request.client_order_id] = ""
            account.end(order.request.client_order_id, self._max_kept)

    def find(self, account: str, exchange_order_id: str) -> LiveOrder | None:
        """Find an order of the account; a synthetic trader's only while it rests."""
        if is_synthetic(account):
            order = self._trader_orders.get(exchange_order_id)
            return order if order is not None and order.account == account else None
        return self.account(account).orders.get(exchange_order_id)

    def order_id_of(self, account: str, client_order_id: str) -> str | None:
        """Find the exchange order id of a client order id; None where none was accepted or a trader's has ended."""
        if is_synthetic(account):
            return self._trader_clients.get((account, client_order_id))
        return self.account(account).client_ids.get(client_order_id) or None

    def cancellable(self, account: str, exchange_order_id: str, route: Route | None = None) -> LiveOrder | Rejected:
        """Return an order that may be cancelled or changed, or the rejection; with a route only on its shard."""
        order = self.find(account, exchange_order_id)
        if order is None or (route is not None and self.routed(route) != order.shard):
            return NOT_FOUND
        record = self.markets.get(order.ticker)
        if record is None or not takes_orders(record.status):
            return MARKET_CLOSED
        paused = self.shards.cancel_rejection(order.shard)
        if paused is not None:
            return paused
        return order if order.is_resting else NOT_FOUND

    def routed(self, route: Route) -> int | None:
        """Return the shard that a request about an existing order reaches; None: the market is unknown.

        Kalshi's documents of the cancel: without an index and a market it is the default shard.
        """
        if route.pinned is not None:
            return route.pinned
        if route.ticker is None:
            return DEFAULT_SHARD
        record = self.markets.get(route.ticker)
        return None if record is None else record.shard

    # Effects on orders

    def budget(self, order: LiveOrder) -> tuple[int, UpdateReason | None]:
        """Return the size that an order may trade (reduce-only: at most the position) and why it is less."""
        if not order.request.reduce_only or order.is_synthetic:
            return order.remaining_centi, None
        position_centi = self.accounts[order.account].position_centi(order.ticker)
        closable_centi = max(0, -position_centi if order.book_side is BookSide.BID else position_centi)
        if closable_centi >= order.remaining_centi:
            return order.remaining_centi, None
        return closable_centi, UpdateReason.REDUCE_ONLY_CANCEL

    def update_owner(self, order: LiveOrder) -> None:
        """Update the owner's open orders and held cash after the order's state changed."""
        if order.is_synthetic:
            if not order.is_resting:
                self._trader_orders.pop(order.exchange_order_id, None)
                self._trader_clients.pop((order.account, order.request.client_order_id), None)
            return
        account = self.accounts[order.account]
        if order.is_resting:
            account.add_open(order)
        else:
            account.remove_open(order)
            account.end(order.request.client_order_id, self._max_kept)
        account.update_holds(self.markets[order.ticker], order)

    def cancel(self, order: LiveOrder, reason: UpdateReason | None, at_us: int) -> int:
        """Cancel an order and return the size that was cancelled."""
        cancelled_centi = order.cancel(reason, at_us)
        self.update_owner(order)
        return cancelled_centi

    def order_changed(self, order: LiveOrder, at_us: int) -> list[SimulationEvent]:
        """Return the event for the order's owner; none for a synthetic trader."""
        if order.is_synthetic:
            return []
        return [OrderChanged(at_us=at_us, account=order.account, order=order.exported())]

    def fill(self, order: LiveOrder, trade: Match, is_taker: bool) -> list[SimulationEvent]:
        """Fill an order: update order, cash and position, and return the owner's event."""
        order.fill(trade.size_centi, trade.at_us)
        if order.is_synthetic:
            if not order.is_resting:
                self.update_owner(order)
            return []
        record, account = self.markets[order.ticker], self.accounts[order.account]
        fill = account.record_fill(order, trade, is_taker, record)
        if not order.is_resting:
            account.remove_open(order)
            account.end(order.request.client_order_id, self._max_kept)
        account.drop_old_reports(self._max_kept)
        account.update_holds(record, order)
        if account.returns:
            self._update_event(account, record.metadata.event, order.ticker)
        if order.request.order_group_id is not None:
            self._group_fills.append((order, trade.size_centi, trade.at_us))
        return [
            Filled(
                at_us=trade.at_us,
                account=account.name,
                fill=fill,
                basis=trade.basis,
                post_position_centi=account.position_centi(order.ticker),
            )
        ]

    def _update_event(self, account: Account, event: str, ticker: str) -> None:
        """Update what orders hold in the event's other markets: what was returned for their positions has changed."""
        found = account.returns.get(event)
        for other in found.sizes if found is not None else ():
            if other != ticker and other in account.open_orders:
                account.update_holds(self.markets[other])

    def take_group_fills(self) -> list[tuple[LiveOrder, int, int]]:
        """Return and clear the fills (order, size, time) of orders in groups since the last call."""
        if not self._group_fills:
            return []
        taken, self._group_fills = self._group_fills, []
        return taken

    def transfer(self, account: str, transfer_id: str, amount_micros: int, at_us: int) -> Rejected | None:
        """Add cash to the default shard once by the transfer's id; cash that orders hold can't be withdrawn."""
        found = self.account(account)
        known = found.transfers.get(transfer_id)
        if known is not None:
            return None if known.amount_micros == amount_micros else TRANSFER_CONFLICT
        wallet = found.wallet(DEFAULT_SHARD)
        if wallet.available_micros + amount_micros < 0:
            return INSUFFICIENT_BALANCE
        found.transfers[transfer_id] = CashTransfer(
            transfer_id=transfer_id, amount_micros=amount_micros, fee_micros=0, at_us=at_us
        )
        wallet.cash_micros += amount_micros
        found.updated_us = at_us
        return None

    def open_orders(self, account: str) -> list[LiveOrder]:
        """List an account's resting orders in the order of acceptance."""
        resting = [order for orders in self.account(account).open_orders.values() for order in orders.values()]
        return sorted(resting, key=lambda order: order.number)

    def pay_out(self, ticker: str, settlement_cc: int, at_us: int) -> list[SimulationEvent]:
        """Settle a market: pay out and clear every account's position."""
        event = self.markets[ticker].metadata.event
        events: list[SimulationEvent] = []
        for account in self.accounts.values():
            settlement = account.pay_out(ticker, event, settlement_cc, at_us)
            if account.returns:
                self._update_event(account, event, ticker)
            if settlement is not None:
                events.append(Settled(at_us=at_us, account=account.name, settlement=settlement))
        return events


def field_rejection(request: OrderRequest, record: MarketRecord, at_us: int) -> Rejected | None:
    """Check an order's fields against each other and the market's rules; None where they are valid."""
    if request.size_centi < 1:
        return INVALID_ORDER_SIZE
    if not on_grid(request.price_cc, record.metadata.price_ranges):
        return INVALID_PRICE
    resting = request.time_in_force is TimeInForce.GOOD_TILL_CANCELED
    if request.expiration_s is not None:
        if not resting:
            return invalid_parameters("expiration_time needs good_till_canceled")
        if request.expiration_s * MICROS_PER_SECOND <= at_us:
            return invalid_parameters("expiration_time must be in the future")
    if request.reduce_only and request.time_in_force is not TimeInForce.IMMEDIATE_OR_CANCEL:
        return invalid_parameters("reduce_only needs immediate_or_cancel")
    if request.post_only and not resting:
        return invalid_parameters("post_only needs good_till_canceled")
    return None


def invalid_parameters(detail: str) -> Rejected:
    return Rejected(400, "invalid_parameters", detail)
