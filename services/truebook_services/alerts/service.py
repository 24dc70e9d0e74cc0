"""Alerts: composition root. Without receivers the service does nothing, and states it once."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from truebook.runtime.context import Context
from truebook.runtime.frames import Consumer, Periodic, Service
from truebook_services.alerts.delivery import Delivery
from truebook_services.alerts.desk import Desk
from truebook_services.alerts.receivers import VARIABLE, Sender, check_receivers, read_receivers
from truebook_services.alerts.settings import AlertsSettings
from truebook_services.alerts.store import Store
from truebook_services.alerts.watcher import TOPICS, OpenLedger, Watcher

GROUP: Final = "truebook.alerts"
TICK_S: Final = 0.5
"""Interval between looks at the queue of a receiver."""
SETTLE_S: Final = 3_600.0
"""It matters at the stop only."""


def build(
    context: Context, settings: AlertsSettings, *, open_ledger: OpenLedger, folder: Path, sender: Sender | None = None
) -> Service:
    """Build the service, with its state in ``folder``. Raises ``SettingsError`` for a receiver that can't be used.

    ``open_ledger`` is called until it succeeds: alerts run also while the ledger can't be reached.
    """
    receivers = read_receivers(settings.receivers_file)
    if not receivers:
        context.log.info(f"alerts are off: no receivers; set {VARIABLE} (docs/alerts.md)")
        return Service(context, ())
    if sender is None:
        from truebook_services.alerts.apprise_sender import AppriseSender  # loads apprise, which takes a second

        sender = AppriseSender()
    check_receivers(receivers, sender, settings.receivers_file)
    store = Store(context, folder, tuple(receiver.label for receiver in receivers))
    watcher = Watcher(context, store, open_ledger, folder, settings.thresholds().window_us)
    desk = Desk(context, settings, watcher, store)
    context.log.info("alerts are on", receivers=[str(receiver) for receiver in receivers])
    deliveries = {
        f"alerts.deliver.{receiver.label}": Delivery(context, receiver, sender, store, settings.send_timeout_s)
        for receiver in receivers
    }
    return Service(
        context,
        (
            Consumer(context, GROUP, TOPICS, watcher.handle, observer=True),
            Periodic(context, "alerts.judge", settings.check_s, desk.step),
            *(Periodic(context, name, TICK_S, delivery.tick) for name, delivery in deliveries.items()),
        ),
        last=[
            Periodic(context, f"{name}.settle", SETTLE_S, delivery.settle, at_stop=True)
            for name, delivery in deliveries.items()
        ],
    )
