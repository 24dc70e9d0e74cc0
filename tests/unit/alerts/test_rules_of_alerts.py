"""Each rule: what it finds, what it leaves alone, and what it can't judge."""

from __future__ import annotations

from typing import Any

import pytest

from support.alert_situations import (
    NOW_US,
    START_US,
    account_report,
    found,
    judged,
    ledger_reading,
    service_report,
    with_service,
)
from truebook.alerts.conditions import Kind, Severity
from truebook.alerts.rules import RULES
from truebook.alerts.situation import Counted, Disk, UnknownOrder
from truebook.alerts.thresholds import HOUR_US, Thresholds
from truebook.clock import MICROS
from truebook.ledger.port import HoldView, Marks
from truebook.ledger.trading_holds import DAILY_LOSS, EXCHANGE_PAUSED, OPERATOR, WIND_DOWN
from truebook.ledger.verbs import Limits, Mode

MINUTE_US = 60 * MICROS


def hold(name: str, mode: Mode = Mode.HALTED, owner: str = "reconciler") -> HoldView:
    return HoldView(name=name, mode=mode, owner=owner)


def marks(loss_micros: int) -> Marks:
    return Marks(day=1, day_start_micros=0, peak_micros=0, last_micros=-loss_micros)


LOSS = Limits(daily_loss_micros=100_000_000)
SILENT = NOW_US - 5 * MINUTE_US

CASES: list[tuple[str, dict[str, Any], set[str]]] = [
    ("all is well", {}, set()),
    ("an unknown order", {"ledger": ledger_reading(
        unknown_orders=(UnknownOrder("tb-1", "T-1", NOW_US - 3 * MINUTE_US),))}, {"order_unknown"}),
    ("an order just sent", {"ledger": ledger_reading(
        unknown_orders=(UnknownOrder("tb-1", "T-1", NOW_US - MINUTE_US),))}, set()),
    ("a hold", {"ledger": ledger_reading(holds=(hold("clock"),))}, {"trading_hold/clock"}),
    ("a market's hold", {"ledger": ledger_reading(holds=(hold("unreadable@T-1"), hold("unreadable@T-2")))},
     {"trading_hold/unreadable"}),
    ("the hold of an orderly end", {"ledger": ledger_reading(holds=(hold(WIND_DOWN.name),))}, set()),
    ("a difference", {"account": account_report(differences=("cash: 1 and 2",))}, {"difference"}),
    ("the hold of a difference", {"ledger": ledger_reading(holds=(hold("difference"),))}, {"difference"}),
    ("a loss far from its limit", {"ledger": ledger_reading(limits=LOSS, marks=marks(50_000_000))}, set()),
    ("a loss near its limit", {"ledger": ledger_reading(limits=LOSS, marks=marks(80_000_000))}, {"loss/daily_loss"}),
    ("a limit of zero, and a gain", {"ledger": ledger_reading(
        limits=Limits(daily_loss_micros=0), marks=marks(-5))}, set()),
    ("a loss beyond its limit", {"ledger": ledger_reading(
        limits=LOSS, marks=marks(120_000_000), holds=(hold(DAILY_LOSS.name),))}, {"loss/daily_loss"}),
    ("a stale feed", {"services": with_service(
        service_report("execution", gauges={"books": 3, "books_not_fresh": 3}), "execution")}, {"stale_feed"}),
    ("a stale feed in a pause of the exchange", {"ledger": ledger_reading(holds=(hold(EXCHANGE_PAUSED.name),)),
     "services": with_service(service_report("execution", gauges={"books": 3, "books_not_fresh": 3}), "execution")},
     {"trading_hold/exchange_paused"}),
    ("no book at all", {"services": with_service(
        service_report("execution", gauges={"books": 0, "books_not_fresh": 0}), "execution")}, {"stale_feed"}),
    ("no market is selected", {"services": with_service(
        service_report("ingest", gauges={"selected_markets": 0}), "ingest")
        | {"execution": (service_report("execution", gauges={"books": 0, "books_not_fresh": 0}),)}}, set()),
    ("failures of inference", {"inference_failures": Counted(3, NOW_US - MINUTE_US)}, {"inference"}),
    ("older failures", {"inference_failures": Counted(3, NOW_US - HOUR_US)}, set()),
    ("a service is silent", {"services": with_service(service_report("policy", SILENT), "policy")},
     {"service_down/policy"}),
    ("a service was stopped", {"services": with_service(service_report("policy", stopped=True), "policy")},
     {"service_down/policy"}),
    ("a service never reported", {"services": with_service(None, "policy")}, {"service_down/policy"}),
    ("a service can't work", {"services": with_service(
        service_report("policy", not_ready=("model: refused",)), "policy")}, {"service_not_ready/policy"}),
    ("one of two can't work", {"services": with_service(service_report("policy"), "policy") | {"policy": (
        service_report("policy"), service_report("policy", instance="b", not_ready=("x",)))}}, set()),
    ("only standbys", {"services": with_service(service_report("execution", standby=True), "execution")},
     {"service_not_ready/execution"}),
    ("no order for a day", {"last_order_us": NOW_US - 25 * HOUR_US}, {"no_order"}),
    ("no order since the start", {"last_order_us": None, "watched_since_us": NOW_US - 25 * HOUR_US}, {"no_order"}),
    ("no order, but just started", {"last_order_us": NOW_US - 25 * HOUR_US, "started_us": NOW_US - 1}, set()),
    ("a full disk", {"disks": (Disk("/state", 5, 100),)}, {"disk//state"}),
    ("dead letters", {"dead_letters": {"observations (undecodable)": Counted(2, NOW_US)}}, {"dead_letters"}),
    ("the ledger is away", {"ledger_failing_since_us": NOW_US - MINUTE_US}, {"ledger_unreadable"}),
    ("nothing reports", {"reported_us": SILENT}, {"reports_missing"}),
    ("no order that could be read", {"reported_us": SILENT, "last_order_us": NOW_US - 25 * HOUR_US},
     {"reports_missing"}),
    ("nothing has reported yet", {"reported_us": None, "started_us": NOW_US - 1}, set()),
]  # fmt: skip


