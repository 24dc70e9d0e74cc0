"""Alerts as a process of its own, over real Kafka and Redis: outages of a service and of Kafka, and a restart."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.alert_receivers import PASSWORD, PATH, Webhook
from support.processes import truebook
from support.service_processes import ServiceProcess, wait_until, wait_until_ready
from support.service_stack import Stack

pytestmark = [pytest.mark.containers, pytest.mark.long, pytest.mark.slow]
WITHIN_S = 90.0
DOWN = "reconciler does not run, or can't reach Kafka"
SETTINGS = {
    "TRUEBOOK_ALERTS__SERVICES": "reconciler",
    "TRUEBOOK_ALERTS__CHECK_S": "1",
    "TRUEBOOK_ALERTS__SERVICE_DOWN_S": "20",
    "TRUEBOOK_ALERTS__CLEAR_S": "2",
    "TRUEBOOK_ALERTS__HOLD_S": "3",
    "TRUEBOOK_STATE_FOLDER": "state",
}


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    started = Webhook().start()
    yield started
    started.stop()


def has(webhook: Webhook, alerts: ServiceProcess, beginning: str) -> None:
    """Wait for a title that begins so."""
    wait_until(
        lambda: any(title.startswith(beginning) for title in webhook.titles), WITHIN_S,
        lambda: f"{beginning}: {webhook.titles} {alerts.tail(5)}",
    )  # fmt: skip


def test_outages_raise_an_alert_and_end_with_an_all_clear(tmp_path: Path, webhook: Webhook) -> None:
    file = tmp_path / "receivers.txt"
    file.write_text(f"hook {webhook.url}\n")
    with Stack(tmp_path, "--markets", "2") as stack:
        alerts = stack.start("alerts", TRUEBOOK_ALERTS__RECEIVERS_FILE=str(file), **SETTINGS)
        reconciler = stack.start("reconciler")
        wait_until_ready([alerts, reconciler])

        assert truebook(tmp_path, "halt", **stack.settings).returncode == 0
        has(webhook, alerts, "[NOTICE] Trading is halted by the hold `operator`")
        assert alerts.terminate() == 0
        alerts.start()
        assert truebook(tmp_path, "resume", **stack.settings).returncode == 0
        has(webhook, alerts, "[OVER] Trading is halted by the hold `operator`")
        assert sum("the hold `operator`" in title for title in webhook.titles) == 2

        reconciler.kill_9()
        has(webhook, alerts, f"[PAGE] {DOWN}")
        reconciler.start()
        has(webhook, alerts, f"[OVER] {DOWN}")

        stack.broker.pause()
        has(webhook, alerts, "[PAGE] No service has reported since")
        stack.broker.unpause()
        has(webhook, alerts, "[OVER] No service has reported since")

        shown = truebook(tmp_path / "alerts", "alerts", "list", **stack.settings, **SETTINGS)
        assert "in force" in shown.stdout or "severity" in shown.stdout, shown.stderr
        for text in (alerts.log_file.read_text(), alerts.get("/metrics")[1], alerts.get("/readyz")[1]):
            assert PASSWORD not in text and PATH not in text
        assert alerts.metric("truebook_alert_deliveries_total", outcome="delivered") >= 4
        assert alerts.terminate() == 0
