"""Alerts by real receivers: a webhook and a mail server, that are away, hang, refuse and come back."""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from support.alert_receivers import PASSWORD, PATH, MailServer, Webhook, receivers, text_of
from support.alert_service import AlertService
from support.metrics import counted
from truebook.alerts.queue import Queue
from truebook.ledger.trading_holds import CLOCK, DIFFERENCE
from truebook_services.alerts.store import read_saved

HOLD = "[PAGE] Trading is halted by the hold `clock`"
OVER = "[OVER] Trading is halted by the hold `clock`"


def queues(folder: Path) -> dict[str, Queue]:
    """The queues in the file; empty ones before it is written."""
    saved = read_saved(folder)
    return defaultdict(Queue, {} if saved is None else saved.queues)


class Everything(logging.Handler):
    """Collects every line that reaches the root logger."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@pytest.fixture
def root_lines() -> Iterator[list[str]]:
    """What this process's log of libraries would show at its level, WARNING."""
    handler, root = Everything(), logging.getLogger()
    handler.setLevel(logging.WARNING)
    root.addHandler(handler)
    yield handler.lines
    root.removeHandler(handler)


@pytest.fixture
def both() -> Iterator[tuple[Webhook, MailServer]]:
    with receivers() as started:
        yield started


async def test_webhook_and_mail_get_the_alert_and_the_all_clear(
    tmp_path: Path, both: tuple[Webhook, MailServer]
) -> None:  # fmt: skip
    webhook, mail = both
    alerts = await AlertService(tmp_path, f"hook {webhook.url}", f"mail {mail.url}").start()
    async with alerts.running():
        await alerts.pass_time(10)
        await alerts.ledger.ledger.apply(CLOCK.place())
        await alerts.pass_time(3)
        assert webhook.titles == []
        await alerts.until(lambda: webhook.titles and mail.mails, "both have the alert")
        await alerts.ledger.ledger.apply(CLOCK.release())
        await alerts.until(lambda: len(webhook.titles) == len(mail.mails) == 2, "both have the all-clear")
    assert webhook.titles == mail.subjects == [HOLD, OVER]
    assert webhook.received[0]["type"] == "failure"
    assert "What to do: `truebook status` lists the holds" in webhook.received[0]["message"]
    assert "What to do: `truebook status` lists the holds" in text_of(mail.mails[0])
    assert mail.mails[0]["To"] == "operator@example.org"


async def test_a_receiver_that_was_away_gets_everything_in_order(
    tmp_path: Path, both: tuple[Webhook, MailServer]
) -> None:  # fmt: skip
    webhook, mail = both
    webhook.stop()
    alerts = await AlertService(tmp_path, webhook.url, mail.url).start()
    async with alerts.running():
        for hold in (CLOCK, DIFFERENCE):
            await alerts.ledger.ledger.apply(hold.place())
            await alerts.until(lambda: len(mail.mails) % 2 == 1, "the other receiver has the alert")
            await alerts.ledger.ledger.apply(hold.release())
            await alerts.until(lambda: len(mail.mails) % 2 == 0, "the other receiver has the all-clear")
        await alerts.until(lambda: not queues(tmp_path)["receiver-2"].pending, "the other receiver has everything")
        away = queues(tmp_path)["receiver-1"]
        assert len(away.pending) == 4
        assert away.reason == "unreachable: no connection, or it ended early"
        webhook.start()
        await alerts.until(lambda: webhook.received, "the receiver that was away has it")
    [joined] = webhook.received
    assert joined["title"] == "[PAGE] 4 notifications"
    places = [joined["message"].index(subject) for subject in mail.subjects]
    assert places == sorted(places)


async def test_a_restart_neither_repeats_nor_loses(tmp_path: Path, both: tuple[Webhook, MailServer]) -> None:
    webhook, mail = both
    mail.stop()
    alerts = await AlertService(tmp_path, f"hook {webhook.url}", f"mail {mail.url}").start()
    async with alerts.running():
        await alerts.ledger.ledger.apply(CLOCK.place())
        await alerts.until(lambda: webhook.titles, "one receiver has the alert")
        await alerts.until(lambda: counted(alerts.metrics, "alert_deliveries", outcome="unreachable"), "the other not")
    mail.start()
    async with alerts.running():
        await alerts.until(lambda: mail.mails, "the pending one is delivered")
        await alerts.pass_time(60)
        assert webhook.titles == mail.subjects == [HOLD]
    async with alerts.running():
        await alerts.ledger.ledger.apply(CLOCK.release())
        await alerts.until(lambda: len(webhook.titles) == len(mail.mails) == 2, "both have the all-clear")
    assert webhook.titles == mail.subjects == [HOLD, OVER]


