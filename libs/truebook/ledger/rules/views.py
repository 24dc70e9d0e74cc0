"""Views made from the ledger's records, which are the same in memory and in Redis."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from truebook.ledger.outcomes import AdjustKind, TransferState
from truebook.ledger.port import (
    AccountView,
    HoldView,
    Inflows,
    MarketView,
    Marks,
    OrderView,
    ShardTransferView,
    ShardView,
)
from truebook.ledger.rules.reservation import openings, reservation_micros
from truebook.ledger.rules.state import (
    LedgerAdjust,
    LedgerFill,
    LedgerMarket,
    LedgerOrder,
    ShardTotals,
    Totals,
    net_of_shard,
)
from truebook.ledger.trading_holds import JOURNAL
from truebook.ledger.verbs import Limits, Mode, SettleFill
from truebook.venue.shards import DEFAULT_SHARD


def order_view(order: LedgerOrder, opening_centi: int) -> OrderView:
    """Return the view of an order; ``opening_centi`` follows from its market, see ``openings``."""
    return OrderView(
        order_id=order.order_id, exchange_order_id=order.exchange_order_id, ticker=order.ticker,
        book_side=order.book_side, price_cc=order.price_cc, size_centi=order.size_centi,
        applied_centi=order.applied_centi, remaining_centi=order.remaining_centi, state=order.state,
        reduce_only=order.reduce_only, reserved_us=order.reserved_us, deadline_us=order.deadline_us,
        send_by_us=order.send_by_us, expires_us=order.expires_us, opening_centi=opening_centi,
    )  # fmt: skip


def market_view(market: LedgerMarket, open_orders: Iterable[LedgerOrder]) -> MarketView:
    """Return the view of a market with its open orders, sorted by id."""
    orders = sorted(open_orders, key=lambda order: order.order_id)
    split = openings(market, orders)
    return MarketView(
        ticker=market.ticker, event=market.event, yes_bought_centi=market.yes_bought_centi,
        yes_cost_micros=market.yes_cost_micros, no_bought_centi=market.no_bought_centi,
        no_cost_micros=market.no_cost_micros, position_centi=market.position_centi,
        settlement_cc=market.settlement_cc, payout_micros=market.payout_micros, fees_micros=market.fees_micros,
        fills=market.fills, pruned_markets=market.pruned_markets,
        reserved_micros=reservation_micros(market, orders, split), exchange_index=market.shard,
        orders=tuple(order_view(order, split[order.order_id]) for order in orders),
    )  # fmt: skip


def inflows(adjusts: Iterable[LedgerAdjust], transfers: Iterable[ShardTransferView]) -> Inflows:
    """Sum the records of the opening and of all adjustments, and what all transfers have moved."""
    sums = dict.fromkeys(AdjustKind, 0)
    on_shards: Counter[int] = Counter()
    for adjust in adjusts:
        sums[AdjustKind(adjust.kind)] += adjust.amount_micros
        on_shards[adjust.exchange_index] += adjust.amount_micros
    for transfer in transfers:
        if transfer.state is not TransferState.REFUSED:
            on_shards[transfer.from_shard] -= transfer.amount_micros
        if transfer.state is TransferState.ARRIVED:
            on_shards[transfer.to_shard] += transfer.amount_micros
    del on_shards[DEFAULT_SHARD]
    return Inflows(
        on_shards={index: micros for index, micros in sorted(on_shards.items()) if micros},
        deposits_micros=sums[AdjustKind.DEPOSIT], adjustments_micros=sums[AdjustKind.RESIDUE],
        rounding_micros=sums[AdjustKind.ROUNDING], interest_micros=sums[AdjustKind.INTEREST],
    )  # fmt: skip


def account_view(
    totals: Totals, *, opened: bool, exchange: str, ledger_seq: int, mode: Mode, clock_us: int,
    holds: Iterable[HoldView], limits: Limits, marks: Marks | None, shards: Mapping[int, ShardTotals],
    transfers: Iterable[ShardTransferView],
) -> AccountView:  # fmt: skip
    """Return the view of the account; ``transfers`` are the open ones."""
    of_shards = tuple(_shard_views(totals, shards)) if shards else (_only_shard(totals),)
    return AccountView(
        opened=opened, exchange=exchange, ledger_seq=ledger_seq, mode=mode,
        cash_micros=sum(shard.cash_micros for shard in of_shards),
        overdrawn_micros=sum(shard.overdrawn_micros for shard in of_shards),
        reserved_micros=totals.reserved_micros, deposits_micros=totals.deposits_micros,
        adjustments_micros=totals.adjustments_micros, rounding_micros=totals.rounding_micros,
        interest_micros=totals.interest_micros,
        fees_micros=totals.fees_micros, payouts_micros=totals.payouts_micros, costs_micros=totals.costs_micros,
        pairs_micros=totals.pairs_micros, clock_us=clock_us,
        holds=tuple(sorted(holds, key=lambda hold: hold.name)), limits=limits, parked=totals.parked,
        marks=marks, shards=of_shards, in_transit_micros=totals.in_transit_micros,
        transfers=tuple(sorted(transfers, key=lambda transfer: transfer.transfer_id)),
    )  # fmt: skip


def _only_shard(totals: Totals) -> ShardView:
    net = totals.net_micros
    return ShardView(
        exchange_index=DEFAULT_SHARD, cash_micros=max(0, net), overdrawn_micros=max(0, -net),
        reserved_micros=totals.reserved_micros,
    )  # fmt: skip


def _shard_views(totals: Totals, shards: Mapping[int, ShardTotals]) -> Iterable[ShardView]:
    reserved_elsewhere = sum(shard.reserved_micros for shard in shards.values())
    reserved = {DEFAULT_SHARD: totals.reserved_micros - reserved_elsewhere}
    reserved |= {index: shard.reserved_micros for index, shard in sorted(shards.items())}
    for index, reserved_micros in reserved.items():
        net = net_of_shard(totals, shards, index)
        yield ShardView(
            exchange_index=index, cash_micros=max(0, net), overdrawn_micros=max(0, -net),
            reserved_micros=reserved_micros,
        )  # fmt: skip


def view_of_order(order: LedgerOrder, market: LedgerMarket | None, open_orders: Sequence[LedgerOrder]) -> OrderView:
    """Return the view of an order of any state, with its opening part if it is open."""
    split = openings(market, open_orders) if market is not None else {}
    return order_view(order, split.get(order.order_id, 0))


def parked_fill(exchange_order_id: str, trade_id: str, fill: LedgerFill) -> SettleFill:
    """Return a parked fill as the verb that recorded it."""
    return SettleFill(
        trade_id=trade_id, order_id=exchange_order_id, ticker=fill.ticker, book_side=fill.book_side,
        price_cc=fill.price_cc, size_centi=fill.size_centi, fee_micros=fill.fee_micros,
        exchange_index=fill.exchange_index,
    )  # fmt: skip


def while_restoring(account: AccountView) -> AccountView:
    """Return the view of an account that is being restored: halted by the hold ``journal``."""
    others = (hold for hold in account.holds if hold.name != JOURNAL.name)
    shown = HoldView(name=JOURNAL.name, mode=JOURNAL.mode, owner=JOURNAL.owner)
    holds = tuple(sorted((*others, shown), key=lambda hold: hold.name))
    return msgspec.structs.replace(account, mode=JOURNAL.mode, holds=holds)
