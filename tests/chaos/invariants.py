"""The ledger's invariants (the design's 1 to 5, 7 and 8), after each verb; the promise is computed a second time here.

Beside them, what only a witness of the exchange can judge: a fact that is booked as proof must be true.
"""

from __future__ import annotations

from typing import Any

from chaos.exchange import Exchange
from chaos.history import Violation
from truebook.ledger.port import Acknowledge, Close, Reserve, SettleFill
from truebook.ledger.rules import Ledger
from truebook.ledger.rules_state import Market, Order
from truebook.ledger.verbs import Adjust, Arguments, Forget, Hold, MarkUnknown, NextNumber, SettleMarket
from truebook.messages.envelope import BookSide
from truebook.money import ONE_DOLLAR_CC, PAIR_MICROS_PER_CENTI, ceil_div
from truebook.venue.account import ExchangeOrder, OrderStatus

FACTS = (Acknowledge, Close, SettleFill, SettleMarket)
UNWANTED_HOLDS = frozenset({"conflicting_fact", "unknown_own_order"})
EVERYTHING_EVERY = 200
"""So often all markets and orders are looked over, not only those that the verb concerns."""


class Watch:
    """Looks over a ledger before and after each verb."""

    def __init__(self, ledger: Ledger, exchange: Exchange) -> None:
        self._ledger = ledger
        self._exchange = exchange
        self._count = 0
        self._promised_micros = 0
        self._repeating = False
        exchange.accepted = self.accepted

    def before(self, arguments: Arguments) -> None:
        self._promised_micros = self._ledger.state.totals.promised_micros
        if isinstance(arguments, Close | Acknowledge):
            self._check_proof(arguments)

    def after(self, arguments: Arguments, answer: str) -> None:
        self._count += 1
        state = self._ledger.state
        order = state.orders.get(getattr(arguments, "order_id", ""))
        if isinstance(arguments, SettleFill):
            order = state.orders.get(state.exchange_ids.get(arguments.order_id, ""))
            self._check_fill(arguments, answer, order)
        ticker = order.ticker if order is not None else getattr(arguments, "ticker", "")
        market = state.markets.get(ticker)
        self._check_money(ticker)
        self._check_release(arguments)
        if market is not None:
            check_promise(self._ledger, market)
        if order is not None:
            check_order(order)
        if (isinstance(arguments, Hold) and arguments.name in UNWANTED_HOLDS) or UNWANTED_HOLDS & state.holds.keys():
            raise Violation("no fact contradicts another", f"hold after {arguments}", subject=ticker)
        if isinstance(arguments, Adjust):
            raise Violation("nothing is adjusted", str(arguments))
        if self._count % EVERYTHING_EVERY == 0:
            self.everything()
        if not self._repeating and not isinstance(arguments, NextNumber | Forget):
            self._check_repetition(arguments, answer)

    def everything(self) -> None:
        """Look over all markets and orders."""
        for market in self._ledger.state.markets.values():
            check_promise(self._ledger, market)
        for order in self._ledger.state.orders.values():
            check_order(order)

    def accepted(self, shown: ExchangeOrder) -> None:
        """8: an order that comes to be at the exchange still has its promise."""
        order = self._ledger.state.orders.get(shown.client_order_id)
        if order is None or not order.holds_slot:
            state = "unknown to the ledger" if order is None else order.state
            raise Violation("8 nothing is released without proof", f"{state}: {shown}", subject=shown.client_order_id)

    def _check_money(self, ticker: str) -> None:
        account = self._ledger.account()
        if account.conservation_error_micros:
            raise Violation("1 money is conserved", f"{account.conservation_error_micros} micros", subject=ticker)
        if account.cash_micros < 0 or account.promised_micros < 0 or account.overdrawn_micros != 0:
            # Nothing that overdraws (foreign fills, worse prices or fees, withdrawals) happens in these runs.
            raise Violation("2 cash is never negative", str(account), subject=ticker)
        markets = self._ledger.state.markets.values()
        sums = (
            sum(market.costs_micros for market in markets), sum(market.pairs_micros for market in markets),
            sum(market.payout_micros for market in markets), sum(market.fees_micros for market in markets),
            sum(market.promise_micros for market in markets),
        )  # fmt: skip
        told = (
            account.costs_micros, account.pairs_micros, account.payouts_micros, account.fees_micros,
            account.promised_micros,
        )  # fmt: skip
        if sums != told:
            raise Violation("1 the totals are the markets' sums", f"{sums} and {told}", subject=ticker)

    def _check_repetition(self, arguments: Arguments, answer: str) -> None:
        """5: the same again moves nothing and answers with what is recorded."""
        before, seq = self._state(arguments), self._ledger.seq
        self._repeating = True
        try:
            again = Ledger.apply(self._ledger, arguments)
        finally:
            self._repeating = False
        told = isinstance(arguments, Reserve | Acknowledge | Close | MarkUnknown)  # these answer with the state
        if seq != self._ledger.seq or before != self._state(arguments) or (told and again != answer):
            raise Violation(
                "5 a repeated id moves nothing", f"{arguments} answered {answer}, then {again}",
                subject=getattr(arguments, "ticker", "") or getattr(arguments, "order_id", ""),
            )  # fmt: skip

    def _state(self, arguments: Arguments) -> tuple[Any, ...]:
        state = self._ledger.state
        order = state.orders.get(getattr(arguments, "order_id", ""))
        market = state.markets.get(order.ticker if order is not None else getattr(arguments, "ticker", ""))
        return (
            repr(state.totals), repr(order), repr(market), state.clock_us, len(state.orders), len(state.refusals),
            len(state.grants_us),
        )  # fmt: skip

    def _check_fill(self, told: SettleFill, answer: str, order: Order | None) -> None:
        """7: a fill of an unknown order is parked, and no fill is invented."""
        kept = self._ledger.state.fills.get(told.order_id, {}).get(told.trade_id)
        if answer not in ("applied", "duplicate", "parked") or kept is None or kept.parked != (order is None):
            raise Violation("7 a fill is applied or parked", f"{answer}: {told}", subject=told.ticker)
        true = self._exchange.fills.get((told.order_id, told.trade_id))
        if true is None or (true.price_cc, true.size_centi, true.fee_micros, true.book_side) != (
            told.price_cc, told.size_centi, told.fee_micros, told.book_side,
        ):  # fmt: skip
            raise Violation("7 no fill is invented", f"{told}, the exchange has {true}", subject=told.ticker)

    def _check_release(self, arguments: Arguments) -> None:
        """8: only a fact may lower what is promised."""
        fell = self._ledger.state.totals.promised_micros < self._promised_micros
        if fell and not isinstance(arguments, FACTS):
            raise Violation("8 nothing is released without proof", str(arguments))
        if isinstance(arguments, Reserve) and fell:
            raise Violation("8 nothing is released without proof", str(arguments), subject=arguments.ticker)

    def _check_proof(self, news: Close | Acknowledge) -> None:
        """8: what is told as final is final at the exchange, with that total."""
        true = self._exchange.orders.get(news.order_id)
        final = isinstance(news, Close) or news.remaining_centi == 0
        if true is None:
            if news.exchange_order_id is not None or news.filled_centi:
                raise Violation("8 a proof is true", f"{news}: no such order", subject=news.order_id)
            return
        ended = true.status is not OrderStatus.RESTING and true.filled_centi == news.filled_centi
        tied = news.exchange_order_id in (None, true.exchange_order_id)
        if not tied or (final and not ended):
            raise Violation("8 a proof is true", f"{news}, the exchange has {true}", subject=news.order_id)


