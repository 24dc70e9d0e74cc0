"""The table of topics: one place for their names, what they carry and where a reader starts."""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from truebook.messages.actions import Action
from truebook.messages.dead_letters import DeadLetter
from truebook.messages.envelope import Message
from truebook.messages.fills import FillBooked, MarketSettled, OrderUpdated
from truebook.messages.markets import Market
from truebook.messages.observations import Observation
from truebook.messages.orderbook import BookDelta, BookSnapshot, BookStale, PublicTrade
from truebook.messages.orders import OrderEvent
from truebook.messages.signals import Signal


class StartAt(StrEnum):
    """Where a group begins to read at every assignment."""

    BEGINNING = "beginning"
    END = "end"
    COMMITTED = "committed"


class Topic(msgspec.Struct, frozen=True, kw_only=True):
    """One topic: its name, the message types it carries, and how it is read."""

    name: str
    carries: tuple[type[Message], ...]
    start_at: StartAt
    compacted: bool = False
    partitions: int | None = None
    """None: the common count of all topics that are keyed by market."""


MARKETS: Final = Topic(name="markets", carries=(Market,), start_at=StartAt.BEGINNING, compacted=True)
ORDERBOOK: Final = Topic(
    name="orderbook", carries=(BookSnapshot, BookDelta, BookStale, PublicTrade), start_at=StartAt.END
)
OBSERVATIONS: Final = Topic(name="observations", carries=(Observation,), start_at=StartAt.END)
ACTIONS: Final = Topic(name="actions", carries=(Action,), start_at=StartAt.COMMITTED)
ORDERS: Final = Topic(name="orders", carries=(OrderEvent,), start_at=StartAt.COMMITTED)
FILLS: Final = Topic(name="fills", carries=(FillBooked, OrderUpdated, MarketSettled), start_at=StartAt.COMMITTED)
SIGNALS: Final = Topic(name="signals", carries=(Signal,), start_at=StartAt.BEGINNING, compacted=True)
DEAD_LETTERS: Final = Topic(name="dead_letters", carries=(DeadLetter,), start_at=StartAt.COMMITTED)

TOPICS: Final[tuple[Topic, ...]] = (
    MARKETS, ORDERBOOK, OBSERVATIONS, ACTIONS, ORDERS, FILLS, SIGNALS, DEAD_LETTERS,
)  # fmt: skip
