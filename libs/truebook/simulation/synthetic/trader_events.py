"""The commands of the synthetic traders, and their execution on the exchange.

Traders decide without reading the exchange. Rejections (cancelling a filled quote, an order after the close) are
expected and change nothing.
"""

from __future__ import annotations

import msgspec

from truebook.messages.market_metadata import MarketMetadata
from truebook.simulation.events import SimulationEvent
from truebook.simulation.venue.exchange import SimulatedExchange
from truebook.venue.account import OrderRequest


class TraderEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """One command at exchange time ``at_us``."""

    at_us: int


class MarketOpened(TraderEvent, frozen=True, kw_only=True, tag="market_opened"):
    """A market is listed and takes orders at once."""

    metadata: MarketMetadata


class QuotePlaced(TraderEvent, frozen=True, kw_only=True, tag="quote_placed"):
    """A trader sends an order: a maker's quote, or a taker's immediate-or-cancel order."""

    account: str
    request: OrderRequest


class QuoteCancelled(TraderEvent, frozen=True, kw_only=True, tag="quote_cancelled"):
    """A maker cancels a quote by its client order id."""

    account: str
    client_order_id: str


class MarketDetermined(TraderEvent, frozen=True, kw_only=True, tag="market_determined"):
    """A closed market's outcome is determined."""

    ticker: str
    settlement_cc: int


class CloseMoved(TraderEvent, frozen=True, kw_only=True, tag="close_moved"):
    """A market's close moved, because the stream was shifted."""

    ticker: str
    close_us: int


def apply(exchange: SimulatedExchange, event: TraderEvent) -> list[SimulationEvent]:
    """Execute one trader's command and return its events, after those of what was due before it."""
    match event:
        case MarketOpened():
            return exchange.lifecycle.add_market(event.metadata, event.at_us)
        case QuotePlaced():
            return exchange.place(event.account, event.request, event.at_us)[1]
        case QuoteCancelled():
            exchange_order_id = exchange.queries.order_id_of(event.account, event.client_order_id)
            if exchange_order_id is None:
                return exchange.advance(event.at_us)
            return exchange.cancel(event.account, exchange_order_id, event.at_us)[1]
        case MarketDetermined():
            market = exchange.queries.market(event.ticker)
            if market is None or market.settlement_cc is not None:  # the operator settled it earlier
                return exchange.advance(event.at_us)
            return exchange.lifecycle.determine(event.ticker, event.settlement_cc, event.at_us)
        case CloseMoved():
            return exchange.lifecycle.move_close(event.ticker, event.close_us, event.at_us)
        case _:
            raise TypeError(f"not a trader command: {event!r}")
