"""The queue ahead of our orders at one recorded level.

A recording contains a level's total, not its orders. A trade consumes the front of the queue. The position of cancelled
size is unknown, so it is modelled:

| model | cancelled size was |
|---|---|
| ``pessimistic`` | behind us as far as possible: only trades advance us |
| ``realistic`` | evenly spread: ahead of us in proportion to the size ahead of us |
| ``optimistic`` | ahead of us first |

A trade is recorded twice, by its own frame and by the level's decrease, in either order, and counts once. The two are
paired exactly (``pairing``), and the trade happened at the first of them. Until its trade is received a decrease counts
as a cancellation; then what followed it is computed again, with the trade in its place. So a position always follows
from all pairs received so far, and what an order was given before is not given again. A trade whose decrease was
received before an order joined was over by then: it does not count for this order. That holds for trades at its price;
a trade at a worse price always fills it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple, TypeAlias

from truebook.simulation.recorded.pairing import PAIRED_WITHIN_US, LevelPairing, Seen


class QueueModel(StrEnum):
    """Where cancelled size is assumed to have been in the queue; see the module."""

    PESSIMISTIC = "pessimistic"
    REALISTIC = "realistic"
    OPTIMISTIC = "optimistic"


def after_cancellation(model: QueueModel, ahead_centi: int, before_centi: int, displayed_centi: int) -> int:
    """Return the size ahead after a cancellation; given are the size ahead and the level's before and after."""
    cancelled_centi, ahead = before_centi - displayed_centi, ahead_centi
    if model is QueueModel.OPTIMISTIC:
        ahead -= min(ahead_centi, cancelled_centi)
    elif model is QueueModel.REALISTIC and before_centi > 0:
        ahead -= cancelled_centi * ahead_centi // before_centi
    return min(ahead, max(0, displayed_centi))


class Place(NamedTuple):
    """Where an order is in its queue, of unlimited size itself."""

    ahead_centi: int
    reached_centi: int = 0
    """Traded size that has reached the order."""

    def after_trade(self, size_centi: int) -> Place:
        """Return the place after a trade, which consumes the size ahead and then reaches the order."""
        ahead_centi = self.ahead_centi
        return Place(max(0, ahead_centi - size_centi), self.reached_centi + max(0, size_centi - ahead_centi))

    def capped(self, displayed_centi: int) -> Place:
        """Return the place with the size ahead limited to the displayed size."""
        return self.moved(min(self.ahead_centi, displayed_centi))

    def moved(self, ahead_centi: int) -> Place:
        """Return the place with another size ahead."""
        return Place(ahead_centi, self.reached_centi)


class LevelQueue:
    """One level of one side at which our orders rest; ``recent`` is what was recorded of it before."""

    __slots__ = ("_model", "_orders", "_pairing")

    def __init__(self, model: QueueModel, recent: Iterable[Seen] = ()) -> None:
        self._model = model
        self._orders: dict[str, _Order] = {}
        self._pairing = LevelPairing()
        for seen in recent:
            self._pairing.add(seen)

    def __len__(self) -> int:
        return len(self._orders)

    def ahead(self, order_id: str) -> int:
        """Return the recorded size ahead of our order."""
        return self._orders[order_id].place.ahead_centi

    def join(self, order_id: str, displayed_centi: int) -> None:
        """Add our order behind all displayed size."""
        self._orders[order_id] = _Order(self._model, displayed_centi, self._pairing.decreases)

    def leave(self, order_id: str) -> None:
        del self._orders[order_id]

    def rejoin(self, displayed_centi: int) -> None:
        """Move all our orders behind all displayed size, after frames were lost."""
        for order_id in self._orders:
            self.join(order_id, displayed_centi)

    def cap(self, displayed_centi: int, at_us: int) -> None:
        """Limit the size ahead of each order to the displayed size."""
        for order in self._orders.values():
            order.apply(_Capped(at_us, displayed_centi))

    def decrease(self, before_centi: int, displayed_centi: int, at_us: int, exchange_us: int | None = None) -> None:
        """Apply a decrease of the level: a cancellation so far, unless it is that of a trade received before."""
        number = self._pairing.decreases
        if self._pairing.add(Seen(at_us, displayed_centi - before_centi, exchange_us)) is not None:
            self.cap(displayed_centi, at_us)
            return
        decreased = _Decreased(at_us, number, before_centi, displayed_centi)
        for order in self._orders.values():
            order.apply(decreased)

    def pair(self, size_centi: int, at_us: int, exchange_us: int | None = None) -> int | None:
        """Take a trade at this price and return the number of its decrease, if that was received before."""
        return self._pairing.add(Seen(at_us, size_centi, exchange_us))

    def trade(self, order_id: str, size_centi: int, at_us: int, decrease: int | None) -> int:
        """Apply a trade to our order and return the size that reaches it; ``decrease`` is that of ``pair``.

        The size is the trade's less what our orders before this one took of it.
        """
        return self._orders[order_id].trade(size_centi, at_us, decrease)


class _Decreased(NamedTuple):
    at_us: int
    number: int
    before_centi: int
    displayed_centi: int


class _Traded(NamedTuple):
    at_us: int
    size_centi: int


class _Capped(NamedTuple):
    at_us: int
    displayed_centi: int


_Event: TypeAlias = _Decreased | _Traded | _Capped


class _Order:
    """One order's place, and its events since the oldest decrease that may prove to be a trade."""

    __slots__ = ("_before", "_events", "_first", "_given_centi", "_model", "place")

    def __init__(self, model: QueueModel, displayed_centi: int, first_decrease: int) -> None:
        self.place = Place(displayed_centi)
        self._model = model
        self._first = first_decrease
        self._before = self.place
        """The place before the kept events."""
        self._events: deque[_Event] = deque()
        self._given_centi = 0

    def apply(self, event: _Event) -> None:
        self.place = _next(self._model, self.place, event)
        events, since_us = self._events, event.at_us - PAIRED_WITHIN_US
        events.append(event)
        while events[0].at_us < since_us:
            self._before = _next(self._model, self._before, events.popleft())

    def trade(self, size_centi: int, at_us: int, decrease: int | None) -> int:
        if decrease is None:
            self.apply(_Traded(at_us, size_centi))
        elif decrease < self._first:
            return 0
        else:
            self._replace(decrease, size_centi)
        given_centi = max(0, self.place.reached_centi - self._given_centi)
        self._given_centi += given_centi
        return given_centi

    def _replace(self, decrease: int, size_centi: int) -> None:
        """Replace a decrease by the trade that caused it, and apply the events after it again."""
        place = self._before
        for number, event in enumerate(self._events):
            if isinstance(event, _Decreased) and event.number == decrease:
                event = self._events[number] = _Traded(event.at_us, size_centi)
            place = _next(self._model, place, event)
        self.place = place


def _next(model: QueueModel, place: Place, event: _Event) -> Place:
    match event:
        case _Decreased():
            return place.moved(after_cancellation(model, place.ahead_centi, event.before_centi, event.displayed_centi))
        case _Traded():
            return place.after_trade(event.size_centi)
        case _Capped():
            return place.capped(event.displayed_centi)
