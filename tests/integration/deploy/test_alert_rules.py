"""Alerts fire when they should; alerts and boards query only metrics that the metric table declares."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from support.prometheus import IMAGE, board_queries
from truebook.runtime.metric_table import METRICS, MetricKind

ROOT = Path(__file__).parents[3]
FOLDER = ROOT / "deploy/prometheus"
SUFFIXES = {MetricKind.DURATION: ("_bucket", "_count", "_sum")}


def promtool(*arguments: str) -> str:
    """Run promtool on the folder: the machine's own, else that of Prometheus's image, else skip."""
    if shutil.which("promtool"):
        command = ["promtool", *arguments]
        folder: Path | None = FOLDER
    elif (
        shutil.which("docker")
        and not subprocess.run(["docker", "image", "inspect", IMAGE], capture_output=True).returncode
    ):
        command = ["docker", "run", "--rm", "--network", "none", "-v", f"{FOLDER}:/rules:ro", "-w", "/rules"]
        command += ["--entrypoint", "promtool", IMAGE, *arguments]
        folder = None
    else:
        pytest.skip(f"neither promtool nor the image {IMAGE} is here")
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def alerts() -> Iterator[tuple[str, str]]:
    for group in yaml.safe_load((FOLDER / "rules/truebook.yml").read_text())["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]


def declared() -> set[str]:
    """Return the names of all series that ``metric_table`` declares, and Prometheus's own ``up``."""
    return {"up"} | {metric.exposed + end for metric in METRICS for end in SUFFIXES.get(metric.kind, ("",))}


@pytest.mark.containers
def test_the_configuration_is_valid() -> None:
    assert "SUCCESS" in promtool("check", "config", "prometheus.yml")


@pytest.mark.containers
def test_each_alert_fires_on_what_it_is_for() -> None:
    assert "SUCCESS" in promtool("test", "rules", "tests/alerts.yml")


def test_each_alert_is_tested_to_fire_and_has_a_passage_of_what_to_do() -> None:
    tests = yaml.safe_load((FOLDER / "tests/alerts.yml").read_text())["tests"]
    fired = {case["alertname"] for test in tests for case in test["alert_rule_test"] if case.get("exp_alerts")}
    manual = (ROOT / "docs/operations.md").read_text()
    for name, _ in alerts():
        assert name in fired, name
        assert f"`{name}`" in manual, name


def test_an_absent_service_fires_an_alert() -> None:
    """Every service whose metrics the rules compare: a comparison with an absent series is never true."""
    expressions = dict(alerts())
    absent = re.findall(r'absent\((\w+)\{service="(\w+)"\}\)', expressions["ServiceMissing"])
    exposed = {metric.exposed + end: metric for metric in METRICS for end in SUFFIXES.get(metric.kind, ("",))}
    assert all(exposed[name].service == service for name, service in absent), absent
    assert {service for _, service in absent} == {metric.service for metric in METRICS if metric.service}


def test_alerts_and_boards_query_declared_metrics_only() -> None:
    known = declared()
    queries = [*alerts(), *board_queries()]
    assert len(queries) > 40
    for where, expression in queries:
        for name in re.findall(r"\b(?:truebook_\w+|up)\b", re.sub(r'"[^"]*"', "", expression)):
            assert name in known, (where, name)


@pytest.mark.parametrize(
    ("what", "series"),
    [
        ("latency per stage", ("tick_to_observation", "tick_to_decision", "tick_to_order", "tick_to_acknowledgement")),
        ("latency of fills", ("fill_to_ledger",)),
        ("lag", ("consumer_lag_records",)),
        ("staleness", ("books_invalidated", "books_not_fresh", "oldest_book")),
        ("refusals by reason", ("observations_refused", "decisions", "order_events")),
        ("money", ("ledger_cash", "ledger_reserved", "ledger_exposure", "ledger_fees")),
        ("reconciliation", ("ledger_differences", "ledger_conservation_error", "reconciler_repairs")),
        ("unknown orders by age", ("ledger_unknown_orders_by_age", "ledger_oldest_unknown_order")),
        ("throttle and breaker", ("throttle_wait", "throttled_sides", "open_breakers")),
        ("rate limit", ("rate_budget_ratio",)),
    ],
)
def test_the_boards_show(what: str, series: tuple[str, ...]) -> None:
    queries = " ".join(expression for _, expression in board_queries())
    assert [name for name in series if f"truebook_{name}" not in queries] == [], what


def test_boards_have_ids_of_their_own_and_one_data_source() -> None:
    boards = [json.loads(file.read_text()) for file in sorted((ROOT / "deploy/grafana/boards").glob("*.json"))]
    assert len({board["uid"] for board in boards}) == len(boards) > 0
    [source] = yaml.safe_load((ROOT / "deploy/grafana/provisioning/datasources/prometheus.yml").read_text())[
        "datasources"
    ]
    for board in boards:
        used = {target["datasource"]["uid"] for panel in board["panels"] for target in panel.get("targets", ())}
        assert used == {source["uid"]}
        assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
