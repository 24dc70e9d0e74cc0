"""The worst loss of an event, before fees: every open order fills or not, whichever is worse.

A market has two losses: if YES wins, and if NO wins. An exclusive event ends with all markets NO, or with one YES and
all others NO; for any other event the worse side of each market is summed.
"""

from __future__ import annotations

from collections.abc import Iterable

from truebook.ledger.rules.reservation import worth_cc
from truebook.ledger.rules.state import LedgerEvent, LedgerMarket, LedgerOrder
from truebook.messages.envelope import BookSide
from truebook.money import PAIR_MICROS_PER_CENTI


def market_losses(market: LedgerMarket, orders: Iterable[LedgerOrder]) -> tuple[int, int]:
    """Return a market's loss in micros if YES wins and if NO wins.

    A settled market counts as flat: its loss is certain, no longer at risk. Only orders that may have filled before the
    settlement, with the fill not yet reported, are at risk.
    """
    if market.settlement_cc is not None:
        late = sum(
            order.remaining_centi * max(0, order.own_price_cc - worth_cc(market, order.book_side)) for order in orders
        )
        return late, late
    if_yes = market.costs_micros - market.yes_bought_centi * PAIR_MICROS_PER_CENTI
    if_no = market.costs_micros - market.no_bought_centi * PAIR_MICROS_PER_CENTI
    for order in orders:
        if order.book_side is BookSide.BID:
            if_no += order.remaining_centi * order.own_price_cc
        else:
            if_yes += order.remaining_centi * order.own_price_cc
    return if_yes, if_no


def event_loss(event: LedgerEvent) -> int:
    """Return the event's worst loss in micros; below 0 it is a certain profit."""
    losses = event.losses.values()
    if not event.exclusive:
        return sum(max(pair) for pair in losses)
    none_wins = sum(if_no for _, if_no in losses)
    return none_wins + max(0, *(if_yes - if_no for if_yes, if_no in losses), 0)


def at_risk(event: LedgerEvent) -> int:
    """Return what the event adds to the total loss: a certain profit does not offset another event's risk."""
    return max(0, event_loss(event))


def with_market(event: LedgerEvent, ticker: str, losses: tuple[int, int]) -> LedgerEvent:
    """Return a copy with that market's losses; a market with none is left out."""
    others = {known: pair for known, pair in event.losses.items() if known != ticker}
    return LedgerEvent(exclusive=event.exclusive, losses=others if losses == (0, 0) else {**others, ticker: losses})


def without_market(event: LedgerEvent, ticker: str) -> LedgerEvent:
    """Return a copy without that market."""
    return with_market(event, ticker, (0, 0))