@pytest.mark.parametrize(("name", "changes", "keys"), CASES, ids=[case[0] for case in CASES])
def test_a_rule_finds_what_it_is_for(name: str, changes: dict[str, Any], keys: set[str]) -> None:
    assert set(found(thresholds=Thresholds(no_order_us=24 * HOUR_US), **changes)) == keys, name


def test_each_kind_has_a_rule_and_a_case() -> None:
    assert set(RULES) == set(Kind)
    assert {key.partition("/")[0] for _, _, keys in CASES for key in keys} == set(Kind)


def test_each_condition_states_what_to_do_and_no_placeholder() -> None:
    for _, changes, _ in CASES:
        for condition in judged(thresholds=Thresholds(no_order_us=24 * HOUR_US), **changes).conditions:
            assert condition.to_do.endswith("."), condition
            assert "None" not in condition.headline + condition.detail, condition
            assert "  " not in condition.headline + condition.detail, condition


LEDGER_KINDS = {Kind.ORDER_UNKNOWN, Kind.TRADING_HOLD, Kind.LOSS}
REPORT_KINDS = {Kind.SERVICE_DOWN, Kind.SERVICE_NOT_READY, Kind.STALE_FEED, Kind.INFERENCE, Kind.DEAD_LETTERS}


@pytest.mark.parametrize(
    ("changes", "unseen"),
    [
        ({}, set()),
        ({"ledger": None}, LEDGER_KINDS),
        ({"ledger": ledger_reading(opened=False)}, LEDGER_KINDS),
        ({"ledger_failing_since_us": NOW_US - 1}, LEDGER_KINDS),
        ({"ledger": ledger_reading(limits=LOSS)}, {Kind.LOSS}),
        ({"account": None}, {Kind.DIFFERENCE}),
        ({"account": account_report(differences=None)}, {Kind.DIFFERENCE}),
        ({"account": account_report(SILENT)}, {Kind.DIFFERENCE}),
        ({"reported_us": SILENT}, REPORT_KINDS),
        ({"reported_us": None, "started_us": NOW_US - 1}, {*REPORT_KINDS, Kind.REPORTS_MISSING}),
        ({"services": with_service(None, "execution")}, {Kind.STALE_FEED}),
        ({"services": with_service(service_report("ingest", SILENT), "ingest")}, {Kind.STALE_FEED}),
        ({"disks": ()}, {Kind.DISK}),
    ],
)
def test_what_can_not_be_judged_is_unseen(changes: dict[str, Any], unseen: set[Kind]) -> None:
    assert judged(**changes).unseen == unseen


@pytest.mark.parametrize(("name", "to_do"), [(OPERATOR.name, "truebook resume"), (EXCHANGE_PAUSED.name, "Nothing")])
def test_a_hold_that_is_expected_is_a_notice(name: str, to_do: str) -> None:
    [condition] = judged(ledger=ledger_reading(holds=(hold(name),))).conditions
    assert condition.severity is Severity.NOTICE
    assert to_do in condition.to_do


def test_an_unknown_hold_is_reported_as_well() -> None:
    [condition] = judged(ledger=ledger_reading(holds=(hold("of_a_later_version", owner="someone"),))).conditions
    assert condition.detail == "Owner: someone."


def test_the_words_of_an_unknown_order() -> None:
    orders = (UnknownOrder("tb-1", "T-1", START_US), UnknownOrder("tb-2", "T-2", NOW_US - 4 * MINUTE_US))
    [condition] = judged(ledger=ledger_reading(unknown_orders=orders)).conditions
    assert condition.headline == "The outcome of 2 orders is unknown since 2026-11-18 10:06:40 UTC"
    assert condition.since_us == START_US
    assert "tb-1 in T-1, tb-2 in T-2" in condition.detail


def test_a_nearly_full_disk_is_a_page() -> None:
    [condition] = judged(disks=(Disk("/state", 2, 100),)).conditions
    assert condition.severity is Severity.PAGE
