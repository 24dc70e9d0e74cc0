"""What operators were notified of, and what is due now: findings over time → notifications.

A condition that lasts long enough is raised once, however often it is found, and repeated after ``repeat_us``; it is
raised again when its severity rises. Its all-clear is sent once it was judged to be gone for ``clear_us``: a kind that
can't be judged ends nothing. Beyond ``max_per_hour`` notifications are collected, and reported together as soon as the
limit allows it.
"""

from __future__ import annotations

from typing import Final

import msgspec

from truebook.alerts import notifications
from truebook.alerts.conditions import Condition, Findings, Kind, Severity
from truebook.alerts.notifications import HeldBack, Notification, Sort
from truebook.alerts.thresholds import HOUR_US, MINUTE_US, Pacing

MAX_HELD_BACK: Final = 100
"""Conditions collected at once; further ones are collected as one."""
COLLECT_US: Final = 10 * MINUTE_US
"""Shortest time for which notifications are collected."""


class Track(msgspec.Struct, frozen=True, kw_only=True):
    """One condition as it was found last."""

    condition: Condition
    first_us: int
    raised_us: int | None = None
    """None: it has not lasted long enough."""
    notified_us: int = 0
    gone_us: int | None = None
    """Since when it is judged to be gone."""

    @property
    def since_us(self) -> int:
        return self.first_us if self.condition.since_us is None else self.condition.since_us