def check_order(order: Order) -> None:
    """4: applied and cancelled never exceed the size, and equal it at the end."""
    overfilled = max(0, order.applied_centi - order.size_centi)
    told = order.told_centi
    cancelled = 0 if told is None else max(0, order.size_centi - max(told, order.applied_centi))
    total = order.applied_centi - overfilled + cancelled
    if overfilled or total > order.size_centi or (order.state == "terminal" and total != order.size_centi):
        raise Violation("4 applied and cancelled make the size", str(order), subject=order.order_id)


def check_promise(ledger: Ledger, market: Market) -> None:
    """3: the promise is the sum of a pure function of each open order, the position and the settlement."""
    total = 0
    for side, position in ((BookSide.BID, -market.position_centi), (BookSide.ASK, market.position_centi)):
        left = max(0, position)
        back = ONE_DOLLAR_CC
        if market.settlement_cc is not None:
            back = market.settlement_cc if side is BookSide.BID else ONE_DOLLAR_CC - market.settlement_cc
        orders = [ledger.state.orders[order_id] for order_id in market.open]
        queue = [(one.own_price_cc, one.order_id, one) for one in orders if one.book_side is side]
        for own, _, order in sorted(queue):
            closing = min(order.remaining_centi, left)
            left -= closing
            opening = order.remaining_centi - closing
            per_contract = ceil_div(order.fee_rate_ppm * order.price_cc * (ONE_DOLLAR_CC - order.price_cc), 10**8)
            total += opening * own + ceil_div(opening * per_contract, 100) + 100 * opening
            total += max(0, closing * (own - back) + ceil_div(closing * per_contract, 100) + 100 * closing)
    if total != market.promise_micros:
        raise Violation(
            "3 a promise is a pure function", f"{market.promise_micros} is promised, {total} would be right",
            subject=market.ticker,
        )  # fmt: skip
    if market.pairs_micros != min(market.yes_bought_centi, market.no_bought_centi) * PAIR_MICROS_PER_CENTI:
        raise Violation("1 pairs are worth a dollar", str(market), subject=market.ticker)
