"""The desk: what both simulated venues share: admission of orders, money, fills, the accounts' reads.

Where an order meets a counterparty is decided elsewhere (``exchange``: the engine's own book; ``replay_market``: a
recorded one). Ids are made from the seed, the account or market, and a counter of its own, so that equal commands give
equal ids, whatever happens in other accounts.
"""

from __future__ import annotations

from truebook.messages.envelope import BookSide, TimeInForce
from truebook.messages.ids import digest
from truebook.simulation.accounts import Account
from truebook.simulation.events import Filled, OrderChanged, Settled, SimulationEvent
from truebook.simulation.markets import MarketRecord, MarketRecords
from truebook.simulation.orders import MICROS_PER_SECOND, LiveOrder, Match, Rejected, UpdateReason, is_anonymous
from truebook.venue.account import OrderRequest
from truebook.venue.grid import on_grid
from truebook.venue.lifecycle import takes_orders

MARKET_NOT_FOUND = Rejected(404, "market_not_found", "market not found")
NOT_FOUND = Rejected(404, "not_found", "not found")
MARKET_CLOSED = Rejected(409, "market_closed", "market closed")
ORDER_ALREADY_EXISTS = Rejected(409, "order_already_exists", "order already exists")
FILL_OR_KILL = Rejected(409, "fill_or_kill_insufficient_resting_volume", "fill or kill insufficient resting volume")
POST_ONLY_CROSS = Rejected(400, "invalid_order", "post only cross")
INSUFFICIENT_BALANCE = Rejected(400, "insufficient_balance", "insufficient balance")
INVALID_PRICE = Rejected(400, "invalid_price", "invalid price")
INVALID_ORDER_SIZE = Rejected(400, "invalid_order_size", "invalid order size")


class UnknownAccount(LookupError):
    """No account of that name was opened."""


