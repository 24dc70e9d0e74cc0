"""The venue's own books of an account: cash, positions, what resting orders hold.

Cash moves by fills and payouts only; holds are a pure function of the open orders and the positions, recomputed where
either changes, so that nothing can stay held by mistake. YES and NO of one market net at once into $1.
"""

from __future__ import annotations

from collections.abc import Iterable

from truebook.messages.envelope import BookSide
from truebook.money import ONE_DOLLAR_CC, no_price
from truebook.simulation.orders import LiveOrder, Match
from truebook.venue.account import ExchangeFill, ExchangePosition, ExchangeSettlement
from truebook.venue.fees import charge, worst_fee_micros


class Position:
    """What an account holds in one market: + YES, - NO, at cost; ``updated_us`` is its last fill's time."""

    __slots__ = ("cost_micros", "fees_micros", "position_centi", "realised_micros", "traded_micros", "updated_us")

    def __init__(self) -> None:
        self.position_centi = 0
        self.cost_micros = 0
        self.fees_micros = 0
        self.realised_micros = 0
        self.traded_micros = 0
        self.updated_us = 0

    def trade(self, side: BookSide, price_cc: int, size_centi: int) -> int:
        """Book a trade; answers what it brings in micros before fees, below 0 when it costs.

        What closes the other leg is paid out at once (a pair is $1); the rest opens at the price of its own leg. The
        cost of what is closed is its share of the average, rounded down.
        """
        own_cc = price_cc if side is BookSide.BID else no_price(price_cc)
        sign = 1 if side is BookSide.BID else -1
        held_against_centi = max(0, -sign * self.position_centi)
        closing_centi = min(size_centi, held_against_centi)
        opening_centi = size_centi - closing_centi
        proceeds = closing_centi * (ONE_DOLLAR_CC - own_cc)
        if closing_centi:
            released = self.cost_micros * closing_centi // held_against_centi
            self.cost_micros -= released
            self.realised_micros += proceeds - released
        self.cost_micros += opening_centi * own_cc
        self.traded_micros += size_centi * own_cc
        self.position_centi += sign * size_centi
        return proceeds - opening_centi * own_cc


