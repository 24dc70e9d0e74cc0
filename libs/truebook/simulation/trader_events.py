"""The commands that the synthetic traders give, as plain records that a journal can keep, and how they are carried out.

Traders decide without looking at the exchange. What is refused (a quote that was filled can't be cancelled, an order
comes after the close) is part of the game and changes nothing.
"""

from __future__ import annotations

import msgspec

from truebook.messages.facts import MarketFacts
from truebook.simulation.events import SimulationEvent
from truebook.simulation.exchange import SimulatedExchange
from truebook.venue.account import OrderRequest


class TraderEvent(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """One command at exchange time ``at_us``."""

    at_us: int


class MarketOpened(TraderEvent, frozen=True, kw_only=True, tag="market_opened"):
    """A market is listed and takes orders at once."""

    facts: MarketFacts


class QuotePlaced(TraderEvent, frozen=True, kw_only=True, tag="quote_placed"):
    """A trader sends an order: a maker's quote, or a taker's immediate-or-cancel."""

    account: str
    request: OrderRequest


class QuoteCancelled(TraderEvent, frozen=True, kw_only=True, tag="quote_cancelled"):
    """A maker takes a quote back, by its client order id."""

    account: str
    client_order_id: str


class MarketDetermined(TraderEvent, frozen=True, kw_only=True, tag="market_determined"):
    """A closed market's outcome is known."""

    ticker: str
    settlement_cc: int


class CloseMoved(TraderEvent, frozen=True, kw_only=True, tag="close_moved"):
    """A market closes at another time, because the stream was shifted."""

    ticker: str
    close_us: int


def apply(exchange: SimulatedExchange, event: TraderEvent) -> list[SimulationEvent]:
    """Carry out one trader's command; answers what happened, what was due before it included."""
    match event:
        case MarketOpened():
            return exchange.add_market(event.facts, event.at_us)
        case QuotePlaced():
            return exchange.place(event.account, event.request, event.at_us)[1]
        case QuoteCancelled():
            exchange_order_id = exchange.order_id_of(event.account, event.client_order_id)
            if exchange_order_id is None:
                return exchange.advance(event.at_us)
            return exchange.cancel(event.account, exchange_order_id, event.at_us)[1]
        case MarketDetermined():
            return exchange.determine(event.ticker, event.settlement_cc, event.at_us)
        case CloseMoved():
            return exchange.move_close(event.ticker, event.close_us, event.at_us)
        case _:
            raise TypeError(f"no trader's command: {event!r}")
