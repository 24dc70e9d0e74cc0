"""Topic ``fills``: what the exchange reports about the account, published after the ledger has recorded it."""

from __future__ import annotations

from enum import StrEnum

from truebook.messages.envelope import BookSide, Message


class ReportOutcome(StrEnum):
    """What recording a report of the exchange (fill, order, settlement) resulted in."""

    APPLIED = "applied"
    """The fill was added to the account."""
    PARKED = "parked"
    """The fill is kept until its order is known."""
    SETTLED = "settled"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    """It contradicts what is recorded; nothing was changed, trading is halted."""
    CONTRADICTS = "contradicts"
    """It contradicts what is recorded, and trading was already halted for it; nothing was changed."""
    BEFORE_OPENING = "before_opening"
    """It happened before the account was opened: part of the opening balance, nothing was changed."""
    ALREADY_RECORDED = "known"
    """This process has recorded and published it before."""
    NO_ORDER = "no_order"
    INVALID = "invalid"

    @property
    def is_new(self) -> bool:
        """Whether the ledger has recorded something that it did not have."""
        return self in (ReportOutcome.APPLIED, ReportOutcome.PARKED, ReportOutcome.SETTLED)

    @property
    def is_error(self) -> bool:
        """Whether the report could not be recorded."""
        return self in (ReportOutcome.CONFLICT, ReportOutcome.INVALID, ReportOutcome.NO_ORDER)


class FillRecorded(Message, frozen=True, kw_only=True, tag="fill_recorded"):
    """A fill, as the ledger recorded it; keyed by (trade_id, exchange_order_id)."""

    trade_id: str
    exchange_order_id: str
    client_order_id: str
    book_side: BookSide
    price_cc: int
    size_centi: int
    fee_micros: int
    is_taker: bool
    basis: str | None = None
    """How the simulated exchange made the fill; null from Kalshi."""
    outcome: ReportOutcome


class OrderUpdated(Message, frozen=True, kw_only=True, tag="order_updated"):
    """The exchange reported an order's state: resting, canceled or executed, with its totals."""

    exchange_order_id: str
    client_order_id: str
    status: str
    filled_centi: int
    remaining_centi: int
    outcome: str


class MarketSettled(Message, frozen=True, kw_only=True, tag="market_settled"):
    """A market has paid out; ``settlement_cc`` is the value of one YES contract, 0..10,000."""

    settlement_cc: int
    outcome: ReportOutcome
