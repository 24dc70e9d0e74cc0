"""The verbs that record what the exchange reports about orders, fills and settlements.

Reports are accepted from any process, in any order and any number of times: their ids make repetition harmless, and the
final state is the same in every field.
"""

from __future__ import annotations

from truebook.ledger.rules.market_update import apply_fill, update_order, updating
from truebook.ledger.rules.state import MAX_SINGLE_MICROS, MAX_SIZE_CENTI, LedgerFill, LedgerOrder, LedgerState
from truebook.ledger.trading_holds import UNKNOWN_OWN_ORDER
from truebook.ledger.verbs import (
    Acknowledge,
    Close,
    MarkUnknown,
    OrderResult,
    OrderState,
    SettleFill,
    SettleMarket,
)
from truebook.messages.envelope import BookSide
from truebook.messages.fills import ReportOutcome
from truebook.messages.ids import is_ours
from truebook.money import MAX_PRICE_CC, MIN_PRICE_CC, ONE_DOLLAR_CC
from truebook.venue.shards import MAX_SHARD


def acknowledge(state: LedgerState, report: Acknowledge) -> tuple[OrderResult, bool]:
    """Tie the exchange's order id, apply the fills parked under it, take a final total; in every state.

    The ticker matters only for an order that is not ours: a reserved one keeps its own.
    """
    order = state.orders.get(report.order_id)
    if not report.order_id or not report.exchange_order_id or not report.ticker:
        return ReportOutcome.INVALID, False
    if not (0 <= report.filled_centi <= MAX_SIZE_CENTI and 0 <= report.remaining_centi <= MAX_SIZE_CENTI):
        return ReportOutcome.INVALID, False
    if order is not None and not order.foreign and report.filled_centi > order.size_centi:
        return ReportOutcome.INVALID, False
    if _is_tied_otherwise(state, report.order_id, order, report.exchange_order_id):
        return ReportOutcome.CONFLICT, False
    if order is None:
        order = _add_foreign_order(state, report)
    final_centi = report.filled_centi if report.remaining_centi == 0 else None
    return _apply_report(state, order, report.exchange_order_id, final_centi)


def close(state: LedgerState, report: Close) -> tuple[OrderResult, bool]:
    """Take the final filled total of an order; the larger of two totals counts, what is not filled is cancelled."""
    order = state.orders.get(report.order_id)
    if order is None:
        return ReportOutcome.NO_ORDER, False
    exchange_order_id = report.exchange_order_id or None
    if not 0 <= report.filled_centi <= (MAX_SIZE_CENTI if order.foreign else order.size_centi):
        return ReportOutcome.INVALID, False
    if _is_tied_otherwise(state, report.order_id, order, exchange_order_id):
        return ReportOutcome.CONFLICT, False
    return _apply_report(state, order, exchange_order_id, report.filled_centi)


def mark_unknown(state: LedgerState, report: MarkUnknown) -> tuple[OrderResult, bool]:
    """Mark the outcome of a send as unknown; without effect once anything was reported about the order."""
    order = state.orders.get(report.order_id)
    if order is None:
        return ReportOutcome.NO_ORDER, False
    changed = order.state is OrderState.RESERVED
    if changed:
        order.unknown = True
    return order.state, changed


def settle_fill(state: LedgerState, report: SettleFill) -> tuple[ReportOutcome, bool]:
    """Apply a fill once; park it while its order is not known."""
    is_valid = (
        report.trade_id != "" and report.order_id != "" and report.ticker != ""
        and MIN_PRICE_CC <= report.price_cc <= MAX_PRICE_CC
        and 1 <= report.size_centi <= MAX_SIZE_CENTI
        and abs(report.fee_micros) <= MAX_SINGLE_MICROS
        and 0 <= report.exchange_index <= MAX_SHARD
    )  # fmt: skip
    if not is_valid:
        return ReportOutcome.INVALID, False
    known = state.fills.get(report.order_id, {}).get(report.trade_id)
    if known is not None:
        is_same = _fill(known, parked=False) == _fill(report, parked=False)
        return ReportOutcome.DUPLICATE if is_same else ReportOutcome.CONFLICT, False
    order = state.orders.get(state.exchange_ids.get(report.order_id, ""))
    fill = _fill(report, parked=order is None)
    if order is None:
        state.fills.setdefault(report.order_id, {})[report.trade_id] = fill
        state.totals.parked += 1
        return ReportOutcome.PARKED, True
    if not _belongs(fill, order) or not _may_be_on(state, order.ticker, fill.exchange_index):
        return ReportOutcome.CONFLICT, False
    state.fills.setdefault(report.order_id, {})[report.trade_id] = fill
    with updating(state, order.ticker, exchange_index=fill.exchange_index) as market:
        apply_fill(market, order, fill)
        if order.foreign:
            order.ended_us = None
        update_order(state, market, order)
    return ReportOutcome.APPLIED, True


