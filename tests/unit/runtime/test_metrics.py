from __future__ import annotations

import pytest
from prometheus_client import generate_latest

from truebook.runtime.metrics import Metrics


def text(metrics: Metrics) -> str:
    return generate_latest(metrics.registry).decode()


def test_names_follow_the_convention() -> None:
    metrics = Metrics("policy")
    metrics.count("actions", 2, reason="no_edge")
    metrics.gauge("cash_micros", 5)
    metrics.seconds("decide", 0.003)
    shown = text(metrics)
    assert 'truebook_actions_total{reason="no_edge",service="policy"} 2.0' in shown
    assert 'truebook_cash_micros{service="policy"} 5.0' in shown
    assert 'truebook_decide_seconds_count{service="policy"} 1.0' in shown


def test_the_order_in_which_labels_are_given_does_not_matter() -> None:
    metrics = Metrics("policy")
    metrics.count("failures", part="a", kind="b")
    metrics.count("failures", kind="b", part="a")
    assert metrics.total("failures", part="a", kind="b") == 2


def test_other_labels_for_the_same_name_are_a_bug() -> None:
    metrics = Metrics("policy")
    metrics.count("failures", part="a")
    with pytest.raises(ValueError, match="label"):
        metrics.count("failures", kind="b")


def test_services_of_one_process_share_the_series_and_keep_their_label() -> None:
    ingest = Metrics("ingest")
    policy = ingest.for_service("policy")
    ingest.consumed("g", 1)
    policy.consumed("g", 2)
    assert (ingest.total("consumed"), policy.total("consumed")) == (1, 2)
    assert text(ingest).count("# TYPE truebook_consumed_total") == 1


def test_totals_sum_over_the_labels_that_are_not_given() -> None:
    metrics = Metrics("execution")
    metrics.count("refused", 3, reason="cash")
    metrics.count("refused", 4, reason="hold")
    assert metrics.total("refused") == 7
    assert metrics.total("refused", reason="hold") == 4
    assert metrics.total("never_counted") == 0
