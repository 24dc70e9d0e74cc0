"""A healthy situation for the rules of alerts, and its parts to change."""

from __future__ import annotations

from typing import Any

import msgspec

from support.samples import envelope
from truebook.alerts.conditions import Findings
from truebook.alerts.rules import evaluate
from truebook.alerts.situation import Disk, LedgerReading, Situation
from truebook.alerts.thresholds import Thresholds
from truebook.clock import MICROS
from truebook.ledger.verbs import Limits
from truebook.messages.accounts import AccountReported
from truebook.messages.services import ServiceReported

NOW_US = 1_795_000_000_000_000
START_US = NOW_US - 3_600 * MICROS
SERVICES = Thresholds().services
GAUGES = {"ingest": {"selected_markets": 3}, "execution": {"books": 3, "books_not_fresh": 1}}


def service_report(service: str, at_us: int = NOW_US, **changes: Any) -> ServiceReported:
    """A report of a service that works, valid for 15 s."""
    fields: dict[str, Any] = {
        "service": service, "instance": f"host-{service}", "version": "0.1.0", "started_us": START_US,
        "valid_us": at_us + 15 * MICROS, "not_ready": (), "standby": False, "gauges": GAUGES.get(service, {}),
    }  # fmt: skip
    return ServiceReported(**envelope(ticker="", produced_us=at_us), **fields | changes)


def account_report(at_us: int = NOW_US, **changes: Any) -> AccountReported:
    """A report of an account that agrees with the exchange."""
    fields: dict[str, Any] = {
        "ledger_seq": 7, "opened": True, "mode": "running", "holds": (), "deposits_micros": 1_000_000_000,
        "cash_micros": 900_500_000, "overdrawn_micros": 0, "reserved_micros": 12_340_000,
        "position_cost_micros": 80_000_000, "positions": 2, "open_orders": 1, "equity_micros": 998_765_000,
        "valued_us": at_us, "realized_micros": 0, "unrealized_micros": 0, "fees_micros": 0,
        "conservation_error_micros": 0, "differences": (), "compared_us": at_us, "true_since_us": START_US,
        "unknown_orders": 0, "unknown_since_us": None, "daily_loss_micros": None, "drawdown_micros": None,
    }  # fmt: skip
    return AccountReported(**envelope(ticker="", produced_us=at_us), **fields | changes)


def ledger_reading(**changes: Any) -> LedgerReading:
    fields: dict[str, Any] = {"read_us": NOW_US, "opened": True, "limits": Limits()}
    return LedgerReading(**fields | changes)


def situation(**changes: Any) -> Situation:
    """Everything is well."""
    fields: dict[str, Any] = {
        "started_us": START_US, "watched_since_us": START_US, "ledger": ledger_reading(),
        "services": {service: (service_report(service),) for service in SERVICES}, "reported_us": NOW_US,
        "account": account_report(), "last_order_us": NOW_US - 60 * MICROS, "disks": (Disk("/state", 50, 100),),
    }  # fmt: skip
    return Situation(**fields | changes)


def found(now_us: int = NOW_US, thresholds: Thresholds | None = None, **changes: Any) -> dict[str, str]:
    """Judge a changed situation: key -> headline of each condition."""
    findings = judged(now_us, thresholds, **changes)
    return {condition.key: condition.headline for condition in findings.conditions}


def judged(now_us: int = NOW_US, thresholds: Thresholds | None = None, **changes: Any) -> Findings:
    return evaluate(situation(**changes), thresholds or Thresholds(), now_us)


def with_service(report: ServiceReported | None, service: str) -> dict[str, tuple[ServiceReported, ...]]:
    """The services of a healthy system with one of them replaced."""
    healthy = {name: (service_report(name),) for name in SERVICES}
    return healthy | {service: () if report is None else (report,)}


def changed(report: Any, **changes: Any) -> Any:
    return msgspec.structs.replace(report, **changes)
