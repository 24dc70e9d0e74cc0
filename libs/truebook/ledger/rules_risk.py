"""The worst loss of an event, before fees: every open order fills or not, whichever is worse.

Per market there are two figures, the loss if its YES wins and if its NO wins. The outcomes of an exclusive event are
"none of its YES" and "this one YES, all others NO"; otherwise each market's worse side is summed.
"""

from __future__ import annotations

from collections.abc import Iterable

from truebook.ledger.rules_promise import worth_cc
from truebook.ledger.rules_state import Event, Market, Order
from truebook.messages.envelope import BookSide
from truebook.money import PAIR_MICROS_PER_CENTI


def market_losses(market: Market, orders: Iterable[Order]) -> tuple[int, int]:
    """Give a market's loss in micros if YES wins and if NO wins.

    A settled market counts as flat: what it lost is no longer at risk; only orders that may have filled unheard are.
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


def event_loss(event: Event) -> int:
    """Give the event's worst loss in micros; below 0 it is a certain profit."""
    losses = event.losses.values()
    if not event.exclusive:
        return sum(max(pair) for pair in losses)
    none_wins = sum(if_no for _, if_no in losses)
    return none_wins + max(0, *(if_yes - if_no for if_yes, if_no in losses), 0)


def at_risk(event: Event) -> int:
    """Give what the event adds to the account's total loss: a certain profit pays for no other event's risk."""
    return max(0, event_loss(event))


def with_market(event: Event, ticker: str, losses: tuple[int, int]) -> Event:
    """Copy the event with that market's losses; a market without any needs no mention."""
    others = {known: pair for known, pair in event.losses.items() if known != ticker}
    return Event(exclusive=event.exclusive, losses=others if losses == (0, 0) else {**others, ticker: losses})


def without_market(event: Event, ticker: str) -> Event:
    """Copy the event without that market."""
    return with_market(event, ticker, (0, 0))
