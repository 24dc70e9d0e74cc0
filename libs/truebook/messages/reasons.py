"""Why something was not done: one enum for the whole system, also a metric label. Values are never renamed.

``reason_table`` states what each means and what to do. The ledger's refusals are in the order in which ``reserve``
checks them.
"""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    # The ledger's `reserve`, in its order.
    NOT_OPEN = "not_open"
    INVALID = "invalid"
    EPOCH = "epoch"
    DEADLINE = "deadline"
    HOLD = "hold"
    SETTLED = "settled"
    SHARD = "shard"
    UNKNOWN_ORDER = "unknown_order"
    SLOT = "slot"
    REDUCE_ONLY = "reduce_only"
    PRICE_COLLAR = "price_collar"
    ORDER_SIZE = "order_size"
    ORDERS_PER_MINUTE = "orders_per_minute"
    OPEN_ORDERS = "open_orders"
    MARKET_LIMIT = "market_limit"
    EVENT_LIMIT = "event_limit"
    TOTAL_LIMIT = "total_limit"
    SHARD_CASH = "shard_cash"
    CASH = "cash"
    DUPLICATE_ACTION = "duplicate_action"
    # Execution, before it reserves.
    BREAKER = "breaker"
    STALE_BOOK = "stale_book"
    THROTTLE = "throttle"
    RATE_BUDGET = "rate_budget"
    SUPERSEDED = "superseded"
    UNCHANGED = "unchanged"
    """A working order already matches the target: it is kept, nothing is sent."""
    AWAITING_CANCEL = "awaiting_cancel"
    """The slot's order is being cancelled; a later action places the new one once that is confirmed."""
    ZERO_SIZE = "zero_size"
    OFF_GRID = "off_grid"
    POST_ONLY_CROSS = "post_only_cross"
    FEE_TYPE = "fee_type"
    SOURCE_MISMATCH = "source_mismatch"
    MARKET_NOT_TRADING = "market_not_trading"
    NEAR_CLOSE = "near_close"
    # The exchange rejected the order: proof that nothing rests.
    REJECTED = "rejected"
    # Observation.
    ONE_SIDED_BOOK = "one_sided_book"
    NO_MARKET_METADATA = "no_market_metadata"
    NO_LEDGER = "no_ledger"
    SIGNAL_MISSING = "signal_missing"
    SIGNAL_EXPIRED = "signal_expired"
    # Policy.
    NO_ACTION = "no_action"
    INFERENCE_FAILED = "inference_failed"
    MODEL_MISMATCH = "model_mismatch"
    MODEL_STOPPED = "model_stopped"
    NO_EDGE = "no_edge"
    # A book is stale.
    SEQUENCE_GAP = "sequence_gap"
    NEGATIVE_SIZE = "negative_size"
    CROSSED_BOOK = "crossed_book"
    SILENCE = "silence"
    DISCONNECTED = "disconnected"
    VERSION_GAP = "version_gap"
    OLD_EPOCH = "old_epoch"
    NO_SNAPSHOT = "no_snapshot"
    BACKLOG = "backlog"
    # Dead letters.
    UNDECODABLE = "undecodable"
    UNKNOWN_VERSION = "unknown_version"
    UNKNOWN_TYPE = "unknown_type"
