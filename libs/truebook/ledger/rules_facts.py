"""The verbs that book facts: what the exchange says about orders, fills and settlements.

Facts are accepted from anyone, in any order and any number of times; their ids protect them, and the state at the end
is the same in every field.
"""

from __future__ import annotations

from truebook.ledger.port import Acknowledge, Close, SettleFill
from truebook.ledger.rules_book import apply_fill, changing, note_order
from truebook.ledger.rules_state import MAX_SINGLE_MICROS, MAX_SIZE_CENTI, Fill, LedgerState, Order
from truebook.ledger.verbs import MarkUnknown, SettleMarket
from truebook.messages.envelope import BookSide
from truebook.messages.ids import is_ours
from truebook.money import MAX_PRICE_CC, MIN_PRICE_CC, ONE_DOLLAR_CC

Answer = tuple[str, bool]
"""The verb's word, and whether anything changed."""
INVALID: Answer = ("invalid", False)
CONFLICT: Answer = ("conflict", False)

LOST_ORDER_HOLD = "unknown_own_order"
"""Halts when the exchange has an order with our prefix that this ledger never reserved: another ledger is at work."""
LEDGER_OWNER = "ledger"


def acknowledge(state: LedgerState, news: Acknowledge) -> Answer:
    """Tie the exchange's order id, book what was parked under it, take a final total; in every state.

    The ticker matters only for an order that is not ours: a reserved one keeps its own.
    """
    order = state.orders.get(news.order_id)
    if not news.order_id or not news.exchange_order_id or not news.ticker:
        return INVALID
    if (
        min(news.filled_centi, news.remaining_centi) < 0
        or max(news.filled_centi, news.remaining_centi) > MAX_SIZE_CENTI
    ):
        return INVALID
    if order is not None and not order.foreign and news.filled_centi > order.size_centi:
        return INVALID
    if _is_tied_otherwise(state, news.order_id, order, news.exchange_order_id):
        return CONFLICT
    if order is None:
        order = _record_foreign(state, news)
    final_centi = news.filled_centi if news.remaining_centi == 0 else None
    return _take_news(state, order, news.exchange_order_id, final_centi)


def close(state: LedgerState, news: Close) -> Answer:
    """Take the final filled total of an order; of two totals the larger stands, what is not filled is cancelled."""
    order = state.orders.get(news.order_id)
    if order is None:
        return "no_order", False
    exchange_order_id = news.exchange_order_id or None
    if not 0 <= news.filled_centi <= (MAX_SIZE_CENTI if order.foreign else order.size_centi):
        return INVALID
    if _is_tied_otherwise(state, news.order_id, order, exchange_order_id):
        return CONFLICT
    return _take_news(state, order, exchange_order_id, news.filled_centi)


def mark_unknown(state: LedgerState, news: MarkUnknown) -> Answer:
    """Note that the outcome of a send is not known; too late to mean anything once something was heard."""
    order = state.orders.get(news.order_id)
    if order is None:
        return "no_order", False
    changed = order.state == "reserved"
    if changed:
        order.unknown = True
    return order.state, changed


def settle_fill(state: LedgerState, told: SettleFill) -> Answer:
    """Book a fill once; park it while its order is not known."""
    sound = (
        told.trade_id != "" and told.order_id != "" and told.ticker != ""
        and MIN_PRICE_CC <= told.price_cc <= MAX_PRICE_CC
        and 1 <= told.size_centi <= MAX_SIZE_CENTI
        and abs(told.fee_micros) <= MAX_SINGLE_MICROS
    )  # fmt: skip
    if not sound:
        return INVALID
    known = state.fills.get(told.order_id, {}).get(told.trade_id)
    if known is not None:
        return ("duplicate", False) if _says_the_same(known, told) else CONFLICT
    order = state.orders.get(state.exchange_ids.get(told.order_id, ""))
    fill = _fill(told, parked=order is None)
    if order is None:
        state.fills.setdefault(told.order_id, {})[told.trade_id] = fill
        state.totals.parked += 1
        return "parked", True
    if not _belongs(fill, order):
        return CONFLICT
    state.fills.setdefault(told.order_id, {})[told.trade_id] = fill
    with changing(state, order.ticker) as market:
        apply_fill(market, order, fill)
        if order.foreign:
            order.ended_us = None
        note_order(state, market, order)
    return "applied", True


