"""The guards of an order: one ordered list of (reason, predicate). The first that refuses gives the reported reason.

``docs/execution.md`` prints the list. Guards read a ``Candidate`` and do no I/O. Evaluating the breaker, the throttle
and the rate budget uses them up, so that an order that fails later is limited like one that succeeds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from truebook.execution.durations import Durations
from truebook.ledger.port import MarketView
from truebook.ledger.verbs import Mode, OrderState
from truebook.messages.actions import Action, Target
from truebook.messages.envelope import BookSide, Source, TimeInForce
from truebook.messages.market_metadata import MarketMetadata
from truebook.messages.reasons import Reason
from truebook.pacing.breaker import Breaker
from truebook.pacing.throttle import Throttle
from truebook.pacing.tokens import TokenBucket
from truebook.venue.fees import UnsupportedFee, taker_rate_ppm
from truebook.venue.grid import on_grid
from truebook.venue.lifecycle import takes_orders
from truebook.venue.rate_tiers import DEFAULT_COST

RATE_LIMITED_US: Final = 1_000_000
"""How long no order that takes risk is sent after a 429."""


@dataclass(kw_only=True)
class Limiters:
    """What limits how often orders are sent."""

    breaker: Breaker
    throttle: Throttle
    tokens: TokenBucket
    rate_reserve: int
    """Tokens that only cancels and risk-reducing orders may use."""
    limited_until_us: int = 0
    """After a 429: only cancels and risk-reducing orders are sent before this time."""

    def rate_limited(self, now_us: int) -> None:
        """Take the exchange's 429 into account: its bucket is empty, whatever ours holds."""
        self.tokens.drain(now_us)
        self.limited_until_us = now_us + RATE_LIMITED_US


class Candidate(msgspec.Struct, frozen=True, kw_only=True):
    """A target that may become an order, with all that the guards judge it by."""

    action: Action
    target: Target
    source: Source
    """The market data of this account."""
    now_us: int
    mode: Mode
    has_unresolved_orders: bool
    """Orders of an earlier instance have no known outcome yet."""
    is_report_queue_full: bool
    """So many order events can't be published now that no order may add more."""
    metadata: MarketMetadata | None
    is_book_fresh: bool
    epoch: int | None
    """Epoch of the action's partition; None after this process has lost it."""
    size_centi: int
    """The target's size; of a reduce-only target at most what it can close."""
    is_reducing: bool
    fee_rate_ppm: int | None
    """The rate of the fee to reserve; None if the market's fee has no known bound."""
    durations: Durations
    limiters: Limiters


class Guard(msgspec.Struct, frozen=True):
    """``refuses`` returns whether the candidate must not become an order, for ``reason``."""

    reason: Reason
    refuses: Callable[[Candidate], bool]
    detail: str = ""


def first_refusal(guards: Sequence[Guard], candidate: Candidate) -> Guard | None:
    """Return the first guard that refuses; the guards after it are not evaluated."""
    for guard in guards:
        if guard.refuses(candidate):
            return guard
    return None


def closable_centi(side: BookSide, market: MarketView | None) -> int:
    """Return the position that an order of this side can close, less what closing orders will still take of it."""
    if market is None or market.settlement_cc is not None:
        return 0
    position_centi = -market.position_centi if side is BookSide.BID else market.position_centi
    closing = [order for order in market.orders if order.book_side is side and order.state is OrderState.CLOSING]
    return max(0, position_centi - sum(order.remaining_centi for order in closing))


def order_size(target: Target, market: MarketView | None) -> tuple[int, bool]:
    """Return the target's size, of a reduce-only target at most what it can close, and whether it only reduces."""
    closable = closable_centi(target.book_side, market)
    size_centi = min(target.size_centi, closable) if target.reduce_only else target.size_centi
    return size_centi, target.reduce_only or size_centi <= closable


def fee_rate_to_reserve_ppm(action: Action, metadata: MarketMetadata | None) -> int | None:
    """Return the higher of the action's rate and the market's taker rate; None if that has no known bound."""
    if metadata is None:
        return None
    try:
        return max(action.fee_rate_ppm, taker_rate_ppm(metadata.fee_type, metadata.fee_multiplier_ppm))
    except UnsupportedFee:
        return None


def _mode_refuses(candidate: Candidate) -> bool:
    if candidate.mode is Mode.FLATTENING:
        return not candidate.target.reduce_only
    return candidate.mode is Mode.HALTED


