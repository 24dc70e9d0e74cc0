"""What each reason means and what to do about it: the one home of these texts, for people.

``truebook why``, ``truebook dead-letters`` and docs/reference/reasons.md are made from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from truebook.messages.markets import Exclusion
from truebook.messages.reasons import Reason

_NOTHING: Final = "nothing"


class Explanation(NamedTuple):
    """One reason, explained. ``remedy`` is what an operator should do."""

    meaning: str
    remedy: str

    def sentence(self) -> str:
        """Return both in one sentence."""
        return self.meaning if self.remedy == _NOTHING else f"{self.meaning}; what to do: {self.remedy}"


class ReasonGroup(NamedTuple):
    """The reasons of one decision. ``reported_by`` names the service and where its reports are found."""

    title: str
    reported_by: str
    reasons: Mapping[Reason, Explanation]


LEDGER: Final = ReasonGroup(
    "The ledger refuses a reservation, in the order of its checks",
    "execution, in `order_event` on the topic `orders` and `truebook_order_events_total`",
    {
        Reason.NOT_OPEN: Explanation(
            "the account has no opening balance yet",
            "wait for the reconciler's first comparison; if it does not happen, read the reconciler's log",
        ),
        Reason.INVALID: Explanation(
            "a field of the order is out of range (price, size, fee rate)", "report a bug, with the log line"
        ),
        Reason.EPOCH: Explanation(
            "the sender has lost its partition to another process",
            "nothing: the new owner decides; if it repeats, two execution processes compete for the lease",
        ),
        Reason.DEADLINE: Explanation(
            "the decision came too late for the book that it was made from",
            "nothing for single ones; if there are many, a stage is slow: see `truebook_tick_to_order_seconds`, "
            "or trade fewer markets",
        ),
        Reason.HOLD: Explanation(
            "a trading hold is in force that does not admit the order",
            "`truebook status` and `truebook why` list the holds, and what ends each",
        ),
        Reason.SETTLED: Explanation("the market has settled", _NOTHING),
        Reason.SHARD: Explanation(
            "the order names another exchange shard than the earlier orders or fills of its market",
            "report a bug, with the market's `exchange_index` at the exchange",
        ),
        Reason.UNKNOWN_ORDER: Explanation(
            "an earlier order of this market has an unknown outcome, and this one would open a position",
            "nothing: the reconciler finds the outcome; if it lasts, look the order up at the exchange",
        ),
        Reason.SLOT: Explanation(
            "this side of the market already has an order", "nothing: the next decision replaces it"
        ),
        Reason.REDUCE_ONLY: Explanation(
            "the order is reduce-only and would open a position", "nothing: the position has changed since the decision"
        ),
        Reason.PRICE_COLLAR: Explanation(
            "the price is too far from the book's middle",
            "raise the limit `price_collar_cc` if the model intends such prices",
        ),
        Reason.ORDER_SIZE: Explanation(
            "the order is larger than the limit",
            "raise the limit `order_size_centi` or choose smaller sizes in the model",
        ),
        Reason.ORDERS_PER_MINUTE: Explanation(
            "the limit of orders in one minute is reached",
            "raise the limit `orders_per_minute` or let the model decide less often",
        ),
        Reason.OPEN_ORDERS: Explanation(
            "too many orders are open", "raise the limit `open_orders` or trade fewer markets"
        ),
        Reason.MARKET_LIMIT: Explanation(
            "the position in this market could exceed its limit", "raise the limit `market_centi`, or accept the limit"
        ),
        Reason.EVENT_LIMIT: Explanation(
            "the worst loss over the event's markets could exceed its limit",
            "raise the limit `event_loss_micros`, or accept the limit",
        ),
        Reason.TOTAL_LIMIT: Explanation(
            "the worst loss over all events could exceed its limit",
            "raise the limit `total_loss_micros`, or accept the limit",
        ),
        Reason.SHARD_CASH: Explanation(
            "the cash is on another exchange shard: that of the market's shard does not cover the order, that of all "
            "shards would",
            "`truebook status` shows the cash of each shard; let the treasurer move it, or move it at the exchange",
        ),
        Reason.CASH: Explanation(
            "available cash does not cover the order with its worst fee, or would fall below the minimum balance",
            "nothing: cancels, closing fills and settlements free cash",
        ),
        Reason.DUPLICATE_ACTION: Explanation(
            "the same order id came with other content",
            "report a bug, or find the second version that writes the same topic",
        ),
    },
)
EXECUTION: Final = ReasonGroup(
    "Execution refuses a target before it reserves cash, or the exchange rejects the order",
    "execution, in `order_event` on the topic `orders` and `truebook_order_events_total`",
    {
        Reason.BREAKER: Explanation(
            "sends in this market have failed too often; its circuit breaker is open",
            "read the errors before it in execution's log",
        ),
        Reason.STALE_BOOK: Explanation(
            "the book behind the decision is stale or too old",
            "see why books are invalidated (below); check the clock with `truebook doctor`",
        ),
        Reason.THROTTLE: Explanation(
            "this side of the market was attempted a moment ago", "nothing: attempts are spaced by `throttle_ms`"
        ),
        Reason.RATE_BUDGET: Explanation(
            "the exchange's rate limit leaves no token for the order",
            "trade fewer markets, raise `throttle_ms`, or ask the exchange for a higher tier",
        ),
        Reason.SUPERSEDED: Explanation("a newer decision for the same side has replaced it", _NOTHING),
        Reason.UNCHANGED: Explanation("a working order already fits the decision", "nothing: the order is kept"),
        Reason.AWAITING_CANCEL: Explanation(
            "the order in the slot is being cancelled", "nothing: a later decision places the new order"
        ),
        Reason.ZERO_SIZE: Explanation(
            "no size is left after the caps by cash and position",
            "nothing: there is nothing to sell, or too little cash for the smallest order",
        ),
        Reason.OFF_GRID: Explanation(
            "the price is not on the market's price grid", "fix the model or the price rule that ignores the grid"
        ),
        Reason.POST_ONLY_CROSS: Explanation(
            "a post-only order would trade at once on the book of its decision", "check the prices of the model"
        ),
        Reason.FEE_TYPE: Explanation(
            "the series has a fee structure that is not supported", "exclude the series from the universe"
        ),
        Reason.SOURCE_MISMATCH: Explanation(
            "the decision was made from market data of another source than this account's",
            "set the same `TRUEBOOK_MARKET_DATA` for all services",
        ),
        Reason.MARKET_NOT_TRADING: Explanation("the market's status admits no orders", _NOTHING),
        Reason.NEAR_CLOSE: Explanation("the market closes too soon to open a position", _NOTHING),
        Reason.REJECTED: Explanation(
            "the exchange rejected the order: nothing rests", "read `detail`, the exchange's own error code"
        ),
    },
)
OBSERVATION: Final = ReasonGroup(
    "Observation makes no observation",
    "observation, on the topic `refusals` and in `truebook_observations_refused_total`; it also reports `stale_book`, "
    "`near_close`, `breaker` and the reasons of invalid books",
    {
        Reason.ONE_SIDED_BOOK: Explanation(
            "one side of the book, net of our own orders, is empty", "nothing: the market has no two-sided price"
        ),
        Reason.NO_MARKET_METADATA: Explanation(
            "the market's metadata has not arrived", "wait; if it lasts, read ingest's log"
        ),
        Reason.NO_LEDGER: Explanation(
            "the ledger can't be read or has no open account",
            "check Redis and the reconciler with `truebook doctor`",
        ),
        Reason.SIGNAL_MISSING: Explanation(
            "the layout needs a signal that was never published", "publish it on the topic `signals`"
        ),
        Reason.SIGNAL_EXPIRED: Explanation(
            "the newest value of a signal is no longer valid", "publish a fresh value; check the signal's source"
        ),
    },
)
POLICY: Final = ReasonGroup(
    "Policy decides for no order",
    "policy, in `action` on the topic `actions`, on the topic `refusals` and in `truebook_decisions_total`",
    {
        Reason.NO_ACTION: Explanation(
            "the model chose no action", "nothing; to see trades, try another model with `--model`"
        ),
        Reason.INFERENCE_FAILED: Explanation(
            "the model raised an error or returned a value that is no number",
            "read the log of policy or observation; switch back to the previous model",
        ),
        Reason.MODEL_MISMATCH: Explanation(
            "the observation's layout is not the model's", "set `TRUEBOOK_OBSERVATION__LAYOUT` to the model's layout"
        ),
        Reason.MODEL_STOPPED: Explanation(
            "the model exceeded a limit and was stopped, as there is no earlier model to roll back to",
            "read the reason in `truebook models list`; activate another model, or the same one again",
        ),
        Reason.NO_EDGE: Explanation(
            "no price leaves the required edge after spread and fees", "lower the model's `min_edge_cc`, or wait"
        ),
    },
)
BOOKS: Final = ReasonGroup(
    "A book is stale",
    "ingest, in `book_stale` on the topic `orderbook` and `truebook_books_invalidated_total`; readers of the topic "
    "report `version_gap`, `old_epoch`, `no_snapshot` and `backlog`",
    {
        Reason.SEQUENCE_GAP: Explanation(
            "a message of the subscription was lost, or its sequence numbers restarted",
            "nothing: a snapshot has been requested",
        ),
        Reason.NEGATIVE_SIZE: Explanation(
            "a delta would leave a negative size at a price",
            "nothing: a snapshot has been requested; if it repeats, keep a recording and report it",
        ),
        Reason.CROSSED_BOOK: Explanation(
            "the best bid is at or above the best ask",
            "nothing: a snapshot has been requested; if it repeats, keep a recording and report it",
        ),
        Reason.SILENCE: Explanation(
            "no frame was received on the subscription for too long", "check the connection to the exchange"
        ),
        Reason.DISCONNECTED: Explanation(
            "the connection to the exchange is lost", "nothing: it reconnects; if it lasts, read ingest's log"
        ),
        Reason.VERSION_GAP: Explanation(
            "a reader of the topic missed a version",
            "nothing: the next snapshot repairs it; if there are many, the reader is too slow",
        ),
        Reason.OLD_EPOCH: Explanation("the message is from an earlier ingest process", _NOTHING),
        Reason.NO_SNAPSHOT: Explanation(
            "no snapshot has been received yet", "nothing in the first seconds after a start; then read ingest's log"
        ),
        Reason.BACKLOG: Explanation(
            "a reader was so far behind that its backlog was dropped", "trade fewer markets, or use a faster machine"
        ),
    },
)
DEAD_LETTERS: Final = ReasonGroup(
    "A record is a dead letter",
    "the service that read it, in `dead_letter` on the topic `dead_letters` and `truebook_dead_letters_total`",
    {
        Reason.UNDECODABLE: Explanation(
            "the bytes are no message of the topic", "fix the writer; replaying it fails again"
        ),
        Reason.UNKNOWN_VERSION: Explanation(
            "the message has a schema version that this service does not know", "upgrade this service, then replay it"
        ),
        Reason.UNKNOWN_TYPE: Explanation(
            "the topic does not carry messages of this type in this version", "upgrade this service, then replay it"
        ),
    },
)

GROUPS: Final = (LEDGER, EXECUTION, OBSERVATION, POLICY, BOOKS, DEAD_LETTERS)
EXPLANATIONS: Final[Mapping[str, Explanation]] = MappingProxyType(
    {reason: explanation for group in GROUPS for reason, explanation in group.reasons.items()}
)
EXCLUSIONS: Final[Mapping[str, Explanation]] = MappingProxyType({
    Exclusion.NOT_LISTED: Explanation("the exchange does not list the market as open", _NOTHING),
    Exclusion.NOT_CONFIGURED: Explanation(
        "the settings name other markets or series", "change `tickers` or `series` of `[ingest.universe]`"
    ),
    Exclusion.MULTIVARIATE: Explanation(
        "the market is a combination of other markets", "set `multivariate` of `[ingest.universe]`"
    ),
    Exclusion.EXCHANGE_SHARD: Explanation(
        "the market trades on an exchange shard that the settings do not include",
        "add it to `exchange_shards` of `[ingest.universe]`",
    ),
    Exclusion.NOT_TRADING: Explanation("the market's status admits no orders", _NOTHING),
    Exclusion.FEE_TYPE: Explanation("the series has a fee structure that is not supported", _NOTHING),
    Exclusion.CLOSES_SOON: Explanation("the market closes too soon", "lower `min_time_to_close_s`"),
    Exclusion.VOLUME: Explanation("the volume is too low", "lower `min_volume_centi`"),
    Exclusion.NOT_PROBED: Explanation(
        "the book has not been read yet: markets with more volume are read first", "wait, or raise `max_probes`"
    ),
    Exclusion.NO_BOOK: Explanation("a side of the book is empty", _NOTHING),
    Exclusion.SPREAD: Explanation("the spread is too wide", "raise `max_spread_cc`"),
    Exclusion.DEPTH: Explanation("the best levels are too small", "lower `min_depth_centi`"),
    Exclusion.UNIVERSE_FULL: Explanation(
        "the market passes the filter, but markets with more volume take all places", "raise `max_markets`"
    ),
})  # fmt: skip
"""Why ingest does not select a market, in the order of its checks; published in `market_updated`."""