def settle_market(state: LedgerState, news: SettleMarket) -> Answer:
    """Remember what a market's YES got. Another value later is a conflict, which the caller answers with a hold."""
    if news.ticker == "" or not 0 <= news.settlement_cc <= ONE_DOLLAR_CC:
        return INVALID
    known = state.markets.get(news.ticker)
    if known is not None and known.settlement_cc is not None:
        return ("duplicate", False) if known.settlement_cc == news.settlement_cc else CONFLICT
    with changing(state, news.ticker) as market:
        market.settlement_cc = news.settlement_cc
    return "settled", True


def _is_tied_otherwise(state: LedgerState, order_id: str, order: Order | None, exchange_order_id: str | None) -> bool:
    """Tell whether either id is already tied to another partner."""
    if exchange_order_id is None:
        return False
    if state.exchange_ids.get(exchange_order_id, order_id) != order_id:
        return True
    return order is not None and order.exchange_order_id not in (None, exchange_order_id)


def _record_foreign(state: LedgerState, news: Acknowledge) -> Order:
    """Begin the record of an order that this ledger did not reserve."""
    order = state.orders[news.order_id] = Order(
        order_id=news.order_id,
        nonce="",
        ticker=news.ticker,
        book_side=BookSide.BID,  # not told; its first fill corrects it
        price_cc=0,
        size_centi=0,
        reduce_only=False,
        fee_rate_ppm=0,
        deadline_us=0,
        reserved_us=state.clock_us,
        foreign=True,
        ended_us=state.clock_us,
    )
    if is_ours(news.order_id):
        state.holds.setdefault(LOST_ORDER_HOLD, ("halted", LEDGER_OWNER))
    return order


def _take_news(state: LedgerState, order: Order, exchange_order_id: str | None, final_centi: int | None) -> Answer:
    """Book an acknowledgement or a close that was found sound."""
    ties = exchange_order_id is not None and order.exchange_order_id is None
    told_centi = order.told_centi
    if final_centi is not None and not order.foreign:
        told_centi = final_centi if told_centi is None else max(told_centi, final_centi)
    if not ties and told_centi == order.told_centi:
        return order.state, False
    order.told_centi = told_centi
    order.unknown = False
    parked: list[Fill] = []
    if ties and exchange_order_id is not None:
        order.exchange_order_id = exchange_order_id
        state.exchange_ids[exchange_order_id] = order.order_id
        parked = _unpark(state, order, exchange_order_id)
    if parked or not order.foreign:
        with changing(state, order.ticker) as market:
            for fill in parked:
                apply_fill(market, order, fill)
            note_order(state, market, order)
    return order.state, True


def _unpark(state: LedgerState, order: Order, exchange_order_id: str) -> list[Fill]:
    """Take the parked fills that belong to the order; one that contradicts it stays parked, in sight."""
    waiting = state.fills.get(exchange_order_id, {})
    taken = {
        trade_id: _fill(fill, parked=False)
        for trade_id, fill in sorted(waiting.items())
        if fill.parked and _belongs(fill, order)
    }
    waiting.update(taken)
    state.totals.parked -= len(taken)
    return list(taken.values())


def _belongs(fill: Fill, order: Order) -> bool:
    return fill.ticker == order.ticker and (order.foreign or fill.book_side == order.book_side)


def _says_the_same(known: Fill, told: SettleFill) -> bool:
    return _fill(known, parked=False) == _fill(told, parked=False)


def _fill(told: SettleFill | Fill, *, parked: bool) -> Fill:
    return Fill(
        ticker=told.ticker,
        book_side=told.book_side,
        price_cc=told.price_cc,
        size_centi=told.size_centi,
        fee_micros=told.fee_micros,
        parked=parked,
    )
