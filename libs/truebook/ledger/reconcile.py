"""Compares one reading of the ledger with one of the exchange. Pure.

*Equal* means: each market's position; the open orders by id, price and remainder; and on each shard, without open
orders, available cash = balance. With open orders, available + reserved cash is compared with balance + what the
exchange must hold for them. Whether it also holds their fees is not documented: the comparison allows for any part of
their worst fees, until readings have shown that it holds none or all of them (``FeeHold``). What the fills of an order
without a known outcome, or the cash of an open transfer between shards, would explain is no difference. The balance has
a precision of 100 micro-dollars on the wire. A settled market counts as position 0 on both sides.

A market of which the exchange reports something that can't be read is not compared: it is listed as ``UNREADABLE``, and
cash may differ by what its items can explain.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import NamedTuple

import msgspec

from truebook.ledger.port import LedgerView, MarketView, OrderView, ShardTransferView
from truebook.ledger.verbs import OrderState, TransferState
from truebook.messages.envelope import BookSide
from truebook.money import PAIR_MICROS_PER_CENTI, format_micros, format_price, format_size, no_price
from truebook.venue.account import ExchangeBalance, ExchangeOrder, ExchangePosition, OrderStatus
from truebook.venue.shards import DEFAULT_SHARD

BALANCE_PRECISION_MICROS = 100
FOREIGN_FEE_MICROS_PER_CENTI = 275
"""The most that a foreign order can pay per hundredth of a contract: taker fee at .50 and worst rounding."""
CASH_BOUND_MICROS = 1_000_000
"""A cash comparison is certain if the part of it that depends on unknown fee holds is at most this."""


class Kind(StrEnum):
    """What differs. ``UNKNOWN_ORDER`` and ``FOREIGN_ORDER`` mean that the comparison is not complete yet."""

    CASH = "cash"
    POSITION = "position"
    ORDER = "order"
    FOREIGN_ORDER = "foreign_order"
    UNKNOWN_ORDER = "unknown_order"
    PARKED = "parked"
    UNREADABLE = "unreadable"
    OTHER = "other"


TRANSIENT = frozenset({Kind.UNKNOWN_ORDER, Kind.FOREIGN_ORDER, Kind.UNREADABLE})
"""Not yet resolved, not ours, or not known: none is an error of the ledger."""


class FeeHold(StrEnum):
    """Which part of the open orders' worst fees the exchange's balance lacks, as far as readings have shown it."""

    NONE = "none"
    ALL = "all"
    VARIES = "varies"


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One difference between ledger and exchange; ``ledger`` and ``exchange`` are their values, for display.

    ``amount`` is exchange minus ledger in the unit of the kind: hundredths of a position, micros of cash. Of cash it is
    the part that no fee hold explains.
    """

    what: str
    ledger: str
    exchange: str
    kind: Kind = Kind.OTHER
    ticker: str = ""
    amount: int = 0
    exchange_index: int = DEFAULT_SHARD
    """Of cash: its shard."""

    def __str__(self) -> str:
        return f"{self.what}: ledger {self.ledger}, exchange {self.exchange}"

    @property
    def subject(self) -> tuple[Kind, str]:
        """What differs, whatever the amount: a later difference with the same subject is the same one."""
        return cash_on(self.exchange_index) if self.kind is Kind.CASH else (self.kind, self.what)


def cash_on(exchange_index: int) -> tuple[Kind, str]:
    """Return the subject of differences of cash on one shard."""
    return Kind.CASH, "" if exchange_index == DEFAULT_SHARD else f"shard {exchange_index}"


class Unread(msgspec.Struct, frozen=True, kw_only=True):
    """The markets of which something can't be read: orders, fills, settlements; or the position itself."""

    markets: frozenset[str] = frozenset()
    positions: frozenset[str] = frozenset()


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """One comparison of ledger and exchange."""

    differences: tuple[Difference, ...]
    uncertain: frozenset[tuple[Kind, str]]
    """Subjects of which this comparison may hide a difference: of cash more than ``CASH_BOUND_MICROS``, by fee holds
    or unresolved orders; of a position any, by unresolved orders."""
    fee_hold: FeeHold | None = None
    """What this reading shows, if both sides are equal; None if the fees are too small to distinguish."""
    unread: frozenset[str] = frozenset()
    """Markets with something unreadable whose position or orders differ, or can't be compared."""


NOTHING_UNREAD = Unread()