def settle_market(state: LedgerState, report: SettleMarket) -> tuple[ReportOutcome, bool]:
    """Record a market's settlement value. Another value later is a conflict: the caller places a hold."""
    if report.ticker == "" or not 0 <= report.settlement_cc <= ONE_DOLLAR_CC:
        return ReportOutcome.INVALID, False
    known = state.markets.get(report.ticker)
    if known is not None and known.settlement_cc is not None:
        is_same = known.settlement_cc == report.settlement_cc
        return ReportOutcome.DUPLICATE if is_same else ReportOutcome.CONFLICT, False
    with updating(state, report.ticker) as market:
        market.settlement_cc = report.settlement_cc
        market.settled_us = state.clock_us
    return ReportOutcome.SETTLED, True


def _is_tied_otherwise(
    state: LedgerState, order_id: str, order: LedgerOrder | None, exchange_order_id: str | None
) -> bool:
    """Return whether either id is already tied to another one."""
    if exchange_order_id is None:
        return False
    if state.exchange_ids.get(exchange_order_id, order_id) != order_id:
        return True
    return order is not None and order.exchange_order_id not in (None, exchange_order_id)


def _add_foreign_order(state: LedgerState, report: Acknowledge) -> LedgerOrder:
    """Add an order that this ledger did not reserve; one with our id prefix halts trading."""
    order = state.orders[report.order_id] = LedgerOrder(
        order_id=report.order_id,
        nonce="",
        ticker=report.ticker,
        book_side=BookSide.BID,  # not reported; corrected by the first fill
        price_cc=0,
        size_centi=0,
        reduce_only=False,
        fee_rate_ppm=0,
        deadline_us=0,
        reserved_us=state.clock_us,
        foreign=True,
        ended_us=state.clock_us,
    )
    if is_ours(report.order_id):
        state.holds.setdefault(UNKNOWN_OWN_ORDER.name, (UNKNOWN_OWN_ORDER.mode, UNKNOWN_OWN_ORDER.owner))
    return order


def _apply_report(
    state: LedgerState, order: LedgerOrder, exchange_order_id: str | None, final_centi: int | None
) -> tuple[OrderState, bool]:
    """Apply a valid acknowledge or close: tie the ids, take a final total, apply the parked fills."""
    ties = exchange_order_id is not None and order.exchange_order_id is None
    final = order.final_filled_centi
    if final_centi is not None and not order.foreign:
        final = final_centi if final is None else max(final, final_centi)
    if not ties and final == order.final_filled_centi:
        return order.state, False
    order.final_filled_centi = final
    order.unknown = False
    parked: list[LedgerFill] = []
    if ties and exchange_order_id is not None:
        order.exchange_order_id = exchange_order_id
        state.exchange_ids[exchange_order_id] = order.order_id
        parked = _unpark(state, order, exchange_order_id)
    if parked or not order.foreign:
        with updating(state, order.ticker, exchange_index=parked[0].exchange_index if parked else None) as market:
            for fill in parked:
                apply_fill(market, order, fill)
            update_order(state, market, order)
    return order.state, True


def _unpark(state: LedgerState, order: LedgerOrder, exchange_order_id: str) -> list[LedgerFill]:
    """Return the parked fills that belong to the order; one that contradicts it stays parked and visible.

    If nothing has named the market's shard yet, the first fill does.
    """
    waiting = state.fills.get(exchange_order_id, {})
    taken: dict[str, LedgerFill] = {}
    shard: int | None = None
    for trade_id, fill in sorted(waiting.items()):
        if fill.parked and _belongs(fill, order) and _may_be_on(state, order.ticker, fill.exchange_index):
            shard = fill.exchange_index if shard is None else shard
            if fill.exchange_index == shard:
                taken[trade_id] = _fill(fill, parked=False)
    waiting.update(taken)
    state.totals.parked -= len(taken)
    return list(taken.values())


def _belongs(fill: LedgerFill, order: LedgerOrder) -> bool:
    return fill.ticker == order.ticker and (order.foreign or fill.book_side == order.book_side)


def _may_be_on(state: LedgerState, ticker: str, exchange_index: int) -> bool:
    market = state.markets.get(ticker)
    return market is None or market.may_be_on(exchange_index)


def _fill(report: SettleFill | LedgerFill, *, parked: bool) -> LedgerFill:
    return LedgerFill(
        ticker=report.ticker, book_side=report.book_side, price_cc=report.price_cc,
        size_centi=report.size_centi, fee_micros=report.fee_micros, parked=parked,
        exchange_index=report.exchange_index,
    )  # fmt: skip