class Desk:
    """Accounts and orders of one venue."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self.markets = MarketRecords()
        self.accounts: dict[str, Account] = {}
        self._trader_orders: dict[str, LiveOrder] = {}
        self._trader_clients: dict[tuple[str, str], str] = {}
        self._counters: dict[str, int] = {}
        self._group_fills: list[tuple[LiveOrder, int, int]] = []

    def open_account(self, name: str, balance_micros: int) -> None:
        """Open an account with that much cash; raises ``ValueError`` where it exists or the balance is negative."""
        if name in self.accounts or is_anonymous(name):
            raise ValueError(f"account {name!r} exists already or is reserved for synthetic traders")
        if balance_micros < 0:
            raise ValueError(f"account {name!r} can't open with {balance_micros} micros")
        self.accounts[name] = Account(name, balance_micros)

    def account(self, name: str) -> Account:
        """Give an account; raises ``UnknownAccount``."""
        try:
            return self.accounts[name]
        except KeyError:
            raise UnknownAccount(name) from None

    def next_id(self, kind: str, owner: str) -> str:
        """Make the next id of an owner: it looks like a UUID."""
        key = f"{kind}:{owner}"
        count = self._counters[key] = self._counters.get(key, 0) + 1
        text = digest("simulation", self._seed, kind, owner, count)
        return f"{text[:8]}-{text[8:12]}-5{text[13:16]}-a{text[17:20]}-{text[20:]}"

    def forget_market(self, ticker: str) -> None:
        """Drop what is counted for a market that never comes again."""
        self._counters.pop(f"trade:{ticker}", None)

    # Admission

    def admit(self, account: str, request: OrderRequest, at_us: int) -> LiveOrder | Rejected:
        """Check all that does not need a book, cash included; nothing is kept until ``accept``."""
        record = self.markets.get(request.ticker)
        if record is None:
            return MARKET_NOT_FOUND
        anonymous = is_anonymous(account)
        if not anonymous and request.client_order_id in self.account(account).client_ids:
            return ORDER_ALREADY_EXISTS
        if not takes_orders(record.status):
            return MARKET_CLOSED
        if not record.takes_orders:
            return invalid_parameters("the market's fee type is not simulated")
        refusal = invalid(request, record, at_us)
        if refusal is not None:
            return refusal
        order = LiveOrder(account, request, at_us)
        if not anonymous and not self._affordable(order, record):
            return INSUFFICIENT_BALANCE
        return order

    def _affordable(self, order: LiveOrder, record: MarketRecord) -> bool:
        # Reduce-only never opens: it sells what is held, which needs no cash.
        if order.request.reduce_only:
            return True
        return self.accounts[order.account].can_afford(order, record.taker_ppm)

    def accept(self, order: LiveOrder) -> None:
        """Give an admitted order its id and keep it."""
        order.exchange_order_id = self.next_id("order", order.account)
        if order.anonymous:
            self._trader_orders[order.exchange_order_id] = order
            self._trader_clients[order.account, order.request.client_order_id] = order.exchange_order_id
            return
        account = self.accounts[order.account]
        order.number = len(account.orders)
        account.orders[order.exchange_order_id] = order
        account.client_ids[order.request.client_order_id] = order.exchange_order_id
        self.markets[order.ticker].used = True

    def consume_client_id(self, order: LiveOrder) -> None:
        """Remember the client order id of an order that was killed before it came to be."""
        if not order.anonymous:
            self.accounts[order.account].client_ids[order.request.client_order_id] = ""

    def find(self, account: str, exchange_order_id: str) -> LiveOrder | None:
        """Find an order of the account; a trader's only while it rests."""
        if is_anonymous(account):
            order = self._trader_orders.get(exchange_order_id)
            return order if order is not None and order.account == account else None
        return self.account(account).orders.get(exchange_order_id)

    def order_id_of(self, account: str, client_order_id: str) -> str | None:
        """Find the exchange's id of a client order id; None where no order came to be (or a trader's has ended)."""
        if is_anonymous(account):
            return self._trader_clients.get((account, client_order_id))
        return self.account(account).client_ids.get(client_order_id) or None

    def cancellable(self, account: str, exchange_order_id: str) -> LiveOrder | Rejected:
        """Give an order that may be cancelled or changed, or the refusal."""
        order = self.find(account, exchange_order_id)
        if order is None:
            return NOT_FOUND
        if not takes_orders(self.markets[order.ticker].status):
            return MARKET_CLOSED
        return order if order.is_resting else NOT_FOUND

    # What happens to orders

    def budget(self, order: LiveOrder) -> tuple[int, UpdateReason | None]:
        """Give how much an order may trade: reduce-only is capped at the position against it."""
        if not order.request.reduce_only or order.anonymous:
            return order.remaining_centi, None
        position_centi = self.accounts[order.account].position_centi(order.ticker)
        against_centi = max(0, -position_centi if order.book_side is BookSide.BID else position_centi)
        if against_centi >= order.remaining_centi:
            return order.remaining_centi, None
        return against_centi, UpdateReason.REDUCE_ONLY_CANCEL

    def settle_into(self, order: LiveOrder) -> None:
        """Bring the open orders and holds of the order's owner in line with the order's state."""
        if order.anonymous:
            if not order.is_resting:
                self._trader_orders.pop(order.exchange_order_id, None)
                self._trader_clients.pop((order.account, order.request.client_order_id), None)
            return
        account = self.accounts[order.account]
        if order.is_resting:
            account.rest(order)
        else:
            account.forget_open(order)
        account.update_holds(order.ticker, self.markets[order.ticker].taker_ppm)

    def cancel(self, order: LiveOrder, reason: UpdateReason | None, at_us: int) -> int:
        """End an order; answers how much was taken off."""
        reduced_centi = order.cancel(reason, at_us)
        self.settle_into(order)
        return reduced_centi

    def changed(self, order: LiveOrder, at_us: int) -> list[SimulationEvent]:
        """Tell the owner of the order's state; nobody, where it is a synthetic trader's."""
        if order.anonymous:
            return []
        return [OrderChanged(at_us=at_us, account=order.account, order=order.picture())]

    def fill(self, order: LiveOrder, trade: Match, is_taker: bool) -> list[SimulationEvent]:
        """Fill an order: count it, move the owner's money and position, and tell the owner."""
        order.take(trade.size_centi, trade.at_us)
        if order.anonymous:
            if not order.is_resting:
                self.settle_into(order)
            return []
        record, account = self.markets[order.ticker], self.accounts[order.account]
        fill = account.book_fill(order, trade, is_taker, record.taker_ppm if is_taker else record.maker_ppm)
        if not order.is_resting:
            account.forget_open(order)
        account.update_holds(order.ticker, record.taker_ppm)
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

    def take_group_fills(self) -> list[tuple[LiveOrder, int, int]]:
        """Take the fills (order, size, time) of orders in groups that nobody has taken yet."""
        if not self._group_fills:
            return []
        taken, self._group_fills = self._group_fills, []
        return taken

    def open_orders(self, account: str) -> list[LiveOrder]:
        """List an account's resting orders in the order of acceptance."""
        resting = [order for orders in self.account(account).open_orders.values() for order in orders.values()]
        return sorted(resting, key=lambda order: order.number)

    def pay_out(self, ticker: str, settlement_cc: int, at_us: int) -> list[SimulationEvent]:
        """Settle a market: pay every account that holds a position; it holds none afterwards."""
        event = self.markets[ticker].facts.event
        events: list[SimulationEvent] = []
        for account in self.accounts.values():
            settlement = account.pay_out(ticker, event, settlement_cc, at_us)
            if settlement is not None:
                events.append(Settled(at_us=at_us, account=account.name, settlement=settlement))
        return events


def invalid(request: OrderRequest, record: MarketRecord, at_us: int) -> Rejected | None:
    """Check an order's own fields against the market's rules; None where all is well."""
    if request.size_centi < 1:
        return INVALID_ORDER_SIZE
    if not on_grid(request.price_cc, record.facts.price_ranges):
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