def compare(
    view: LedgerView,
    balance: ExchangeBalance,
    positions: Sequence[ExchangePosition],
    orders: Sequence[ExchangeOrder],
    *,
    fee_hold: FeeHold | None = None,
    unread: Unread = NOTHING_UNREAD,
) -> Comparison:
    """Compare a view of every market with one reading of the exchange's account; ``fee_hold`` is what is known."""
    resting = [order for order in orders if order.status is OrderStatus.RESTING]
    positions = [*positions, *_assumed_positions(view.markets, unread.positions)]
    of_markets = (*_of_positions(view.markets, positions), *_of_orders(view.markets, resting))
    hidden = tuple(one for one in of_markets if one.ticker in unread.markets and one.kind not in TRANSIENT)
    of_orders = tuple(one for one in of_markets if one.kind is not Kind.POSITION and one not in hidden)
    of_positions = tuple(one for one in of_markets if one.kind is Kind.POSITION and one not in hidden)
    slack = _slack(view, hidden)
    surpluses = [
        _surplus_on(index, view, balance, positions, resting, fee_hold=None if of_orders else fee_hold, slack=slack)
        for index in _shards(view, balance)
    ]
    of_cash = tuple(one for surplus in surpluses for one in _of_cash(view, surplus))
    of_unread = tuple(_of_unread(view, unread))
    found = (*of_positions, *of_orders, *of_cash, *_of_parked(view), *of_unread)
    uncertain = {(Kind.POSITION, _position_in(market.ticker)) for market in view.markets if any(_unresolved(market))}
    uncertain |= {cash_on(one.exchange_index) for one in surpluses if one.high - one.low > CASH_BOUND_MICROS}
    shown = [_fee_hold(one.low, one.high) for one in surpluses if one.fees > 2 * CASH_BOUND_MICROS]
    return Comparison(
        differences=found,
        uncertain=frozenset(uncertain),
        fee_hold=shown[0] if shown and not found else None,
        unread=frozenset(one.ticker for one in hidden) | unread.positions,
    )


def common(earlier: Iterable[Difference], later: Iterable[Difference]) -> tuple[Difference, ...]:
    """Return what differs in both, in the same direction, with the smaller amount of each.

    The rest is explained by changes between the two: one side was read before a change and the other after it.
    """
    known = {difference.subject: difference for difference in earlier}
    return tuple(
        min(known[difference.subject], difference, key=lambda one: abs(one.amount))
        for difference in later
        if difference.subject in known and _sign(known[difference.subject].amount) == _sign(difference.amount)
    )


def _sign(amount: int) -> int:
    return (amount > 0) - (amount < 0)


def _fee_hold(low: int, high: int) -> FeeHold:
    """Return what a surplus between ``low`` (no fees are held) and ``high`` (all are) shows if the true one is 0."""
    if low >= -CASH_BOUND_MICROS:
        return FeeHold.NONE
    return FeeHold.ALL if high <= CASH_BOUND_MICROS else FeeHold.VARIES


def holdings(positions: Iterable[ExchangePosition], settled: Iterable[str]) -> dict[str, int]:
    """Return the exchange's positions as signed hundredths by ticker, without flat ones and settled markets."""
    gone = set(settled)
    return {
        position.ticker: position.position_centi
        for position in positions
        if position.position_centi and position.ticker not in gone
    }


def held_for(resting: Iterable[ExchangeOrder], held: Mapping[str, int]) -> int:
    """Return the micro-dollars that the exchange must hold for resting orders, before fees.

    Per side of a market, lowest own price first, what the position covers needs no cash; the rest costs its own price.
    The same allotment as the ledger's reservation, but from the exchange's data alone.
    """
    total = 0
    sides: dict[tuple[str, BookSide], list[ExchangeOrder]] = {}
    for order in resting:
        sides.setdefault((order.ticker, order.book_side), []).append(order)
    for (ticker, side), queue in sides.items():
        position = held.get(ticker, 0)
        left = max(0, -position if side is BookSide.BID else position)
        for order in sorted(
            queue, key=lambda order: (_own_price(order.book_side, order.price_cc), order.client_order_id)
        ):
            closing = min(order.remaining_centi, left)
            left -= closing
            total += (order.remaining_centi - closing) * _own_price(order.book_side, order.price_cc)
    return total


def _own_price(side: BookSide, price_cc: int) -> int:
    return price_cc if side is BookSide.BID else no_price(price_cc)


def _settled(markets: Iterable[MarketView]) -> list[str]:
    return [market.ticker for market in markets if market.settlement_cc is not None]