async def test_a_stop_right_after_a_delivery_repeats_nothing(
    tmp_path: Path, both: tuple[Webhook, MailServer]
) -> None:  # fmt: skip
    webhook, _ = both
    alerts = await AlertService(tmp_path, webhook.url).start()
    webhook.hold.clear()
    async with alerts.running():
        await alerts.ledger.ledger.apply(CLOCK.place())
        await alerts.until(lambda: webhook.requests, "a message is being sent")
        threading.Timer(0.05, webhook.hold.set).start()
    assert webhook.titles == [HOLD]
    async with alerts.running():
        await alerts.pass_time(30)
    assert webhook.titles == [HOLD]


async def test_a_receiver_that_hangs_delays_no_other(tmp_path: Path, both: tuple[Webhook, MailServer]) -> None:
    webhook, mail = both
    webhook.hold.clear()
    alerts = await AlertService(tmp_path, webhook.url, mail.url, send_timeout_s=2).start()
    async with alerts.running():
        await alerts.ledger.ledger.apply(CLOCK.place())
        await alerts.until(lambda: mail.mails, "the other receiver has the alert")
        await alerts.until(lambda: counted(alerts.metrics, "alert_deliveries", outcome="timed_out"), "a timeout")
        assert queues(tmp_path)["receiver-1"].reason == "timed_out: no response within 2 s"
        webhook.hold.set()
        await alerts.until(lambda: webhook.received, "the late message is delivered")
        await alerts.pass_time(60)
    assert webhook.titles == [HOLD], "delivered after the timeout: not sent again"


@pytest.mark.parametrize("status", [404, 500])
async def test_an_error_response_is_retried(tmp_path: Path, status: int, both: tuple[Webhook, MailServer]) -> None:
    webhook, _ = both
    webhook.status = status
    alerts = await AlertService(tmp_path, webhook.url).start()
    async with alerts.running():
        await alerts.ledger.ledger.apply(CLOCK.place())
        await alerts.until(lambda: counted(alerts.metrics, "alert_deliveries", outcome="refused") == 2, "two attempts")
        assert queues(tmp_path)["receiver-1"].reason == f"refused: HTTP {status}"
        webhook.status = 200
        await alerts.until(lambda: webhook.titles, "the alert is delivered")
    assert webhook.titles == [HOLD]


async def test_a_mail_that_is_refused_is_retried(tmp_path: Path, both: tuple[Webhook, MailServer]) -> None:
    _, mail = both
    mail.refuse = "451 try later"
    alerts = await AlertService(tmp_path, mail.url).start()
    async with alerts.running():
        await alerts.ledger.ledger.apply(CLOCK.place())
        await alerts.until(lambda: queues(tmp_path)["receiver-1"].attempts, "a failed attempt")
        mail.refuse = None
        await alerts.until(lambda: mail.mails, "the alert is delivered")
    assert mail.subjects == [HOLD]


async def test_no_part_of_an_address_is_logged_or_stored(
    tmp_path: Path,
    both: tuple[Webhook, MailServer],
    root_lines: list[str],
    capfd: pytest.CaptureFixture[str],
) -> None:
    webhook, _ = both
    secret = "A" * 20 + "s3cretToken"
    lines: list[Any] = []
    webhook.stop()
    alerts = await AlertService(tmp_path, webhook.url, f"slow json://127.0.0.1:9/{secret}").start()
    with capture_logs() as captured:
        async with alerts.running():
            await alerts.ledger.ledger.apply(CLOCK.place())
            await alerts.until(
                lambda: counted(alerts.metrics, "alert_deliveries", outcome="unreachable") >= 3, "attempts"
            )
        lines += captured
    shown = f"{lines}{root_lines}{''.join(capfd.readouterr())}{(tmp_path / 'alerts.json').read_text()}"
    assert "alert not delivered" in shown
    for part in (PASSWORD, PATH, secret, "operator:"):
        assert part not in shown, part


async def test_without_receivers_nothing_runs_and_it_is_stated_once(tmp_path: Path) -> None:
    alerts = await AlertService(tmp_path).start()
    with capture_logs() as lines:
        async with alerts.running():
            await alerts.pass_time(60)
    assert [line["event"] for line in lines if "alerts are off" in line["event"]] != []
    assert len(lines) == 1
    assert not (tmp_path / "alerts.json").exists()
