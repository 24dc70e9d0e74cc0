"""Each kind of condition, from the bus and the ledger to a webhook: raised, held while unseen, and over."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from support.alert_receivers import Webhook
from support.alert_service import AlertService
from support.samples import decisions_counted
from truebook.files import PART
from truebook.messages.reasons import Reason
from truebook.messages.topics import REFUSALS
from truebook_services.alerts.store import DAMAGED, FILE


@pytest.fixture
def webhook() -> Iterator[Webhook]:
    started = Webhook().start()
    yield started
    started.stop()


async def test_a_service_that_dies_and_returns(tmp_path: Path, webhook: Webhook) -> None:
    alerts = await AlertService(tmp_path, webhook.url).start()
    async with alerts.running():
        await alerts.pass_time(10)
        alerts.silent.add("policy")
        await alerts.until(lambda: webhook.titles, "the alert")
        alerts.silent.clear()
        await alerts.until(lambda: len(webhook.titles) == 2, "the all-clear")
    assert webhook.titles == [
        "[PAGE] policy does not run, or can't reach Kafka",
        "[OVER] policy does not run, or can't reach Kafka",
    ]


async def test_a_silent_bus_is_one_alert_and_no_all_clear(tmp_path: Path, webhook: Webhook) -> None:
    alerts = await AlertService(tmp_path, webhook.url).start()
    async with alerts.running():
        alerts.silent.add("policy")
        await alerts.until(lambda: len(webhook.titles) == 1, "policy is down")
        alerts.silent = set(alerts.changes) | {
            "ingest", "observation", "policy", "execution", "fill_listener", "reconciler",
        }  # fmt: skip
        await alerts.until(lambda: len(webhook.titles) == 2, "nothing reports")
        await alerts.pass_time(120)
        assert len(webhook.titles) == 2
        assert webhook.titles[1].startswith("[PAGE] No service has reported since")
        alerts.silent.clear()
        await alerts.until(lambda: len(webhook.titles) == 4, "both are over")
    assert all(title.startswith("[OVER]") for title in webhook.titles[2:])


async def test_a_ledger_that_is_away_from_the_start(tmp_path: Path, webhook: Webhook) -> None:
    alerts = await AlertService(tmp_path, webhook.url).start()
    alerts.ledger.is_away = True
    async with alerts.running():
        await alerts.until(lambda: webhook.titles, "the alert")
        assert webhook.titles[0].startswith("[PAGE] The ledger can't be read since 20")
        assert "It was not read before" in webhook.received[0]["message"]
        alerts.ledger.is_away = False
        await alerts.until(lambda: len(webhook.titles) == 2, "the all-clear")


async def test_a_difference_and_a_stale_feed(tmp_path: Path, webhook: Webhook) -> None:
    alerts = await AlertService(tmp_path, webhook.url).start()
    async with alerts.running():
        alerts.account["differences"] = ("position of T-1: ledger 3, exchange 4",)
        alerts.changes["execution"] = {"gauges": {"books": 3, "books_not_fresh": 3}}
        await alerts.until(lambda: len(webhook.titles) == 2, "both alerts")
    assert {title.partition(",")[0] for title in webhook.titles} == {
        "[PAGE] Ledger and exchange differ in 1 place", "[PAGE] No order book is fresh",
    }  # fmt: skip
    assert any("position of T-1: ledger 3, exchange 4" in each["message"] for each in webhook.received)


async def test_a_model_that_fails_to_decide(tmp_path: Path, webhook: Webhook) -> None:
    alerts = await AlertService(tmp_path, webhook.url).start()
    async with alerts.running():
        now_us = alerts.clock.now_us()
        idle = decisions_counted(until_us=now_us)
        await alerts.publish(REFUSALS, idle, idle.ticker)
        await alerts.pass_time(5)
        assert not webhook.titles, "doing nothing is no failure"
        failed = msgspec.structs.replace(idle, counts={Reason.NO_ACTION: 2, Reason.INFERENCE_FAILED: 3})
        await alerts.publish(REFUSALS, failed, failed.ticker)
        await alerts.until(lambda: webhook.titles, "the alert")
    assert webhook.titles == ["[PAGE] The model could not decide 3 observations"]


async def test_no_order_for_too_long_counts_over_a_restart(tmp_path: Path, webhook: Webhook) -> None:
    alerts = await AlertService(tmp_path, webhook.url, no_order_s=600).start()
    async with alerts.running():
        await alerts.send_order()
        await alerts.pass_time(270)
    async with alerts.running():
        await alerts.pass_time(270)
        assert webhook.titles == []
        await alerts.until(lambda: webhook.titles, "the alert")
        assert webhook.titles == ["[NOTICE] No order was sent for 10 min"]
        await alerts.send_order()
        await alerts.until(lambda: len(webhook.titles) == 2, "the all-clear")


async def test_a_day_ends_with_a_digest(tmp_path: Path, webhook: Webhook) -> None:
    alerts = await AlertService(tmp_path, webhook.url, no_order_s=None, digest_hour=23).start()
    alerts.clock.set(int(datetime(2026, 12, 1, 22, 59, 50, tzinfo=UTC).timestamp() * 1e6))
    async with alerts.running():
        await alerts.until(lambda: webhook.titles, "the digest")
    assert webhook.titles == ["[DIGEST] no alert in force"]
    assert "equity $998.77" in webhook.received[0]["message"]


async def test_a_damaged_state_is_set_aside(tmp_path: Path, webhook: Webhook) -> None:
    (tmp_path / FILE).write_text('{"history": 5')
    alerts = await AlertService(tmp_path, webhook.url).start()
    async with alerts.running():
        alerts.silent.add("policy")
        await alerts.until(lambda: webhook.titles, "the alert")
    assert (tmp_path / (FILE + DAMAGED)).read_text() == '{"history": 5'


async def test_a_state_that_can_not_be_written_ends_nothing(tmp_path: Path, webhook: Webhook) -> None:
    (tmp_path / (FILE + PART)).mkdir()
    alerts = await AlertService(tmp_path, webhook.url).start()
    async with alerts.running():
        alerts.silent.add("policy")
        await alerts.until(lambda: webhook.titles, "the alert")
    assert len(webhook.titles) == 1