def _of_positions(markets: Sequence[MarketView], positions: Sequence[ExchangePosition]) -> Iterable[Difference]:
    theirs = holdings(positions, _settled(markets))
    ours = {market.ticker: market for market in markets if market.settlement_cc is None}
    for ticker in sorted(theirs.keys() | ours.keys()):
        market = ours.get(ticker)
        own, other = 0 if market is None else market.position_centi, theirs.get(ticker, 0)
        unresolved = [] if market is None else _unresolved(market)
        bought = sum(order.remaining_centi for order in unresolved if order.book_side is BookSide.BID)
        sold = sum(order.remaining_centi for order in unresolved if order.book_side is BookSide.ASK)
        amount = _outside(other - own - bought, other - own + sold)
        if amount:
            yield Difference(
                what=_position_in(ticker), ledger=format_size(own), exchange=format_size(other),
                kind=Kind.POSITION, ticker=ticker, amount=amount,
            )  # fmt: skip


def _position_in(ticker: str) -> str:
    return f"position in {ticker}"


def _unresolved(market: MarketView) -> list[OrderView]:
    """Return the orders that may have fills which the ledger can't record yet."""
    return [order for order in market.orders if order.state.is_unresolved]


def _outside(low: int, high: int) -> int:
    """Return 0 if the range contains it, else the end of the range that is nearest to it."""
    return low if low > 0 else min(high, 0)


def _of_orders(markets: Sequence[MarketView], resting: Sequence[ExchangeOrder]) -> Iterable[Difference]:
    theirs = {order.exchange_order_id: order for order in resting}
    by_client = {order.client_order_id: order.exchange_order_id for order in resting}
    for market in markets:
        for own in market.orders:
            exchange_id = own.exchange_order_id or by_client.get(own.order_id, "")
            yield from _of_order(own, theirs.pop(exchange_id, None))
    for order in theirs.values():
        yield Difference(
            what=f"order {order.client_order_id or order.exchange_order_id} in {order.ticker}",
            ledger="none open", exchange=_describe(order.book_side, order.price_cc, order.remaining_centi),
            kind=Kind.FOREIGN_ORDER, ticker=order.ticker,
        )  # fmt: skip


def _of_order(own: OrderView, other: ExchangeOrder | None) -> Iterable[Difference]:
    what = f"order {own.order_id} in {own.ticker}"
    recorded = f"{own.state} {_describe(own.book_side, own.price_cc, own.remaining_centi)}"
    shown = "none resting" if other is None else _describe(other.book_side, other.price_cc, other.remaining_centi)
    if own.state.is_unresolved:
        yield Difference(what=what, ledger=recorded, exchange=shown, kind=Kind.UNKNOWN_ORDER, ticker=own.ticker)
    elif other is None or own.state is OrderState.CLOSING or not _alike(own, other):
        yield Difference(what=what, ledger=recorded, exchange=shown, kind=Kind.ORDER, ticker=own.ticker)


def _alike(own: OrderView, other: ExchangeOrder) -> bool:
    theirs = (other.book_side, other.price_cc, other.remaining_centi)
    return (own.book_side, own.price_cc, own.remaining_centi) == theirs


class _Surplus(NamedTuple):
    """The least and the most that the exchange may have more than the ledger on a shard, and what of it fees may be."""

    exchange_index: int
    low: int
    high: int
    fees: int


def _shards(view: LedgerView, balance: ExchangeBalance) -> list[int]:
    known = {DEFAULT_SHARD, *(shard.exchange_index for shard in view.account.shards)}
    moving = {index for one in view.account.transfers for index in (one.from_shard, one.to_shard)}
    return sorted({*known, *moving, *(one.exchange_index for one in balance.by_shard)})


def _surplus_on(
    exchange_index: int, view: LedgerView, balance: ExchangeBalance, positions: Sequence[ExchangePosition],
    resting: Sequence[ExchangeOrder], *, fee_hold: FeeHold | None, slack: int,
) -> _Surplus:  # fmt: skip
    """Return the surplus of a shard by all that is known; it may have the cash of open transfers already, or still."""
    held_there = [one for one in positions if one.exchange_index == exchange_index]
    resting_there = [one for one in resting if one.exchange_index == exchange_index]
    low, high = _cash_surplus(exchange_index, view, balance, held_there, resting_there)
    fees = high - low
    if fee_hold is FeeHold.NONE:
        high = min(high, low + CASH_BOUND_MICROS)
    elif fee_hold is FeeHold.ALL:
        low = max(low, high - CASH_BOUND_MICROS)
    moving = sum(one.amount_micros for one in view.account.transfers if _may_be_on(one, exchange_index))
    return _Surplus(exchange_index, low - slack - moving, high + slack, fees)


