from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import generate_latest

from support.metrics import counted
from truebook.messages.reasons import Reason
from truebook.runtime.metric_table import BY_NAME, METRICS, MetricKind
from truebook.runtime.metrics import Metrics, UndeclaredMetric

ROOT = Path(__file__).parents[3]
KINDS = {"count": MetricKind.COUNTER, "gauge": MetricKind.GAUGE, "seconds": MetricKind.DURATION}
OPTIONAL = {"amount"}


def text(metrics: Metrics) -> str:
    return generate_latest(metrics.registry).decode()


def uses() -> Iterator[tuple[str, MetricKind, set[str]]]:
    """Every call in the product that sets a metric: its name (up to the first placeholder), kind and labels."""
    for folder in ("libs", "services"):
        for path in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args):
                    continue
                if node.func.attr not in KINDS or "metrics" not in f"{path.name} {ast.unparse(node.func.value)}":
                    continue
                labels = {keyword.arg or "**" for keyword in node.keywords} - OPTIONAL
                match node.args[0]:
                    case ast.Constant(value=str(name)):
                        yield name, KINDS[node.func.attr], labels
                    case ast.JoinedStr(values=[ast.Constant(value=str(start)), *_]):
                        yield f"{start}*", KINDS[node.func.attr], labels


def test_a_counter_a_gauge_and_a_duration_are_exposed() -> None:
    metrics = Metrics("policy")
    metrics.count("decisions", 2, reason="no_edge")
    metrics.gauge("ledger_cash_micros", 5)
    metrics.seconds("decision", 0.003)
    shown = text(metrics)
    assert 'truebook_decisions_total{reason="no_edge",service="policy"} 2.0' in shown
    assert 'truebook_ledger_cash_micros{service="policy"} 5.0' in shown
    assert 'truebook_decision_seconds_count{service="policy"} 1.0' in shown
    assert f"# HELP truebook_decisions_total {BY_NAME['decisions'].help}" in shown


def test_counters_with_known_labels_start_at_zero() -> None:
    ingest = Metrics("ingest")
    assert f'truebook_books_invalidated_total{{reason="{Reason.SEQUENCE_GAP}",service="ingest"}} 0.0' in text(ingest)
    assert 'truebook_frames_repeated_total{service="ingest"} 0.0' in text(ingest)
    assert "truebook_selected_markets{" not in text(ingest), "a gauge not yet set is unknown"
    assert 'truebook_tick_to_decision_seconds_count{service="policy"} 0.0' in text(ingest.for_service("policy"))
    assert "truebook_frames_repeated_total{" not in text(Metrics("policy"))


def test_the_order_of_labels_does_not_matter() -> None:
    metrics = Metrics("policy")
    metrics.count("failures", component="a", kind="b")
    metrics.count("failures", kind="b", component="a")
    assert counted(metrics, "failures", component="a", kind="b") == 2


def test_undeclared_names_kinds_and_labels_are_refused() -> None:
    metrics = Metrics("policy")
    with pytest.raises(UndeclaredMetric, match="nonsense"):
        metrics.count("nonsense")
    with pytest.raises(UndeclaredMetric, match="gauge"):
        metrics.gauge("failures", 1)
    with pytest.raises(UndeclaredMetric, match="labels"):
        metrics.count("failures", kind="b")
    assert metrics.registry.get_sample_value("truebook_failures_total") is None


def test_services_of_one_process_share_series_by_label() -> None:
    ingest = Metrics("ingest")
    policy = ingest.for_service("policy")
    ingest.count("records_consumed", 1, group="g")
    policy.count("records_consumed", 2, group="g")
    assert (counted(ingest, "records_consumed"), counted(policy, "records_consumed")) == (1, 2)
    assert text(ingest).count("# TYPE truebook_records_consumed_total") == 1


def test_totals_sum_over_labels_that_are_not_given() -> None:
    metrics = Metrics("execution")
    assert counted(metrics, "decisions") == 0
    metrics.count("decisions", 3, reason="cash")
    metrics.count("decisions", 4, reason="hold")
    assert counted(metrics, "decisions") == 7
    assert counted(metrics, "decisions", reason="hold") == 4


def test_each_use_in_the_product_is_declared() -> None:
    for name, kind, labels in uses():
        if not name.endswith("*"):
            metric = BY_NAME[name]
            assert (metric.kind, set(metric.labels)) == (kind, labels), name


def test_each_declared_metric_is_used() -> None:
    used = {name for name, _, _ in uses()}
    starts = tuple(name.rstrip("*") for name in used if name.endswith("*"))
    assert [metric.name for metric in METRICS if metric.name not in used and not metric.name.startswith(starts)] == []


def test_names_and_help_texts_follow_the_conventions() -> None:
    assert len({metric.exposed for metric in METRICS}) == len(METRICS)
    for metric in METRICS:
        assert metric.help[0].isupper() and not metric.help.endswith(".") and metric.unit, metric
        assert "ticker" not in metric.labels, metric
        if metric.kind is MetricKind.GAUGE and metric.unit in ("seconds", "micro-dollars", "ratio", "records"):
            assert metric.name.endswith(("_seconds", "_micros", "_ratio", "_records")), metric
