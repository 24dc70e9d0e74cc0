"""Merges streams of events or frames by time of receipt. A stream is opened when its first event is due."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from typing import TypeAlias

from truebook.capture.importers.source import EventStream, Timed

_Head: TypeAlias = tuple[int, int, Timed, Iterator[Timed]]


def merge(streams: Sequence[EventStream[Timed]]) -> Iterator[Timed]:
    """Iterate over the events of all streams by time; at the same time the earlier stream in the list comes first.

    The events of one stream stay in their order. One event of each open stream is in memory.
    """
    if len(streams) == 1:
        yield from streams[0].open()
        return
    firsts = ((stream.first_us(), number) for number, stream in enumerate(streams))
    waiting = sorted(((first, number) for first, number in firsts if first is not None), reverse=True)
    heads: list[_Head[Timed]] = []
    while waiting or heads:
        while waiting and (not heads or waiting[-1][0] <= heads[0][0]):
            opening = waiting.pop()[1]
            opened = streams[opening].open()
            heapq.heappush(heads, _head(next(opened), opening, opened))
        _, number, event, events = heads[0]
        yield event
        following = next(events, None)
        if following is None:
            heapq.heappop(heads)
        else:
            heapq.heapreplace(heads, _head(following, number, events))


def _head(event: Timed, number: int, events: Iterator[Timed]) -> _Head[Timed]:
    return event.at_us, number, event, events
