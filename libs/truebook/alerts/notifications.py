"""A notification, as it is sent to every receiver, and how each kind of it is worded."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo
from enum import StrEnum

import msgspec

from truebook.alerts.conditions import Condition, Severity
from truebook.alerts.texts import counted, duration, moment


class Sort(StrEnum):
    """Why a notification is sent."""

    RAISED = "raised"
    REPEATED = "repeated"
    CLEARED = "cleared"
    LIMITED = "limited"
    """More were due than the limit allows: what follows is collected."""
    SUMMARY = "summary"
    """What was collected."""
    DIGEST = "digest"


class Notification(msgspec.Struct, frozen=True, kw_only=True):
    """One notification; ``number`` counts those of one history without gaps."""

    number: int
    at_us: int
    sort: Sort
    severity: Severity
    title: str
    body: str


class HeldBack(msgspec.Struct, frozen=True, kw_only=True):
    """What was not notified about one condition, because of the limit."""

    raised: int = 0
    repeated: int = 0
    cleared: int = 0
    headline: str
    severity: Severity


def raised(condition: Condition, since_us: int, zone: tzinfo) -> tuple[str, str]:
    """Return title and body of a new alert."""
    return f"[{condition.severity.name}] {condition.headline}", _body(condition, since_us, zone)


def repeated(condition: Condition, since_us: int, now_us: int, zone: tzinfo) -> tuple[str, str]:
    """Return title and body of an alert that lasts."""
    title = f"[{condition.severity.name}] Still, for {duration(now_us - since_us)}: {condition.headline}"
    return title, _body(condition, since_us, zone)


def cleared(headline: str, since_us: int, until_us: int, zone: tzinfo) -> tuple[str, str]:
    """Return title and body of an all-clear."""
    body = f"From {moment(since_us, zone)} to {moment(until_us, zone)}, {duration(until_us - since_us)}."
    return f"[OVER] {headline}", body


def limited(max_per_hour: int) -> tuple[str, str]:
    """Return title and body of the notice that further alerts are collected."""
    return "[NOTICE] More alerts than the limit", (
        f"The limit is {max_per_hour} notifications in an hour, half of it for notices. Further ones are collected, "
        "and reported together within about an hour. `truebook alerts list` shows all conditions in force."
    )


def summary(held_back: Sequence[HeldBack], since_us: int, in_force: Sequence[str], zone: tzinfo) -> tuple[str, str]:
    """Return title and body of what was collected since then. ``in_force``: the headlines of all active alerts."""
    count = sum(each.raised + each.repeated + each.cleared for each in held_back)
    lines = [f"Not sent since {moment(since_us, zone)} because of the limit of notifications in an hour:"]
    lines += [f"- {each.headline}: {_times(each)}" for each in held_back]
    lines += (
        ["In force now:", *(f"- {headline}" for headline in in_force)] if in_force else ["Nothing is in force now."]
    )
    return f"[NOTICE] {count} notifications were collected", "\n".join(lines)


def _times(each: HeldBack) -> str:
    parts = [
        f"{word} {counted(count, 'time')}"
        for word, count in (("raised", each.raised), ("repeated", each.repeated), ("over", each.cleared))
        if count
    ]
    return ", ".join(parts)


def _body(condition: Condition, since_us: int, zone: tzinfo) -> str:
    lines = (f"Since {moment(since_us, zone)}.", condition.detail, f"What to do: {condition.to_do}")
    return "\n".join(line for line in lines if line)
