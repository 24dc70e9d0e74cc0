"""A target that every guard admits: its reservation in the ledger, and the order of the wire. Pure."""

from __future__ import annotations

import msgspec

from truebook.execution.guards import whole_second_us
from truebook.ledger.verbs import Reserve
from truebook.messages.actions import Action, Target
from truebook.messages.envelope import TimeInForce
from truebook.messages.market_metadata import MarketMetadata
from truebook.venue.account import OrderRequest
from truebook.venue.shards import DEFAULT_SHARD


class Placement(msgspec.Struct, frozen=True, kw_only=True):
    """A target that every guard admits, with the epoch of its action's partition."""

    order_id: str
    action: Action
    target: Target
    size_centi: int
    fee_rate_ppm: int
    partition: int
    epoch: int
    exchange_index: int = DEFAULT_SHARD
    """The market's shard."""


def shard_of(metadata: MarketMetadata | None) -> int:
    """Return the exchange shard of a market; without metadata no order is sent."""
    return DEFAULT_SHARD if metadata is None else metadata.exchange_index


def reservation(placement: Placement, attempt: int, now_us: int, lifetime_us: int) -> Reserve:
    """Return the verb for this attempt; ``lifetime_us`` is that of a resting order without an expiry of its own."""
    action, target = placement.action, placement.target
    rests = target.time_in_force is TimeInForce.GOOD_TILL_CANCELED
    expires_us = target.expires_us or now_us + lifetime_us
    return Reserve(
        order_id=placement.order_id, nonce=f"{placement.epoch}-{attempt}", ticker=action.ticker,
        event=action.event, exclusive=action.exclusive, book_side=target.book_side, price_cc=target.price_cc,
        size_centi=placement.size_centi, reduce_only=target.reduce_only, fee_rate_ppm=placement.fee_rate_ppm,
        deadline_us=action.deadline_us, now_us=now_us, partition=placement.partition, epoch=placement.epoch,
        reference_cc=action.reference_cc, send_by_us=action.deadline_us,
        expires_us=whole_second_us(expires_us) if rests else 0, exchange_index=placement.exchange_index,
        model=action.model,
    )  # fmt: skip


def order_request(order: Reserve, target: Target, group_id: str | None) -> OrderRequest:
    """Build the wire's order; its reduce-only exists for immediate orders only, for resting ones the ledger's rule."""
    is_immediate = target.time_in_force is not TimeInForce.GOOD_TILL_CANCELED
    return OrderRequest(
        ticker=order.ticker, client_order_id=order.order_id, book_side=order.book_side, price_cc=order.price_cc,
        size_centi=order.size_centi, time_in_force=target.time_in_force, post_only=target.post_only,
        expiration_s=None if is_immediate else order.expires_us // 1_000_000,
        reduce_only=target.reduce_only and is_immediate, order_group_id=group_id,
        exchange_index=order.exchange_index,
    )  # fmt: skip


def rank(action: Action, arrival: int) -> tuple[int, int, int]:
    """Return the order in which waiting actions are handled: cancels, then risk-reducing ones, then by edge and age."""
    reduces = all(target.reduce_only for target in action.targets)
    kind = 0 if not action.targets else 1 if reduces else 2
    return kind, -action.edge_cc, arrival
