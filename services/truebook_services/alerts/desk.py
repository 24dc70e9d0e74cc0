"""Judges the rules periodically, and puts what is due into the queue of each receiver."""

from __future__ import annotations

from typing import Final

from truebook.alerts.digest import digest
from truebook.alerts.history import History, advance
from truebook.alerts.notifications import Notification
from truebook.alerts.queue import added
from truebook.alerts.rules import evaluate
from truebook.clock import MICROS
from truebook.runtime.context import Context
from truebook_services.alerts.settings import AlertsSettings
from truebook_services.alerts.store import Store
from truebook_services.alerts.watcher import Watcher

SAVE_EVERY_US: Final = 60 * MICROS
"""Changes that lead to no notification, such as the time of the last order, are written at this interval."""


class Desk:
    """One step reads the situation, judges it, queues what is due, and saves."""

    def __init__(self, context: Context, settings: AlertsSettings, watcher: Watcher, store: Store) -> None:
        self._context = context
        self._thresholds = settings.thresholds()
        self._pacing = settings.pacing()
        self._max_pending = settings.max_pending
        self._watcher = watcher
        self._store = store
        self._saved_us = 0

    async def step(self) -> None:
        """Judge every rule once."""
        situation = await self._watcher.read()
        now_us, saved = self._context.clock.now_us(), self._store.saved
        findings = evaluate(situation, self._thresholds, now_us)
        before = saved.history
        history, due = advance(before, findings, now_us, self._pacing)
        history, daily = digest(history, findings, situation, now_us, self._pacing)
        saved.history = history
        self._queue((*due, daily) if daily is not None else due)
        self._context.metrics.gauge("alerts_in_force", len(history.in_force))
        if _essentials(history) != _essentials(before) or now_us - self._saved_us >= SAVE_EVERY_US:
            await self._store.save()
            self._saved_us = now_us

    def _queue(self, notifications: tuple[Notification, ...]) -> None:
        queues = self._store.saved.queues
        for label in queues:
            queues[label] = added(queues[label], notifications, self._max_pending)
        for each in notifications:
            self._context.metrics.count("alert_notifications", sort=each.sort)
            self._context.log.warning(
                "alert", sort=str(each.sort), severity=each.severity.name.lower(), title=each.title
            )
        self._context.metrics.gauge("alerts_pending", sum(len(queue.pending) for queue in queues.values()))


def _essentials(history: History) -> tuple[object, ...]:
    """Return what a restart must not lose: what was notified, and what was collected."""
    raised = {key for key, track in history.tracks.items() if track.raised_us is not None}
    return history.number, raised, history.held_back, history.digest_day
