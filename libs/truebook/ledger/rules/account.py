"""The verbs for the account as a whole: opening, adjustments, holds, limits, epochs, counters, pruning."""

from __future__ import annotations

from typing import Final

from truebook.ledger.outcomes import (
    AdjustKind,
    AdjustOutcome,
    BindOutcome,
    HoldOutcome,
    OpenOutcome,
    RaiseEpochOutcome,
    ReleaseOutcome,
    SetLimitsOutcome,
)
from truebook.ledger.rules.loss_limits import after_release
from truebook.ledger.rules.market_update import updating
from truebook.ledger.rules.state import (
    MAX_SINGLE_MICROS,
    MAX_SIZE_CENTI,
    MAX_TIME_US,
    LedgerAdjust,
    LedgerMarket,
    LedgerState,
)
from truebook.ledger.rules.transfers import add_up_transfers
from truebook.ledger.verbs import (
    LIMIT_NAMES,
    Adjust,
    AdoptedPosition,
    AdvanceWatermark,
    BindExchange,
    Hold,
    Limits,
    Mode,
    NextNumber,
    OpenAccount,
    Prune,
    RaiseEpoch,
    Release,
)
from truebook.venue.shards import DEFAULT_SHARD, MAX_SHARD

PRUNE_BATCH: Final = 1000
"""Orders, markets and transfers that one ``prune`` considers, so that it never blocks the ledger for long."""
PRUNED: Final = ""
"""The ticker of the record in which settled markets are added up: no market can have it. Of shard 2: ``#2``."""
OPENING: Final = ""
"""The opening's record among the adjustments: an id that no ``adjust`` can have. Of shard 2: ``OPENING_OF_SHARD`` 2."""
OPENING_OF_SHARD: Final = "\0"


def open_account(state: LedgerState, verb: OpenAccount) -> tuple[OpenOutcome, bool]:
    """Open the account once: deposits are the balances plus the cost of the adopted positions."""
    if not 0 <= verb.balance_micros <= MAX_SINGLE_MICROS or not _has_valid_parts(verb):
        return OpenOutcome.INVALID, False
    if state.opened:
        return OpenOutcome.EXISTS, False
    state.opened = True
    state.exchange = verb.exchange
    deposits = {DEFAULT_SHARD: verb.balance_micros} | {one.exchange_index: one.balance_micros for one in verb.shards}
    for adopted in verb.positions:
        deposits[adopted.exchange_index] = deposits.get(adopted.exchange_index, 0) + adopted.cost_micros
    for exchange_index, micros in deposits.items():
        adjust_id = OPENING if exchange_index == DEFAULT_SHARD else f"{OPENING_OF_SHARD}{exchange_index}"
        state.adjusts[adjust_id] = LedgerAdjust(AdjustKind.DEPOSIT, micros, exchange_index)
        state.totals.deposits_micros += micros
        state.add_to_shard(exchange_index, micros)
    for adopted in verb.positions:
        with updating(state, adopted.ticker, adopted.event, adopted.exchange_index) as market:
            if adopted.position_centi >= 0:
                market.yes_bought_centi += adopted.position_centi
                market.yes_cost_micros += adopted.cost_micros
            else:
                market.no_bought_centi -= adopted.position_centi
                market.no_cost_micros += adopted.cost_micros
    return OpenOutcome.OPENED, True