class Account:
    """One account: money in micros, its orders, fills and settlements (oldest first)."""

    __slots__ = (
        "cash_micros",
        "client_ids",
        "fills",
        "held_by_market",
        "held_micros",
        "name",
        "open_orders",
        "orders",
        "positions",
        "settlements",
        "updated_us",
    )

    def __init__(self, name: str, cash_micros: int) -> None:
        self.name = name
        self.cash_micros = cash_micros
        self.updated_us = 0
        self.positions: dict[str, Position] = {}
        self.orders: dict[str, LiveOrder] = {}
        self.open_orders: dict[str, dict[str, LiveOrder]] = {}
        self.client_ids: dict[str, str] = {}
        """Every client order id ever used, with the exchange's id; empty where the order never came to be."""
        self.fills: list[ExchangeFill] = []
        self.settlements: list[ExchangeSettlement] = []
        self.held_by_market: dict[str, int] = {}
        self.held_micros = 0

    def position_centi(self, ticker: str) -> int:
        position = self.positions.get(ticker)
        return 0 if position is None else position.position_centi

    def available_micros(self) -> int:
        """Give the cash that no order holds.

        Never below 0: a fill rounded in the venue's favour can overtake the shrinking hold by a micro-dollar.
        """
        return max(0, self.cash_micros - self.held_micros)

    def can_afford(self, order: LiveOrder, rate_ppm: int, *, instead_of: LiveOrder | None = None) -> bool:
        """Tell whether the cash covers the worst case of all open orders with this new one among them."""
        ticker = order.ticker
        others = [one for one in self.open_orders.get(ticker, {}).values() if one is not instead_of]
        wanted = market_hold_micros([*others, order], self.position_centi(ticker), rate_ppm)
        return self.cash_micros >= self.held_micros - self.held_by_market.get(ticker, 0) + wanted

    def update_holds(self, ticker: str, rate_ppm: int) -> None:
        """Recompute what the market's open orders hold."""
        orders = self.open_orders.get(ticker)
        held = market_hold_micros(orders.values(), self.position_centi(ticker), rate_ppm) if orders else 0
        self.held_micros += held - self.held_by_market.get(ticker, 0)
        if held:
            self.held_by_market[ticker] = held
        else:
            self.held_by_market.pop(ticker, None)

    def rest(self, order: LiveOrder) -> None:
        self.open_orders.setdefault(order.ticker, {})[order.exchange_order_id] = order

    def forget_open(self, order: LiveOrder) -> None:
        """Take an order that has ended off the open ones."""
        orders = self.open_orders.get(order.ticker)
        if orders is not None and orders.pop(order.exchange_order_id, None) is not None and not orders:
            del self.open_orders[order.ticker]

    def book_fill(self, order: LiveOrder, match: Match, is_taker: bool, rate_ppm: int) -> ExchangeFill:
        """Move money and position for one fill of an own order, and remember it."""
        position = self.positions.get(order.ticker)
        if position is None:
            position = self.positions[order.ticker] = Position()
        price_cc, size_centi = match.price_cc, match.size_centi
        revenue = position.trade(order.book_side, price_cc, size_centi)
        fee, order.rounding = charge(size_centi, price_cc, rate_ppm, revenue, order.rounding)
        position.fees_micros += fee
        position.updated_us = match.at_us
        self.cash_micros += revenue - fee
        self.updated_us = match.at_us
        own_cc = price_cc if order.book_side is BookSide.BID else no_price(price_cc)
        order.count_costs(size_centi * own_cc, fee, is_taker)
        fill = ExchangeFill(
            trade_id=match.trade_id,
            exchange_order_id=order.exchange_order_id,
            ticker=order.ticker,
            book_side=order.book_side,
            price_cc=price_cc,
            size_centi=size_centi,
            fee_micros=fee,
            is_taker=is_taker,
            created_us=match.at_us,
            client_order_id=order.request.client_order_id,
            basis=match.basis.value,
        )
        self.fills.append(fill)
        return fill

    def pay_out(self, ticker: str, event: str, settlement_cc: int, at_us: int) -> ExchangeSettlement | None:
        """Pay what is held in a settled market: YES gets the value, NO its complement; None where nothing is held."""
        position = self.positions.pop(ticker, None)
        if position is None or position.position_centi == 0:
            return None
        yes_centi, no_centi = max(0, position.position_centi), max(0, -position.position_centi)
        payout = yes_centi * settlement_cc + no_centi * (ONE_DOLLAR_CC - settlement_cc)
        self.cash_micros += payout
        self.updated_us = at_us
        settlement = ExchangeSettlement(
            ticker=ticker,
            event=event,
            settlement_cc=settlement_cc,
            settled_us=at_us,
            yes_centi=yes_centi,
            no_centi=no_centi,
            revenue_micros=payout,
        )
        self.settlements.append(settlement)
        return settlement

    def exchange_positions(self) -> list[ExchangePosition]:
        """List what is held, by ticker in the order of first trade; closed positions are left out."""
        return [
            ExchangePosition(
                ticker=ticker,
                position_centi=held.position_centi,
                exposure_micros=held.cost_micros,
                fees_micros=held.fees_micros,
            )
            for ticker, held in self.positions.items()
            if held.position_centi
        ]


def market_hold_micros(orders: Iterable[LiveOrder], position_centi: int, rate_ppm: int) -> int:
    """Give what the open orders of one account in one market hold: the worst case of each side.

    Selling what is held needs no cash. Where the orders of a side are more than the position against them, the
    position serves the orders with the cheapest own price first; the rest opens: own price and the worst taker fee.
    """
    held = 0
    by_side: dict[BookSide, list[LiveOrder]] = {BookSide.BID: [], BookSide.ASK: []}
    for order in orders:
        by_side[order.book_side].append(order)
    for side, waiting in by_side.items():
        left_centi = max(0, -position_centi if side is BookSide.BID else position_centi)
        for order in sorted(waiting, key=lambda one: one.own_price_cc):
            closing_centi = min(left_centi, order.remaining_centi)
            left_centi -= closing_centi
            opening_centi = order.remaining_centi - closing_centi
            if opening_centi:
                held += opening_centi * order.own_price_cc + worst_fee_micros(opening_centi, order.price_cc, rate_ppm)
    return held
