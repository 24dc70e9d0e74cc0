"""The simulated exchange's record of one account: cash, positions, and cash held by resting orders.

Cash lies in one wallet per shard, and changes by fills, payouts and transfers only. Held cash is a pure function of
open orders and positions, recomputed whenever either changes, so that it cannot drift. YES and NO of one market net at
once into $1.
"""

from __future__ import annotations

from typing import Final

import msgspec

from truebook.messages.envelope import BookSide
from truebook.money import ONE_DOLLAR_CC, no_price
from truebook.simulation.venue.collateral_return import CollateralReturn
from truebook.simulation.venue.holds import MarketHolds
from truebook.simulation.venue.markets import MarketRecord
from truebook.simulation.venue.orders import LiveOrder, Match
from truebook.simulation.venue.subaccount_names import PRIMARY
from truebook.venue.account import CashTransfer, ExchangeFill, ExchangePosition, ExchangeSettlement
from truebook.venue.fees import charge
from truebook.venue.shards import DEFAULT_SHARD, ShardTransfer, TargetAllocation

MAX_SETTLED_POSITIONS: Final = 5_000
"""Positions of settled markets that an account keeps; the oldest are dropped."""


class Position(msgspec.Struct):
    """An account's position in one market: + YES, - NO, at cost; ``updated_us`` is the time of its last fill."""

    position_centi: int = 0
    cost_micros: int = 0
    fees_micros: int = 0
    realized_micros: int = 0
    traded_micros: int = 0
    traded_centi: int = 0
    """Contracts bought of either leg."""
    updated_us: int = 0
    shard: int = DEFAULT_SHARD

    def settle(self, settlement_cc: int, at_us: int) -> int:
        """Pay the position out: YES gets the value, NO its complement; returns the payout in micros."""
        own_cc = settlement_cc if self.position_centi >= 0 else ONE_DOLLAR_CC - settlement_cc
        payout = abs(self.position_centi) * own_cc
        self.realized_micros += payout - self.cost_micros
        self.position_centi = self.cost_micros = 0
        self.updated_us = at_us
        return payout

    def trade(self, side: BookSide, price_cc: int, size_centi: int) -> int:
        """Apply a trade and return the change of cash in micros before fees (negative: a cost).

        The closing part is paid out at once (a YES/NO pair is worth $1); the rest opens at the price of its own leg.
        The released cost is the closed share of the average cost, rounded down.
        """
        own_cc = price_cc if side is BookSide.BID else no_price(price_cc)
        sign = 1 if side is BookSide.BID else -1
        opposite_centi = max(0, -sign * self.position_centi)
        closing_centi = min(size_centi, opposite_centi)
        opening_centi = size_centi - closing_centi
        proceeds = closing_centi * (ONE_DOLLAR_CC - own_cc)
        if closing_centi:
            released = self.cost_micros * closing_centi // opposite_centi
            self.cost_micros -= released
            self.realized_micros += proceeds - released
        self.cost_micros += opening_centi * own_cc
        self.traded_centi += size_centi
        self.traded_micros += size_centi * own_cc
        self.position_centi += sign * size_centi
        return proceeds - opening_centi * own_cc


class Wallet(msgspec.Struct):
    """An account's cash on one shard, and how much of it resting orders hold there."""

    cash_micros: int = 0
    held_micros: int = 0

    @property
    def available_micros(self) -> int:
        """The cash that no order holds.

        Bounded at 0: a fill rounded in the exchange's favor can exceed the released hold by a micro-dollar.
        """
        return max(0, self.cash_micros - self.held_micros)


class CashMove(msgspec.Struct, frozen=True, kw_only=True):
    """A request to move cash between two shards; ``client_transfer_id`` is None for an automatic one."""

    from_shard: int
    to_shard: int
    amount_micros: int
    delay_us: int
    """From the acceptance to the arrival."""
    client_transfer_id: str | None = None
    to_subaccount: int = PRIMARY
    """The subaccount that is credited by a further step after the arrival, if it exists."""

    @property
    def route(self) -> tuple[str, int, int]:
        """The scope in which the caller's id is used once."""
        return self.client_transfer_id or "", self.from_shard, self.to_shard


class SubaccountTransfer(msgspec.Struct, frozen=True, kw_only=True):
    """A transfer of cash between two subaccounts of one owner on one shard; it takes effect at once."""

    transfer_id: str
    from_number: int
    to_number: int
    amount_micros: int
    shard: int
    created_us: int


