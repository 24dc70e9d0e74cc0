"""What a market's data give to every account alike: the observations of one that never trades, and the followed book.

Our orders change neither the recorded books nor the times of observation. So one pass without orders gives, for all
episodes on the same data and rules: when the market is observed, the features that don't depend on the account, and
what execution has of the book at any time. ``tracking`` records it, ``tracked`` lets an account trade on it.

There is one exception: a closed market is followed as long as the account has a position or an order in it. Therefore
the pass is recorded twice, for an account without and with one; the two are equal up to ``splits_us``.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import Final, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from truebook.capture.delta_block import DeltaBlock
from truebook.features.history import History
from truebook.features.layout import Layout
from truebook.kalshi.port import DeltaFrame
from truebook.messages.envelope import BookSide
from truebook.messages.market_metadata import MarketMetadata
from truebook.messages.observations import Observation
from truebook.messages.reasons import Reason

STAGES: Final = 4
"""Within an instant of time t the moments are ``t * STAGES + stage``; -1 is before it."""


class Stage(IntEnum):
    """After which part of an instant."""

    PUBLISHED = 0
    """The recorded events."""
    FIRST_DATA = 1
    """The first snapshot of a followed market."""
    WATCHED = 2
    """The periodic selection of markets, and repeated snapshots."""
    RELEASED = 3
    """The check for throttled changes."""


class FollowedState(NamedTuple):
    """What changes rarely about a followed market."""

    is_known: bool
    """Whether readers know the market; False before it is selected and after it is final."""
    stale: Reason | None
    selected: bool
    metadata: MarketMetadata | None


class Point(msgspec.Struct, frozen=True):
    """One observation of an account that never traded, as it is given to a policy."""

    at_us: int
    stage: Stage
    observation: Observation
    history: History
    event_yes_sum_cc: int | None
    observed: int
    """How often the market was observed since the point before: some are too old to be decided."""
    refused: tuple[tuple[str, int], ...]
    """Why and how often it was not, since the point before."""


class Part(msgspec.Struct, frozen=True):
    """One recorded pass."""

    points: Sequence[Point]
    at_us: NDArray[np.int64]
    """Of each point."""
    rows: NDArray[np.float32]
    """[points, features]."""
    moments: Sequence[int]
    """When the followed market changed; ``fresh_us`` and ``state`` are its values from then on."""
    fresh_us: Sequence[int | None]
    state: Sequence[int]
    """Number in ``states``."""
    states: Sequence[FollowedState]
    selections: Sequence[tuple[int, bool]]
    """Time of each selection, and whether the account had a position or an order then."""
    first_data_us: Sequence[int]
    """When the stage ``FIRST_DATA`` changed anything."""
    watched_us: Sequence[int]
    """When the stage ``WATCHED`` changed anything, or a market was selected."""
    end_us: int
    observed: int
    """As in ``Point``, after the last one."""
    refused: tuple[tuple[str, int], ...]
    is_settled: bool


class Track(msgspec.Struct, frozen=True):
    """Both passes of one market, and its events in columns."""

    layout: Layout
    account_places: tuple[int, ...]
    """The features that depend on the account."""
    account_layout: Layout | None
    """They alone; None if there is none."""
    flat: Part
    held: Part
    splits_us: int
    """Time of the first selection that depends on the account."""
    block: DeltaBlock
    """One row an event; what is no change of a level is a change by 0 of level 0."""
    lot_end: Sequence[int]
    """By event: the first one after it whose instant has an event that is no change of a level."""


def columns(ticker: str, events: Sequence[tuple[int, object]]) -> tuple[DeltaBlock, list[int]]:
    """Return ``block`` and ``lot_end`` of a track."""
    block = DeltaBlock(
        ticker=ticker, at_us=[], exchange_us=[], level_cc=[], delta_centi=[], grown_bid_cc=[], grown_ask_cc=[]
    )
    for at_us, event in events:
        level_cc = delta_centi = exchange_us = 0
        if isinstance(event, DeltaFrame):
            level_cc = event.price_cc if event.book_side is BookSide.BID else -event.price_cc
            delta_centi, exchange_us = event.delta_centi, event.exchange_us or 0
        block.at_us.append(at_us)
        block.exchange_us.append(exchange_us)
        block.level_cc.append(level_cc)
        block.delta_centi.append(delta_centi)
        block.grown_bid_cc.append(level_cc if level_cc > 0 and delta_centi > 0 else 0)
        block.grown_ask_cc.append(level_cc if level_cc < 0 and delta_centi > 0 else -10_000)
    return block, _lot_ends(block)


def _lot_ends(block: DeltaBlock) -> list[int]:
    ends = [0] * len(block)
    end = number = len(block)
    while number:
        first = number - 1
        while first and block.at_us[first - 1] == block.at_us[number - 1]:
            first -= 1
        if not all(block.level_cc[first:number]):
            end = first
        ends[first:number] = [end] * (number - first)
        number = first
    return ends
