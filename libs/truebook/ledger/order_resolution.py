"""Decides what became of an order whose send has no known outcome, from the results of look-ups. Pure.

An order that is found is proof at once, whatever its state. Absence is proof only if the order can't be accepted any
more and the exchange's data is from after that moment: its expiry *and* its signature's validity are before the data
timestamp, in several consecutive look-ups of advancing data. A 404, a timeout or one empty page proves nothing.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from truebook.ledger.port import OrderView
from truebook.venue.account import ExchangeOrder, is_before

AGREEING_PROBES = 2
LOOKBACK_US = 60_000_000
"""Orders are listed from this long before the reservation, so that a skewed clock hides none."""


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """One look-up over all pages and statuses of the order's ticker, matched by client order id.

    ``data_us`` is the exchange's data timestamp, requested *before* the orders; ``found`` is None if no order of that
    client id was listed.
    """

    data_us: int
    found: ExchangeOrder | None


class Found(msgspec.Struct, frozen=True):
    """The exchange has the order."""

    order: ExchangeOrder


class Absent(msgspec.Struct, frozen=True):
    """The exchange never had the order and never will."""


class StillUnknown(msgspec.Struct, frozen=True):
    """Nothing is proven yet; ``why`` is for the log."""

    why: str


Verdict = Found | Absent | StillUnknown


def proof_us(order: OrderView, signature_until_us: int) -> int:
    """Return the exchange time after which the exchange can't accept the order any more."""
    return max(order.expires_us, order.send_by_us, signature_until_us)


def find(order_id: str, listed: Sequence[ExchangeOrder], opened_us: int) -> ExchangeOrder | None:
    """Return the order of that client id; if listed twice (pages overlap), the entry with the larger fill.

    An order from before the account was opened is of an earlier ledger: it proves nothing about this one's.
    """
    matches = [
        order
        for order in listed
        if order.client_order_id == order_id
        and (order.created_us is None or not is_before(order.created_us, opened_us))
    ]
    return max(matches, key=lambda order: (order.filled_centi, -order.remaining_centi), default=None)


def decide(probes: Sequence[Probe], proof_us: int, now_us: int, agreeing: int = AGREEING_PROBES) -> Verdict:
    """Decide by an order's probes, oldest first, and its ``proof_us``.

    ``now_us`` guards against a data timestamp from the future: our own clock must have passed ``proof_us``, too.
    """
    found = [probe.found for probe in probes if probe.found is not None]
    if found:
        return Found(found[-1])
    if now_us <= proof_us:
        return StillUnknown("the exchange may still accept the order")
    agree = 0
    newest_us = proof_us
    for probe in probes:
        if probe.data_us > newest_us:
            agree += 1
        elif probe.data_us < newest_us:
            agree = 0
        newest_us = max(newest_us, probe.data_us)
    if agree < agreeing:
        return StillUnknown(f"{agree} of {agreeing} consecutive look-ups have data from after the order's last chance")
    return Absent()
