"""The table of topics: their names, keys, what they carry, who writes and reads them, and what is kept of them.

Who writes and who reads is told, not enforced; a test compares it with what the services import.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from truebook.messages.actions import Action
from truebook.messages.dead_letters import DeadLetter
from truebook.messages.envelope import Message
from truebook.messages.fills import FillBooked, MarketSettled, OrderUpdated
from truebook.messages.journal import JournalRecorded
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
    key: str = "ticker"
    """What a record's key is: records of one key keep their order."""
    written_by: tuple[str, ...] = ()
    read_by: tuple[str, ...] = ()
    """Names of services; ``user`` and ``operator`` are people with their own programs."""
    compacted: bool = False
    partitions: int | None = None
    """None: the common count of all topics that are keyed by market."""
    kept_s: int | None = None
    """How long a bus on disk keeps a record; None: for ever, compacted topics the newest of each key."""
    kept_bytes: int | None = None
    """How much of a partition a bus on disk keeps at most; None: no bound."""


HOUR_S: Final = 3_600
DAY_S: Final = 24 * HOUR_S
GIB: Final = 2**30

MARKETS: Final = Topic(
    name="markets", carries=(Market,), start_at=StartAt.BEGINNING, compacted=True,
    written_by=("ingest",), read_by=("ingest", "observation", "execution"),
)  # fmt: skip
ORDERBOOK: Final = Topic(
    name="orderbook", carries=(BookSnapshot, BookDelta, BookStale, PublicTrade), start_at=StartAt.END,
    kept_s=HOUR_S, kept_bytes=GIB, written_by=("ingest",), read_by=("observation", "execution"),
)  # fmt: skip
OBSERVATIONS: Final = Topic(
    name="observations", carries=(Observation,), start_at=StartAt.END, kept_s=HOUR_S, kept_bytes=GIB,
    written_by=("observation",), read_by=("policy",),
)  # fmt: skip
ACTIONS: Final = Topic(
    name="actions", carries=(Action,), start_at=StartAt.COMMITTED, kept_s=DAY_S, kept_bytes=GIB,
    written_by=("policy",), read_by=("execution",),
)  # fmt: skip
ORDERS: Final = Topic(
    name="orders", carries=(OrderEvent,), start_at=StartAt.COMMITTED, kept_s=7 * DAY_S, written_by=("execution",)
)
FILLS: Final = Topic(
    name="fills", carries=(FillBooked, OrderUpdated, MarketSettled), start_at=StartAt.COMMITTED, kept_s=30 * DAY_S,
    written_by=("fill_listener",),
)  # fmt: skip
JOURNAL: Final = Topic(
    name="journal", carries=(JournalRecorded,), start_at=StartAt.COMMITTED, partitions=1, key="account",
    written_by=("reconciler",), read_by=("reconciler",),
)  # fmt: skip
SIGNALS: Final = Topic(
    name="signals", carries=(Signal,), start_at=StartAt.BEGINNING, compacted=True,
    written_by=("user",), read_by=("observation",),
)  # fmt: skip
DEAD_LETTERS: Final = Topic(
    name="dead_letters", carries=(DeadLetter,), start_at=StartAt.COMMITTED, kept_s=30 * DAY_S, kept_bytes=GIB,
    key="origin", written_by=("ingest", "observation", "policy", "execution", "fill_listener"),
    read_by=("operator",),
)  # fmt: skip

TOPICS: Final[tuple[Topic, ...]] = (
    MARKETS, ORDERBOOK, OBSERVATIONS, ACTIONS, ORDERS, FILLS, JOURNAL, SIGNALS, DEAD_LETTERS,
)  # fmt: skip
