"""The daily digest: the alerts in force and the state of the account.

It is also sent when nothing is wrong: its absence shows that alerts do not work.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from truebook.alerts.conditions import Findings, Severity
from truebook.alerts.history import History
from truebook.alerts.notifications import Notification, Sort
from truebook.alerts.situation import Situation
from truebook.alerts.texts import counted, duration, moment
from truebook.alerts.thresholds import Pacing
from truebook.clock import MICROS
from truebook.money import format_dollars


def digest(
    history: History, findings: Findings, situation: Situation, now_us: int, pacing: Pacing
) -> tuple[History, Notification | None]:
    """Return the digest if it is due: once a day from its hour on, the first time on the day after the start."""
    if pacing.digest_hour is None:
        return history, None
    now = datetime.fromtimestamp(now_us / MICROS, pacing.zone)
    day = now.toordinal() if now.hour >= pacing.digest_hour else now.toordinal() - 1
    if history.digest_day is not None and day > history.digest_day:
        title, body = _text(history, findings, situation, now_us, pacing)
        number = history.number + 1
        severity = max((track.condition.severity for track in history.in_force), key=lambda each: each.value,
                       default=Severity.NOTICE)  # fmt: skip
        history = msgspec.structs.replace(history, number=number, digest_day=day, raised_since_digest=0)
        return history, Notification(
            number=number, at_us=now_us, sort=Sort.DIGEST, severity=severity, title=title, body=body
        )
    if history.digest_day is None:
        history = msgspec.structs.replace(history, digest_day=day)
    return history, None


def _text(
    history: History, findings: Findings, situation: Situation, now_us: int, pacing: Pacing
) -> tuple[str, str]:  # fmt: skip
    in_force = history.in_force
    state = f"{counted(len(in_force), 'alert')} in force" if in_force else "no alert in force"
    lines = [
        f"At {moment(now_us, pacing.zone)}: {state}, {counted(history.raised_since_digest, 'alert')} raised since the "
        "last digest.",
        *(f"- {track.condition.headline} (for {duration(now_us - track.since_us)})" for track in in_force),
        *_account(situation, pacing),
    ]
    if findings.unseen:
        lines.append(f"Not known now: {', '.join(sorted(findings.unseen))}.")
    return f"[DIGEST] {state}", "\n".join(lines)


def _account(situation: Situation, pacing: Pacing) -> list[str]:
    report = situation.account
    if report is None:
        return ["The account's values are not known: the reconciler has not reported."]
    equity = "not known" if report.equity_micros is None else format_dollars(report.equity_micros)
    lines = [
        f"Account at {moment(report.produced_us, pacing.zone)}: equity {equity}, "
        f"cash {format_dollars(report.cash_micros)}, reserved {format_dollars(report.reserved_micros)}, "
        f"{counted(report.positions, 'position')}, {counted(report.open_orders, 'open order')}, mode {report.mode}."
    ]
    if report.true_since_us is not None:
        lines.append(
            f"Every comparison of ledger and exchange agreed since {moment(report.true_since_us, pacing.zone)}."
        )
    else:
        lines.append("Ledger and exchange differ, or have not been compared yet.")
    return lines