def adjust(state: LedgerState, verb: Adjust) -> tuple[AdjustOutcome, bool]:
    """Add a deposit, residue, rounding or interest, once by its id."""
    is_valid = (
        verb.adjust_id != "" and not verb.adjust_id.startswith(OPENING_OF_SHARD)
        and verb.kind in set(AdjustKind) and abs(verb.amount_micros) <= MAX_SINGLE_MICROS
        and 0 <= verb.exchange_index <= MAX_SHARD
    )  # fmt: skip
    if not is_valid:
        return AdjustOutcome.INVALID, False
    if not state.opened:
        return AdjustOutcome.NOT_OPEN, False
    known = state.adjusts.get(verb.adjust_id)
    adjustment = LedgerAdjust(verb.kind, verb.amount_micros, verb.exchange_index)
    if known is not None:
        return AdjustOutcome.DUPLICATE if known == adjustment else AdjustOutcome.CONFLICT, False
    state.adjusts[verb.adjust_id] = adjustment
    state.add_to_shard(verb.exchange_index, verb.amount_micros)
    if verb.kind == AdjustKind.DEPOSIT:
        state.totals.deposits_micros += verb.amount_micros
    elif verb.kind == AdjustKind.RESIDUE:
        state.totals.adjustments_micros += verb.amount_micros
    elif verb.kind == AdjustKind.INTEREST:
        state.totals.interest_micros += verb.amount_micros
    else:
        state.totals.rounding_micros += verb.amount_micros
    return AdjustOutcome.ADJUSTED, True


def hold(state: LedgerState, verb: Hold) -> tuple[HoldOutcome, bool]:
    """Place a hold, or change the mode of one's own; ``NAME@`` without a market is invalid."""
    if verb.name == "" or verb.name.endswith("@") or verb.owner == "" or verb.mode is Mode.RUNNING:
        return HoldOutcome.INVALID, False
    known = state.holds.get(verb.name)
    if known is not None and known[1] != verb.owner:
        return HoldOutcome.CONFLICT, False
    state.holds[verb.name] = (verb.mode, verb.owner)
    return HoldOutcome.HELD, known != (verb.mode, verb.owner)


def release(state: LedgerState, verb: Release) -> tuple[ReleaseOutcome, bool]:
    """End a hold; only its owner may."""
    known = state.holds.get(verb.name)
    if known is None:
        return ReleaseOutcome.NO_HOLD, False
    if known[1] != verb.owner:
        return ReleaseOutcome.NOT_OWNER, False
    del state.holds[verb.name]
    state.marks = after_release(state.marks, verb.name)
    return ReleaseOutcome.RELEASED, True


def set_limits(state: LedgerState, limits: Limits) -> tuple[SetLimitsOutcome, bool]:
    """Replace the whole record of limits; without a limit of losses the marks end."""
    values = [value for name in LIMIT_NAMES if (value := getattr(limits, name)) is not None]
    if not all(0 <= value <= MAX_SINGLE_MICROS for value in values):
        return SetLimitsOutcome.INVALID, False
    changed = limits != state.limits
    state.limits = limits
    if changed and limits.daily_loss_micros is None and limits.drawdown_micros is None:
        state.marks = None
    return SetLimitsOutcome.SET, changed


def raise_epoch(state: LedgerState, verb: RaiseEpoch) -> tuple[RaiseEpochOutcome, bool]:
    """Refuse decisions of a partition's earlier owners; an epoch never decreases."""
    if not (0 <= verb.partition <= MAX_TIME_US and 0 <= verb.epoch <= MAX_TIME_US):
        return RaiseEpochOutcome.INVALID, False
    changed = verb.epoch > state.epochs.get(verb.partition, 0)
    if changed:
        state.epochs[verb.partition] = verb.epoch
    return RaiseEpochOutcome.RAISED, changed


def next_number(state: LedgerState, verb: NextNumber) -> tuple[int, bool]:
    """Increment a counter; a journal entry, so that a restored ledger returns no number twice."""
    number = state.counters[verb.name] = state.counters.get(verb.name, 0) + 1
    return number, True


def bind_exchange(state: LedgerState, verb: BindExchange) -> tuple[BindOutcome, bool]:
    """Bind the account to its exchange, unless another caller has bound it to a third one."""
    if verb.exchange == "":
        return BindOutcome.INVALID, False
    if not state.opened:
        return BindOutcome.NOT_OPEN, False
    if state.exchange == verb.exchange:
        return BindOutcome.UNCHANGED, False
    if state.exchange != verb.former:
        return BindOutcome.CONFLICT, False
    state.exchange = verb.exchange
    return BindOutcome.BOUND, True


