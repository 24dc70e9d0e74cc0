"""What is known about the running system at one moment, as the service ``alerts`` has read it.

None means not known: a rule that needs such a value can't be judged, which is neither an alert nor an all-clear.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from truebook.ledger.port import HoldView, LedgerView, Marks
from truebook.ledger.verbs import Limits, OrderState
from truebook.messages.accounts import AccountReported
from truebook.messages.services import ServiceReported


class UnknownOrder(msgspec.Struct, frozen=True):
    """An order whose send has no known outcome."""

    order_id: str
    ticker: str
    since_us: int


class LedgerReading(msgspec.Struct, frozen=True, kw_only=True):
    """What the ledger contained when it was read last."""

    read_us: int
    opened: bool
    holds: tuple[HoldView, ...] = ()
    unknown_orders: tuple[UnknownOrder, ...] = ()
    """The oldest first."""
    limits: Limits
    marks: Marks | None = None


class Disk(msgspec.Struct, frozen=True):
    """The file system under a folder."""

    folder: str
    free_bytes: int
    total_bytes: int


class Counted(msgspec.Struct, frozen=True):
    """Events of one kind within the window of the thresholds."""

    count: int
    newest_us: int


class Situation(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the rules judge. Times are of the exchange's clock."""

    started_us: int
    """Start of the process that watches: what it has not received since is not known yet."""
    ledger: LedgerReading | None = None
    """The newest reading, of any age."""
    ledger_failing_since_us: int | None = None
    """Since when the ledger can't be read; None: the last attempt succeeded."""
    services: Mapping[str, tuple[ServiceReported, ...]] = {}
    """By service, the newest report of each of its processes."""
    reported_us: int | None = None
    """When the newest report of any service was produced."""
    account: AccountReported | None = None
    last_order_us: int | None = None
    """When an order was sent last; None: not since ``watched_since_us``."""
    watched_since_us: int
    """Since when orders are watched; earlier than ``started_us`` where an earlier process did."""
    inference_failures: Counted = Counted(0, 0)
    dead_letters: Mapping[str, Counted] = {}
    """By origin and reason."""
    disks: tuple[Disk, ...] = ()


def read_ledger(view: LedgerView, now_us: int) -> LedgerReading:
    """Return what the rules need of a view of the live markets."""
    account = view.account
    unknown = [
        UnknownOrder(order.order_id, order.ticker, order.reserved_us)
        for market in view.markets
        for order in market.orders
        if order.state is OrderState.UNKNOWN
    ]
    return LedgerReading(
        read_us=now_us,
        opened=account.opened,
        holds=account.holds,
        unknown_orders=tuple(sorted(unknown, key=lambda order: (order.since_us, order.order_id))),
        limits=account.limits,
        marks=account.marks,
    )
