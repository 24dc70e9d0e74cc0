"""What waits for one receiver: in order, bounded, retried with a growing delay, several joined in one message.

A receiver that was away gets what waits in as few messages as its length allows: a burst of single ones would exceed
the receiver's own limits.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

import msgspec

from truebook.alerts.conditions import Severity
from truebook.alerts.notifications import Notification
from truebook.clock import MICROS

MAX_BODY: Final = 1_800
"""Characters of a message: below the shortest limit of the usual receivers, 2,000."""
MAX_TITLE: Final = 200
JOIN_FROM: Final = 3
"""From this many on, what waits is joined."""
FIRST_RETRY_US: Final = 5 * MICROS
MAX_RETRY_US: Final = 15 * 60 * MICROS
MIN_INTERVAL_US: Final = 1 * MICROS
"""Shortest time between two messages to one receiver."""


class Result(StrEnum):
    """The outcome of one attempt to send."""

    DELIVERED = "delivered"
    REFUSED = "refused"
    """The receiver responded with an error."""
    UNREACHABLE = "unreachable"
    """No connection, or it ended early."""
    TIMED_OUT = "timed_out"
    FAILED = "failed"
    """Any other failure."""


class Queue(msgspec.Struct, frozen=True, kw_only=True):
    """The queue of one receiver."""

    pending: tuple[Notification, ...] = ()
    dropped: int = 0
    """Notifications that the queue had no place for, not reported to the receiver yet."""
    attempts: int = 0
    """Failed ones since the last success."""
    next_us: int = 0
    failing_since_us: int | None = None
    reason: str = ""
    """Why the last attempt failed; has no part of the receiver's address."""


class Outgoing(msgspec.Struct, frozen=True):
    """One message to a receiver. ``numbers`` are those of the notifications in it, ``dropped`` how many it reports."""

    title: str
    body: str
    severity: Severity
    numbers: frozenset[int]
    dropped: int


def added(queue: Queue, notifications: Sequence[Notification], max_pending: int) -> Queue:
    """Append; beyond the bound the oldest notice is dropped, and without notices the oldest page."""
    pending, dropped = [*queue.pending, *notifications], queue.dropped
    while len(pending) > max_pending:
        oldest = next((index for index, each in enumerate(pending) if each.severity is Severity.NOTICE), 0)
        del pending[oldest]
        dropped += 1
    return msgspec.structs.replace(queue, pending=tuple(pending), dropped=dropped)


def outgoing(queue: Queue, now_us: int) -> Outgoing | None:
    """Return the message that is due now, or None."""
    if not queue.pending or now_us < queue.next_us <= now_us + MAX_RETRY_US:  # a clock that was set back
        return None
    first = queue.pending[0]
    lost = f"{queue.dropped} older notifications were dropped: this receiver was away.\n" if queue.dropped else ""
    if len(queue.pending) < JOIN_FROM:
        body = _cut(lost + first.body, MAX_BODY)
        return Outgoing(_cut(first.title, MAX_TITLE), body, first.severity, frozenset({first.number}), queue.dropped)
    parts: list[str] = []
    for each in queue.pending:
        part = f"{each.title}\n{each.body}"
        if parts and len(lost) + sum(map(len, parts)) + 2 * len(parts) + len(part) > MAX_BODY:
            break
        parts.append(part)
    taken = queue.pending[: len(parts)]
    severity = max((each.severity for each in taken), key=lambda each: each.value)
    title = f"[{severity.name}] {len(parts)} notifications" if len(parts) > 1 else _cut(first.title, MAX_TITLE)
    body = _cut(lost + "\n\n".join(parts), MAX_BODY)
    return Outgoing(title, body, severity, frozenset(each.number for each in taken), queue.dropped)


def delivered(queue: Queue, message: Outgoing, now_us: int) -> Queue:
    """Remove what the receiver has accepted; some of it may have been dropped meanwhile."""
    return Queue(
        pending=tuple(each for each in queue.pending if each.number not in message.numbers),
        dropped=queue.dropped - message.dropped,
        next_us=now_us + MIN_INTERVAL_US,
    )


def failed(queue: Queue, reason: str, now_us: int) -> Queue:
    """Keep everything and retry later: the delay doubles with each failure."""
    delay_us = min(MAX_RETRY_US, FIRST_RETRY_US << min(queue.attempts, 20))
    return msgspec.structs.replace(
        queue,
        attempts=queue.attempts + 1,
        next_us=now_us + delay_us,
        failing_since_us=now_us if queue.failing_since_us is None else queue.failing_since_us,
        reason=reason,
    )


def _cut(text: str, max_length: int) -> str:
    return text if len(text) <= max_length else f"{text[: max_length - 2]} …"