def advance_watermark(state: LedgerState, verb: AdvanceWatermark) -> tuple[int, bool]:
    """Move a watermark forward, never back."""
    watermark_us = state.watermarks.get(verb.name, 0)
    changed = watermark_us < verb.to_us <= MAX_TIME_US
    if changed:
        watermark_us = state.watermarks[verb.name] = verb.to_us
    return watermark_us, changed


def prune(state: LedgerState, verb: Prune) -> tuple[int, bool]:
    """Drop ended orders with their fills and past refusals, and add up settled markets and ended transfers; count them.

    An order is dropped only when its deadline has passed: the same id can't be reserved again. Its fills are dropped
    with it, never earlier: a repeated fill then finds no order and is parked instead of being applied twice.
    """
    ended = sorted(
        (order.ended_us, order.order_id.encode())
        for order in state.orders.values()
        if order.ended_us is not None and order.ended_us < verb.terminal_before_us
    )
    dropped = 0
    for _, encoded_id in ended[:PRUNE_BATCH]:
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
    dropped += _add_up_settled(state, verb.settled_before_us)
    dropped += add_up_transfers(state, verb.transfers_before_us, PRUNE_BATCH)
    past = [order_id for order_id, refusal in state.refusals.items() if refusal.request.deadline_us <= state.clock_us]
    for order_id in past:
        del state.refusals[order_id]
    return dropped, dropped > 0


def _add_up_settled(state: LedgerState, before_us: int) -> int:
    """Replace markets that settled before a time, and have no open order, by one record of each shard with their sums;
    count them.

    It has no position. Payouts are subtracted from its costs, and so from the totals: net stays the same.
    """
    settled = sorted(
        (market.settled_us, ticker.encode())
        for ticker, market in state.markets.items()
        if market.settlement_cc is not None
        and not market.pruned_markets
        and not market.open
        and market.settled_us < before_us
    )[:PRUNE_BATCH]
    for _, encoded_ticker in settled:
        market = state.markets.pop(encoded_ticker.decode())
        pruned = _pruned_record(state, market.shard)
        paired_centi = min(market.yes_bought_centi, market.no_bought_centi)
        pruned.yes_bought_centi += paired_centi
        pruned.no_bought_centi += paired_centi
        pruned.yes_cost_micros += market.costs_micros - market.payout_micros
        pruned.fees_micros += market.fees_micros
        pruned.fills += market.fills
        pruned.pruned_markets += 1
        state.totals.payouts_micros -= market.payout_micros
        state.totals.costs_micros -= market.payout_micros
        if all(other.event != market.event for other in state.markets.values()):
            state.events.pop(market.event, None)
    return len(settled)


def _pruned_record(state: LedgerState, exchange_index: int) -> LedgerMarket:
    name = PRUNED if exchange_index == DEFAULT_SHARD else f"#{exchange_index}"
    record = LedgerMarket(ticker=name, event=name, settlement_cc=0, exchange_index=exchange_index or None)
    return state.markets.setdefault(name, record)


def _has_valid_parts(verb: OpenAccount) -> bool:
    named = [one.exchange_index for one in verb.shards]
    shard_of = {adopted.ticker: adopted.exchange_index for adopted in verb.positions}
    return (
        len({DEFAULT_SHARD, *named}) == len(named) + 1
        and all(0 <= one.balance_micros <= MAX_SINGLE_MICROS and one.exchange_index <= MAX_SHARD for one in verb.shards)
        and all(exchange_index > DEFAULT_SHARD for exchange_index in named)
        and all(_is_valid(adopted) and shard_of[adopted.ticker] == adopted.exchange_index for adopted in verb.positions)
    )


def _is_valid(adopted: AdoptedPosition) -> bool:
    return (
        adopted.ticker != "" and adopted.event != ""
        and 0 <= adopted.exchange_index <= MAX_SHARD
        and abs(adopted.position_centi) <= MAX_SIZE_CENTI
        and 0 <= adopted.cost_micros <= MAX_SINGLE_MICROS
    )  # fmt: skip