def _may_be_on(transfer: ShardTransferView, exchange_index: int) -> bool:
    """Return whether the exchange may have an open transfer's cash on a shard: not sent yet, or arrived already."""
    may_be_unsent = transfer.state is TransferState.REQUESTED and transfer.from_shard == exchange_index
    return may_be_unsent or transfer.to_shard == exchange_index


def _total(view: LedgerView, exchange_index: int) -> int:
    shard = view.account.shard(exchange_index)
    return shard.net_micros + shard.reserved_micros


def _cash_surplus(
    exchange_index: int, view: LedgerView, balance: ExchangeBalance, positions: Sequence[ExchangePosition],
    resting: Sequence[ExchangeOrder],
) -> tuple[int, int]:  # fmt: skip
    """Return the least and the most that the exchange may have more than the ledger on a shard, by its items.

    The least is the case that it holds no fees and that unresolved orders have closed positions; the most, that it
    holds all fees and that they have opened some.
    """
    markets = [market for market in view.markets if market.exchange_index == exchange_index]
    reserved_micros = view.account.shard(exchange_index).reserved_micros
    surplus = balance.of_shard(exchange_index) - _total(view, exchange_index)
    if not resting and not reserved_micros:
        return surplus, surplus
    surplus += held_for(resting, holdings(positions, _settled(markets)))
    orders = [order for market in markets for order in market.orders]
    opening = sum(order.opening_centi * _own_price(order.book_side, order.price_cc) for order in orders)
    unresolved = [order for market in markets for order in _unresolved(market)]
    closed = (order.remaining_centi * no_price(_own_price(order.book_side, order.price_cc)) for order in unresolved)
    least = surplus - sum(closed)
    most = surplus + sum(order.remaining_centi * _own_price(order.book_side, order.price_cc) for order in unresolved)
    known = {order.exchange_order_id for order in orders}
    foreign_fees = sum(
        FOREIGN_FEE_MICROS_PER_CENTI * order.remaining_centi
        for order in resting
        if order.exchange_order_id not in known
    )
    return least, most + max(0, reserved_micros - opening) + foreign_fees


def _of_cash(view: LedgerView, surplus: _Surplus) -> Iterable[Difference]:
    """Return a difference unless a surplus of 0 is possible, at the balance's precision."""
    low, high, index = surplus.low, surplus.high, surplus.exchange_index
    amount = _outside(low, high)
    if abs(amount) >= BALANCE_PRECISION_MICROS:
        is_exact = low == high and not view.account.shard(index).reserved_micros
        what, total = "available cash" if is_exact else "cash with reservations", _total(view, index)
        yield Difference(
            what=what if index == DEFAULT_SHARD else f"{what} on shard {index}", exchange_index=index,
            ledger=f"${format_micros(total)}", exchange=f"${format_micros(total + amount)}",
            kind=Kind.CASH, amount=amount,
        )  # fmt: skip


def _of_parked(view: LedgerView) -> Iterable[Difference]:
    if view.account.parked:
        yield Difference(
            what="fills of unknown orders", ledger=str(view.account.parked), exchange="0",
            kind=Kind.PARKED, amount=-view.account.parked,
        )  # fmt: skip


def _assumed_positions(markets: Iterable[MarketView], unreadable: frozenset[str]) -> Iterable[ExchangePosition]:
    """Return the ledger's own positions in place of those that can't be read: what must be held for orders depends."""
    for market in markets:
        if market.ticker in unreadable:
            yield ExchangePosition(
                ticker=market.ticker, position_centi=market.position_centi, exposure_micros=0,
                exchange_index=market.exchange_index,
            )  # fmt: skip


def _slack(view: LedgerView, hidden: Iterable[Difference]) -> int:
    """Return by how much cash may differ through fills, orders and payouts that can't be read."""
    per_centi = PAIR_MICROS_PER_CENTI + FOREIGN_FEE_MICROS_PER_CENTI
    of_positions = sum(abs(one.amount) for one in hidden if one.kind is Kind.POSITION) * per_centi
    tickers = {one.ticker for one in hidden}
    return of_positions + sum(market.reserved_micros for market in view.markets if market.ticker in tickers)


def _of_unread(view: LedgerView, unread: Unread) -> Iterable[Difference]:
    for ticker in sorted(unread.markets | unread.positions):
        market = view.market(ticker)
        own = 0 if market is None or market.settlement_cc is not None else market.position_centi
        yield Difference(
            what=_position_in(ticker), ledger=format_size(own), exchange="not known: an item can't be read",
            kind=Kind.UNREADABLE, ticker=ticker,
        )  # fmt: skip


def _describe(side: BookSide, price_cc: int, size_centi: int) -> str:
    return f"{side} {format_size(size_centi)} at {format_price(price_cc)}"