class Account(msgspec.Struct, eq=False):
    """One subaccount, an owner's primary one or a numbered one: cash, orders, fills and settlements (oldest first)."""

    name: str
    wallets: dict[int, Wallet]
    """By shard; a shard that never had cash of the account has none."""
    updated_us: int = 0
    positions: dict[str, Position] = {}
    orders: dict[str, LiveOrder] = {}
    """Those that rest, and the newest ended ones."""
    accepted: int = 0
    """How many orders were ever accepted."""
    ended: dict[str, None] = {}
    """The client order ids of ended orders and of killed ones, in the order of their end."""
    open_orders: dict[str, dict[str, LiveOrder]] = {}
    client_ids: dict[str, str] = {}
    """Client order id -> exchange order id; empty where the order was never accepted."""
    fills: list[ExchangeFill] = []
    settlements: list[ExchangeSettlement] = []
    settled_positions: dict[str, Position] = {}
    """Positions of settled markets, flat ones included, by ticker, in the order of their settlement."""
    held_by_market: dict[str, int] = {}
    holds: dict[str, MarketHolds] = {}
    """The open orders of each market as they hold cash; follows from ``open_orders``."""
    transfers: dict[str, CashTransfer] = {}
    """Deposits and withdrawals by their id."""
    shard_transfers: dict[str, ShardTransfer] = {}
    """Transfers between shards by the exchange's id, in the order of acceptance."""
    moves: dict[tuple[str, int, int], CashMove] = {}
    """Accepted requests to move cash, by (the caller's id, from, to)."""
    onward: dict[str, int] = {}
    """Transfers between shards under way that end in a numbered subaccount."""
    allocation: TargetAllocation = TargetAllocation()
    subaccount_transfers: dict[str, SubaccountTransfer] = {}
    """Transfers between the subaccounts of this owner, by the caller's id, in the order of acceptance."""
    is_netting: bool = False
    """Whether NO contracts bought from now on take part in collateral return."""
    returns: dict[str, CollateralReturn] = {}
    """By event; those in which contracts take part."""

    def position_centi(self, ticker: str) -> int:
        position = self.positions.get(ticker)
        return 0 if position is None else position.position_centi

    @property
    def held_micros(self) -> int:
        """The cash held by resting orders, on all shards."""
        return sum(wallet.held_micros for wallet in self.wallets.values())

    def wallet(self, shard: int) -> Wallet:
        """Return the wallet of a shard, which has one from now on."""
        found = self.wallets.get(shard)
        if found is None:
            found = self.wallets[shard] = Wallet()
        return found

    def can_afford(self, order: LiveOrder, record: MarketRecord, *, instead_of: LiveOrder | None = None) -> bool:
        """Return whether the shard's cash covers the worst case of its open orders, this one added or replaced."""
        ticker, wallet = order.ticker, self.wallets[record.shard]
        holds = self._holds_of(record)
        required = holds.held_with(order, self._covering_centi(record), instead_of=instead_of)
        return wallet.cash_micros >= wallet.held_micros - self.held_by_market.get(ticker, 0) + required

    def _covering_centi(self, record: MarketRecord) -> int:
        """Return the position that covers orders against it: not the contracts whose collateral was returned."""
        held_centi = self.position_centi(record.ticker)
        found = self.returns.get(record.metadata.event) if self.returns else None
        return held_centi if found is None else held_centi + found.at_risk_centi(record.ticker)

    def update_holds(self, record: MarketRecord, order: LiveOrder | None = None) -> None:
        """Update the cash held by the market's open orders after a change of one of them, or of the position."""
        ticker = record.ticker
        orders = self.open_orders.get(ticker)
        holds = self._holds_of(record) if orders else None
        if holds is not None and orders and order is not None and order.exchange_order_id in orders:
            holds.put(order)
        held = 0 if holds is None else holds.held_micros(self._covering_centi(record))
        self.wallet(record.shard).held_micros += held - self.held_by_market.get(ticker, 0)
        if held:
            self.held_by_market[ticker] = held
        else:
            self.held_by_market.pop(ticker, None)

    def side_held_micros(self, record: MarketRecord, side: BookSide) -> int:
        """Return the cash that the open orders of one side of a market hold."""
        return self._holds_of(record).side_held_micros(side, self._covering_centi(record))

    def _holds_of(self, record: MarketRecord) -> MarketHolds:
        """Return the market's orders at its present rate."""
        found = self.holds.get(record.ticker)
        if found is None or found.rate_ppm != record.taker_ppm:
            orders = self.open_orders.get(record.ticker)
            found = self.holds[record.ticker] = MarketHolds(record.taker_ppm, orders.values() if orders else ())
        return found

    def add_open(self, order: LiveOrder) -> None:
        self.open_orders.setdefault(order.ticker, {})[order.exchange_order_id] = order

    def remove_open(self, order: LiveOrder) -> None:
        """Remove an order that no longer rests; a no-op where it never rested."""
        orders = self.open_orders.get(order.ticker)
        if orders is None or orders.pop(order.exchange_order_id, None) is None:
            return
        if not orders:
            del self.open_orders[order.ticker]
        holds = self.holds.get(order.ticker)
        if holds is not None:
            holds.remove(order.exchange_order_id)

    def end(self, client_order_id: str, max_kept: int | None) -> None:
        """Count an order as ended, and drop the oldest ended ones beyond the limit; may be repeated."""
        self.ended[client_order_id] = None
        while max_kept is not None and len(self.ended) > max_kept:
            oldest = next(iter(self.ended))
            del self.ended[oldest]
            self.orders.pop(self.client_ids.pop(oldest, ""), None)

    def drop_old_reports(self, max_kept: int | None) -> None:
        """Drop the oldest fills and settlements, once they are twice as many as the limit."""
        for reports in (self.fills, self.settlements):
            if max_kept is not None and len(reports) > 2 * max_kept:
                del reports[:max_kept]

    def record_fill(self, order: LiveOrder, match: Match, is_taker: bool, record: MarketRecord) -> ExchangeFill:
        """Apply one fill of the account's order to cash and position, and keep it."""
        rate_ppm = record.taker_ppm if is_taker else record.maker_ppm
        position = self.positions.get(order.ticker)
        if position is None:
            position = self.positions[order.ticker] = Position(shard=record.shard)
        price_cc, size_centi = match.price_cc, match.size_centi
        no_centi = max(0, -position.position_centi)
        revenue = position.trade(order.book_side, price_cc, size_centi)
        fee, order.rounding = charge(size_centi, price_cc, rate_ppm, revenue, order.rounding)
        position.fees_micros += fee
        position.updated_us = match.at_us
        returned = self._returned_by_fill(record, no_centi, position) if self.is_netting or self.returns else 0
        self.wallet(record.shard).cash_micros += revenue - fee + returned
        self.updated_us = match.at_us
        own_cc = price_cc if order.book_side is BookSide.BID else no_price(price_cc)
        order.add_costs(size_centi * own_cc, fee, is_taker)
        fill = ExchangeFill(
            trade_id=match.trade_id, exchange_order_id=order.exchange_order_id, ticker=order.ticker,
            book_side=order.book_side, price_cc=price_cc, size_centi=size_centi, fee_micros=fee, is_taker=is_taker,
            created_us=match.at_us, client_order_id=order.request.client_order_id, basis=match.basis.value,
            exchange_index=record.shard,
        )  # fmt: skip
        self.fills.append(fill)
        return fill

    def _returned_by_fill(self, record: MarketRecord, before_centi: int, position: Position) -> int:
        """Return the cash that collateral return adds (negative: takes back) after a fill; see ``CollateralReturn``."""
        event = record.metadata.event
        if not record.metadata.exclusive or not (self.is_netting or event in self.returns):
            return 0
        found = self.returns.setdefault(event, CollateralReturn())
        after_centi = max(0, -position.position_centi)
        change = found.bought(record.ticker, before_centi, after_centi, is_on=self.is_netting)
        if not found.sizes:
            del self.returns[event]
        return change

    def _returned_by_settlement(self, ticker: str, event: str, settlement_cc: int) -> int:
        found = self.returns.get(event)
        if found is None:
            return 0
        change = found.settled(ticker, settlement_cc)
        if not found.sizes:
            del self.returns[event]
        return change

    def pay_out(self, ticker: str, event: str, settlement_cc: int, at_us: int) -> ExchangeSettlement | None:
        """Pay out a settled market's position: YES gets the value, NO its complement; None without a position."""
        returned = self._returned_by_settlement(ticker, event, settlement_cc)
        self.holds.pop(ticker, None)
        position = self.positions.pop(ticker, None)
        if position is None:
            return None
        yes_centi, no_centi = max(0, position.position_centi), max(0, -position.position_centi)
        payout = position.settle(settlement_cc, at_us)
        self.settled_positions[ticker] = position
        if len(self.settled_positions) > MAX_SETTLED_POSITIONS:
            del self.settled_positions[next(iter(self.settled_positions))]
        if not yes_centi and not no_centi:
            return None
        self.wallet(position.shard).cash_micros += payout + returned
        self.updated_us = at_us
        settlement = ExchangeSettlement(
            ticker=ticker, event=event, settlement_cc=settlement_cc, settled_us=at_us, yes_centi=yes_centi,
            no_centi=no_centi, revenue_micros=payout, exchange_index=position.shard,
        )  # fmt: skip
        self.settlements.append(settlement)
        return settlement

    def exchange_positions(self) -> list[ExchangePosition]:
        """List open positions in the order of the first trade; flat ones are left out."""
        return [
            ExchangePosition(
                ticker=ticker,
                position_centi=position.position_centi,
                exposure_micros=position.cost_micros,
                fees_micros=position.fees_micros,
                exchange_index=position.shard,
            )
            for ticker, position in self.positions.items()
            if position.position_centi
        ]