def _throttle_refuses(candidate: Candidate) -> bool:
    key = f"{candidate.action.ticker} {candidate.target.book_side}"
    return not candidate.limiters.throttle.attempt(key, candidate.now_us)


def _is_off_grid(candidate: Candidate) -> bool:
    metadata = candidate.metadata
    return metadata is not None and not on_grid(candidate.target.price_cc, metadata.price_ranges)


def _would_cross(candidate: Candidate) -> bool:
    """Judge by the book of the decision; the exchange refuses what crosses the newest one."""
    action, target = candidate.action, candidate.target
    is_bid = target.book_side is BookSide.BID
    best_cc = action.best_ask_cc if is_bid else action.best_bid_cc
    if best_cc is None or not target.post_only:
        return False
    return target.price_cc >= best_cc if is_bid else target.price_cc <= best_cc


def _opens_near_close(candidate: Candidate) -> bool:
    metadata = candidate.metadata
    if metadata is None or candidate.is_reducing:
        return False
    return metadata.close_us - candidate.now_us < candidate.durations.near_close_us


def _is_not_trading(candidate: Candidate) -> bool:
    metadata = candidate.metadata
    return metadata is None or not takes_orders(metadata.status) or candidate.now_us >= metadata.close_us


def _is_unsupported_kind(candidate: Candidate) -> bool:
    """Immediate orders only flatten: the wire has reduce-only for them alone; for resting orders the ledger has it."""
    target = candidate.target
    if target.time_in_force is TimeInForce.GOOD_TILL_CANCELED:
        return False
    return target.time_in_force is not TimeInForce.IMMEDIATE_OR_CANCEL or target.post_only or not target.reduce_only


def _budget_refuses(candidate: Candidate) -> bool:
    limiters = candidate.limiters
    if not candidate.is_reducing and candidate.now_us < limiters.limited_until_us:
        return True
    keep = 0 if candidate.is_reducing else limiters.rate_reserve
    return not limiters.tokens.take(DEFAULT_COST, candidate.now_us, keep)


def _is_expired(candidate: Candidate) -> bool:
    target = candidate.target
    if not target.expires_us or target.time_in_force is not TimeInForce.GOOD_TILL_CANCELED:
        return False
    return whole_second_us(target.expires_us) <= candidate.now_us


def whole_second_us(us: int) -> int:
    """Round up to a whole second, the wire's unit of an expiry."""
    return -(-us // 1_000_000) * 1_000_000


SIZING: Final = (
    Guard(Reason.ZERO_SIZE, lambda candidate: candidate.size_centi <= 0),
    Guard(Reason.NO_MARKET_METADATA, lambda candidate: candidate.metadata is None),
    Guard(Reason.OFF_GRID, _is_off_grid),
    Guard(Reason.POST_ONLY_CROSS, _would_cross),
    Guard(Reason.NEAR_CLOSE, _opens_near_close),
    Guard(Reason.FEE_TYPE, lambda candidate: candidate.fee_rate_ppm is None),
    Guard(Reason.SOURCE_MISMATCH, lambda candidate: candidate.action.source is not candidate.source),
    Guard(Reason.MARKET_NOT_TRADING, _is_not_trading),
    Guard(Reason.INVALID, _is_unsupported_kind),
)
"""Whether the target can be an order at all; a working order that no longer fits such a target is cancelled."""

GUARDS: Final = (
    Guard(Reason.DEADLINE, lambda candidate: candidate.now_us >= candidate.action.deadline_us),
    Guard(
        Reason.HOLD, lambda candidate: candidate.has_unresolved_orders, "orders of an earlier instance are unresolved"
    ),
    Guard(Reason.HOLD, lambda candidate: candidate.is_report_queue_full, "too many order events wait for the bus"),
    Guard(Reason.HOLD, _mode_refuses),
    Guard(
        Reason.BREAKER,
        lambda candidate: not candidate.limiters.breaker.allows(candidate.action.ticker, candidate.now_us),
    ),
    Guard(Reason.STALE_BOOK, lambda candidate: not candidate.is_book_fresh),
    Guard(Reason.THROTTLE, _throttle_refuses),
    *SIZING,
    Guard(Reason.RATE_BUDGET, _budget_refuses),
    Guard(Reason.EPOCH, lambda candidate: candidate.epoch is None),
    Guard(Reason.DEADLINE, _is_expired, "expired before sending"),
)
"""Everything between a free slot and the ledger's ``reserve``, in the order of evaluation."""
