"""The commands ``truebook alerts test`` and ``list``, with real receivers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from support.alert_receivers import PASSWORD, PATH, MailServer, Webhook, receivers, text_of
from support.alert_service import AlertService
from truebook.ledger.trading_holds import CLOCK
from truebook_services.cli.__main__ import app
from truebook_services.cli.errors import UsageError


@pytest.fixture
def both() -> Iterator[tuple[Webhook, MailServer]]:
    with receivers() as started:
        yield started


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, both: tuple[Webhook, MailServer]) -> Path:
    webhook, mail = both
    written = tmp_path / "receivers.txt"
    written.write_text(f"hook {webhook.url}\nmail {mail.url}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRUEBOOK_ALERTS__RECEIVERS_FILE", str(written))
    return written


def test_a_test_message_reaches_each_receiver(file: Path, both: tuple[Webhook, MailServer]) -> None:
    webhook, mail = both
    result = CliRunner().invoke(app, ["alerts", "test"])
    assert result.exit_code == 0, result.output
    assert result.output.count("delivered") == 2
    assert webhook.titles == mail.subjects == ["Truebook: a test of the alerts"]
    assert "This receiver works." in text_of(mail.mails[0])


def test_one_that_fails_ends_with_code_1_and_no_secret(file: Path, both: tuple[Webhook, MailServer]) -> None:
    webhook, _ = both
    webhook.status = 403
    result = CliRunner().invoke(app, ["alerts", "test", "--json"])
    assert result.exit_code == 1
    outcomes = {each["receiver"]: (each["result"], each["detail"]) for each in json.loads(result.output)["receivers"]}
    assert outcomes == {"hook": ("refused", "HTTP 403"), "mail": ("delivered", "")}
    assert PASSWORD not in result.output and PATH not in result.output


def test_a_wrong_address_fails_without_a_message(file: Path) -> None:
    file.write_text(f"bad tgram://{PASSWORD}\n")
    result = CliRunner().invoke(app, ["alerts", "test", "--json"])
    assert result.exit_code == 1
    [tried] = json.loads(result.output)["receivers"]
    assert tried["result"] == "failed" and "not valid for tgram" in tried["detail"]
    assert PASSWORD not in result.output


def test_one_receiver_can_be_chosen(file: Path, both: tuple[Webhook, MailServer]) -> None:
    webhook, mail = both
    assert CliRunner().invoke(app, ["alerts", "test", "--receiver", "mail"]).exit_code == 0
    assert (len(webhook.titles), len(mail.mails)) == (0, 1)


@pytest.mark.parametrize(("arguments", "message"), [
    (["--receiver", "nope"], "no receiver is named 'nope'; there are hook, mail"),
    ([], "no receivers"),
])  # fmt: skip
def test_what_can_not_be_tried_is_a_usage_error(
    file: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], message: str
) -> None:
    if not arguments:
        monkeypatch.delenv("TRUEBOOK_ALERTS__RECEIVERS_FILE")
    result = CliRunner().invoke(app, ["alerts", "test", *arguments])
    assert isinstance(result.exception, UsageError)
    assert message in str(result.exception)


async def test_the_list_shows_what_is_in_force_and_what_waits(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, both: tuple[Webhook, MailServer]
) -> None:
    webhook, mail = both
    mail.stop()
    state = tmp_path / ".truebook" / "sim-main-simulated"
    state.mkdir(parents=True)
    unknown = CliRunner().invoke(app, ["alerts", "list"])
    assert "alerts in force: not known" in unknown.output
    assert json.loads(CliRunner().invoke(app, ["alerts", "list", "--json"]).output)["in_force"] is None
    alerts = await AlertService(state, f"hook {webhook.url}", f"mail {mail.url}").start()
    async with alerts.running():
        await alerts.ledger.ledger.apply(CLOCK.place())
        await alerts.until(lambda: webhook.titles, "the alert")
        await alerts.until(lambda: '"unreachable' in (state / "alerts.json").read_text(), "a failed attempt")
    shown = json.loads(CliRunner().invoke(app, ["alerts", "list", "--json"]).output)
    assert [each["key"] for each in shown["in_force"]] == ["trading_hold/clock"]
    waiting = {each["receiver"]: each["waiting"] for each in shown["receivers"]}
    assert waiting == {"hook": 0, "mail": 1}
    table = CliRunner().invoke(app, ["alerts", "list"]).output
    assert "unreachable" in table and "Trading is halted" in table
