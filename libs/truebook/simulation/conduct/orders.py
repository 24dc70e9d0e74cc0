"""Orders whose response was lost or wrong: which the client sent twice, and which it lost sight of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from truebook.simulation.conduct.records import RequestKind, Run, SeenRequest, SeenSocket, SentOrder, SocketEvent
from truebook.simulation.faults import FaultKind

RESEND_US: Final = 15_000_000
"""How long after an unknown outcome an equal order counts as the same one."""
AT_ONCE_US: Final = 1_000_000
"""The same after an unusual success, which a client may take for a failure."""
UNKNOWN_OUTCOMES: Final = frozenset({FaultKind.LOST_ACK, FaultKind.FAILED_ACK, FaultKind.DUPLICATED_REQUEST})
"""Faults after which the client cannot know by the response whether its order exists."""
UNCERTAIN: Final = UNKNOWN_OUTCOMES | {FaultKind.LATE_ACK, FaultKind.OK_ACK}


class DoubledOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order that was sent again under another id although the first one exists."""

    at_us: int
    first_order_id: str
    second_order_id: str
    ticker: str
    fault: FaultKind


class AbandonedOrder(msgspec.Struct, frozen=True, kw_only=True):
    """An order that exists, of which the client neither got a response nor read anything afterwards."""

    at_us: int
    order_id: str
    ticker: str
    fault: FaultKind


class PrivateStream:
    """When the client had an open WebSocket with its orders or fills."""

    def __init__(self, sockets: Sequence[SeenSocket]) -> None:
        self._spans: list[tuple[int, int | None]] = []
        for seen in sockets:
            if seen.event is SocketEvent.CLOSED and self._spans and self._spans[-1][1] is None:
                self._spans[-1] = (self._spans[-1][0], seen.at_us)
            elif seen.private and (not self._spans or self._spans[-1][1] is not None):
                self._spans.append((seen.at_us, None))

    def covers(self, at_us: int) -> bool:
        return any(begin <= at_us and (end is None or at_us < end) for begin, end in self._spans)


def uncertain(requests: Sequence[SeenRequest], kinds: frozenset[FaultKind] = UNCERTAIN) -> list[SeenRequest]:
    """Return the create requests whose order was executed under one of these faults."""
    return [
        one for one in requests if one.kind is RequestKind.CREATE and one.order_ids and not kinds.isdisjoint(one.faults)
    ]


def doubled_orders(run: Run) -> list[DoubledOrder]:
    """Find equal orders that were accepted twice, the second without a look at the account in between."""
    found, stream = [], PrivateStream(run.sockets)
    for first in uncertain(run.requests):
        later = [one for one in run.requests if first.at_us < one.at_us <= _counts_until_us(first)]
        for one in later:
            if one.kind is RequestKind.LOOK and one.is_success:
                break
            if one.kind is not RequestKind.CREATE or not one.order_ids or stream.covers(first.at_us):
                continue
            same = _same(first.orders, one.orders)
            if same is not None and set(one.order_ids).isdisjoint(first.order_ids):
                found.append(
                    DoubledOrder(
                        at_us=one.at_us, first_order_id=first.order_ids[0], second_order_id=one.order_ids[0],
                        ticker=same.ticker, fault=_fault(first),
                    )
                )  # fmt: skip
                break
    return found


def _counts_until_us(first: SeenRequest) -> int:
    """Return until when an equal order counts as the same one: with a response, only a resend at once does."""
    if not UNKNOWN_OUTCOMES.isdisjoint(first.faults):
        return first.responded_us + RESEND_US
    return first.responded_us + (AT_ONCE_US if FaultKind.OK_ACK in first.faults else 0)


def abandoned_orders(run: Run) -> list[AbandonedOrder]:
    """Find orders without a response of which nothing was read later: no list, no id, no private stream."""
    found, stream = [], PrivateStream(run.sockets)
    for first in uncertain(run.requests, UNKNOWN_OUTCOMES):
        if stream.covers(first.at_us) or any(_notices(one, first) for one in run.requests):
            continue
        found.append(
            AbandonedOrder(
                at_us=first.at_us, order_id=first.order_ids[0], ticker=first.orders[0].ticker, fault=_fault(first)
            )
        )
    return found


def _notices(one: SeenRequest, first: SeenRequest) -> bool:
    """Return whether a request shows, or acts on, an order that was created before."""
    if one.at_us <= first.at_us:
        return False
    if one.kind is RequestKind.LOOK:
        return one.is_success
    if not set(one.order_ids).isdisjoint(first.order_ids):
        return True
    ids = {order.client_order_id for order in first.orders if order.client_order_id}
    return one.status == 409 and any(order.client_order_id in ids for order in one.orders)


def _same(first: Sequence[SentOrder], second: Sequence[SentOrder]) -> SentOrder | None:
    """Return the first order that both have, whatever its client order id."""
    terms = {(one.ticker, one.side, one.price, one.count) for one in second}
    return next((one for one in first if (one.ticker, one.side, one.price, one.count) in terms), None)


def _fault(request: SeenRequest) -> FaultKind:
    return next(kind for kind in request.faults if kind in UNCERTAIN)
