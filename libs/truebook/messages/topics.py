"""The table of topics: names, keys, messages, writers, readers and retention.

Writers and readers are documentation; a test compares them with what the services import.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

import msgspec

from truebook.messages.accounts import AccountReported
from truebook.messages.actions import Action
from truebook.messages.book_states import BookState
from truebook.messages.dead_letters import DeadLetter
from truebook.messages.envelope import Message
from truebook.messages.fills import FillRecorded, MarketSettled, OrderUpdated
from truebook.messages.journal import JournalRecorded
from truebook.messages.markets import MarketUpdated
from truebook.messages.observations import Observation
from truebook.messages.orderbook import BookDelta, BookSnapshot, BookStale, PublicTrade
from truebook.messages.orders import OrderEvent
from truebook.messages.refusals import DecisionsCounted, RefusalsCounted
from truebook.messages.services import ServiceReported
from truebook.messages.signals import Signal


class StartAt(StrEnum):
    """Where a group starts to read at every assignment."""

    BEGINNING = "beginning"
    END = "end"
    COMMITTED = "committed"


class Topic(msgspec.Struct, frozen=True, kw_only=True):
    """One topic: its name, its message types, and how it is read."""

    name: str
    carries: tuple[type[Message], ...]
    start_at: StartAt
    key: str = "ticker"
    """The key of records: records of one key keep their order."""
    written_by: tuple[str, ...] = ()
    read_by: tuple[str, ...] = ()
    """Names of services; ``user`` and ``operator`` are other programs."""
    compacted: bool = False
    partitions: int | None = None
    """None: the common number of partitions of all topics keyed by market."""
    retention_s: int | None = None
    """Retention of a record on disk; None: for ever, on compacted topics the newest of each key."""
    retention_bytes: int | None = None
    """Maximum size of a partition on disk; None: unbounded."""


HOUR_S: Final = 3_600
DAY_S: Final = 24 * HOUR_S
GIB: Final = 2**30

MARKETS: Final = Topic(
    name="markets", carries=(MarketUpdated,), start_at=StartAt.BEGINNING, compacted=True,
    written_by=("ingest",), read_by=("ingest", "observation", "policy", "execution", "reconciler"),
)  # fmt: skip
ORDERBOOK: Final = Topic(
    name="orderbook", carries=(BookSnapshot, BookDelta, BookStale, PublicTrade), start_at=StartAt.END,
    retention_s=HOUR_S, retention_bytes=GIB, written_by=("ingest",),
    read_by=("observation", "policy"),
)  # fmt: skip
BOOK_STATES: Final = Topic(
    name="book_states", carries=(BookState,), start_at=StartAt.END, retention_s=HOUR_S, retention_bytes=GIB // 4,
    written_by=("ingest",), read_by=("execution",),
)  # fmt: skip
OBSERVATIONS: Final = Topic(
    name="observations", carries=(Observation,), start_at=StartAt.END, retention_s=HOUR_S, retention_bytes=GIB,
    written_by=("observation",), read_by=("policy",),
)  # fmt: skip
ACTIONS: Final = Topic(
    name="actions", carries=(Action,), start_at=StartAt.COMMITTED, retention_s=DAY_S, retention_bytes=GIB,
    written_by=("policy",), read_by=("execution",),
)  # fmt: skip
REFUSALS: Final = Topic(
    name="refusals", carries=(RefusalsCounted, DecisionsCounted), start_at=StartAt.END, retention_s=DAY_S,
    retention_bytes=GIB,
    written_by=("observation", "policy"), read_by=("operator", "alerts"),
)  # fmt: skip
ORDERS: Final = Topic(
    name="orders", carries=(OrderEvent,), start_at=StartAt.COMMITTED, retention_s=7 * DAY_S,
    written_by=("execution",), read_by=("alerts",),
)  # fmt: skip
FILLS: Final = Topic(
    name="fills", carries=(FillRecorded, OrderUpdated, MarketSettled), start_at=StartAt.COMMITTED,
    retention_s=30 * DAY_S,
    written_by=("fill_listener",),
)  # fmt: skip
JOURNAL: Final = Topic(
    name="journal", carries=(JournalRecorded,), start_at=StartAt.COMMITTED, partitions=1, key="account",
    written_by=("reconciler",), read_by=("reconciler",),
)  # fmt: skip
SIGNALS: Final = Topic(
    name="signals", carries=(Signal,), start_at=StartAt.BEGINNING, compacted=True, key="ticker/name",
    written_by=("user",), read_by=("observation",),
)  # fmt: skip
DEAD_LETTERS: Final = Topic(
    name="dead_letters", carries=(DeadLetter,), start_at=StartAt.COMMITTED, retention_s=30 * DAY_S, retention_bytes=GIB,
    key="origin", written_by=("ingest", "observation", "policy", "execution", "fill_listener"),
    read_by=("operator", "alerts"),
)  # fmt: skip
SERVICES: Final = Topic(
    name="services", carries=(ServiceReported,), start_at=StartAt.BEGINNING, compacted=True, partitions=1,
    key="service/instance",
    written_by=("ingest", "observation", "policy", "execution", "fill_listener", "reconciler"),
    read_by=("operator", "alerts"),
)  # fmt: skip
ACCOUNT: Final = Topic(
    name="account", carries=(AccountReported,), start_at=StartAt.BEGINNING, compacted=True, partitions=1,
    key="account/window",
    written_by=("reconciler",), read_by=("operator", "alerts"),
)  # fmt: skip

TOPICS: Final[tuple[Topic, ...]] = (
    MARKETS, ORDERBOOK, BOOK_STATES, OBSERVATIONS, ACTIONS, REFUSALS, ORDERS, FILLS, JOURNAL, SIGNALS, DEAD_LETTERS,
    SERVICES, ACCOUNT,
)  # fmt: skip
