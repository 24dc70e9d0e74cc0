"""The verbs about the account as a whole: its opening, corrections, holds, limits, fences, counters and memory."""

from __future__ import annotations

from typing import Final

import msgspec

from truebook.ledger.port import AdoptedPosition, Limits
from truebook.ledger.rules_book import changing
from truebook.ledger.rules_facts import INVALID, Answer
from truebook.ledger.rules_state import MAX_SINGLE_MICROS, MAX_SIZE_CENTI, MAX_TIME_US, MODES, LedgerState
from truebook.ledger.verbs import (
    Adjust,
    AdvanceWatermark,
    Forget,
    Hold,
    NextNumber,
    OpenAccount,
    RaiseEpoch,
    Release,
)

ADJUST_KINDS: Final = ("deposit", "residue", "rounding")
FORGET_AT_ONCE: Final = 1000
"""Orders that one ``forget`` looks at, so that it never blocks the ledger for long."""


def open_account(state: LedgerState, news: OpenAccount) -> Answer:
    """Open the account once: deposits are the balance plus what the adopted positions cost."""
    if not 0 <= news.balance_micros <= MAX_SINGLE_MICROS or not all(map(_is_sound, news.positions)):
        return INVALID
    if state.opened:
        return "exists", False
    state.opened = True
    state.totals.deposits_micros += news.balance_micros
    for adopted in news.positions:
        state.totals.deposits_micros += adopted.cost_micros
        with changing(state, adopted.ticker, adopted.event) as market:
            if adopted.position_centi >= 0:
                market.yes_bought_centi += adopted.position_centi
                market.yes_cost_micros += adopted.cost_micros
            else:
                market.no_bought_centi -= adopted.position_centi
                market.no_cost_micros += adopted.cost_micros
    return "opened", True


def adjust(state: LedgerState, news: Adjust) -> Answer:
    """Book a deposit, a residue or a rounding, once by its id; the reason is for people and not content."""
    if news.adjust_id == "" or news.kind not in ADJUST_KINDS or abs(news.amount_micros) > MAX_SINGLE_MICROS:
        return INVALID
    if not state.opened:
        return "not_open", False
    known = state.adjusts.get(news.adjust_id)
    if known is not None:
        return ("duplicate" if known == (news.kind, news.amount_micros) else "conflict"), False
    state.adjusts[news.adjust_id] = (news.kind, news.amount_micros)
    if news.kind == "deposit":
        state.totals.deposits_micros += news.amount_micros
    elif news.kind == "residue":
        state.totals.adjustments_micros += news.amount_micros
    else:
        state.totals.rounding_micros += news.amount_micros
    return "adjusted", True


def hold(state: LedgerState, news: Hold) -> Answer:
    """Place a hold, or change the mode of one's own."""
    if news.name == "" or news.owner == "" or news.mode not in MODES[1:]:
        return INVALID
    known = state.holds.get(news.name)
    if known is not None and known[1] != news.owner:
        return "conflict", False
    state.holds[news.name] = (news.mode, news.owner)
    return "held", known != (news.mode, news.owner)


def release(state: LedgerState, news: Release) -> Answer:
    """End a hold; only its owner may."""
    known = state.holds.get(news.name)
    if known is None:
        return "no_hold", False
    if known[1] != news.owner:
        return "not_owner", False
    del state.holds[news.name]
    return "released", True


def set_limits(state: LedgerState, limits: Limits) -> Answer:
    """Replace the whole record of limits."""
    values = [value for value in msgspec.structs.astuple(limits) if value is not None]
    if not all(0 <= value <= MAX_SINGLE_MICROS for value in values):
        return INVALID
    changed = limits != state.limits
    state.limits = limits
    return "set", changed


def raise_epoch(state: LedgerState, news: RaiseEpoch) -> Answer:
    """Fence off decisions of older owners of a partition; an epoch never sinks."""
    if not (0 <= news.partition <= MAX_TIME_US and 0 <= news.epoch <= MAX_TIME_US):
        return INVALID
    changed = news.epoch > state.epochs.get(news.partition, 0)
    if changed:
        state.epochs[news.partition] = news.epoch
    return "raised", changed


def next_number(state: LedgerState, news: NextNumber) -> Answer:
    """Count up; journalled, so that a restored ledger does not give a number twice."""
    number = state.counters.get(news.name, 0) + 1
    state.counters[news.name] = number
    return str(number), True


def advance_watermark(state: LedgerState, news: AdvanceWatermark) -> Answer:
    """Move a watermark forward; never back."""
    stands_us = state.watermarks.get(news.name, 0)
    changed = stands_us < news.to_us <= MAX_TIME_US
    if changed:
        stands_us = state.watermarks[news.name] = news.to_us
    return str(stands_us), changed


def forget(state: LedgerState, news: Forget) -> Answer:
    """Drop ended orders with their fills, and refusals past their deadline; answer how many orders and fills.

    An order goes only once its deadline can't let the same id in again. Its fills go with it, never before it: a fill
    that is told once more after that finds no order, and is parked instead of being booked twice.
    """
    ended = sorted(
        (order.ended_us, order.order_id.encode())
        for order in state.orders.values()
        if order.ended_us is not None and order.ended_us < news.terminal_before_us
    )
    dropped = 0
    for _, encoded_id in ended[:FORGET_AT_ONCE]:
        order = state.orders[encoded_id.decode()]
        if order.deadline_us > state.clock_us:
            continue
        del state.orders[order.order_id]
        dropped += 1
        if order.exchange_order_id is not None:
            del state.exchange_ids[order.exchange_order_id]
            fills = state.fills.pop(order.exchange_order_id, {})
            state.totals.parked -= sum(fill.parked for fill in fills.values())
            dropped += len(fills)
    past = [order_id for order_id, refusal in state.refusals.items() if refusal.asked.deadline_us <= state.clock_us]
    for order_id in past:
        del state.refusals[order_id]
    return str(dropped), dropped > 0


def _is_sound(adopted: AdoptedPosition) -> bool:
    return (
        adopted.ticker != "" and adopted.event != ""
        and abs(adopted.position_centi) <= MAX_SIZE_CENTI
        and 0 <= adopted.cost_micros <= MAX_SINGLE_MICROS
    )  # fmt: skip