class History(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is needed to continue after a restart."""

    number: int = 0
    """Of the newest notification."""
    tracks: dict[str, Track] = {}
    sent_us: tuple[int, ...] = ()
    """When the notifications of the last hour were due that count against the limit."""
    held_back: dict[str, HeldBack] = {}
    held_back_since_us: int | None = None
    raised_since_digest: int = 0
    digest_day: int | None = None
    """Day of the last digest, counted in days since the year 1."""

    @property
    def in_force(self) -> list[Track]:
        """The alerts that were raised and are not over, the most urgent first."""
        raised = [track for track in self.tracks.values() if track.raised_us is not None]
        return sorted(raised, key=lambda track: (-track.condition.severity.value, track.since_us))

    def continued(self) -> History:
        """Return it for a new process: conditions that were not raised yet have to last again from the start."""
        return msgspec.structs.replace(
            self, tracks={key: track for key, track in self.tracks.items() if track.raised_us is not None}
        )


def advance(
    history: History, findings: Findings, now_us: int, pacing: Pacing
) -> tuple[History, tuple[Notification, ...]]:
    """Return the history after these findings, and the notifications that are due."""
    step = _Step(history, now_us, pacing)
    found = {condition.key: condition for condition in findings.conditions}
    for key, condition in found.items():
        step.found(key, condition)
    for key in history.tracks.keys() - found.keys():
        step.missing(key, findings.unseen)
    step.report_held_back()
    return step.result()


class _Step:
    """One step, with the values that it changes."""

    def __init__(self, history: History, now_us: int, pacing: Pacing) -> None:
        self._history = history
        self._now_us = now_us
        self._pacing = pacing
        self._number = history.number
        self._tracks = dict(history.tracks)
        self._sent_us = [at_us for at_us in history.sent_us if now_us - HOUR_US < at_us <= now_us]
        self._held_back = dict(history.held_back)
        self._held_back_since_us = history.held_back_since_us
        self._raised = history.raised_since_digest
        self._due: list[Notification] = []

    def found(self, key: str, condition: Condition) -> None:
        """Follow a condition; notify when it has lasted long enough, gets more severe, or is due again."""
        before = self._tracks.get(key)
        now_us, zone = self._now_us, self._pacing.zone
        if before is None:
            track = Track(condition=condition, first_us=now_us)
        else:
            track = msgspec.structs.replace(before, condition=_lasting(before, condition), gone_us=None)
        repeat_us = self._pacing.repeat_us
        if track.raised_us is None:
            if now_us - track.first_us >= condition.after_us:
                track = msgspec.structs.replace(track, raised_us=now_us, notified_us=now_us)
                self._raised += 1
                self._notify(Sort.RAISED, key, condition, notifications.raised(condition, track.since_us, zone))
        elif before is not None and condition.severity.value > before.condition.severity.value:
            track = msgspec.structs.replace(track, notified_us=now_us)
            self._notify(Sort.RAISED, key, condition, notifications.raised(condition, track.since_us, zone))
        elif repeat_us is not None and now_us - track.notified_us >= repeat_us:
            track = msgspec.structs.replace(track, notified_us=now_us)
            text = notifications.repeated(condition, track.since_us, now_us, zone)
            self._notify(Sort.REPEATED, key, condition, text)
        self._tracks[key] = track

    def missing(self, key: str, unseen: frozenset[Kind]) -> None:
        """End a condition that was judged to be gone for long enough; one that can't be judged continues."""
        track = self._tracks[key]
        if track.condition.kind in unseen:
            if track.raised_us is None:
                del self._tracks[key]
            else:
                self._tracks[key] = msgspec.structs.replace(track, gone_us=None)
            return
        gone_us = self._now_us if track.gone_us is None else track.gone_us
        if track.raised_us is None:
            del self._tracks[key]
        elif self._now_us - gone_us < self._pacing.clear_us:
            self._tracks[key] = msgspec.structs.replace(track, gone_us=gone_us)
        else:
            del self._tracks[key]
            condition = track.condition
            text = notifications.cleared(condition.headline, track.since_us, gone_us, self._pacing.zone)
            self._notify(Sort.CLEARED, key, condition, text)

    def report_held_back(self) -> None:
        """Report what was collected, once less than half of the limit is used."""
        since_us = self._held_back_since_us
        if since_us is None or self._now_us - since_us < COLLECT_US:
            return
        if len(self._sent_us) >= max(1, self._pacing.max_per_hour // 2):
            return
        in_force = [track.condition.headline for track in self._tracks.values() if track.raised_us is not None]
        text = notifications.summary(list(self._held_back.values()), since_us, in_force, self._pacing.zone)
        severity = max((each.severity for each in self._held_back.values()), key=lambda each: each.value)
        self._held_back, self._held_back_since_us = {}, None
        self._sent_us.append(self._now_us)
        self._add(Sort.SUMMARY, severity, text)

    def result(self) -> tuple[History, tuple[Notification, ...]]:
        history = msgspec.structs.replace(
            self._history, number=self._number, tracks=self._tracks, sent_us=tuple(self._sent_us),
            held_back=self._held_back, held_back_since_us=self._held_back_since_us, raised_since_digest=self._raised,
        )  # fmt: skip
        return history, tuple(self._due)

    def _notify(self, sort: Sort, key: str, condition: Condition, text: tuple[str, str]) -> None:
        """Send it, or collect it beyond the limit; also while something is collected, so that the order remains."""
        share = self._pacing.max_per_hour // (1 if condition.severity is Severity.PAGE else 2)
        collects = self._held_back_since_us is not None and key in self._held_back
        if len(self._sent_us) < max(1, share) and not collects:
            self._sent_us.append(self._now_us)
            self._add(sort, condition.severity, text)
            return
        if self._held_back_since_us is None:
            self._held_back_since_us = self._now_us
            self._add(Sort.LIMITED, Severity.NOTICE, notifications.limited(self._pacing.max_per_hour))
        self._collect(sort, key if key in self._held_back or len(self._held_back) < MAX_HELD_BACK else "", condition)

    def _collect(self, sort: Sort, key: str, condition: Condition) -> None:
        headline = condition.headline if key else "further conditions"
        before = self._held_back.get(key) or HeldBack(headline=headline, severity=condition.severity)
        self._held_back[key] = msgspec.structs.replace(
            before,
            raised=before.raised + (sort is Sort.RAISED),
            repeated=before.repeated + (sort is Sort.REPEATED),
            cleared=before.cleared + (sort is Sort.CLEARED),
            headline=headline,
            severity=max(before.severity, condition.severity, key=lambda each: each.value),
        )

    def _add(self, sort: Sort, severity: Severity, text: tuple[str, str]) -> None:
        self._number += 1
        title, body = text
        self._due.append(
            Notification(number=self._number, at_us=self._now_us, sort=sort, severity=severity, title=title, body=body)
        )


def _lasting(before: Track, condition: Condition) -> Condition:
    """Return the newest words about a condition that lasts, with the earliest known time of its begin."""
    earliest = [each.since_us for each in (before.condition, condition) if each.since_us is not None]
    return msgspec.structs.replace(condition, since_us=min(earliest) if earliest else None)
