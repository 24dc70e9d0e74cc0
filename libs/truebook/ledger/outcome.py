"""What became of an order whose sending has no known outcome: a pure judgement over what look-ups have shown.

A sighting is proof at once, whatever the order's state. Absence is proof only when nothing can bring the order into
being any more and the exchange shows data from after that moment: its expiry *and* its signature's validity lie
before the data's own time-stamp, and several look-ups of data that move on agree. A 404, a time-out or one empty page
is nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from truebook.ledger.port import OrderView
from truebook.venue.account import ExchangeOrder

AGREEING_LOOKS = 2


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """One look-up over every page and every status of the order's ticker, matched by client order id.

    ``data_us`` is the exchange's data time-stamp, asked for *before* the orders; ``found`` is null where no order of
    that client id was listed.
    """

    data_us: int
    found: ExchangeOrder | None


class Found(msgspec.Struct, frozen=True):
    """The exchange has the order."""

    order: ExchangeOrder


class Absent(msgspec.Struct, frozen=True):
    """The exchange never had the order and never will."""


class StillUnknown(msgspec.Struct, frozen=True):
    """Nothing is proven yet; ``why`` is for people."""

    why: str


Verdict = Found | Absent | StillUnknown


def proof_us(order: OrderView, signature_until_us: int) -> int:
    """Answer the exchange time after which the order can't come into being any more."""
    return max(order.expires_us, order.send_by_us, signature_until_us)


def find(order_id: str, listed: Sequence[ExchangeOrder]) -> ExchangeOrder | None:
    """Pick the order of that client id; where it is listed twice (pages overlap), the entry that has filled most."""
    matches = [order for order in listed if order.client_order_id == order_id]
    return max(matches, key=lambda order: (order.filled_centi, -order.remaining_centi), default=None)


def decide(looks: Sequence[Look], last_chance_us: int, now_us: int, agreeing: int = AGREEING_LOOKS) -> Verdict:
    """Judge an order by its look-ups, oldest first; ``last_chance_us`` is what ``proof_us`` answered.

    ``now_us`` guards against a data time-stamp from the future: it proves nothing before our own clock has passed
    the order's last chance, too.
    """
    sightings = [look.found for look in looks if look.found is not None]
    if sightings:
        return Found(sightings[-1])
    if now_us <= last_chance_us:
        return StillUnknown("the order may still arrive")
    agree = 0
    newest_us = last_chance_us
    for look in looks:
        if look.data_us > newest_us:
            agree += 1
        elif look.data_us < newest_us:
            agree = 0
        newest_us = max(newest_us, look.data_us)
    if agree < agreeing:
        return StillUnknown(f"{agree} of {agreeing} look-ups in a row show data from after the order's last chance")
    return Absent()
