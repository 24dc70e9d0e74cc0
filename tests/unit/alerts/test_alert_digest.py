"""The daily digest: once a day, at its hour, also when nothing is wrong, and nothing invented."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

from support.alert_situations import judged, situation
from truebook.alerts.conditions import Findings
from truebook.alerts.digest import digest
from truebook.alerts.history import History, advance
from truebook.alerts.notifications import Notification
from truebook.alerts.situation import Disk, Situation
from truebook.alerts.thresholds import Pacing

ZONE = ZoneInfo("America/New_York")
PACING = Pacing(digest_hour=8, zone=ZONE)


def at(day: int, hour: int, minute: int = 0) -> int:
    return int(datetime(2026, 12, day, hour, minute, tzinfo=ZONE).timestamp() * 1e6)


def run(history: History, now_us: int, of: Situation | None = None) -> tuple[History, Notification | None]:
    return digest(history, Findings(), of or situation(), now_us, PACING)


def test_the_digest_is_sent_once_a_day_from_its_hour_on() -> None:
    history, first = run(History(), at(1, 10))
    assert first is None, "started after the hour: the first digest is tomorrow's"
    history, early = run(history, at(2, 7, 59))
    assert early is None
    history, due = run(history, at(2, 8))
    assert due is not None and due.number == 1
    history, again = run(history, at(2, 8, 1))
    assert again is None
    history, late = run(history, at(4, 15))
    assert late is not None, "a process that was down at the hour sends it late"
    assert run(history, at(4, 16))[1] is None


def test_a_start_before_the_hour_sends_it_on_the_same_day() -> None:
    history, _ = run(History(), at(1, 7))
    assert run(history, at(1, 8))[1] is not None


def test_no_digest_where_it_is_switched_off() -> None:
    history = History(digest_day=1)
    assert digest(history, Findings(), situation(), at(2, 9), Pacing(digest_hour=None)) == (history, None)


def test_the_digest_names_alerts_account_and_what_is_not_known() -> None:
    findings = judged(ledger=None, disks=(Disk("/state", 5, 100),))
    history, _ = advance(History(digest_day=1), findings, at(2, 9), PACING)
    _, due = digest(history, findings, situation(), at(2, 9), PACING)
    assert due is not None
    assert due.title == "[DIGEST] 1 alert in force"
    assert "- The disk under /state has 5 % left (0.0 MiB) (for 0 s)" in due.body
    assert "equity $998.77, cash $900.50, reserved $12.34, 2 positions, 1 open order, mode running" in due.body
    assert "Not known now: loss, order_unknown, trading_hold." in due.body


def test_an_account_that_never_reported_is_not_known() -> None:
    _, due = run(History(digest_day=1), at(2, 9), situation(account=None))
    assert due is not None and "The account's values are not known" in due.body
