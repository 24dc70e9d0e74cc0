"""The rules about the services and the market data, from what the services report about themselves.

A service whose reports are missing is down, or can't reach the bus. Where the reports of all services are missing the
bus can't be read: this is one alert, and the rules that need these reports can't be judged.
"""

from __future__ import annotations

from collections.abc import Sequence

from truebook.alerts.conditions import Condition, Kind, Severity
from truebook.alerts.situation import Situation
from truebook.alerts.texts import counted, listed, moment
from truebook.alerts.thresholds import Thresholds
from truebook.ledger.trading_holds import EXCHANGE_PAUSED
from truebook.messages.services import ServiceReported


def reports_missing(situation: Situation, thresholds: Thresholds, now_us: int) -> list[Condition] | None:
    """No service reports: the bus can't be read, or nothing runs."""
    if _has_reports(situation, thresholds, now_us):
        return []
    since_us = max(situation.reported_us or 0, situation.started_us)
    if now_us - since_us < thresholds.service_down_us:
        return None
    return [
        Condition(
            kind=Kind.REPORTS_MISSING,
            severity=Severity.PAGE,
            headline=f"No service has reported since {moment(since_us, thresholds.zone)}",
            detail="Kafka can't be reached, or no service runs. Until reports are received, the state of services, "
            "market data and the comparison with the exchange are not known: no all-clear is sent for them.",
            to_do="Check Kafka and the services: `truebook doctor`, `docker compose ps` or `kubectl get pods`.",
            since_us=since_us,
        )
    ]


def service_down(situation: Situation, thresholds: Thresholds, now_us: int) -> list[Condition] | None:
    """A service does not report any more."""
    if not _has_reports(situation, thresholds, now_us):
        return None
    found = []
    for service in thresholds.services:
        reports = situation.services.get(service, ())
        if _live(reports, now_us):
            continue
        newest = max(reports, key=lambda report: report.produced_us, default=None)
        since_us = situation.started_us if newest is None else newest.produced_us
        if newest is None:
            detail = "It has not reported yet."
        else:
            end = "It was stopped in order at" if newest.stopped else "Its last report is from"
            detail = f"{end} {moment(newest.produced_us, thresholds.zone)}."
        found.append(
            Condition(
                kind=Kind.SERVICE_DOWN,
                subject=service,
                severity=Severity.PAGE,
                headline=f"{service} does not run, or can't reach Kafka",
                detail=detail,
                to_do="Read its log: a service that exits states the reason in its last line. Then start it again.",
                since_us=since_us,
                after_us=thresholds.service_down_us,
            )
        )
    return found


def service_not_ready(situation: Situation, thresholds: Thresholds, now_us: int) -> list[Condition] | None:
    """A service runs and can't work; of several processes none can."""
    if not _has_reports(situation, thresholds, now_us):
        return None
    found = []
    for service in thresholds.services:
        live = _live(situation.services.get(service, ()), now_us)
        if not live or any(not report.not_ready and not report.standby for report in live):
            continue
        reasons = sorted({reason for report in live for reason in report.not_ready})
        if not reasons:
            reasons = ["every process of it waits for the lease of another one"]
        found.append(
            Condition(
                kind=Kind.SERVICE_NOT_READY,
                subject=service,
                severity=Severity.PAGE,
                headline=f"{service} runs and can't work",
                detail=f"It reports: {listed(reasons, 3)}.",
                to_do="It continues automatically when what it waits for is back: check that first.",
                after_us=thresholds.service_not_ready_us,
            )
        )
    return found


def stale_feed(situation: Situation, thresholds: Thresholds, now_us: int) -> list[Condition] | None:
    """Markets are selected and execution has no fresh book of any of them."""
    selected = _gauge(situation, "ingest", "selected_markets", now_us)
    books = _gauge(situation, "execution", "books", now_us)
    not_fresh = _gauge(situation, "execution", "books_not_fresh", now_us)
    if not _has_reports(situation, thresholds, now_us) or selected is None:
        return None
    if selected == 0:
        return []
    if books is None or not_fresh is None:
        return None
    if books > not_fresh or _is_paused(situation):
        return []
    return [
        Condition(
            kind=Kind.STALE_FEED,
            severity=Severity.PAGE,
            headline=f"No order book is fresh, and {counted(selected, 'market')} "
            f"{'is' if selected == 1 else 'are'} selected",
            detail="No order is sent on a stale order book.",
            to_do="Check the log of `ingest` and the network to the exchange: `truebook doctor`, `truebook why`.",
            after_us=thresholds.stale_feed_us,
        )
    ]


def inference(situation: Situation, thresholds: Thresholds, now_us: int) -> list[Condition] | None:
    """The model fails or was refused."""
    failures = situation.inference_failures
    if not failures.count or now_us - failures.newest_us > thresholds.window_us:
        return [] if _has_reports(situation, thresholds, now_us) else None
    return [
        Condition(
            kind=Kind.INFERENCE,
            severity=Severity.PAGE,
            headline=f"The model could not decide {counted(failures.count, 'observation')}",
            detail=f"The last one at {moment(failures.newest_us, thresholds.zone)}. No action is taken on them.",
            to_do="The log of `policy` has the reason; `truebook models rollback` switches to the previous model.",
        )
    ]


def dead_letters(situation: Situation, thresholds: Thresholds, now_us: int) -> list[Condition] | None:
    """Messages could not be used."""
    recent = {
        name: counted_
        for name, counted_ in sorted(situation.dead_letters.items())
        if now_us - counted_.newest_us <= thresholds.window_us
    }
    if not recent:
        return [] if _has_reports(situation, thresholds, now_us) else None
    return [
        Condition(
            kind=Kind.DEAD_LETTERS,
            severity=Severity.NOTICE,
            headline=f"{counted(sum(each.count for each in recent.values()), 'message')} could not be used",
            detail=listed([f"{each.count} from {name}" for name, each in recent.items()]) + ".",
            to_do="`truebook dead-letters` lists them with their reasons; the rest continues.",
        )
    ]


def _is_paused(situation: Situation) -> bool:
    """Whether the exchange has paused trading, which stops its market data as well."""
    return situation.ledger is not None and any(hold.name == EXCHANGE_PAUSED.name for hold in situation.ledger.holds)


def _has_reports(situation: Situation, thresholds: Thresholds, now_us: int) -> bool:
    reported_us = situation.reported_us
    return reported_us is not None and now_us - reported_us < thresholds.service_down_us


def _live(reports: Sequence[ServiceReported], now_us: int) -> list[ServiceReported]:
    return [report for report in reports if not report.stopped and now_us < report.valid_us]


def _gauge(situation: Situation, service: str, name: str, now_us: int) -> int | None:
    """Return the sum of a gauge over the live, active processes of a service; None if none of them reports it."""
    reports = _live(situation.services.get(service, ()), now_us)
    values = [report.gauges[name] for report in reports if not report.standby and name in report.gauges]
    return sum(values) if values else None
