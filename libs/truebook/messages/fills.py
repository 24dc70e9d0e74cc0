"""Topic ``fills``: all that the exchange says about our account, published after the ledger has booked it."""

from __future__ import annotations

from truebook.messages.envelope import BookSide, Message


class FillBooked(Message, frozen=True, kw_only=True, tag="fill_booked"):
    """A fill, once the ledger has answered; keyed by (trade_id, exchange_order_id)."""

    trade_id: str
    exchange_order_id: str
    client_order_id: str
    book_side: BookSide
    price_cc: int
    size_centi: int
    fee_micros: int
    is_taker: bool
    basis: str | None = None
    """How a simulated fill came about; Kalshi tells none."""
    answer: str
    """The ledger's word: applied, parked, duplicate or conflict."""


class OrderUpdated(Message, frozen=True, kw_only=True, tag="order_updated"):
    """The exchange told of an order's state: resting, canceled or executed, with its totals."""

    exchange_order_id: str
    client_order_id: str
    status: str
    filled_centi: int
    remaining_centi: int
    answer: str


class MarketSettled(Message, frozen=True, kw_only=True, tag="market_settled"):
    """A market has paid out; ``settlement_cc`` is what one YES contract got, 0..10,000."""

    settlement_cc: int
    answer: str
